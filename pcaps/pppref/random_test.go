package pppref

import (
	"math/rand/v2"
	"testing"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// A joker answers what a link says by something that has to do with it, mostly the
// right thing, so that every phase is reached and left in odd ways.
type joker struct {
	*rand.Rand
	client bool // what it plays
}

func (j joker) some(options []ppp.Option) []ppp.Option {
	var kept []ppp.Option
	for _, o := range options {
		if j.IntN(2) == 0 {
			kept = append(kept, o)
		}
	}
	return kept
}

// invent returns options of p, good and bad ones.
func (j joker) invent(p ppp.Protocol) []ppp.Option {
	lists := map[ppp.Protocol][]ppp.Option{
		ppp.ProtocolLCP: {
			ppp.MRU(1400), ppp.MRU(3), ppp.MagicNumber(j.Uint32()), pppauth.MSCHAPv2.Option(), pppauth.PAP.Option(),
			ppp.ProtocolFieldCompression{},
			ppp.AddressAndControlFieldCompression{},
			ppp.Callback{Operation: ppp.CallbackCBCP},
			ppp.MRRU(1500),
		},
		ppp.ProtocolIPCP:   append(askFor(ppp.IPAddress, ppp.PrimaryDNS), ip(ppp.IPAddress, "10.0.0.2"), ip(ppp.PrimaryDNS, "10.0.0.53")),
		ppp.ProtocolIPV6CP: {ppp.InterfaceIdentifier{7: byte(j.IntN(3))}, ppp.RawOption{Type: 9, Data: []byte{1}}},
		ppp.ProtocolCCP:    {ppp.MPPE(1)},
	}
	return j.some(lists[p])
}

// good is a request of p that would be acknowledged.
func (j joker) good(p ppp.Protocol) []ppp.Option {
	switch {
	case p == ppp.ProtocolIPCP && j.client:
		return []ppp.Option{ip(ppp.IPAddress, "10.0.0.2")}
	case p == ppp.ProtocolIPCP:
		return []ppp.Option{ip(ppp.IPAddress, "10.0.0.1")}
	case p == ppp.ProtocolIPV6CP:
		return []ppp.Option{ppp.InterfaceIdentifier{7: 77}}
	case p == ppp.ProtocolLCP && !j.client:
		return []ppp.Option{pppauth.MSCHAPv2.Option()}
	}
	return nil
}

// reply makes up what follows on m.
func (j joker) reply(p ppp.Protocol, m ppp.Message) []ppp.Message {
	switch m := m.(type) {
	case ppp.Configure:
		if m.Code != ppp.CodeConfigureRequest {
			if m.Code != ppp.CodeConfigureAck {
				return []ppp.Message{configureRequest(uint8(j.IntN(256)), j.good(p)...)}
			}
			return nil
		}
		switch j.IntN(25) {
		case 0:
			m.Code, m.Options = ppp.CodeConfigureReject, j.some(m.Options)
		case 1:
			m.Code, m.Options = ppp.CodeConfigureNak, j.invent(p)
		default:
			m.Code = ppp.CodeConfigureAck
		}
		asked := j.good(p)
		if j.IntN(15) == 0 {
			asked = j.invent(p)
		}
		return []ppp.Message{m, configureRequest(uint8(j.IntN(256)), asked...)}
	case ppp.Terminate:
		if m.Code == ppp.CodeTerminateRequest && j.IntN(3) > 0 {
			return []ppp.Message{ppp.Terminate{Code: ppp.CodeTerminateAck, Identifier: m.Identifier}}
		}
	case ppp.CHAPChallenge:
		return []ppp.Message{ppp.CHAPResponse{Identifier: m.Identifier, Value: ppp.NewSecret(make([]byte, 49)), Name: []string{"alice", "bob"}[j.IntN(20)/19]}}
	case ppp.CHAPResponse:
		return []ppp.Message{ppp.CHAPSuccess{Identifier: m.Identifier, Message: "S="}}
	case ppp.CBCP:
		if m.Code == ppp.CBCPRequest {
			return []ppp.Message{ppp.CBCP{Code: ppp.CBCPResponse, Identifier: m.Identifier, Options: noCallback}}
		}
	case ppp.Echo:
		if m.Code == ppp.CodeEchoRequest && j.IntN(4) > 0 {
			m.Code = ppp.CodeEchoReply
			return []ppp.Message{m}
		}
	}
	return nil
}

// outburst is a message out of nowhere.
func (j joker) outburst() (ppp.Protocol, ppp.Message) {
	protocols := []ppp.Protocol{
		ppp.ProtocolLCP, ppp.ProtocolIPCP, ppp.ProtocolIPV6CP, ppp.ProtocolCCP, ppp.ProtocolIPXCP, ppp.ProtocolLCP,
	}
	p := protocols[j.IntN(len(protocols))]
	messages := []ppp.Message{
		configureRequest(uint8(j.IntN(256)), j.invent(p)...),
		configureRequest(uint8(j.IntN(256)), j.good(p)...),
		ppp.Configure{Code: ppp.CodeConfigureAck, Identifier: uint8(j.IntN(8))},
		ppp.Terminate{Code: ppp.CodeTerminateRequest, Data: []byte("bye")},
		ppp.Terminate{Code: ppp.CodeTerminateAck},
		ppp.CodeReject{Rejected: []byte{byte(j.IntN(16))}},
		ppp.Packet{Code: 99},
	}
	if p == ppp.ProtocolLCP {
		messages = append(messages,
			ppp.Echo{Code: ppp.CodeEchoRequest}, ppp.Identification{Message: "I"}, ppp.TimeRemaining{},
			ppp.ProtocolReject{Protocol: protocols[j.IntN(len(protocols))]}, ppp.ProtocolReject{Protocol: ppp.ProtocolIPv4},
		)
	}
	return p, messages[j.IntN(len(messages))]
}

// Links of all kinds meet jokers. Whatever these do, what FuzzLink looks at holds,
// and in the end the link is down or up and quiet.
func TestJokers(t *testing.T) {
	reached, ended := map[Phase]int{}, map[Step]int{}
	for n := range 1500 {
		j := joker{Rand: rand.New(rand.NewPCG(uint64(n), 1))}
		cfg := fuzzConfig(t, byte(n))
		j.client = cfg.Role == Server
		e := newEnd(t, "x", cfg)
		w := &watcher{t: t, end: e}
		now := epoch
		e.Open(now)
		w.look()
		wildness := 1 + j.IntN(80)
		for range 150 {
			said := w.said
			w.said = nil
			for _, f := range said {
				m, _, err := ppp.ParseMessage(f.Protocol, f.Payload)
				if err != nil {
					t.Fatalf("joker %d: %v: %v", n, f, err)
				}
				for _, a := range j.reply(f.Protocol, m) {
					e.say(t, now, f.Protocol, a)
					w.look()
				}
			}
			if j.IntN(wildness) == 0 {
				p, m := j.outburst()
				e.say(t, now, p, m)
				w.look()
			}
			now = now.Add(time.Duration(j.IntN(2000)) * time.Millisecond)
			e.Expire(now)
			w.look()
			reached[e.Phase()]++
			if t.Failed() {
				t.Fatalf("joker %d", n)
			}
		}
		if e.down() == nil {
			e.Close(now, "")
		}
		for range 100 {
			if d, ok := e.Deadline(); ok {
				e.Expire(d)
			}
		}
		if e.down() == nil || count[Down](e) != 1 {
			t.Fatalf("joker %d: no end, phase %v: %v", n, e.Phase(), e.events)
		}
		ended[e.failedAt()]++
		for _, p := range e.parties {
			if p.closed == 0 {
				t.Errorf("joker %d: an authentication was not closed", n)
			}
		}
	}
	t.Logf("phases %v, ends %v", reached, ended)
	for phase := Dead; phase <= Terminate; phase++ {
		if reached[phase] == 0 {
			t.Errorf("no joker was met in phase %v", phase)
		}
	}
	for _, s := range []Step{StepLCP, StepAuthentication, StepIPCP, StepTerminated} {
		if ended[s] == 0 {
			t.Errorf("no link ended with %v: %v", s, ended)
		}
	}
}
