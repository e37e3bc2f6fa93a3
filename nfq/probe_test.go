package nfq

import (
	"context"
	"net/netip"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

// asking has the server asked, and drops what is confirmed.
var asking = policies.DeciderFunc(func(_ context.Context, in policies.Input) (policies.Decision, error) {
	d := policies.Decision{Action: policies.ActionLog, Probe: true, Reason: "Perhaps.", Rule: "test.ask"}
	if in.Detection.Verdict == inspect.VerdictConfirmed {
		d = policies.Decision{Action: policies.ActionDrop, Reason: "Yes.", Rule: "test.sstp"}
	}
	return d, nil
})

var proof = inspect.Evidence{Rule: "probe.sstp", Weight: 60, Proof: true, Detail: "the server speaks SSTP"}

// An answer from another goroutine is heard with the connection's next packet.
func TestProbe(t *testing.T) {
	for name, test := range map[string]struct {
		ok   bool
		want Verdict
	}{
		"yes": {true, Verdict{Action: Block, Rule: "test.sstp"}},
		"no":  {false, accepted},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []Question
			var answered sync.WaitGroup
			b := newBench(t, asking, func(c *Config) {
				c.Probe = func(q Question) {
					asked = append(asked, q)
					answered.Go(func() { q.Answer(proof, test.ok) })
				}
			})
			c := newConn(client4, server4)
			b.want(accepted, c.handshake()...)
			b.want(accepted, c.says(duplexPost))
			answered.Wait()
			b.want(test.want, c.says("x"))
			if len(asked) != 1 || asked[0].Key != (inspect.FlowKey{Client: client4, Server: server4}) || asked[0].Addr != server4 {
				t.Errorf("questions %+v", asked)
			}
			if n := b.Counts().Probes; n != 1 {
				t.Errorf("%d probes", n)
			}
		})
	}
}

// A tunnel that the policy allows stays in the queue until the answer is there.
func TestProbeOfTunnel(t *testing.T) {
	all, _ := frames(t, "../pcaps/testdata/positive/se-tls13-p8443-ipv6.pcap")
	var asked []Question
	b := newBench(t, always(policies.Decision{Action: policies.ActionLog, Probe: true}), func(c *Config) {
		c.Probe = func(q Question) { asked = append(asked, q) }
		c.Budget = 1
	})
	half := len(all) / 2
	for _, f := range all[:half] {
		if v := b.Packet(f.ip, f.at); v.Action != Accept {
			t.Fatalf("%+v before the answer", v)
		}
	}
	if len(asked) != 1 {
		t.Fatalf("%d questions", len(asked))
	}
	asked[0].Answer(inspect.Evidence{}, false)
	b.Packet(all[half].ip, all[half].at)
	if k := b.Counts(); k.Settled != 1 {
		t.Errorf("counts %+v", k)
	}
}

// Through a proxy the server is whom the client wants to reach.
func TestProbeThroughProxy(t *testing.T) {
	for target, want := range map[string]Question{
		"vpn.example:8443":   {Name: "vpn.example", Addr: netip.AddrPortFrom(netip.Addr{}, 8443)},
		"203.0.113.9:443":    {Addr: netip.MustParseAddrPort("203.0.113.9:443")},
		"[2001:db8::9]:4433": {Addr: netip.MustParseAddrPort("[2001:db8::9]:4433")},
	} {
		var asked []Question
		b := newBench(t, always(policies.Decision{Action: policies.ActionLog, Probe: true}), func(c *Config) {
			c.Probe = func(q Question) { asked = append(asked, q) }
		})
		c := newConn(client4, server4)
		b.want(accepted, c.handshake()...)
		b.want(accepted, c.says("CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\nUser-Agent: x\r\n\r\n"))
		if len(asked) != 1 {
			t.Fatalf("%s: %d questions", target, len(asked))
		}
		asked[0].Answer, asked[0].Key = nil, inspect.FlowKey{}
		if diff := cmp.Diff([]Question{want}, asked, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", target, diff)
		}
	}
}

// Answers that come too late change nothing, and hold nobody up.
func TestLateAnswers(t *testing.T) {
	var asked []Question
	b := newBench(t, asking, func(c *Config) { c.Probe = func(q Question) { asked = append(asked, q) } })
	first, second := newConn(client4, server4), newConn(client6, server6)
	for _, c := range []*conn{first, second} {
		b.want(accepted, c.handshake()...)
		b.want(accepted, c.says(duplexPost))
	}
	b.want(accepted, first.from(0, rst, ""))
	b.want(accepted, first.from(0, syn, ""))
	asked[0].Answer(proof, true)
	b.Tick(b.now)
	b.Close()
	for range 100 {
		asked[1].Answer(proof, true)
	}
	if k := b.Counts(); k.Blocked != 0 || k.Watched != 0 {
		t.Errorf("counts %+v", k)
	}
}

// Nobody is asked where that is not set up, or in a dry run; a tunnel then waits for
// nothing.
func TestNoProbe(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"nobody":  func(*Config) {},
		"dry run": func(c *Config) { c.Gate.DryRun, c.Probe = true, func(Question) { t.Error("asked") } },
	} {
		all, _ := frames(t, "../pcaps/testdata/positive/se-tls13-p8443-ipv6.pcap")
		b := newBench(t, always(policies.Decision{Action: policies.ActionLog, Probe: true}), change)
		for _, f := range all {
			b.Packet(f.ip, f.at)
		}
		if k := b.Counts(); k.Settled != 1 || k.Probes != 0 {
			t.Errorf("%s: counts %+v", name, k)
		}
	}
}
