package pppref

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// openWith returns the client's end of a link that is up, at what time.
func openWith(t *testing.T, change func(*Config)) (*end, time.Time) {
	t.Helper()
	client := clientConfig()
	change(&client)
	p := newPair(t, client, serverConfig())
	p.open()
	p.mustRun(time.Second, "up", p.quiet)
	return p.client(), p.now
}

func TestEchoReply(t *testing.T) {
	for _, tt := range []struct{ reply, want string }{
		{"", "Aho Baka Manuke\x00"},
		{"Abura Mashi Mashi", "Abura Mashi Mashi"},
	} {
		e, now := openWith(t, func(c *Config) { c.EchoReplyData = tt.reply })
		ask := ppp.Echo{Code: ppp.CodeEchoRequest, Identifier: 9, Data: []byte("Aho Baka Manuke\x00")}
		e.say(t, now, ppp.ProtocolLCP, ask)
		ask.Code = ppp.CodeDiscardRequest
		e.say(t, now, ppp.ProtocolLCP, ask)
		want := []ppp.Message{ppp.Echo{Code: ppp.CodeEchoReply, Identifier: 9, MagicNumber: e.options.magic, Data: []byte(tt.want)}}
		if d := cmp.Diff(want, e.heard(t)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func TestEchoRequests(t *testing.T) {
	e, now := openWith(t, func(c *Config) {
		c.EchoInterval, c.EchoFailures, c.EchoRequestData = 20*time.Second, 3, "are you there"
	})
	next := func() []ppp.Message {
		t.Helper()
		d, ok := e.Deadline()
		if !ok {
			t.Fatal("no timer")
		}
		now = d
		e.Expire(now)
		return e.heard(t)
	}
	up := now
	want := ppp.Echo{Code: ppp.CodeEchoRequest, MagicNumber: e.options.magic, Data: []byte("are you there")}
	for i := range 6 {
		want.Identifier = uint8(i)
		if d := cmp.Diff([]ppp.Message{want}, next()); d != "" {
			t.Fatalf("request %d (-want +got):\n%s", i, d)
		}
		// Some peers copy the request's magic number.
		e.say(t, now, ppp.ProtocolLCP, ppp.Echo{Code: ppp.CodeEchoReply, Identifier: want.Identifier, MagicNumber: e.options.magic})
	}
	if spent := now.Sub(up); spent < 118*time.Second || spent > 120*time.Second {
		t.Errorf("six requests in %v", spent)
	}
	e.Heard(now.Add(15 * time.Second))
	if d, _ := e.Deadline(); d != now.Add(35*time.Second) {
		t.Errorf("after data, the next request is at %v", d.Sub(now))
	}
	for range 3 {
		if got := next(); len(got) != 1 {
			t.Fatalf("sent %v", got)
		}
	}
	got := next()
	if m, ok := got[0].(ppp.Terminate); !ok || m.Code != ppp.CodeTerminateRequest {
		t.Errorf("after three misses: %v", got)
	}
	if c, _ := find[Terminating](e); c.Err == nil || stepOf(c.Err) != StepEcho || !strings.Contains(c.Err.Error(), "none of the last 3 LCP Echo-Requests, in 1m0s") {
		t.Errorf("%v", c.Err)
	}
	next()
	next()
	if e.failedAt() != StepEcho {
		t.Errorf("%v", e.events)
	}
}

func TestEchoSpreadAndStart(t *testing.T) {
	e, now := openWith(t, func(c *Config) {
		c.EchoInterval, c.EchoSpread, c.EchoAtOnce, c.Quirks.SharedIdentifiers = 10*time.Second, 5*time.Second, true, true
	})
	if e.echo.unanswered != 0 || e.lcp.deadline != (time.Time{}) {
		t.Errorf("the first request is to be answered by now: %+v", e.echo)
	}
	intervals := map[time.Duration]bool{}
	for range 20 {
		d, _ := e.Deadline()
		if wait := d.Sub(now); wait > 15*time.Second {
			t.Errorf("waits %v", wait)
		}
		now = d
		e.Expire(now)
		e.say(t, now, ppp.ProtocolLCP, ppp.Echo{Code: ppp.CodeEchoReply})
		after, _ := e.Deadline()
		wait := after.Sub(now)
		if wait < 10*time.Second || wait > 15*time.Second {
			t.Errorf("waits %v", wait)
		}
		intervals[wait] = true
	}
	if len(intervals) < 10 {
		t.Errorf("intervals %v", intervals)
	}
	e.say(t, now, ppp.ProtocolLCP, ppp.CodeReject{Rejected: []byte{byte(ppp.CodeEchoRequest), 1, 0, 8}})
	if d, ok := e.Deadline(); ok || e.Phase() != Network {
		t.Errorf("a peer without echo: next at %v in %v", d, e.Phase())
	}
}

// A link that is looped only after it has come up.
func TestLoopedEchoes(t *testing.T) {
	e, now := openWith(t, func(*Config) {})
	own := ppp.Echo{Code: ppp.CodeEchoRequest, MagicNumber: e.options.magic}
	other := ppp.Echo{Code: ppp.CodeEchoRequest, MagicNumber: e.options.magic + 1}
	for _, m := range []ppp.Echo{own, own, own, own, other, own, own, own, own} {
		e.say(t, now, ppp.ProtocolLCP, m)
	}
	if e.Phase() != Network {
		t.Fatalf("%v", e.events)
	}
	e.say(t, now, ppp.ProtocolLCP, own)
	if c, ok := find[Terminating](e); !ok || stepOf(c.Err) != StepLoop {
		t.Errorf("%v", e.events)
	}
}

// A terminal echoes until the program behind it has set it up: what comes back then
// is not the peer's word, and this end asks for the same again.
func TestLoopedForAWhile(t *testing.T) {
	e := newEnd(t, "server", serverConfig())
	now := epoch
	e.Open(now)
	for range 2 {
		first := e.heard(t)[0].(ppp.Configure)
		e.say(t, now, ppp.ProtocolLCP, first)
		nak := e.heard(t)[0].(ppp.Configure)
		if nak.Code != ppp.CodeConfigureNak || len(nak.Options) != 1 {
			t.Fatalf("its own request got %+v, want a Nak of the Magic-Number", nak)
		}
		e.say(t, now, ppp.ProtocolLCP, nak)
		at, ok := e.Deadline()
		if pause := at.Sub(now); !ok || pause != loopPause {
			t.Fatalf("it asks again after %v, want %v", pause, loopPause)
		}
		now = at
		e.Expire(now)
		e.sent = e.sent[len(e.sent)-1:]
		again := e.sent
		second := e.heard(t)[0].(ppp.Configure)
		e.sent = again
		if second.Code != ppp.CodeConfigureRequest || len(second.Options) != len(first.Options) || cmp.Equal(second.Options, first.Options) {
			t.Fatalf("then it asks %+v, want %+v with another Magic-Number", second, first)
		}
	}
}

func TestPeerTells(t *testing.T) {
	e, now := openWith(t, func(*Config) {})
	e.events = nil
	e.say(t, now, ppp.ProtocolLCP, ppp.Identification{Message: "MSRASV5.20"})
	e.say(t, now, ppp.ProtocolLCP, ppp.TimeRemaining{Seconds: 60, Message: "closing time"})
	if d := cmp.Diff([]Event{Identified{"MSRASV5.20"}, Remaining{60, "closing time"}}, e.events); d != "" || len(e.sent) != 0 {
		t.Errorf("sent %v, events (-want +got):\n%s", e.sent, d)
	}
}

func TestRefusals(t *testing.T) {
	mppc := configureRequest(7, ppp.MPPE(0x01000001))
	packet, err := mppc.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	whole := ppp.ProtocolReject{Protocol: ppp.ProtocolCCP, Rejected: ppp.NewSecret(packet)}
	rejected := mppc
	rejected.Code = ppp.CodeConfigureReject
	for _, tt := range []struct {
		name   string
		quirks Quirks
		number ppp.Protocol
		said   ppp.Message
		want   ppp.Message
	}{
		{"by Protocol-Reject", Quirks{}, ppp.ProtocolCCP, mppc, whole},
		{"of the protocol only", Quirks{RejectProtocolOnly: true}, ppp.ProtocolCCP, mppc, ppp.ProtocolReject{Protocol: ppp.ProtocolCCP, Rejected: ppp.NewSecret(nil)}},
		{"by silence", Quirks{RefuseCCP: BySilence}, ppp.ProtocolCCP, mppc, nil},
		{"by Configure-Reject", Quirks{RefuseCCP: ByConfigureReject}, ppp.ProtocolCCP, mppc, rejected},
		{"nothing to reject", Quirks{RefuseCCP: ByConfigureReject}, ppp.ProtocolCCP, configureRequest(7), ppp.ProtocolReject{Protocol: ppp.ProtocolCCP, Rejected: ppp.NewSecret([]byte{1, 7, 0, 4})}},
		{"an end to it", Quirks{RefuseCCP: ByConfigureReject}, ppp.ProtocolCCP, ppp.Terminate{Code: ppp.CodeTerminateRequest, Identifier: 3}, ppp.Terminate{Code: ppp.CodeTerminateAck, Identifier: 3, Data: []byte{}}},
		{"an ack of nothing", Quirks{RefuseCCP: ByConfigureReject}, ppp.ProtocolCCP, ppp.Configure{Code: ppp.CodeConfigureAck}, nil},
		{"another code", Quirks{RefuseCCP: ByConfigureReject}, ppp.ProtocolCCP, ppp.Packet{Code: 14, Identifier: 2}, ppp.ProtocolReject{Protocol: ppp.ProtocolCCP, Rejected: ppp.NewSecret([]byte{14, 2, 0, 4})}},
		{"another protocol", Quirks{RefuseCCP: BySilence}, ppp.ProtocolIPXCP, configureRequest(1), ppp.ProtocolReject{Protocol: ppp.ProtocolIPXCP, Rejected: ppp.NewSecret([]byte{1, 1, 0, 4})}},
		{"another protocol by silence", Quirks{RefuseNCP: BySilence}, ppp.ProtocolIPXCP, configureRequest(1), nil},
		{"a challenge by EAP", Quirks{RefuseNCP: BySilence}, ppp.ProtocolEAP, ppp.Packet{Code: 3, Data: []byte{}}, ppp.ProtocolReject{Protocol: ppp.ProtocolEAP, Rejected: ppp.NewSecret([]byte{3, 0, 0, 4})}},
		{"compressed data", Quirks{}, ppp.ProtocolCompressed, ppp.Packet{}, ppp.ProtocolReject{Protocol: ppp.ProtocolCompressed, Rejected: ppp.NewSecret([]byte{0, 0, 0, 4})}},
		{"IPv4 that went astray", Quirks{}, ppp.ProtocolIPv4, ppp.Packet{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, now := openWith(t, func(c *Config) { c.Quirks = tt.quirks })
			e.say(t, now, tt.number, tt.said)
			var want []ppp.Message
			if tt.want != nil {
				want = []ppp.Message{tt.want}
			}
			got := e.heard(t)
			if len(got) == 1 {
				if m, ok := got[0].(ppp.ProtocolReject); ok {
					m.Identifier = 0
					got[0] = m
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// What is rejected is cut to the peer's MRU (RFC 1661, Section 5.7).
func TestRejectsAreCut(t *testing.T) {
	client, server := clientConfig(), serverConfig()
	server.LCP = []ppp.Option{ppp.MRU(200)}
	p := newPair(t, client, server)
	p.open()
	p.mustRun(time.Second, "up", p.quiet)
	e := p.client()
	long := ppp.Packet{Code: 200, Identifier: 1, Data: make([]byte, 1000)}
	e.say(t, p.now, ppp.ProtocolIPXCP, long)
	e.say(t, p.now, ppp.ProtocolIPCP, long)
	e.say(t, p.now, ppp.ProtocolLCP, ppp.Echo{Code: ppp.CodeEchoRequest, Data: make([]byte, 1000)})
	if len(e.sent) != 3 {
		t.Fatalf("sent %v", e.sent)
	}
	for _, f := range e.sent {
		if len(f.Payload) != 200 {
			t.Errorf("%v", f)
		}
	}
	e.Receive(p.now, ppp.Frame{Protocol: ppp.ProtocolLCP, Payload: append([]byte{byte(ppp.CodeCodeReject), 1, 0, 8}, 200, 1, 0, 4)})
	if !e.Ready(ppp.ProtocolIPv4) {
		t.Error("an unknown code's rejection took the link down")
	}
}

// A peer that turns a protocol down that was up.
func TestProtocolRejected(t *testing.T) {
	e, now := openWith(t, func(*Config) {})
	e.say(t, now, ppp.ProtocolLCP, ppp.ProtocolReject{Protocol: ppp.ProtocolIPv6})
	if got := e.heard(t); len(got) != 1 || got[0].(ppp.Terminate).Code != ppp.CodeTerminateRequest || e.Ready(ppp.ProtocolIPv6) || !e.Ready(ppp.ProtocolIPv4) {
		t.Fatalf("IPv6 rejected: %v", got)
	}
	e.say(t, now, ppp.ProtocolLCP, ppp.ProtocolReject{Protocol: ppp.ProtocolIPV6CP})
	e.say(t, now, ppp.ProtocolLCP, ppp.ProtocolReject{Protocol: ppp.ProtocolIPXCP})
	if count[NetworkDown](e) != 1 || e.Phase() != Network {
		t.Errorf("%v", e.events)
	}
	e.say(t, now, ppp.ProtocolLCP, ppp.ProtocolReject{Protocol: ppp.ProtocolIPv4})
	e.say(t, now, ppp.ProtocolLCP, ppp.ProtocolReject{Protocol: ppp.ProtocolIPCP})
	if c, ok := find[Terminating](e); !ok || stepOf(c.Err) != StepIPCP || !strings.Contains(c.Err.Error(), "does not do IPCP (Protocol-Reject)") {
		t.Errorf("%v", e.events)
	}

	e, now = openWith(t, func(*Config) {})
	e.say(t, now, ppp.ProtocolLCP, ppp.ProtocolReject{Protocol: ppp.ProtocolLCP})
	if c, ok := find[Terminating](e); !ok || stepOf(c.Err) != StepLCP {
		t.Errorf("LCP rejected: %v", e.events)
	}

	p := upTo(t, Authenticate)
	p.client().say(t, p.now, ppp.ProtocolLCP, ppp.ProtocolReject{Protocol: ppp.ProtocolCHAP})
	if c, ok := find[Terminating](p.client()); !ok || stepOf(c.Err) != StepAuthentication {
		t.Errorf("CHAP rejected: %v", p.client().events)
	}
}

func TestCCPOffered(t *testing.T) {
	offered := []ppp.Option{ppp.MPPE(0x01000001)}
	server := serverConfig()
	server.CCP = offered
	for _, refusal := range []Refusal{ByProtocolReject, ByConfigureReject, BySilence} {
		client := clientConfig()
		client.Quirks.RefuseCCP = refusal
		p := newPair(t, client, server)
		p.open()
		p.mustRun(time.Second, "up", p.bothUp)
		p.run(2*time.Minute, nil)
		if !p.bothUp() || p.server().protocol(ppp.ProtocolCCP).state == opened {
			t.Errorf("refusal %d: %v", refusal, p.server().events)
		}
		if _, ok := p.server().Deadline(); ok {
			t.Errorf("refusal %d: CCP goes on", refusal)
		}
	}

	// A peer that would compress.
	p := newPair(t, clientConfig(), server)
	p.touch = func(_ int, _ *end, f ppp.Frame) (int, time.Duration) {
		if f.Protocol == ppp.ProtocolCCP {
			return 0, 0
		}
		return 1, 0
	}
	p.open()
	p.mustRun(time.Second, "up", p.quiet)
	e := p.server()
	e.say(t, p.now, ppp.ProtocolCCP, configureRequest(1, offered...))
	e.say(t, p.now, ppp.ProtocolCCP, ppp.Packet{Code: 14})
	e.say(t, p.now, ppp.ProtocolCCP, ppp.Configure{Code: ppp.CodeConfigureAck, Identifier: 0, Options: offered})
	got := e.heard(t)
	if len(got) != 2 || got[0].(ppp.Configure).Code != ppp.CodeConfigureReject || got[1].(ppp.Terminate).Code != ppp.CodeTerminateRequest {
		t.Errorf("%v", got)
	}
	e.say(t, p.now, ppp.ProtocolCCP, ppp.Terminate{Code: ppp.CodeTerminateAck})
	if !e.Ready(ppp.ProtocolIPv4) {
		t.Errorf("%v", e.events)
	}
}

// callbackPair is a client and a server that have agreed on CBCP.
func callbackPair(t *testing.T) *pair {
	client, server := clientConfig(), serverConfig()
	client.LCP = append(client.LCP, ppp.Callback{Operation: ppp.CallbackCBCP})
	client.Quirks.Callback, server.Quirks.Callback = true, true
	return newPair(t, client, server)
}

func TestCallback(t *testing.T) {
	p := callbackPair(t)
	var said []ppp.Message
	p.touch = func(_ int, _ *end, f ppp.Frame) (int, time.Duration) {
		if f.Protocol == ppp.ProtocolCBCP {
			m, _, err := ppp.ParseMessage(f.Protocol, f.Payload)
			if err != nil {
				t.Error(err)
			}
			said = append(said, m)
		}
		return 1, 0
	}
	p.open()
	p.mustRun(time.Second, "up", p.quiet)
	if d := cmp.Diff([]ppp.Message{
		ppp.CBCP{Code: ppp.CBCPRequest, Identifier: 1, Options: noCallback},
		ppp.CBCP{Code: ppp.CBCPResponse, Identifier: 1, Options: noCallback},
		ppp.CBCP{Code: ppp.CBCPAck, Identifier: 1, Options: noCallback},
	}, said); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// Nobody talks of callback who did not agree on it.
	plain, now := openWith(t, func(*Config) {})
	plain.say(t, now, ppp.ProtocolCBCP, ppp.CBCP{Code: ppp.CBCPRequest, Options: noCallback})
	if got := plain.heard(t); len(got) != 1 || got[0].(ppp.ProtocolReject).Protocol != ppp.ProtocolCBCP {
		t.Errorf("%v", got)
	}
}

func TestCallbackTrouble(t *testing.T) {
	waiting := func(t *testing.T) *pair {
		p := callbackPair(t)
		p.touch = func(_ int, _ *end, f ppp.Frame) (int, time.Duration) {
			if f.Protocol == ppp.ProtocolCBCP {
				return 0, 0
			}
			return 1, 0
		}
		p.open()
		p.mustRun(time.Second, "authenticated", func() bool {
			return count[Authenticated](p.client()) == 1 && count[Authenticated](p.server()) == 1
		})
		return p
	}
	p := waiting(t)
	p.mustRun(time.Minute, "down", p.bothDown)
	if d := p.server().down(); p.server().failedAt() != StepCallback || !strings.Contains(d.Err.Error(), "none of 10 Callback-Requests") {
		t.Errorf("no answer: %v", d.Err)
	}
	if p.client().Phase() == Authenticate {
		t.Error("the client waits for ever")
	}

	p = waiting(t)
	p.server().say(t, p.now, ppp.ProtocolCBCP, ppp.CBCP{Code: ppp.CBCPResponse, Identifier: 9, Options: noCallback})
	p.server().say(t, p.now, ppp.ProtocolCBCP, ppp.Packet{Code: 9})
	p.server().Receive(p.now, ppp.Frame{Protocol: ppp.ProtocolCBCP, Payload: []byte{1}})
	if p.server().Phase() != Authenticate {
		t.Errorf("%v", p.server().events)
	}
	p.server().say(t, p.now, ppp.ProtocolCBCP, ppp.CBCP{Code: ppp.CBCPResponse, Identifier: 1, Options: []ppp.Option{ppp.CallbackOption{Type: ppp.CallbackToUserNumber}}})
	if c, ok := find[Terminating](p.server()); !ok || stepOf(c.Err) != StepCallback {
		t.Errorf("another callback: %v", p.server().events)
	}

	p = waiting(t)
	e := p.client()
	e.say(t, p.now, ppp.ProtocolCBCP, ppp.CBCP{Code: ppp.CBCPAck, Identifier: 1, Options: noCallback})
	if e.Phase() != Authenticate {
		t.Error("an Ack of nothing counted")
	}
	e.say(t, p.now, ppp.ProtocolCBCP, ppp.CBCP{Code: ppp.CBCPRequest, Identifier: 4, Options: noCallback})
	e.sent = nil
	for range 3 { // no Ack comes
		d, _ := e.Deadline()
		e.Expire(d)
		if got := e.heard(t); len(got) != 1 || got[0].(ppp.CBCP).Code != ppp.CBCPResponse {
			t.Fatalf("%v", got)
		}
	}
	for range 7 {
		d, _ := e.Deadline()
		e.Expire(d)
	}
	if e.Phase() != Network {
		t.Errorf("without an Ack: %v", e.Phase())
	}

	p = waiting(t)
	e = p.client()
	e.say(t, p.now, ppp.ProtocolIPCP, configureRequest(1, ip(ppp.IPAddress, "10.0.0.1")))
	if e.Phase() != Network {
		t.Errorf("a server that goes on: %v", e.Phase())
	}

	p = waiting(t)
	p.server().say(t, p.now, ppp.ProtocolLCP, ppp.ProtocolReject{Protocol: ppp.ProtocolCBCP})
	if p.server().Phase() != Network {
		t.Errorf("a client that does not know CBCP: %v", p.server().Phase())
	}
}

func TestConfigErrors(t *testing.T) {
	for _, tt := range []struct {
		change func(*Config)
		server bool
		says   string
	}{
		{change: func(c *Config) { c.Role = 0 }, says: "no such role: role 0"},
		{change: func(c *Config) { c.Send = nil }, says: "send is nil"},
		{change: func(c *Config) { c.Methods = nil }, says: "none given"},
		{change: func(c *Config) { c.Methods = []pppauth.Method{99} }, says: "LCP knows no"},
		{change: func(c *Config) { c.NewParty = nil }, says: "newParty is nil"},
		{change: func(c *Config) { c.Assign = nil }, server: true, says: "assign is nil"},
		{change: func(c *Config) { c.Assign = assign }, says: "assign is set"},
		{change: func(c *Config) { c.CCP = []ppp.Option{} }, says: "ccp is set"},
		{change: func(c *Config) { c.IPCP, c.IPV6CP = nil, nil }, says: "neither IPCP nor IPV6CP"},
		{change: func(c *Config) { c.EchoInterval = -1 }, says: "negative"},
		{change: func(c *Config) { c.LCP = []ppp.Option{pppauth.PAP.Option()} }, says: "a client asks for no authentication"},
		{change: func(c *Config) { c.LCP = []ppp.Option{ppp.MRU(1), ppp.MRU(2)} }, says: "LCP options: Maximum-Receive-Unit is there twice"},
		{change: func(c *Config) { c.IPCP = []ppp.Option{ppp.IPCPAddress{Type: ppp.IPAddress}} }, says: "IPCP options"},
		{change: func(c *Config) { c.Rand = bytes.NewReader(nil) }, says: "reading random octets: EOF"},
	} {
		cfg := clientConfig()
		if tt.server {
			cfg = serverConfig()
		}
		cfg.Send = func(ppp.Frame) {}
		cfg.NewParty = func(pppauth.Method) (pppauth.Party, error) { return nil, errors.New("none") }
		tt.change(&cfg)
		if _, err := NewLink(cfg); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v, want one that says %q", err, tt.says)
		}
	}
	cfg := clientConfig()
	cfg.Send = func(ppp.Frame) {}
	cfg.NewParty = func(pppauth.Method) (pppauth.Party, error) { return nil, errors.New("none") }
	if _, err := NewLink(cfg); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		Client.String(): "client", Server.String(): "server", Role(7).String(): "role 7",
		StepLCP.String(): "lcp", StepTerminated.String(): "terminated by peer", Step(0).String(): "step 0", Step(99).String(): "step 99",
		Dead.String(): "dead", Terminate.String(): "terminate", Phase(9).String(): "phase 9",
		(&Error{Step: StepIPCP, Reason: "none"}).Error():                             "ppp: ipcp: none",
		(&Error{Step: StepIPCP, Reason: "none", Err: errors.New("used up")}).Error(): "ppp: ipcp: none: used up",
		saying(nil):                  "",
		saying([]byte("bye\x00")):    `, saying "bye"`,
		saying([]byte{1, 2}):         ", with the data 0102",
		saying([]byte("a\xffb"))[:5]: ", wit",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if n := len(saying(bytes.Repeat([]byte("x"), 4000))); n > 200 {
		t.Errorf("%d octets quoted", n)
	}
}
