package pppref

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// seed is a source of random octets.
func seed(n byte) *bytes.Reader { return bytes.NewReader(bytes.Repeat([]byte{n}, 32)) }

// fakeParty speaks PAP, CHAP and EAP with the identity alone: as much as is needed to
// have messages of the right protocol that get lost and come again.
type fakeParty struct {
	method        pppauth.Method
	authenticator bool
	user          string
	refuse        bool // the authenticator says no
	outcome       pppauth.Outcome
	last          ppp.Message // what a timeout repeats
	timeouts      int
	closed        int
}

func keyOf(user string) sstp.HLAK { return sstp.NewHLAK([]byte("key of " + user)) }

func (f *fakeParty) Start() []ppp.Message {
	switch {
	case f.method == pppauth.PAP && !f.authenticator:
		return f.say(ppp.PAPRequest{Identifier: 1, PeerID: f.user, Password: ppp.NewSecret([]byte("secret"))})
	case f.method == pppauth.PAP || !f.authenticator:
		return nil
	case f.method == pppauth.EAPMSCHAPv2 || f.method == pppauth.EAPTLS:
		return f.say(ppp.EAP{Code: ppp.EAPRequest, Identifier: 1, Data: ppp.EAPIdentity("")})
	default:
		return f.say(ppp.CHAPChallenge{Identifier: 1, Value: make([]byte, 16), Name: "server"})
	}
}

func (f *fakeParty) say(m ppp.Message) []ppp.Message {
	f.last = m
	return []ppp.Message{m}
}

func (f *fakeParty) Receive(m ppp.Message) []ppp.Message {
	f.timeouts = 0
	switch m := m.(type) {
	case ppp.PAPRequest:
		return f.judge(m.PeerID, ppp.PAPAck{Identifier: m.Identifier}, ppp.PAPNak{Identifier: m.Identifier})
	case ppp.CHAPChallenge:
		return f.say(ppp.CHAPResponse{Identifier: m.Identifier, Value: ppp.NewSecret(make([]byte, 49)), Name: f.user})
	case ppp.CHAPResponse:
		return f.judge(m.Name, ppp.CHAPSuccess{Identifier: m.Identifier, Message: "S=" + strings.Repeat("0", 40)}, ppp.CHAPFailure{Identifier: m.Identifier, Message: "E=691"})
	case ppp.PAPAck, ppp.CHAPSuccess:
		f.hear(true)
	case ppp.PAPNak, ppp.CHAPFailure:
		f.hear(false)
	case ppp.EAP:
		switch {
		case m.Code == ppp.EAPRequest:
			return f.say(ppp.EAP{Code: ppp.EAPResponse, Identifier: m.Identifier, Data: ppp.EAPIdentity(f.user)})
		case m.Code == ppp.EAPResponse && f.authenticator:
			name, _ := m.Data.(ppp.EAPIdentity)
			return f.judge(string(name), ppp.EAP{Code: ppp.EAPSuccess, Identifier: m.Identifier}, ppp.EAP{Code: ppp.EAPFailure, Identifier: m.Identifier})
		case m.Code == ppp.EAPSuccess:
			f.hear(true)
		case m.Code == ppp.EAPFailure:
			f.hear(false)
		}
	}
	return nil
}

func (f *fakeParty) judge(user string, yes, no ppp.Message) []ppp.Message {
	if !f.authenticator {
		return nil
	}
	f.settle(!f.refuse, user)
	if f.outcome.State == pppauth.Failed {
		return f.say(no)
	}
	return f.say(yes)
}

// hear is a peer's end of it.
func (f *fakeParty) hear(ok bool) {
	if !f.authenticator {
		f.settle(ok, f.user)
	}
}

func (f *fakeParty) settle(ok bool, user string) {
	if f.outcome.State != pppauth.Pending {
		return
	}
	f.outcome = pppauth.Outcome{State: pppauth.Failed, Name: user, Err: &pppauth.Error{Method: f.method, Reason: pppauth.Refused, Text: "refused"}}
	if ok {
		f.outcome = pppauth.Outcome{State: pppauth.Succeeded, Name: user, HLAK: keyOf(user)}
	}
}

func (f *fakeParty) Timeout() []ppp.Message {
	if f.timeouts++; f.timeouts > 10 {
		f.settle(false, f.user)
		return nil
	}
	if f.last == nil {
		return nil
	}
	return []ppp.Message{f.last}
}

