package pppref

import (
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// A stranger answers each message with some; nil is silence.
type stranger func(p ppp.Protocol, m ppp.Message) []ppp.Message

// meet runs a link against a stranger until it is down, for at most an hour, and
// returns how long it took and how many frames it sent.
func meet(t *testing.T, e *end, s stranger) (time.Duration, int) {
	t.Helper()
	now, sent := epoch, 0
	e.Open(now)
	for e.down() == nil {
		frames := e.sent
		e.sent = nil
		sent += len(frames)
		if sent > 1000 {
			t.Fatalf("%d frames sent after %v", sent, now.Sub(epoch))
		}
		spoke := false
		for _, f := range frames {
			m, _, err := ppp.ParseMessage(f.Protocol, f.Payload)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range s(f.Protocol, m) {
				spoke = true
				now = now.Add(time.Millisecond)
				e.say(t, now, f.Protocol, a)
			}
		}
		if spoke || len(e.sent) > 0 {
			continue
		}
		d, ok := e.Deadline()
		if !ok {
			t.Fatalf("it waits for ever in %v: %+v", e.Phase(), e.events)
		}
		now = d
		if now.Sub(epoch) > time.Hour {
			t.Fatalf("no end: %+v", e.events)
		}
		e.Expire(now)
	}
	return now.Sub(epoch), sent + len(e.sent)
}

func request(m ppp.Message) (ppp.Configure, bool) {
	c, ok := m.(ppp.Configure)
	return c, ok && c.Code == ppp.CodeConfigureRequest
}

// naysay answers each Configure-Request by code with the options that change makes.
func naysay(code ppp.Code, change func([]ppp.Option) []ppp.Option) stranger {
	return func(_ ppp.Protocol, m ppp.Message) []ppp.Message {
		c, ok := request(m)
		if !ok {
			return nil
		}
		return []ppp.Message{ppp.Configure{Code: code, Identifier: c.Identifier, Options: change(c.Options)}}
	}
}

func same(o []ppp.Option) []ppp.Option { return o }

func TestStrangers(t *testing.T) {
	ack := func(c ppp.Configure) ppp.Message {
		return ppp.Configure{Code: ppp.CodeConfigureAck, Identifier: c.Identifier, Options: c.Options}
	}
	demand := func(o ...ppp.Option) ppp.Message {
		return ppp.Configure{Code: ppp.CodeConfigureRequest, Identifier: 9, Options: o}
	}
	for _, tt := range []struct {
		name    string
		server  bool
		peer    stranger
		step    Step
		says    string
		longest time.Duration
	}{
		{name: "silent", peer: func(ppp.Protocol, ppp.Message) []ppp.Message { return nil }, step: StepLCP, says: "answered none of 10 Configure-Requests in 30s", longest: 30 * time.Second},
		{name: "naks for ever", peer: naysay(ppp.CodeConfigureNak, func([]ppp.Option) []ppp.Option { return []ppp.Option{ppp.MRU(1400), ppp.MagicNumber(7)} }), step: StepLCP, says: "refused 11 Configure-Requests, the last with Configure-Nak", longest: 7 * time.Second},
		{name: "naks with what is asked", server: true, peer: naysay(ppp.CodeConfigureNak, same), step: StepAuthentication, says: "no method in common", longest: 7 * time.Second},
		{name: "rejects everything", peer: naysay(ppp.CodeConfigureReject, same), step: StepLCP, says: "answered none", longest: 40 * time.Second},
		{name: "rejects a server's everything", server: true, peer: naysay(ppp.CodeConfigureReject, same), step: StepAuthentication, says: "the peer refused CHAP MS-CHAP-V2", longest: 7 * time.Second},
		{name: "acknowledges and asks for nothing", peer: naysay(ppp.CodeConfigureAck, same), step: StepLCP, says: "acknowledged 30 of 30 Configure-Requests, but sent none of its own", longest: 2 * time.Minute},
		{name: "asks and never answers", peer: func(_ ppp.Protocol, m ppp.Message) []ppp.Message {
			if _, ok := request(m); ok {
				return []ppp.Message{demand()}
			}
			return nil
		}, step: StepLCP, says: "asks, but answered none of 10", longest: 30 * time.Second},
		{name: "asks for the impossible", peer: func(_ ppp.Protocol, m ppp.Message) []ppp.Message {
			switch c, ok := request(m); {
			case ok:
				return []ppp.Message{ack(c), demand(ppp.MRU(10))}
			case c.Code == ppp.CodeConfigureNak || c.Code == ppp.CodeConfigureReject:
				return []ppp.Message{demand(ppp.MRU(11))}
			}
			return nil
		}, step: StepLCP, says: "keeps asking for what it was refused 20 times", longest: 10 * time.Second},
		{name: "wants another method", peer: func(_ ppp.Protocol, m ppp.Message) []ppp.Message {
			if c, ok := request(m); ok {
				return []ppp.Message{ack(c), demand(ppp.AuthenticationProtocol{Protocol: ppp.ProtocolEAP})}
			}
			if c, ok := m.(ppp.Configure); ok && c.Code == ppp.CodeConfigureNak {
				return []ppp.Message{ppp.Terminate{Code: ppp.CodeTerminateRequest, Data: []byte("EAP or nothing")}}
			}
			return nil
		}, step: StepAuthentication, says: "the server wants EAP, this end can do CHAP MS-CHAP-V2", longest: 2 * time.Minute},
		{name: "acknowledges what was not asked", peer: naysay(ppp.CodeConfigureAck, func(o []ppp.Option) []ppp.Option { return o[1:] }), step: StepLCP, says: "answered none of 10", longest: 30 * time.Second},
		{name: "rejects codes that nobody needs", peer: func(_ ppp.Protocol, m ppp.Message) []ppp.Message {
			if _, ok := request(m); !ok {
				return nil
			}
			return []ppp.Message{ppp.CodeReject{}, ppp.CodeReject{Rejected: []byte{12}}, ppp.Packet{Code: 77}}
		}, step: StepLCP, says: "answered none of 10", longest: 30 * time.Second},
		{name: "terminates at once", peer: func(_ ppp.Protocol, m ppp.Message) []ppp.Message {
			if _, ok := request(m); ok {
				return []ppp.Message{ppp.Terminate{Code: ppp.CodeTerminateRequest, Data: []byte("go away")}}
			}
			return nil
		}, step: StepTerminated, says: `the peer ended LCP, saying "go away"`, longest: 31 * time.Second},
		{name: "does not know LCP's codes", peer: func(_ ppp.Protocol, m ppp.Message) []ppp.Message {
			if _, ok := request(m); ok {
				return []ppp.Message{ppp.CodeReject{Rejected: []byte{1, 1, 0, 4}}}
			}
			return nil
		}, step: StepLCP, says: "does not know Configure-Request of LCP", longest: time.Second},
		{name: "echoes everything", peer: func(_ ppp.Protocol, m ppp.Message) []ppp.Message { return []ppp.Message{m} }, step: StepLoop, says: "its own Magic-Number came back 5 times", longest: 3 * time.Second},
		{name: "echoes a server's everything", server: true, peer: func(_ ppp.Protocol, m ppp.Message) []ppp.Message { return []ppp.Message{m} }, step: StepLoop, says: "its own Magic-Number came back 5 times", longest: 3 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := clientConfig()
			if tt.server {
				cfg = serverConfig()
			}
			e := newEnd(t, "x", cfg)
			took, _ := meet(t, e, tt.peer)
			d := e.down()
			if e.failedAt() != tt.step || !strings.Contains(d.Err.Error(), tt.says) {
				t.Errorf("down with %v", d.Err)
			}
			if took > tt.longest {
				t.Errorf("it took %v", took)
			}
			if count[Terminating](e) != 1 || count[Down](e) != 1 {
				t.Errorf("events %v", e.events)
			}
		})
	}
}

