package pppref

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestLinkComesUp(t *testing.T) {
	p := newPair(t, clientConfig(), serverConfig())
	p.open()
	p.mustRun(time.Second, "up", p.quiet)

	client, server := p.client(), p.server()
	want := []Event{
		LCPUp{Method: pppauth.MSCHAPv2, Magic: client.options.magic, PeerMRU: 4091, ACFC: true, PFC: true},
		Authenticated{Name: "alice", Method: pppauth.MSCHAPv2, HLAK: keyOf("alice")},
		IPv4Up{Addresses{Local: addr("10.0.0.2"), Peer: addr("10.0.0.1"), DNS: []netip.Addr{addr("10.0.0.53"), addr("10.0.0.54")}}},
		IPv6Up{Addresses{LocalInterface: client.Addresses().LocalInterface, PeerInterface: server.Addresses().LocalInterface}},
	}
	byName := cmpopts.SortSlices(func(a, b Event) bool { return fmt.Sprintf("%T", a) < fmt.Sprintf("%T", b) })
	addresses := cmpopts.EquateComparable(netip.Addr{})
	if d := cmp.Diff(want, client.events, byName, addresses); d != "" {
		t.Errorf("client's events (-want +got):\n%s", d)
	}
	up, _ := find[IPv4Up](server)
	if up.Local != addr("10.0.0.1") || up.Peer != addr("10.0.0.2") {
		t.Errorf("server's addresses: %+v", up)
	}
	if a := server.Addresses(); a.PeerInterface == (ppp.InterfaceIdentifier{}) || a.PeerInterface == a.LocalInterface {
		t.Errorf("identifiers %v and %v", a.LocalInterface, a.PeerInterface)
	}
	for _, e := range p.ends {
		if acfc, pfc := e.DataForm(); !acfc || !pfc {
			t.Errorf("%s: data form %v, %v", e.name, acfc, pfc)
		}
		if e.MTU() != 4090 || e.Phase() != Network {
			t.Errorf("%s: MTU %d in phase %v", e.name, e.MTU(), e.Phase())
		}
		if _, ok := e.Deadline(); ok {
			t.Errorf("%s: a timer runs on a link that is up", e.name)
		}
	}
	p.client().Close(p.now, "User request")
	p.collect()
	p.mustRun(10*time.Second, "down", p.bothDown)
	if d := client.down(); d.Err != nil {
		t.Errorf("client closed: %v", d.Err)
	}
	if d := server.down(); server.failedAt() != StepTerminated || !strings.Contains(d.Err.Error(), `saying "User request"`) {
		t.Errorf("server: %v", d.Err)
	}
	for _, e := range p.ends {
		if e.parties[0].closed == 0 {
			t.Errorf("%s: the authentication was not closed", e.name)
		}
		if e.Phase() != Dead || e.Ready(ppp.ProtocolIPv4) {
			t.Errorf("%s: phase %v", e.name, e.Phase())
		}
	}
}

// Every list of methods of a server against every one of a client.
func TestMethods(t *testing.T) {
	var lists [][]pppauth.Method
	for mask := 1; mask < 1<<len(allMethods); mask++ {
		var list []pppauth.Method
		for i, m := range allMethods {
			if mask>>i&1 == 1 {
				list = append(list, m)
			}
		}
		lists = append(lists, list)
		back := slices.Clone(list)
		slices.Reverse(back)
		lists = append(lists, back)
	}
	for _, theirs := range lists {
		for _, ours := range lists {
			client, server := clientConfig(), serverConfig()
			client.Methods, server.Methods = ours, theirs
			p := newPair(t, client, server)
			p.open()
			common := slices.ContainsFunc(ours, func(m pppauth.Method) bool {
				return slices.ContainsFunc(theirs, func(o pppauth.Method) bool { return o.Option() == m.Option() })
			})
			if !common {
				p.mustRun(time.Minute, "down", p.bothDown)
				for _, e := range p.ends {
					if e.failedAt() != StepAuthentication || !strings.Contains(e.down().Err.Error(), "no method in common") {
						t.Errorf("client %v, server %v: %s: %v", ours, theirs, e.name, e.down().Err)
					}
				}
				continue
			}
			p.mustRun(time.Second, "up", p.quiet)
			used, _ := find[LCPUp](p.client())
			if !slices.Contains(ours, used.Method) {
				t.Errorf("client %v, server %v: used %v", ours, theirs, used.Method)
			}
			if slices.Contains(ours, theirs[0]) && used.Method.Option() != theirs[0].Option() {
				t.Errorf("client %v, server %v: used %v, not the server's first", ours, theirs, used.Method)
			}
		}
	}
}