func (f *fakeParty) Outcome() pppauth.Outcome { return f.outcome }
func (f *fakeParty) Close()                   { f.closed++ }

var allMethods = []pppauth.Method{pppauth.EAPTLS, pppauth.EAPMSCHAPv2, pppauth.MSCHAPv2, pppauth.CHAPMD5, pppauth.PAP}

// end is one end of a link and what it said.
type end struct {
	*Link
	name    string
	sent    []ppp.Frame
	events  []Event
	parties []*fakeParty
}

// newEnd makes an end of cfg, whose Send, Event and NewParty it fills in.
func newEnd(t *testing.T, name string, cfg Config) *end {
	t.Helper()
	e := &end{name: name}
	cfg.Send = func(f ppp.Frame) {
		f.Payload = bytes.Clone(f.Payload)
		e.sent = append(e.sent, f)
	}
	watch := cfg.Event
	cfg.Event = func(v Event) {
		e.events = append(e.events, v)
		if watch != nil {
			watch(v)
		}
	}
	if cfg.NewParty == nil && len(cfg.Methods) > 0 {
		cfg.NewParty = func(m pppauth.Method) (pppauth.Party, error) {
			p := &fakeParty{method: m, authenticator: cfg.Role == Server, user: "alice"}
			e.parties = append(e.parties, p)
			return p, nil
		}
	}
	if cfg.Rand == nil {
		cfg.Rand = seed(name[0])
	}
	l, err := NewLink(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.Link = l
	return e
}

func clientConfig() Config {
	return Config{
		Role:    Client,
		LCP:     []ppp.Option{ppp.MRU(4091), ppp.MagicNumber(0), ppp.ProtocolFieldCompression{}, ppp.AddressAndControlFieldCompression{}},
		IPCP:    askFor(ppp.IPAddress, ppp.PrimaryDNS, ppp.SecondaryDNS),
		IPV6CP:  []ppp.Option{ppp.InterfaceIdentifier{}},
		Methods: []pppauth.Method{pppauth.MSCHAPv2},
	}
}

func serverConfig() Config {
	return Config{
		Role:    Server,
		LCP:     []ppp.Option{ppp.MRU(4091), ppp.AuthenticationProtocol{Protocol: ppp.ProtocolEAP}, ppp.MagicNumber(0), ppp.ProtocolFieldCompression{}, ppp.AddressAndControlFieldCompression{}},
		IPCP:    askFor(ppp.IPAddress),
		IPV6CP:  []ppp.Option{ppp.InterfaceIdentifier{}},
		Methods: []pppauth.Method{pppauth.MSCHAPv2},
		Assign:  assign,
	}
}

func assign(string) (Addresses, error) {
	return Addresses{
		Local: netip.MustParseAddr("10.0.0.1"), Peer: netip.MustParseAddr("10.0.0.2"),
		DNS: []netip.Addr{netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("10.0.0.54")},
	}, nil
}

func askFor(types ...ppp.IPCPAddressType) []ppp.Option {
	var options []ppp.Option
	for _, t := range types {
		options = append(options, ppp.IPCPAddress{Type: t, Addr: netip.IPv4Unspecified()})
	}
	return options
}

// pair is two ends and the wire between them, which takes 10 ms each way.
type pair struct {
	t        *testing.T
	now      time.Time
	ends     [2]*end
	inFlight []flight
	carried  int
	log      []string
	// touch, if set, says how often to carry frame n, and how much later.
	touch func(n int, from *end, f ppp.Frame) (copies int, delay time.Duration)
}

type flight struct {
	at   time.Time
	to   *end
	peer *end
	f    ppp.Frame
}

const latency = 10 * time.Millisecond

func newPair(t *testing.T, client, server Config) *pair {
	return &pair{t: t, now: epoch, ends: [2]*end{newEnd(t, "client", client), newEnd(t, "server", server)}}
}

func (p *pair) client() *end { return p.ends[0] }
func (p *pair) server() *end { return p.ends[1] }

func (p *pair) open() {
	p.ends[1].Open(p.now)
	p.ends[0].Open(p.now)
	p.collect()
}

// collect puts what was sent on the wire.
func (p *pair) collect() {
	for i, e := range p.ends {
		for _, f := range e.sent {
			copies, delay := 1, time.Duration(0)
			if p.touch != nil {
				copies, delay = p.touch(p.carried, e, f)
			}
			p.log = append(p.log, fmt.Sprintf("%6.2f %s %v %x x%d", p.now.Sub(epoch).Seconds(), e.name, f.Protocol, f.Payload, copies))
			p.carried++
			for range copies {
				p.inFlight = append(p.inFlight, flight{p.now.Add(latency + delay), p.ends[1-i], e, f})
			}
		}
		e.sent = nil
	}
}

// run lets time pass until until says so or limit is over, and reports which.
func (p *pair) run(limit time.Duration, until func() bool) bool {
	p.t.Helper()
	end := p.now.Add(limit)
	for steps := 0; ; steps++ {
		if until != nil && until() {
			return true
		}
		if steps > 20000 {
			p.t.Fatalf("no end after %d steps:\n%s", steps, strings.Join(p.log[:min(len(p.log), 100)], "\n"))
		}
		next, index := end, -1
		for i, f := range p.inFlight {
			if f.at.Before(next) {
				next, index = f.at, i
			}
		}
		for _, e := range p.ends {
			if d, ok := e.Deadline(); ok && d.Before(next) {
				next, index = d, -2
			}
		}
		if index == -1 {
			p.now = end
			return until == nil
		}
		if next.After(p.now) {
			p.now = next
		}
		if index >= 0 {
			f := p.inFlight[index]
			p.inFlight = append(p.inFlight[:index:index], p.inFlight[index+1:]...)
			f.to.Receive(p.now, reparse(p.t, f.f))
		} else {
			for _, e := range p.ends {
				e.Expire(p.now)
			}
		}
		p.collect()
	}
}

// reparse sends a frame through its octets.
func reparse(t *testing.T, f ppp.Frame) ppp.Frame {
	t.Helper()
	g, err := ppp.ParseFrame(f.Append(nil))
	if err != nil {
		t.Fatalf("frame %v %x: %v", f, f.Payload, err)
	}
	return g
}

func (p *pair) bothUp() bool {
	for _, e := range p.ends {
		if !e.Ready(ppp.ProtocolIPv4) || !e.Ready(ppp.ProtocolIPv6) {
			return false
		}
	}
	return true
}

// quiet reports whether both are up and nothing is in flight any more.
func (p *pair) quiet() bool { return p.bothUp() && len(p.inFlight) == 0 }

func (p *pair) bothDown() bool { return p.ends[0].down() != nil && p.ends[1].down() != nil }

func (p *pair) mustRun(limit time.Duration, what string, until func() bool) {
	p.t.Helper()
	if !p.run(limit, until) {
		p.t.Fatalf("not %s in %v: client %v %+v, server %v %+v\n%s", what, limit,
			p.client().Phase(), p.client().events, p.server().Phase(), p.server().events, strings.Join(p.log, "\n"))
	}
}

// find returns the last event of type E, and whether there is one.
func find[E Event](e *end) (E, bool) {
	for _, v := range slices.Backward(e.events) {
		if v, ok := v.(E); ok {
			return v, true
		}
	}
	var none E
	return none, false
}

func count[E Event](e *end) (n int) {
	for _, v := range e.events {
		if _, ok := v.(E); ok {
			n++
		}
	}
	return n
}

func (e *end) down() *Down {
	if d, ok := find[Down](e); ok {
		return &d
	}
	return nil
}

// failedAt returns the step of the link's end, 0 for none or for a Close.
func (e *end) failedAt() Step {
	if d := e.down(); d != nil {
		return stepOf(d.Err)
	}
	return 0
}

func stepOf(err error) Step {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Step
	}
	return 0
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// say gives the end a message of its peer.
func (e *end) say(t *testing.T, now time.Time, p ppp.Protocol, m ppp.Message) {
	t.Helper()
	b, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	e.Receive(now, ppp.Frame{Protocol: p, Payload: b})
}

// heard returns what the end has sent since the last call.
func (e *end) heard(t *testing.T) []ppp.Message {
	t.Helper()
	var messages []ppp.Message
	for _, f := range e.sent {
		m, _, err := ppp.ParseMessage(f.Protocol, f.Payload)
		if err != nil {
			t.Fatalf("%v %x: %v", f, f.Payload, err)
		}
		messages = append(messages, m)
	}
	e.sent = nil
	return messages
}
