package tlskeys

import (
	"bytes"
	"fmt"
	"slices"

	"sstpwarden/inspect/tlswire"
)

// A handshake is what the last handshake of a connection said: the first one,
// or up to TLS 1.2 a later one (renegotiation).
type handshake struct {
	client *clientHello // nil if it was not captured
	server *serverHello // nil until it comes, and if it was not captured

	// messages is the messages so far, up to ClientKeyExchange: kept where an
	// RSA key may have to open an extended master secret.
	messages    []byte
	keep        bool
	keyExchange []byte // body of ClientKeyExchange; nil when a session is resumed

	block  *keyBlock // up to TLS 1.2, once it was needed
	master masterSecret
}

// clientHello is what is of use of a ClientHello.
type clientHello struct {
	random    [32]byte
	suites    []tlswire.Suite // those of TLS 1.3
	ticket    []byte
	earlyData bool
	tls13     bool
}

// serverHello is what is of use of a ServerHello.
type serverHello struct {
	version              tlswire.Version
	random               [32]byte
	sessionID            []byte
	id                   tlswire.CipherSuite
	suite                tlswire.Suite // zero if id is not known
	encryptThenMAC       bool
	extendedMasterSecret bool
	compressed           bool
}

const (
	noHandshake   = "the handshake was not captured"
	noClientHello = "the ClientHello was not captured"
	noServerHello = "the ServerHello was not captured"
)

// uncaptured says which part of the handshake is missing.
func (hs *handshake) uncaptured() string {
	switch {
	case hs.client == nil && hs.server == nil:
		return noHandshake
	case hs.client == nil:
		return noClientHello
	}
	return noServerHello
}

func (c *clientHello) noSecrets() string {
	return fmt.Sprintf("no secrets for client random %x.. in the key log", c.random[:8])
}

// maxMessages bounds the messages kept of a handshake: two chains of
// certificates fit well.
const maxMessages = 256 << 10

// isTLS13 reports whether application data records are those of TLS 1.3.
// Before the ServerHello they are early data, or the ServerHello was lost.
func (hs *handshake) isTLS13() bool {
	if hs.server != nil {
		return hs.server.version == tlswire.VersionTLS13
	}
	return hs.client.tls13
}

// isTLS12 reports whether an earlier version was negotiated.
func (hs *handshake) isTLS12() bool {
	return hs.server != nil && hs.server.version != tlswire.VersionTLS13
}

// follow watches the handshake in what was opened.
func (o *Opener) follow(h *half, typ tlswire.ContentType, plain []byte) {
	switch typ {
	case tlswire.ContentHandshake:
		h.messages.Feed(plain, func(m tlswire.Message) { o.message(h, m) })
	case tlswire.ContentChangeCipherSpec:
		hs := &o.handshake
		switch {
		case hs.isTLS12(), hs.server == nil && (hs.client == nil || !hs.client.tls13):
			_ = o.changeCipher(h) // its error is that of the next record
		case hs.server == nil:
			// It means nothing in TLS 1.3 (RFC 8446, Appendix D.4). But if
			// it was the ServerHello of TLS 1.2 that was lost, what follows
			// is encrypted.
			h.begun = false
		}
	default:
	}
}

func (o *Opener) message(h *half, m tlswire.Message) {
	if h.failed {
		return
	}
	if h.generation != nil {
		o.messageTLS13(h, m)
		return
	}
	hs := &o.handshake
	switch {
	case m.Type == tlswire.HandshakeClientHello && h.client:
		o.clientHello(h, m)
	case m.Type == tlswire.HandshakeServerHello && !h.client:
		hs.record(m)
		o.serverHello(h, m)
	case m.Type == tlswire.HandshakeClientKeyExchange && h.client:
		hs.record(m)
		hs.keyExchange = bytes.Clone(m.Body)
		hs.keep = false
	case m.Type == tlswire.HandshakeNewSessionTicket && !h.client:
		hs.rememberTicket(o.keys, m.Body)
		hs.record(m)
	case m.Type != tlswire.HandshakeHelloRequest:
		hs.record(m)
	}
}

// messageTLS13 changes keys where an encrypted message of TLS 1.3 says so. The
// lengths are checked because after a loss what looks like a message may be
// none.
func (o *Opener) messageTLS13(h *half, m tlswire.Message) {
	g := h.generation
	application := applicationLabel(h.client)
	switch {
	case m.Type == tlswire.HandshakeEndOfEarlyData && len(m.Body) == 0 && g.label == labelClientEarly:
		o.advance(h, labelClientHandshake)
	case m.Type == tlswire.HandshakeFinished && len(m.Body) == g.suite.PRF.Size() &&
		g.label != application && g.label != labelClientEarly:
		o.advance(h, application)
	case m.Type == tlswire.HandshakeKeyUpdate && len(m.Body) == 1 && g.label == application:
		o.advance(h, application)
	}
}

// clientHello begins a handshake. The second ClientHello, after a
// HelloRetryRequest, begins it anew.
func (o *Opener) clientHello(h *half, m tlswire.Message) {
	o.handshake = handshake{keep: o.keys.hasRSA()}
	o.handshake.record(m)
	hello, err := tlswire.ParseClientHello(m.Body)
	if err != nil {
		_ = o.fail(h, fmt.Sprintf("the ClientHello cannot be read: %v", err))
		return
	}
	c := &clientHello{
		random:    hello.Random,
		ticket:    slices.Clone(hello.SessionTicket),
		earlyData: hello.EarlyData,
		tls13:     slices.Contains(hello.SupportedVersions, tlswire.VersionTLS13),
	}
	for _, id := range hello.CipherSuites {
		suite, ok := tlswire.SuiteByID(id)
		if ok && suite.KeyExchange == tlswire.KeyExchangeTLS13 && !slices.Contains(c.suites, suite) {
			c.suites = append(c.suites, suite)
		}
	}
	o.handshake.client = c
	if len(o.randoms) < maxHandshakes && !slices.Contains(o.randoms, c.random) {
		o.randoms = append(o.randoms, c.random)
	}
}

func (o *Opener) serverHello(h *half, m tlswire.Message) {
	hello, err := tlswire.ParseServerHello(m.Body)
	if err != nil {
		_ = o.fail(h, fmt.Sprintf("the ServerHello cannot be read: %v", err))
		return
	}
	if hello.HelloRetryRequest {
		return
	}
	suite, _ := tlswire.SuiteByID(hello.CipherSuite)
	o.handshake.server = &serverHello{
		version:              hello.NegotiatedVersion,
		random:               hello.Random,
		sessionID:            slices.Clone(hello.SessionID),
		id:                   hello.CipherSuite,
		suite:                suite,
		encryptThenMAC:       hello.EncryptThenMAC,
		extendedMasterSecret: hello.ExtendedMasterSecret,
		compressed:           hello.CompressionMethod != 0,
	}
	if suite.KeyExchange != tlswire.KeyExchangeRSA || !hello.ExtendedMasterSecret {
		o.handshake.lose()
	}
}

// record keeps a message for the session hash.
func (hs *handshake) record(m tlswire.Message) {
	if !hs.keep {
		return
	}
	if len(hs.messages)+len(m.Body) > maxMessages {
		hs.lose()
		return
	}
	hs.messages = m.Append(hs.messages)
}

// lose gives the session hash up.
func (hs *handshake) lose() {
	hs.keep, hs.messages = false, nil
}