func TestAuthenticationFails(t *testing.T) {
	for _, m := range allMethods {
		client, server := clientConfig(), serverConfig()
		client.Methods, server.Methods = []pppauth.Method{m}, []pppauth.Method{m}
		server.NewParty = func(m pppauth.Method) (pppauth.Party, error) {
			return &fakeParty{method: m, authenticator: true, refuse: true}, nil
		}
		p := newPair(t, client, server)
		p.open()
		p.mustRun(time.Minute, "down", p.bothDown)
		failed, ok := find[AuthenticationFailed](p.server())
		if !ok || failed.Name != "alice" || failed.Method != m {
			t.Errorf("%v: %+v", m, failed)
		}
		for _, e := range p.ends {
			var cause *pppauth.Error
			if e.failedAt() != StepAuthentication || !errors.As(e.down().Err, &cause) {
				t.Errorf("%v: %s: %v", m, e.name, e.down().Err)
			}
			if count[IPv4Up](e) != 0 {
				t.Errorf("%v: %s came up", m, e.name)
			}
		}
	}
}

func TestSkipAuthentication(t *testing.T) {
	client, server := clientConfig(), serverConfig()
	server.Methods, server.Quirks.SkipAuthentication = nil, true
	p := newPair(t, client, server)
	p.open()
	p.mustRun(time.Minute, "down", p.bothDown)
	if s := p.client().failedAt(); s != StepAuthentication {
		t.Errorf("the client took a server without authentication: %v", s)
	}

	client.Quirks.SkipAuthentication = true
	p = newPair(t, client, server)
	p.open()
	p.mustRun(time.Second, "up", p.quiet)
	for _, e := range p.ends {
		if a, ok := find[Authenticated](e); !ok || a != (Authenticated{}) {
			t.Errorf("%s: %+v", e.name, a)
		}
	}
}

// Any single frame may be lost: the Restart timer brings the link up.
func TestLostFrames(t *testing.T) {
	eachFrame(t, func(n, hit int) (int, time.Duration) {
		if n == hit {
			return 0, 0
		}
		return 1, 0
	})
}

// Any single frame may come twice, at once or after a second.
func TestDuplicatedFrames(t *testing.T) {
	eachFrame(t, func(n, hit int) (int, time.Duration) {
		if n == hit {
			return 2, 0
		}
		return 1, 0
	})
}

// Any single frame may be overtaken by those after it.
func TestReorderedFrames(t *testing.T) {
	for _, delay := range []time.Duration{15 * time.Millisecond, 100 * time.Millisecond, 4 * time.Second} {
		eachFrame(t, func(n, hit int) (int, time.Duration) {
			if n == hit {
				return 1, delay
			}
			return 1, 0
		})
	}
}

