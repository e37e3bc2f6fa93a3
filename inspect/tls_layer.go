package inspect

import (
	"sstpwarden/inspect/ja4"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/inspect/tlswire"
)

// tlsLayer reads one TLS session as an observer sees it, and what is inside
// where the secrets are known.
type tlsLayer struct {
	depth  int
	sides  [2]tlsSide
	opener *tlskeys.Opener // nil without secrets
	inner  layer           // reads the plaintext
	facts  *TLSFacts
	suite  tlswire.Suite
	// legacyClient says that the client went on with a handshake that only
	// TLS 1.2 and earlier have: the version, where no ServerHello was seen.
	legacyClient bool
	// retried says that the server sent a HelloRetryRequest: TLS 1.3.
	retried bool
	// finishedLen is the fragment length of the client's encrypted Finished
	// up to TLS 1.2, which tells the cipher where no ServerHello was seen.
	finishedLen int
	// flight holds the lengths of the client's encrypted records in TLS 1.3
	// while none of them can be its Finished.
	flight  []uint16
	records int // of application data and of unknown content
}

type tlsSide struct {
	stream    tlswire.Stream
	handshake tlswire.Handshake
	changed   bool // ChangeCipherSpec was sent
	finished  bool // the TLS 1.3 handshake's records have passed
	early     int  // TLS 1.3 records that belonged to the handshake
	began     bool // a record was read
	lost      int  // plaintext bytes that were not captured or not opened
}

const (
	// maxUndecided is how many application data records a flow may have
	// before it is left alone undetermined.
	maxUndecided = 4096
	// unknownLoss stands for a number of lost bytes that is not known: more
	// than any body that is worth following.
	unknownLoss = 1 << 30
	// maxFlight is how many encrypted records a client's handshake flight
	// may have in TLS 1.3: certificate, its proof and Finished, cut small.
	maxFlight = 8
)

func newTLSLayer(f *Flow, depth int) *tlsLayer {
	l := &tlsLayer{depth: depth, facts: &TLSFacts{}}
	if depth == 1 {
		f.obs.TLS, f.outerTLS = l.facts, l
	} else {
		f.renew()
	}
	f.session = l.facts
	if f.in.keys != nil {
		l.opener = f.in.keys.NewOpener()
		l.sides[0].stream.KeepApplicationData = true
		l.sides[1].stream.KeepApplicationData = true
	}
	if f.obs.Midstream && depth == 1 {
		l.sides[0].stream.Resync()
		l.sides[1].stream.Resync()
	}
	return l
}

func (l *tlsLayer) feed(f *Flow, s Segment) {
	side := &l.sides[s.Direction.index()]
	side.stream.Feed(s.Data, s.Missing, func(r tlswire.Record) { l.record(f, s, r) })
	if l.depth == 1 && side.stream.Broken() {
		if l.records == 0 && !l.facts.Hello && !l.facts.ServerHello && f.obs.Protocol == "tls" {
			f.obs.Protocol, f.obs.TLS, f.session = "other", nil, nil
			f.note(onStream)
		}
		f.close()
	}
}

func (l *tlsLayer) record(f *Flow, s Segment, r tlswire.Record) {
	if f.closed {
		return
	}
	side := &l.sides[s.Direction.index()]
	if r.Resynced {
		side.handshake.Lose()
		if side.began {
			side.lost = unknownLoss
		}
	}
	side.began = true
	opened := l.opener != nil && l.open(f, s, r)
	if f.closed {
		return
	}
	// What an observer sees counts also where the record was opened: keys that
	// open only a part must not make less of the rest.
	switch r.Type {
	case tlswire.ContentHandshake:
		if !opened {
			l.handshakeRecord(f, s.Direction, r)
		}
	case tlswire.ContentChangeCipherSpec:
		side.changed = true
	case tlswire.ContentApplicationData:
		l.applicationData(f, s, r)
	default: // alerts and heartbeats tell nothing
	}
}

func (l *tlsLayer) handshakeRecord(f *Flow, d Direction, r tlswire.Record) {
	side := &l.sides[d.index()]
	if l.encrypted(side, r) {
		if d == ClientToServer && l.finishedLen == 0 {
			l.finishedLen = r.Length
		}
		return
	}
	if r.Damaged {
		side.handshake.Lose()
		return
	}
	side.handshake.Feed(r.Fragment, func(m tlswire.Message) { l.message(f, d, m) })
}

// secondHello says that a record behind change_cipher_spec is a ClientHello in
// clear.
func secondHello(r tlswire.Record) bool {
	m, n, err := tlswire.ParseMessage(r.Fragment)
	if err != nil || n != r.Length || m.Type != tlswire.HandshakeClientHello {
		return false
	}
	_, err = tlswire.ParseClientHello(m.Body)
	return err == nil
}

