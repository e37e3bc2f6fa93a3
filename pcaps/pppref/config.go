package pppref

import (
	"errors"
	"fmt"
	"io"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// A Role is which end of a link this is.
type Role uint8

// The roles.
const (
	Client Role = iota + 1 // proves who it is, and asks for addresses
	Server                 // asks for the proof, and gives addresses
)

// String returns the role in lower case.
func (r Role) String() string {
	switch r {
	case Client:
		return "client"
	case Server:
		return "server"
	default:
		return fmt.Sprintf("role %d", uint8(r))
	}
}

// Defaults of RFC 1661, Section 4.6, and limits of SSTP and of this package.
const (
	DefaultRestartTimer = 3 * time.Second
	DefaultMaxTerminate = 2
	DefaultMaxConfigure = 10
	DefaultMaxFailure   = 5
	DefaultMRU          = 1500            // RFC 1661, Section 6.1
	DefaultMaxFrame     = sstp.MaxDataLen // octets of a frame in one SSTP data packet: 4091
)

// Config is what an end of a link is to be like. A Link keeps it and does not change
// what it refers to, so that many links can share the slices and functions.
type Config struct {
	Role Role

	// LCP is what the first Configure-Request asks for, in that order. MagicNumber(0)
	// stands for a random one. On a server an AuthenticationProtocol marks the place
	// of the method in turn, which else comes last; on a client there is none.
	LCP []ppp.Option
	// IPCP and IPV6CP are likewise. Where one is nil, the protocol is refused. The
	// address 0.0.0.0 asks the peer for one (client), or IPAddress is filled in from
	// Addresses.Local (server); an InterfaceIdentifier of zero stands for a random
	// one (client) or for Addresses.LocalInterface (server).
	IPCP, IPV6CP []ppp.Option
	// CCP is what a server offers to look like one that compresses: MPPE(0x01000001)
	// as RRAS does. It can do nothing of it, so that a peer which agrees gets a
	// Terminate-Request for CCP. Nil: CCP is refused.
	CCP []ppp.Option

	// Methods are the ways to authenticate, in order of preference. A server asks for
	// one after the other until its peer takes one, a client takes what it is asked
	// for if it is among them and else proposes the first.
	Methods []pppauth.Method
	// NewParty makes this end of an authentication. For EAP it gets the first of the
	// Methods that are EAP's. Nil: authentication is skipped, as
	// Quirks.SkipAuthentication must say.
	NewParty func(m pppauth.Method) (pppauth.Party, error)
	// Assign gives a server the addresses for a user, once in a link's life, after
	// authentication and before the network protocols. An error ends the link, and
	// the peer gets to read its text. Only a server may and must have one.
	Assign func(name string) (Addresses, error)

	// Rand seeds magic numbers, interface identifiers and intervals: 32 octets are
	// read by NewLink. Nil is crypto/rand.
	Rand io.Reader

	// RestartTimer and the counters are those of RFC 1661, Section 4.6; 0 is its
	// default.
	RestartTimer                           time.Duration
	MaxConfigure, MaxTerminate, MaxFailure int

	// EchoInterval is the time between LCP Echo-Requests, to which up to EchoSpread
	// is added at random; 0 is none. After EchoFailures requests without an answer
	// the link ends at the next; 0 is never.
	EchoInterval, EchoSpread time.Duration
	EchoFailures             int
	EchoAtOnce               bool   // the first request goes out when LCP opens, not an interval later
	EchoRequestData          string // after the magic number
	EchoReplyData            string // instead of the request's own data; "" is that data

	// Identification is the Message of each LCP Identification that is sent when LCP
	// opens. Windows clients send three.
	Identification []string

	// FullHeaders: frames other than LCP's have address, control and two octets of
	// protocol too, whatever was agreed.
	FullHeaders bool
	// MaxFrame is how many octets of frame the carrier takes; 0 is DefaultMaxFrame.
	MaxFrame int
	// MaxMTU bounds [Link.MTU]; 0 is no bound but the peer's MRU and MaxFrame.
	MaxMTU int

	Quirks Quirks

	// Send sends a frame, whose Payload is valid only during the call. Event may be
	// nil. Both are called from within the methods of Link and may call, of these,
	// the ones that only ask, and Close and LowerDown, which then take effect when
	// the outer method returns.
	Send  func(ppp.Frame)
	Event func(Event)
}

// Quirks are what implementations do beside the specifications.
type Quirks struct {
	// SkipAuthentication: a server asks for none if it has no Methods, a client takes
	// a server that asks for none. Without it that is a failure.
	SkipAuthentication bool
	// PassiveLCP and PassiveNCP: the first Configure-Request of the peer is waited
	// for, as by SoftEther in both and by RRAS in LCP.
	PassiveLCP, PassiveNCP bool
	// FirstIdentifier is that of each protocol's first packet.
	FirstIdentifier uint8
	// SharedIdentifiers: all protocols count on from one counter, and each
	// retransmission gets a new identifier, as with Windows.
	SharedIdentifiers bool
	// ShortLCP: LCP packets other than Configure and Terminate go without address and
	// control once that is agreed, as with Windows, against RFC 1661, Section 6.6.
	ShortLCP bool
	// RejectLCP and RejectIPCP are types of options that get a Configure-Reject
	// though this package could take them.
	RejectLCP, RejectIPCP []uint8
	// MaxPeerMRU: a larger MRU gets a Configure-Nak with this one; 0 is none.
	MaxPeerMRU ppp.MRU
	// Callback: LCP's Callback option is taken if it means CBCP. A server then offers
	// no callback by CBCP after authentication, and a client takes that.
	Callback bool
	// IPv6First: IPV6CP's first Configure-Request goes out before IPCP's.
	IPv6First bool
	// RefuseCCP and RefuseNCP say how CCP, and any other network control protocol
	// that is not offered, is refused.
	RefuseCCP, RefuseNCP Refusal
	// RejectProtocolOnly: an LCP Protocol-Reject has nothing of the rejected packet.
	RejectProtocolOnly bool
	// TerminateData gives the data of an LCP Terminate-Request; nil is the reason's
	// text, as from pppd. Magic is this end's, or 0.
	TerminateData func(magic uint32, reason string) []byte
	// CopyTerminateData: a Terminate-Ack repeats the request's data.
	CopyTerminateData bool
}

// A Refusal is how a protocol is refused that is not offered.
type Refusal uint8

// The refusals.
const (
	ByProtocolReject  Refusal = iota // LCP Protocol-Reject (RFC 1661, Section 5.7)
	ByConfigureReject                // Configure-Reject of all options, and Protocol-Reject where there are none
	BySilence
)

// withDefaults fills in zero fields.
func (c Config) withDefaults() Config {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&c.MaxConfigure, DefaultMaxConfigure},
		{&c.MaxTerminate, DefaultMaxTerminate},
		{&c.MaxFailure, DefaultMaxFailure},
		{&c.MaxFrame, DefaultMaxFrame},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	if c.RestartTimer <= 0 {
		c.RestartTimer = DefaultRestartTimer
	}
	if c.Event == nil {
		c.Event = func(Event) {}
	}
	return c
}

