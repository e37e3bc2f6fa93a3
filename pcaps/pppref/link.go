package pppref

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// A Phase is one of RFC 1661, Section 3.2.
type Phase uint8

// The phases.
const (
	Dead         Phase = iota // before Open, and after Down
	Establish                 // LCP negotiates
	Authenticate              // the client proves who it is; callback too
	Network                   // the network protocols negotiate, and data flows
	Terminate                 // the link is being ended
)

// String returns the phase's name in lower case.
func (p Phase) String() string {
	names := [...]string{"dead", "establish", "authenticate", "network", "terminate"}
	if int(p) >= len(names) {
		return fmt.Sprintf("phase %d", uint8(p))
	}
	return names[p]
}

// A Link is one end of a PPP link. It is opened once; after Down it is of no more use.
// A Link that is given up without a Down of its own has to be told LowerDown, so
// that it ends its authentication.
//
// A Link is for one goroutine at a time. What a peer sends makes it hold no more than
// a fixed amount of memory, and each frame that comes makes it send a few at most.
type Link struct {
	cfg    Config
	random *mathrand.ChaCha8

	now      time.Time
	busy     bool     // within a method that sends
	deferred []func() // what Send and Event asked for meanwhile
	buf      []byte

	phase      Phase
	done       bool
	err        *Error // why it ends, nil if Close was called
	identifier uint8  // Quirks.SharedIdentifiers

	lcp     *protocol
	options *lcp
	network []*protocol // in the order in which they begin

	auth     authentication
	callback callback
	echo     echo

	assigned  Addresses
	hasLeased bool   // assigned is valid
	user      string // whom it is for
}

// NewLink returns a link in phase Dead. The error says what in c cannot be.
func NewLink(c Config) (*Link, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("making a PPP %v: %w", c.Role, err)
	}
	c = c.withDefaults()
	source := c.Rand
	if source == nil {
		source = rand.Reader
	}
	var seed [32]byte
	if _, err := io.ReadFull(source, seed[:]); err != nil {
		return nil, fmt.Errorf("making a PPP %v: reading random octets: %w", c.Role, err)
	}
	l := &Link{cfg: c, random: mathrand.NewChaCha8(seed), identifier: c.Quirks.FirstIdentifier}
	l.options = &lcp{link: l}
	l.lcp = l.newProtocol(ppp.ProtocolLCP, StepLCP, l.options)
	l.addNetwork()
	return l, nil
}

func (l *Link) newProtocol(number ppp.Protocol, step Step, options negotiator) *protocol {
	return &protocol{link: l, number: number, step: step, options: options, identifier: l.cfg.Quirks.FirstIdentifier}
}

func (l *Link) addNetwork() {
	add := func(number ppp.Protocol) {
		var p *protocol
		switch {
		case number == ppp.ProtocolIPCP && l.cfg.IPCP != nil:
			c := &ipcp{link: l}
			p = l.newProtocol(number, StepIPCP, c)
			c.self = p
		case number == ppp.ProtocolIPV6CP && l.cfg.IPV6CP != nil:
			c := &ipv6cp{link: l}
			p = l.newProtocol(number, StepIPV6CP, c)
			c.self = p
		case number == ppp.ProtocolCCP && l.cfg.CCP != nil:
			c := &ccp{link: l}
			p = l.newProtocol(number, StepCCP, c)
			c.self = p
		default:
			return
		}
		l.network = append(l.network, p)
	}
	add(ppp.ProtocolCCP)
	if l.cfg.Quirks.IPv6First {
		add(ppp.ProtocolIPV6CP)
	}
	add(ppp.ProtocolIPCP)
	if !l.cfg.Quirks.IPv6First {
		add(ppp.ProtocolIPV6CP)
	}
}

// do runs a method's work, and then what callbacks asked for meanwhile.
func (l *Link) do(now time.Time, work func()) {
	if l.busy {
		l.deferred = append(l.deferred, work)
		return
	}
	l.now, l.busy = now, true
	work()
	for len(l.deferred) > 0 && !l.done {
		next := l.deferred[0]
		l.deferred = l.deferred[1:]
		next()
	}
	l.deferred, l.busy = nil, false
}

// Open starts the link: what carries it is up. Further calls do nothing.
func (l *Link) Open(now time.Time) {
	l.do(now, func() {
		if l.phase != Dead || l.done {
			return
		}
		l.phase = Establish
		l.lcp.raise(l.cfg.Quirks.PassiveLCP)
	})
}

// Close ends the link with a Terminate-Request that gives the reason. Down follows.
func (l *Link) Close(now time.Time, reason string) {
	l.do(now, func() {
		if l.phase == Terminate || l.done {
			return
		}
		l.terminating(nil)
		l.lcp.close(reason)
		if l.lcp.state <= stopped { // never opened, or no peer has come
			l.finish()
		}
	})
}

// LowerDown says that what carries the link is gone. Down follows at once.
func (l *Link) LowerDown(now time.Time) {
	l.do(now, func() {
		if l.done {
			return
		}
		if l.phase != Terminate {
			l.terminating(failure(StepLowerLayer, "the connection that carries PPP came to its end"))
		}
		l.lcp.fire(onDown)
		l.finish()
	})
}