// upTo opens a pair and stops when the client is in a phase.
func upTo(t *testing.T, phase Phase) *pair {
	t.Helper()
	p := newPair(t, clientConfig(), serverConfig())
	p.open()
	if phase == Network {
		p.mustRun(time.Second, "up", p.quiet)
		return p
	}
	p.mustRun(time.Second, "there", func() bool { return p.client().Phase() == phase && p.server().Phase() == phase })
	return p
}

func TestPeerTerminates(t *testing.T) {
	for _, phase := range []Phase{Establish, Authenticate, Network} {
		for i := range 2 {
			p := upTo(t, phase)
			e := p.ends[i]
			e.sent = nil
			e.say(t, p.now, ppp.ProtocolLCP, ppp.Terminate{Code: ppp.CodeTerminateRequest, Identifier: 42, Data: []byte{1, 2, 3}})
			got := e.heard(t)
			if len(got) != 1 || got[0].(ppp.Terminate).Code != ppp.CodeTerminateAck || got[0].(ppp.Terminate).Identifier != 42 {
				t.Fatalf("%v: %s answers %v", phase, e.name, got)
			}
			for range 20 { // the other end is gone
				if d, ok := e.Deadline(); ok {
					e.Expire(d)
				}
			}
			if d := e.down(); d == nil || e.failedAt() != StepTerminated || !strings.Contains(d.Err.Error(), "010203") {
				t.Errorf("%v: %s: %+v", phase, e.name, d)
			}
		}
	}
}