// eachFrame brings links up whose frame number hit meets with an accident.
func eachFrame(t *testing.T, touch func(n, hit int) (int, time.Duration)) {
	t.Helper()
	for _, m := range []pppauth.Method{pppauth.PAP, pppauth.MSCHAPv2, pppauth.EAPMSCHAPv2} {
		for _, callback := range []bool{false, true} {
			client, server := clientConfig(), serverConfig()
			client.Methods, server.Methods = []pppauth.Method{m}, []pppauth.Method{m}
			if callback {
				client.LCP = append(client.LCP, ppp.Callback{Operation: ppp.CallbackCBCP})
				client.Quirks.Callback, server.Quirks.Callback = true, true
			}
			hit := 0
			for frames := 1; hit < frames; hit++ {
				p := newPair(t, client, server)
				p.touch = func(n int, _ *end, _ ppp.Frame) (int, time.Duration) { return touch(n, hit) }
				p.open()
				p.mustRun(time.Minute, fmt.Sprintf("up with %v, frame %d", m, hit), p.quiet)
				frames = max(frames, min(p.carried, 60))
			}
			if hit < 15 {
				t.Errorf("a link of %d frames only", hit)
			}
		}
	}
}

// A quarter of all frames is lost.
func TestLossyWire(t *testing.T) {
	for try := range 40 {
		client, server := clientConfig(), serverConfig()
		client.Rand, server.Rand = seed(byte(try)), seed(byte(100+try))
		p := newPair(t, client, server)
		state := uint32(try + 1)
		p.touch = func(int, *end, ppp.Frame) (int, time.Duration) {
			state = state*1664525 + 1013904223
			if state>>30 == 0 {
				return 0, 0
			}
			return 1, 0
		}
		p.open()
		p.mustRun(10*time.Minute, "up", p.bothUp)
	}
}

// A Configure-Request on an open link takes it down and up again (RFC 1661, Section
// 4.3, RCR in state Opened).
func TestRenegotiation(t *testing.T) {
	client, server := clientConfig(), serverConfig()
	leases := 0
	server.Assign = func(name string) (Addresses, error) {
		leases++
		return assign(name)
	}
	p := newPair(t, client, server)
	p.open()
	p.mustRun(time.Second, "up", p.quiet)
	for _, e := range p.ends {
		e.say(t, p.now, ppp.ProtocolLCP, ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 77, Options: []ppp.Option{ppp.MRU(1400)}})
		if e.Ready(ppp.ProtocolIPv4) || e.Phase() != Establish {
			t.Errorf("%s: still %v", e.name, e.Phase())
		}
		p.collect()
		p.mustRun(time.Minute, "up again", p.quiet)
	}
	for _, e := range p.ends {
		if n := count[IPv4Up](e); n < 3 {
			t.Errorf("%s: up %d times", e.name, n)
		}
		if n, ups := count[NetworkDown](e), count[IPv4Up](e)+count[IPv6Up](e); n != ups-2 {
			t.Errorf("%s: %d times up, %d times down", e.name, ups, n)
		}
	}
	if leases != 1 {
		t.Errorf("%d leases", leases)
	}

	// IPCP alone: the rest of the link does not notice.
	p.server().say(t, p.now, ppp.ProtocolIPCP, ppp.Configure{
		Code: ppp.CodeConfigureRequest, Identifier: 78, Options: []ppp.Option{ppp.IPCPAddress{Type: ppp.IPAddress, Addr: addr("10.0.0.2")}},
	})
	if p.server().Ready(ppp.ProtocolIPv4) || !p.server().Ready(ppp.ProtocolIPv6) {
		t.Error("IPCP's renegotiation")
	}
	p.collect()
	p.mustRun(time.Minute, "up again", p.quiet)
}

func TestRenegotiationByAnotherUser(t *testing.T) {
	client, server := clientConfig(), serverConfig()
	users := []string{"alice", "bob"}
	client.NewParty = func(m pppauth.Method) (pppauth.Party, error) {
		user := users[0]
		users = users[1:]
		return &fakeParty{method: m, user: user}, nil
	}
	p := newPair(t, client, server)
	p.open()
	p.mustRun(time.Second, "up", p.quiet)
	p.server().say(t, p.now, ppp.ProtocolLCP, ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 77})
	p.collect()
	p.mustRun(time.Minute, "down", p.bothDown)
	if s := p.server().failedAt(); s != StepAuthentication {
		t.Errorf("failed at %v", s)
	}
}