// Receive takes a frame from the peer, of which it keeps nothing. IPv4 and IPv6 packets
// are passed over.
func (l *Link) Receive(now time.Time, f ppp.Frame) {
	l.do(now, func() {
		if l.phase != Dead {
			l.receive(f)
		}
	})
}

func (l *Link) receive(f ppp.Frame) {
	switch {
	case f.Protocol == ppp.ProtocolLCP:
		l.lcp.receive(f.Payload)
		return
	case l.lcp.state != opened: // RFC 1661, Section 3.4
		return
	case f.Protocol == l.auth.protocol && l.auth.party != nil:
		l.auth.receive(l, f.Payload)
		return
	case l.callback.agreed && f.Protocol == ppp.ProtocolCBCP:
		l.receiveCallback(f.Payload)
		return
	case l.callback.waiting && l.cfg.Role == Client && l.protocol(f.Protocol) != nil:
		l.endCallback() // a server that goes on has nothing more to say about it
	}
	if l.phase != Network || f.Protocol == ppp.ProtocolIPv4 || f.Protocol == ppp.ProtocolIPv6 {
		return // RFC 1661, Section 3.5
	}
	if p := l.protocol(f.Protocol); p != nil {
		p.receive(f.Payload)
		return
	}
	l.refuse(f)
}

// protocol returns the network protocol of that number, nil if it is not offered.
func (l *Link) protocol(number ppp.Protocol) *protocol {
	for _, p := range l.network {
		if p.number == number {
			return p
		}
	}
	return nil
}

// Deadline returns when Expire is to be called, and false if there is no need to.
func (l *Link) Deadline() (time.Time, bool) {
	var earliest time.Time
	consider := func(t time.Time) {
		if !t.IsZero() && (earliest.IsZero() || t.Before(earliest)) {
			earliest = t
		}
	}
	if l.done {
		return time.Time{}, false
	}
	consider(l.lcp.deadline)
	for _, p := range l.network {
		consider(p.deadline)
	}
	consider(l.auth.deadline)
	consider(l.callback.deadline)
	consider(l.echo.deadline)
	return earliest, !earliest.IsZero()
}

// Expire does what is due. It may be called at any time.
func (l *Link) Expire(now time.Time) {
	l.do(now, func() {
		for _, expire := range []func(){
			l.lcp.expire,
			func() {
				for _, p := range l.network {
					p.expire()
				}
			},
			l.expireAuthentication, l.expireCallback, l.expireEcho,
		} {
			if l.done {
				return
			}
			expire()
		}
	})
}

// Phase returns the phase that the link is in.
func (l *Link) Phase() Phase { return l.phase }

// DataForm returns the form of data frames for the peer: [ppp.Frame.ACFC] and
// [ppp.Frame.PFC].
func (l *Link) DataForm() (acfc, pfc bool) {
	if l.cfg.FullHeaders || l.lcp.state != opened {
		return false, false
	}
	return l.options.peer.acfc, l.options.peer.pfc
}

// MTU returns how large an IP packet may be for the peer, in octets.
func (l *Link) MTU() int {
	acfc, pfc := l.DataForm()
	header := fullHeader
	if acfc {
		header -= 2
	}
	if pfc {
		header--
	}
	mtu := min(l.peerMRU(), l.cfg.MaxFrame-header)
	if l.cfg.MaxMTU > 0 {
		mtu = min(mtu, l.cfg.MaxMTU)
	}
	return mtu
}

// Ready reports whether packets of p, IPv4 or IPv6, may pass, either way.
func (l *Link) Ready(p ppp.Protocol) bool {
	var control *protocol
	switch p { //nolint:exhaustive // a Protocol is a number, and two of them carry data
	case ppp.ProtocolIPv4:
		control = l.protocol(ppp.ProtocolIPCP)
	case ppp.ProtocolIPv6:
		control = l.protocol(ppp.ProtocolIPV6CP)
	}
	return l.phase == Network && control != nil && control.state == opened
}

// Addresses returns those that are in use now: see [IPv4Up] and [IPv6Up].
func (l *Link) Addresses() Addresses {
	var a Addresses
	for _, p := range l.network {
		if p.state != opened {
			continue
		}
		switch c := p.options.(type) {
		case *ipcp:
			v4 := c.addresses()
			a.Local, a.Peer, a.DNS, a.NBNS = v4.Local, v4.Peer, v4.DNS, v4.NBNS
		case *ipv6cp:
			a.LocalInterface, a.PeerInterface = c.local(), c.peer
		}
	}
	return a
}

func (l *Link) randomMagic() uint32 {
	for {
		if m := uint32(l.random.Uint64()); m != 0 {
			return m
		}
	}
}

// randomInterface makes an identifier that is not globally unique: the "u" bit is
// zero (RFC 5072, Section 4.1).
func (l *Link) randomInterface() ppp.InterfaceIdentifier {
	for {
		var id ppp.InterfaceIdentifier
		binary.BigEndian.PutUint64(id[:], l.random.Uint64()&^(2<<56))
		if id != (ppp.InterfaceIdentifier{}) {
			return id
		}
	}
}

func (l *Link) emit(e Event) { l.cfg.Event(e) }

// agreedMethod is what the link authenticates with, 0 for nothing.
func (l *Link) agreedMethod() pppauth.Method { return l.options.method() }