func TestNetworkProtocolTerminated(t *testing.T) {
	p := upTo(t, Network)
	e, now := p.server(), p.now
	e.say(t, now, ppp.ProtocolIPV6CP, ppp.Terminate{Code: ppp.CodeTerminateRequest, Identifier: 1})
	if e.Ready(ppp.ProtocolIPv6) || !e.Ready(ppp.ProtocolIPv4) {
		t.Error("IPV6CP is to be down and IPCP up")
	}
	now = now.Add(3 * time.Second)
	e.Expire(now)
	if e.down() != nil || count[NetworkDown](e) != 1 {
		t.Fatalf("events %v", e.events)
	}
	e.say(t, now, ppp.ProtocolIPCP, ppp.Terminate{Code: ppp.CodeTerminateRequest, Identifier: 1, Data: []byte("enough")})
	now = now.Add(3 * time.Second)
	e.Expire(now)
	if c, ok := find[Terminating](e); !ok || !strings.Contains(c.Err.Error(), "the peer ended IPCP, saying") {
		t.Errorf("events %v", e.events)
	}
}

// RFC 1661, Section 3.5: before it has authenticated, a client gets nothing else.
func TestNothingBeforeAuthentication(t *testing.T) {
	p := upTo(t, Authenticate)
	e := p.server()
	e.sent = nil
	for _, number := range []ppp.Protocol{ppp.ProtocolIPCP, ppp.ProtocolIPV6CP, ppp.ProtocolCCP, ppp.ProtocolCBCP, ppp.ProtocolPAP, ppp.ProtocolIPv4, 0x8033} {
		e.Receive(p.now, ppp.Frame{Protocol: number, Payload: []byte{1, 1, 0, 4}})
	}
	if len(e.sent) != 0 || e.Ready(ppp.ProtocolIPv4) {
		t.Errorf("answers %v", e.sent)
	}
}

// An authentication that gets no answer ends.
func TestAuthenticationTimesOut(t *testing.T) {
	for i := range 2 {
		p := upTo(t, Authenticate)
		e := p.ends[i]
		for range 30 {
			if d, ok := e.Deadline(); ok {
				e.Expire(d)
			}
		}
		if e.failedAt() != StepAuthentication || count[AuthenticationFailed](e) != 1 {
			t.Errorf("%s: %v", e.name, e.events)
		}
	}
}

// Junk does not keep an authentication waiting for ever.
func TestJunkDoesNotFeedAuthentication(t *testing.T) {
	p := upTo(t, Authenticate)
	e := p.server()
	d, _ := e.Deadline()
	for range 5 {
		e.say(t, p.now.Add(time.Second), ppp.ProtocolCHAP, ppp.CHAPSuccess{Identifier: 3})
		e.Receive(p.now.Add(time.Second), ppp.Frame{Protocol: ppp.ProtocolCHAP, Payload: []byte{1}})
	}
	if after, ok := e.Deadline(); !ok || after.After(d) {
		t.Errorf("put off from %v to %v", d, after)
	}
}

func TestPartyCannotBeMade(t *testing.T) {
	client := clientConfig()
	client.NewParty = func(pppauth.Method) (pppauth.Party, error) { return nil, &pppauth.Error{Text: "no certificate"} }
	p := newPair(t, client, serverConfig())
	p.open()
	p.mustRun(time.Minute, "down", p.bothDown)
	if d := p.client().down(); p.client().failedAt() != StepAuthentication || !strings.Contains(d.Err.Error(), "no certificate") {
		t.Error(d.Err)
	}
}