func TestAssignFails(t *testing.T) {
	client, server := clientConfig(), serverConfig()
	full := errors.New("pool 10.0.0.0/30 is used up")
	server.Assign = func(string) (Addresses, error) { return Addresses{}, full }
	p := newPair(t, client, server)
	p.open()
	p.mustRun(time.Minute, "down", p.bothDown)
	if d := p.server().down(); p.server().failedAt() != StepAddresses || !errors.Is(d.Err, full) {
		t.Errorf("server: %v", d.Err)
	}
	if d := p.client().down(); p.client().failedAt() != StepTerminated || !strings.Contains(d.Err.Error(), full.Error()) {
		t.Errorf("client: %v", d.Err)
	}
}

func TestNoIPv4ForUser(t *testing.T) {
	client, server := clientConfig(), serverConfig()
	server.Assign = func(string) (Addresses, error) { return Addresses{}, nil }
	p := newPair(t, client, server)
	p.open()
	p.mustRun(time.Second, "up", func() bool {
		return p.client().Ready(ppp.ProtocolIPv6) && p.server().Ready(ppp.ProtocolIPv6) && len(p.inFlight) == 0
	})
	down, ok := find[NetworkDown](p.client())
	if !ok || down.Protocol != ppp.ProtocolIPCP || stepOf(down.Err) != StepIPCP || p.client().Ready(ppp.ProtocolIPv4) {
		t.Errorf("%+v", down)
	}

	server.IPV6CP = nil
	p = newPair(t, client, server)
	p.open()
	p.mustRun(time.Minute, "down", p.bothDown)
	if s := p.server().failedAt(); s != StepAddresses {
		t.Errorf("failed at %v", s)
	}
}

// A callback may close the link, which happens when the method is done.
func TestCloseFromEvent(t *testing.T) {
	client, server := clientConfig(), serverConfig()
	var p *pair
	client.Event = func(e Event) {
		if _, ok := e.(Authenticated); ok {
			p.client().Close(p.now, "changed my mind")
		}
	}
	p = newPair(t, client, server)
	p.open()
	p.mustRun(time.Minute, "down", p.bothDown)
	if d := p.client().down(); d.Err != nil {
		t.Error(d.Err)
	}
	if d := p.server().down(); !strings.Contains(d.Err.Error(), "changed my mind") {
		t.Error(d.Err)
	}
}

func TestLowerDown(t *testing.T) {
	p := newPair(t, clientConfig(), serverConfig())
	p.open()
	p.mustRun(time.Second, "up", p.quiet)
	for _, e := range p.ends {
		e.LowerDown(p.now)
		e.LowerDown(p.now)
		if e.failedAt() != StepLowerLayer || count[Down](e) != 1 || count[NetworkDown](e) != 2 || len(e.sent) != 0 {
			t.Errorf("%s: %v, sent %v", e.name, e.events, e.sent)
		}
		if e.parties[0].closed == 0 {
			t.Errorf("%s: the authentication was not closed", e.name)
		}
		e.Open(p.now)
		e.Close(p.now, "")
		e.Expire(p.now)
		e.Heard(p.now)
		if _, ok := e.Deadline(); ok || len(e.sent) != 0 || count[Down](e) != 1 {
			t.Errorf("%s: lives on", e.name)
		}
	}
}

func TestCloseBeforeOpen(t *testing.T) {
	e := newEnd(t, "client", clientConfig())
	e.Receive(epoch, ppp.Frame{Protocol: ppp.ProtocolLCP, Payload: []byte{1, 1, 0, 4}})
	e.Close(epoch, "")
	if d := e.down(); d == nil || d.Err != nil || len(e.sent) != 0 {
		t.Errorf("%+v, sent %v", d, e.sent)
	}
}
