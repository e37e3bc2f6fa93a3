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

// applicationData takes a record whose size is the fact: those of the innermost
// TLS. What holds another session's records says nothing of its own.
func (l *tlsLayer) applicationData(f *Flow, s Segment, r tlswire.Record) {
	switch {
	case l.handshakeData(f, s, r):
	case f.session == l.facts:
		l.sized(f, s, r.Length)
	default:
		l.facts.Records[s.Direction.index()]++
	}
}

// sized takes the length of an application data record's fragment.
func (l *tlsLayer) sized(f *Flow, s Segment, fragment int) {
	l.records++
	l.facts.Records[s.Direction.index()]++
	size, exact, ok := l.plaintextSize(fragment)
	if !ok { // lengths say nothing: there is no set-up to search for
		f.note(onCount)
		if f.detection.Verdict == VerdictCleared && !l.facts.Opened {
			f.close()
		}
		l.giveUp(f)
		return
	}
	l.facts.SizesExact = exact
	happened := onCount
	if size.Hi > 0 {
		if f.idle.add(s.Direction, size, s.Time) {
			happened |= onIdle
		}
		if !f.obs.Midstream && f.dialogue.add(s.Direction, size, f.rules.settings.Window) {
			happened |= onRecordOf(s.Direction)
		}
	}
	f.note(happened)
	if f.detection.Verdict == VerdictCleared && f.decided() {
		f.close()
	}
	l.giveUp(f)
}

// giveUp lets a flow go that showed nothing for long.
func (l *tlsLayer) giveUp(f *Flow) {
	if l.records >= maxUndecided && !l.facts.Opened {
		f.close()
	}
}

// handshakeData says that a TLS 1.3 record that looks like application data
// belongs to the handshake: early data, the server's flight, the client's up
// to its Finished, whose length the suite's hash gives (RFC 8446, Section
// 4.4.4), and session tickets before the client first speaks.
func (l *tlsLayer) handshakeData(f *Flow, s Segment, r tlswire.Record) bool {
	if !l.tls13() {
		return false
	}
	side := &l.sides[s.Direction.index()]
	if s.Direction == ServerToClient {
		side.early++
		l.endFlight(f, s)
		if !f.obs.Seen[0] || len(f.dialogue.pieces) > 0 {
			return false
		}
		// Any number of tickets may come before the client speaks: what a
		// server of another protocol says first cannot be told from them.
		if l.sides[0].finished {
			l.records++
			l.giveUp(f)
		}
		return true
	}
	if side.finished {
		return false
	}
	if l.facts.ServerHello || !f.obs.Seen[1] {
		side.early++
	}
	side.finished = l.isFinished(r.Length) || side.early >= maxFlight
	if side.finished {
		l.flight = nil
	} else if l.facts.ServerHello && l.sides[1].early > 0 {
		l.flight = append(l.flight, uint16(r.Length))
	}
	return true
}

// endFlight ends the client's flight where the server speaks behind it and none
// of its records can be the Finished: that has no record of its own where a
// stack joins it with the client's certificate, in front of all that the client
// says. What came behind it was application data.
func (l *tlsLayer) endFlight(f *Flow, s Segment) {
	if len(l.flight) == 0 {
		return
	}
	said := l.flight[1:]
	l.flight, l.sides[0].finished = nil, true
	s.Direction = ClientToServer
	for _, n := range said {
		if !f.closed {
			l.sized(f, s, int(n))
		}
	}
}

// isFinished says that a TLS 1.3 record can hold a Finished message alone.
func (l *tlsLayer) isFinished(fragment int) bool {
	overhead := 4 + 1 + 16 // handshake header, content type, tag
	if l.facts.ServerHello {
		if n, _, ok := tlswire.PlaintextRange(l.facts.Version, l.suite, false, fragment); ok {
			overhead = 4 + fragment - n
		}
	}
	sha256, sha384 := fragment == overhead+32, fragment == overhead+48
	switch l.suite.PRF {
	case tlswire.HashSHA256:
		return sha256
	case tlswire.HashSHA384:
		return sha384
	default: // the suite is not known
		return sha256 || sha384
	}
}

func (l *tlsLayer) tls13() bool {
	if l.facts.ServerHello {
		return l.facts.Version >= tlswire.VersionTLS13
	}
	return l.facts.Hello && !l.legacyClient && l.finishedLen == 0
}

// plaintextSize gives what the length of a record's fragment tells of its
// plaintext.
func (l *tlsLayer) plaintextSize(fragment int) (s Size, exact, ok bool) {
	if l.facts.ServerHello {
		lo, hi, ok := tlswire.PlaintextRange(l.facts.Version, l.suite, l.facts.EncryptThenMAC, fragment)
		return Size{lo, hi}, l.suite.Cipher.BlockLen() == 0, ok
	}
	overhead := 0
	switch {
	case l.tls13():
		overhead = 1 + 16
	case l.finishedLen == 4+12+24: // AES-GCM, AES-CCM (RFC 5288, Section 3)
		overhead = 24
	case l.finishedLen == 4+12+16: // ChaCha20-Poly1305 (RFC 7905), CCM_8
		overhead = 16
	default:
		return sizeOfAnyAEAD(fragment)
	}
	n := fragment - overhead
	return Size{n, n}, true, n >= 0
}

// sizeOfAnyAEAD gives the size where the handshake was not seen: between the
// overheads of the AEAD suites.
func sizeOfAnyAEAD(fragment int) (s Size, exact, ok bool) {
	return Size{max(0, fragment-24), fragment - 16}, false, fragment >= 16
}