// check finds what no link could be made with.
func (c Config) check() error {
	switch {
	case c.Role != Client && c.Role != Server:
		return fmt.Errorf("no such role: %v", c.Role)
	case c.Send == nil:
		return errors.New("send is nil")
	case len(c.Methods) == 0 && !c.Quirks.SkipAuthentication:
		return errors.New("methods: none given, and authentication is not to be skipped")
	case len(c.Methods) > 0 && c.NewParty == nil:
		return errors.New("newParty is nil, and there are methods")
	case c.Role == Server && c.Assign == nil:
		return errors.New("assign is nil on a server")
	case c.Role == Client && c.Assign != nil:
		return errors.New("assign is set on a client")
	case c.Role == Client && c.CCP != nil:
		return errors.New("ccp is set on a client")
	case c.IPCP == nil && c.IPV6CP == nil:
		return errors.New("neither IPCP nor IPV6CP is offered")
	case c.EchoInterval < 0 || c.EchoSpread < 0:
		return errors.New("echo interval is negative")
	}
	for _, m := range c.Methods {
		if m.Option().Protocol == 0 {
			return fmt.Errorf("methods: LCP knows no %v", m)
		}
	}
	for _, p := range []struct {
		number  ppp.Protocol
		options []ppp.Option
	}{
		{ppp.ProtocolLCP, c.LCP}, {ppp.ProtocolIPCP, c.IPCP}, {ppp.ProtocolIPV6CP, c.IPV6CP}, {ppp.ProtocolCCP, c.CCP},
	} {
		if err := c.checkOptions(p.number, p.options); err != nil {
			return fmt.Errorf("%v options: %w", p.number, err)
		}
	}
	return nil
}

func (c Config) checkOptions(p ppp.Protocol, options []ppp.Option) error {
	var seen [256]bool
	for _, o := range options {
		if p == ppp.ProtocolLCP && o.OptionType() == typeAuthentication && c.Role == Client {
			return errors.New("a client asks for no authentication")
		}
		if seen[o.OptionType()] {
			return fmt.Errorf("%s is there twice", ppp.OptionName(p, o.OptionType()))
		}
		seen[o.OptionType()] = true
	}
	_, err := ppp.Configure{Code: ppp.CodeConfigureRequest, Options: options}.Append(nil)
	return err
}