// encrypted says that a handshake record comes behind a ChangeCipherSpec that
// meant it. In TLS 1.3 both sides send one for show, also before the second
// ClientHello and the ServerHello behind a HelloRetryRequest (RFC 8446,
// Appendix D.4).
func (l *tlsLayer) encrypted(side *tlsSide, r tlswire.Record) bool {
	switch {
	case !side.changed || l.retried:
		return false
	case l.facts.ServerHello:
		return l.facts.Version < tlswire.VersionTLS13
	}
	return !secondHello(r) // nor was the HelloRetryRequest captured
}

// message takes a handshake message, in clear or opened.
func (l *tlsLayer) message(f *Flow, d Direction, m tlswire.Message) {
	switch m.Type {
	case tlswire.HandshakeClientHello:
		if h, err := tlswire.ParseClientHello(m.Body); err == nil && d == ClientToServer {
			l.clientHello(f, h)
		}
	case tlswire.HandshakeServerHello:
		h, err := tlswire.ParseServerHello(m.Body)
		switch {
		case err != nil || d != ServerToClient:
		case h.HelloRetryRequest:
			l.retried = true
		default:
			l.serverHello(f, h)
		}
	case tlswire.HandshakeEncryptedExtensions:
		if e, err := tlswire.ParseEncryptedExtensions(m.Body); err == nil && d == ServerToClient {
			l.facts.ALPN = e.ALPN
			f.note(onHello)
		}
	case tlswire.HandshakeCertificate:
		if d == ServerToClient {
			l.certificate(f, m.Body)
		}
	case tlswire.HandshakeClientKeyExchange:
		l.legacyClient = true
	default: // the others hold nothing that is asked for
	}
}

func (l *tlsLayer) clientHello(f *Flow, h *tlswire.ClientHello) {
	if l.facts.Hello {
		return // the second of a HelloRetryRequest says the same
	}
	if l.records == 0 && l.depth == 1 {
		f.obs.Midstream = false // of TCP the beginning is missing, of TLS it is not
	}
	l.facts.Hello = true
	l.facts.SNI, l.facts.ECH, l.facts.Offered = h.ServerName, h.ECH, h.ALPN
	l.facts.JA3, l.facts.JA4 = ja4.JA3(h), ja4.JA4(h)
	if l.depth == 1 {
		f.moment("tls_client_hello")
	}
	f.note(onHello)
}

func (l *tlsLayer) serverHello(f *Flow, h *tlswire.ServerHello) {
	if l.depth == 1 && !l.facts.ServerHello {
		f.moment("tls_server_hello")
	}
	l.facts.ServerHello = true
	l.facts.Version, l.facts.Suite = h.NegotiatedVersion, h.CipherSuite
	l.facts.EncryptThenMAC = h.EncryptThenMAC
	if h.NegotiatedVersion < tlswire.VersionTLS13 {
		l.facts.ALPN = h.ALPN
	}
	l.facts.JA3S = ja4.JA3S(h)
	l.suite, _ = tlswire.SuiteByID(h.CipherSuite)
	l.facts.SizesExact = l.suite.Cipher.BlockLen() == 0
	if f.session == l.facts {
		f.dialogue.tickets = h.NegotiatedVersion == tlswire.VersionTLS13
	}
	f.note(onHello)
}

func (l *tlsLayer) certificate(f *Flow, body []byte) {
	c, err := tlswire.ParseCertificate(l.facts.Version, body)
	if err != nil || len(c.Entries) == 0 {
		return
	}
	l.facts.Certificate = f.in.chains.traits(c)
	f.note(onCertificate)
}

// open gives a record to the opener and says whether it took it.
func (l *tlsLayer) open(f *Flow, s Segment, r tlswire.Record) bool {
	side := &l.sides[s.Direction.index()]
	was := l.opener.Opened()
	typ, plain, err := l.opener.Open(s.Direction == ClientToServer, r)
	if reason := l.opener.Reason(); reason != "" && !l.opener.Opened() {
		l.facts.NotOpened = reason
		l.opener = nil
		l.sides[0].stream.KeepApplicationData = false
		l.sides[1].stream.KeepApplicationData = false
		return false
	}
	if !l.opener.Opened() {
		return false
	}
	if !was {
		l.facts.Opened = true
	}
	if err != nil {
		if r.Type == tlswire.ContentApplicationData {
			if size, exact, ok := l.plaintextSize(r.Length); ok && exact {
				side.lost += size.Hi
			} else {
				side.lost = unknownLoss
			}
		}
		return true
	}
	switch typ {
	case tlswire.ContentHandshake:
		side.handshake.Feed(plain, func(m tlswire.Message) { l.message(f, s.Direction, m) })
	case tlswire.ContentApplicationData:
		l.plaintext(f, s, plain)
	default: // alerts tell nothing
	}
	return true
}

func (l *tlsLayer) plaintext(f *Flow, s Segment, plain []byte) {
	side := &l.sides[s.Direction.index()]
	if l.inner == nil {
		l.inner = &opening{depth: l.depth}
	}
	l.inner.feed(f, Segment{Direction: s.Direction, Time: s.Time, Data: plain, Missing: side.lost})
	side.lost = 0
}
