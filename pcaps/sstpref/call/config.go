package call

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"sstpwarden/inspect/sstp"
)

// Timers are how long a call waits (MS-SSTP 3.1.2, 3.2.2, 3.3.2). Zero is what the
// specification says. Hello may be negative: the call then neither sends Echo
// Requests of its own nor minds a silent peer.
type Timers struct {
	// Negotiation is how long a client waits for the Call Connect Ack and, again,
	// for PPP authentication; a server for an acceptable Call Connect Request and,
	// again, for the Call Connected. 60 s.
	Negotiation time.Duration
	Hello       time.Duration // from the last packet to an Echo Request: 60 s
	Abort1      time.Duration // for the Call Abort that answers ours: 3 s
	Abort2      time.Duration // for the peer to get our last Call Abort: 1 s
	Disconnect1 time.Duration // for the Call Disconnect Ack: 5 s
	Disconnect2 time.Duration // for the peer to get our Call Disconnect Ack: 1 s
}

// DefaultRetryLimit is what Windows allows (MS-SSTP 3.2.5.3.3, 3.3.5.2.2).
const DefaultRetryLimit = 3

// A Config is what a [Call] is made with. It is not changed, and may be shared as
// far as its callbacks and Rand can.
type Config struct {
	Role   Role
	Timers Timers
	// RetryLimit is how many times a server answers an unacceptable Call Connect
	// Request with Nak, and how many times a client sends the request again after
	// one. The next time the call is aborted. 0 is [DefaultRetryLimit], a negative
	// number none.
	RetryLimit int

	// Certificate is the server's own in DER, as this end sees it.
	Certificate []byte
	// HashProtocols are those that a server offers, or that a client can do. 0 is
	// both that there are. A server may offer bits that nobody knows beside them.
	HashProtocols sstp.HashProtocol
	// Rand is what a server's nonce comes from; nil is crypto/rand.
	Rand io.Reader

	Quirks Quirks
	Faults Faults

	// Send sends a control packet. The packet's type is for convenience; its Data
	// is Send's to keep. Send must not be nil.
	Send func(t sstp.MessageType, p sstp.Packet)
	// Event is told what happens; nil if nobody minds.
	Event func(Event)
}

// Quirks are what implementations do otherwise than specified. The zero value has
// none.
type Quirks struct {
	// EarlyPPP: a client starts PPP with its Call Connect Request and sends PPP
	// control frames before the Call Connect Ack (mihomo).
	EarlyPPP bool
	// NoCallConnected: a client sends no Call Connected; it counts as connected
	// once PPP is authenticated (mihomo).
	NoCallConnected bool
	// IgnoreControl: a client leaves control packets unread once it has the Call
	// Connect Ack, the peer's Call Abort and Call Disconnect among them (mihomo).
	IgnoreControl bool
	// ResendOnTimeout: a client that waits in vain for the Call Connect Ack sends
	// its request again, up to RetryLimit (Open SSTP Client).
	ResendOnTimeout bool
	// PreferHash: a client chooses this one where it can, a stronger one or not, against
	// MS-SSTP 2.2.6.
	PreferHash sstp.HashProtocol
	// DisconnectOnNak: a client answers Nak with Call Disconnect (sstp-client).
	DisconnectOnNak bool

	// AcceptUnbound: a server does not look at what a Call Connected says, and
	// does without one when the first PPP data comes after authentication
	// (SoftEther).
	AcceptUnbound bool
	// NakShortLength: the length of a Status Info in a Call Connect Nak leaves out
	// the AttribValue that follows (accel-ppp).
	NakShortLength bool

	// NoStatusInfo: Call Abort and Call Disconnect come without (sstp-client,
	// SoftEther, Open SSTP Client).
	NoStatusInfo bool
	// AbortStatus stands in every Call Abort, whatever the reason; 0 for the
	// reason (accel-ppp: invalid_frame_received).
	AbortStatus sstp.Status
	// NoEchoResponse: Echo Requests are left unanswered (SoftEther, mihomo).
	NoEchoResponse bool
	// EchoInterval returns how long it is from one Echo Request to the next,
	// whatever comes in between, besides those of the Hello timer (SoftEther:
	// 2.5 to 4.8 s at random). Nil is for no such requests; they end with the
	// first interval that is not positive.
	EchoInterval func() time.Duration
	// EchoFailures is how many Echo Requests of the Hello timer in a row may stay
	// without a packet from the peer; 0 is 1, as specified.
	EchoFailures int
	// Idle is how long a connected peer may be silent before the connection is
	// closed without a message, whatever the Hello timer does (SoftEther: 20 s). 0
	// is for ever.
	Idle time.Duration
	// LengthReserved is R in the LengthPacket of every packet sent, not in those of
	// attributes (mihomo: 8). Data packets are the caller's to mark.
	LengthReserved uint8
}