// Answers that come twice, late, or for nothing are discarded (RFC 1661, Section 5).
func TestInvalidAnswers(t *testing.T) {
	e := newEnd(t, "client", clientConfig())
	e.Open(epoch)
	asked := e.heard(t)[0].(ppp.Configure)
	for _, m := range []ppp.Message{
		ppp.Configure{Code: ppp.CodeConfigureAck, Identifier: asked.Identifier + 1, Options: asked.Options},
		ppp.Configure{Code: ppp.CodeConfigureAck, Identifier: asked.Identifier, Options: asked.Options[1:]},
		ppp.Configure{Code: ppp.CodeConfigureReject, Identifier: asked.Identifier, Options: []ppp.Option{ppp.MRRU(1500)}},
		ppp.Configure{Code: ppp.CodeConfigureReject, Identifier: asked.Identifier},
		ppp.Configure{Code: ppp.CodeConfigureNak, Identifier: asked.Identifier},
		ppp.Packet{Code: uint8(ppp.CodeConfigureRequest), Data: []byte{1, 9, 0}}, // an option beyond the end
		ppp.Echo{Code: ppp.CodeEchoRequest, Identifier: 1},
		ppp.Identification{Message: "early"},
		ppp.ProtocolReject{Protocol: ppp.ProtocolLCP},
	} {
		e.say(t, epoch, ppp.ProtocolLCP, m)
	}
	if len(e.sent) != 0 || len(e.events) != 0 || e.lcp.state != reqSent {
		t.Errorf("state %d, sent %v, events %v", e.lcp.state, e.sent, e.events)
	}
	ack := ppp.Configure{Code: ppp.CodeConfigureAck, Identifier: asked.Identifier, Options: asked.Options}
	e.say(t, epoch, ppp.ProtocolLCP, ack)
	e.say(t, epoch, ppp.ProtocolLCP, ack)
	if len(e.sent) != 0 || e.lcp.state != ackRcvd {
		t.Errorf("state %d, sent %v", e.lcp.state, e.sent)
	}
}

// Identifiers stay while a request is repeated, and change once it was answered or
// is another one (RFC 1661, Section 5.1).
func TestIdentifiers(t *testing.T) {
	cfg := clientConfig()
	cfg.Quirks.FirstIdentifier = 7
	e := newEnd(t, "client", cfg)
	e.Open(epoch)
	first := e.heard(t)[0].(ppp.Configure)
	e.Expire(epoch.Add(3 * time.Second))
	again := e.heard(t)[0].(ppp.Configure)
	e.say(t, epoch, ppp.ProtocolLCP, ppp.Configure{Code: ppp.CodeConfigureReject, Identifier: 7, Options: first.Options[2:]})
	other := e.heard(t)[0].(ppp.Configure)
	if first.Identifier != 7 || again.Identifier != 7 || other.Identifier != 8 || len(other.Options) != 2 {
		t.Errorf("%v, %v, %v", first, again, other)
	}

	cfg.Quirks.SharedIdentifiers = true
	e = newEnd(t, "client", cfg)
	e.Open(epoch)
	e.Expire(epoch.Add(3 * time.Second))
	if got := e.heard(t); got[0].(ppp.Configure).Identifier != 7 || got[1].(ppp.Configure).Identifier != 8 {
		t.Errorf("%v", got)
	}
}

func TestPassive(t *testing.T) {
	client, server := clientConfig(), serverConfig()
	server.Quirks.PassiveLCP, server.Quirks.PassiveNCP = true, true
	p := newPair(t, client, server)
	p.server().Open(p.now)
	if len(p.server().sent) != 0 {
		t.Errorf("it speaks first: %v", p.server().sent)
	}
	p.open()
	p.mustRun(time.Second, "up", p.quiet)

	e := newEnd(t, "server", server)
	e.Open(epoch)
	e.say(t, epoch, ppp.ProtocolLCP, ppp.Terminate{Code: ppp.CodeTerminateAck})
	e.Expire(epoch.Add(29 * time.Second))
	if d, ok := e.Deadline(); !ok || d != epoch.Add(30*time.Second) {
		t.Fatalf("waits until %v", d)
	}
	e.Expire(epoch.Add(30 * time.Second))
	if d := e.down(); d == nil || e.failedAt() != StepLCP || !strings.Contains(d.Err.Error(), "no Configure-Request in 30s") {
		t.Errorf("%+v", d)
	}

	// A client without network protocols of the server's kind never asks.
	client.IPCP = nil
	p = newPair(t, client, server)
	p.open()
	p.mustRun(time.Minute, "IPCP given up", func() bool { return count[NetworkDown](p.server()) > 0 })
	if !p.server().Ready(ppp.ProtocolIPv6) {
		t.Error("IPV6CP went down with it")
	}
}