// Faults are what a call does wrong on purpose, so that others can be tried. The
// zero value has none.
type Faults struct {
	// WrongNonce, WrongCertHash, WrongMAC: the client's Call Connected has another
	// one; all else in it is as it would be.
	WrongNonce, WrongCertHash, WrongMAC bool
	// HashProtocol is what the client's Call Connected uses whatever the server
	// has offered; 0 for what it should. One that nobody knows comes with a Cert
	// Hash and a Compound MAC of zeros.
	HashProtocol sstp.HashProtocol
	// NeverConnected: a client sends no Call Connected and does not count as
	// connected either.
	NeverConnected bool
	// Nak: a server refuses every Call Connect Request, with NakStatus, or
	// value_not_supported if that is 0.
	Nak       bool
	NakStatus sstp.Status
	// ReservedBits: all reserved bits are set, in control packets and in their
	// attributes.
	ReservedBits bool
}

// New returns a call that is not open yet. The error says what is wrong with cfg,
// or that Rand failed.
func New(cfg Config) (*Call, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("making an SSTP call: %w", err)
	}
	c := &Call{cfg: cfg, durations: cfg.Timers.durations()}
	c.state.Store(uint32(cfg.Role.disconnected()))
	if cfg.Role == Server {
		if _, err := io.ReadFull(cfg.Rand, c.nonce[:]); err != nil {
			return nil, fmt.Errorf("making an SSTP call: reading random bytes for the nonce: %w", err)
		}
	}
	c.certHash = func(h sstp.HashProtocol) ([]byte, error) { return sstp.CertHash(h, cfg.Certificate) }
	return c, nil
}

// complete fills in what is left to the specification.
func (cfg *Config) complete() error {
	switch {
	case cfg.Role != Client && cfg.Role != Server:
		return fmt.Errorf("there is no %v", cfg.Role)
	case cfg.Send == nil:
		return errors.New("no Send")
	case len(cfg.Certificate) == 0 && cfg.needsCertificate():
		return errors.New("no certificate of the server to bind to")
	}
	if cfg.HashProtocols == 0 {
		cfg.HashProtocols = sstp.HashProtocolSHA1 | sstp.HashProtocolSHA256
	}
	if cfg.HashProtocols.Strongest() == 0 {
		return fmt.Errorf("hash protocols %v: neither sha1 nor sha256 is among them", cfg.HashProtocols)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.RetryLimit == 0 {
		cfg.RetryLimit = DefaultRetryLimit
	}
	if cfg.Quirks.EchoFailures <= 0 {
		cfg.Quirks.EchoFailures = 1
	}
	if cfg.Event == nil {
		cfg.Event = func(Event) {}
	}
	return cfg.Timers.complete()
}

// needsCertificate says whether the call will hash the certificate.
func (cfg *Config) needsCertificate() bool {
	if cfg.Role == Client {
		return !cfg.Quirks.NoCallConnected && !cfg.Faults.NeverConnected
	}
	return !cfg.Quirks.AcceptUnbound
}

func (t *Timers) complete() error {
	for _, f := range []struct {
		name    string
		value   *time.Duration
		initial time.Duration
	}{
		{"Negotiation", &t.Negotiation, 60 * time.Second}, // MS-SSTP 3.2.2.1, 3.3.2.1
		{"Hello", &t.Hello, 60 * time.Second},             // MS-SSTP 3.1.2.3
		{"Abort1", &t.Abort1, 3 * time.Second},            // MS-SSTP 3.1.2.1
		{"Abort2", &t.Abort2, time.Second},
		{"Disconnect1", &t.Disconnect1, 5 * time.Second}, // MS-SSTP 3.1.2.2
		{"Disconnect2", &t.Disconnect2, time.Second},
	} {
		if *f.value == 0 {
			*f.value = f.initial
		}
		if *f.value < 0 && f.name != "Hello" {
			return fmt.Errorf("timer %s is negative: %v", f.name, *f.value)
		}
	}
	return nil
}
