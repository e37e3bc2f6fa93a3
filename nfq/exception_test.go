package nfq

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/tcpflow"
	"sstpwarden/policies"
)

// choices are what a cause can be met with.
var choices = []Choice{Let, Watch, Cut}

// What a connection's packets meet, for a cause that concerns it and is met with each
// choice; in a dry run the one that would be cut is let go.
func TestConnectionExceptions(t *testing.T) {
	second := func() *conn { return newConn(netip.AddrPortFrom(client4.Addr(), 51001), server4) }
	for _, test := range []struct {
		cause Cause
		set   func(*Config, Choice)
		// run has packets judged up to the one that matters, and gives that one.
		run func(*bench) []byte
	}{
		{CauseMidstream, func(c *Config, x Choice) { c.Exceptions.Midstream = x }, func(*bench) []byte {
			return newConn(client4, server4).says(page)
		}},
		{CauseMemory, func(c *Config, x Choice) {
			c.Exceptions.Memory = x
			c.Limits.MaxFlows = 1
		}, func(b *bench) []byte {
			for i, c := range []*conn{newConn(client4, server4), second()} {
				b.want(accepted, c.handshake()...)
				if i == 1 {
					return c.says(page)
				}
				b.want(accepted, c.says(page))
			}
			return nil
		}},
		{CauseUndecided, func(c *Config, x Choice) {
			c.Exceptions.Undecided = x
			c.Budget = 1000
		}, func(b *bench) []byte {
			c := newConn(client4, server4)
			b.want(accepted, c.handshake()...)
			b.want(accepted, c.says(page), c.answers("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"))
			return c.answers(strings.Repeat("x", 1000))
		}},
	} {
		for _, forced := range []bool{false, true} {
			for _, choice := range choices {
				for _, dry := range []bool{false, true} {
					t.Run(fmt.Sprintf("%v, %v, forced %v, dry %v", test.cause, choice, forced, dry), func(t *testing.T) {
						b := newBench(t, quiet, func(c *Config) {
							c.Gate.DryRun = dry
							if forced {
								choose(c, test.cause, choice)
								c.Simulate = []Cause{test.cause}
								return
							}
							test.set(c, choice)
						})
						var p []byte
						if forced {
							c := newConn(client4, server4)
							b.want(accepted, c.handshake()...)
							p = c.says(page)
						} else {
							p = test.run(b)
						}
						checkException(t, b, p, test.cause, choice, dry)
					})
				}
			}
		}
	}
}

// quiet allows everything.
var quiet = always(policies.Decision{Action: policies.ActionAllow})

func choose(c *Config, cause Cause, choice Choice) {
	switch cause {
	case CauseMidstream:
		c.Exceptions.Midstream = choice
	case CauseMemory:
		c.Exceptions.Memory = choice
	case CauseUndecided:
		c.Exceptions.Undecided = choice
	default:
		c.Exceptions.Unreadable = choice
	}
}

func checkException(t *testing.T, b *bench, p []byte, cause Cause, choice Choice, dry bool) {
	t.Helper()
	want, states := accepted, []string(nil)
	switch {
	case choice == Let:
		want = Verdict{Action: Settle, Rule: cause.rule()}
	case choice == Cut && dry:
		want, states = Verdict{Action: Settle, Rule: cause.rule()}, []string{"open drop (not enforced)"}
	case choice == Cut:
		want, states = Verdict{Action: Block, Reset: true, Rule: cause.rule()}, []string{"closed drop"}
	}
	b.want(want, p)
	if diff := cmp.Diff(states, b.states()); diff != "" {
		t.Error(diff)
	}
	if n := b.Counts().Exceptions[cause]; n != 1 {
		t.Errorf("%d exceptions counted", n)
	}
	if said := b.log.String(); choice != Watch && !strings.Contains(said, "cause="+cause.String()) {
		t.Errorf("log: %q", said)
	}
}

// What is SSTP and allowed is no exception when its budget is spent: it is let go.
func TestBudgetOfAllowed(t *testing.T) {
	b := newBench(t, always(policies.Decision{Action: policies.ActionLog}), func(c *Config) {
		c.Budget = 1000
		c.Exceptions.Undecided = Cut
	})
	c := newConn(client4, server4)
	b.want(accepted, c.handshake()...)
	b.want(accepted, c.says(announced))
	b.want(Verdict{Action: Settle, Rule: "test.always"}, c.says(strings.Repeat("x", 1000)))
	if n := b.Counts().Exceptions[CauseUndecided]; n != 0 {
		t.Errorf("%d exceptions", n)
	}
}

// A connection whose first packet carries nothing is judged by that one.
func TestMidstreamWithoutPayload(t *testing.T) {
	for choice, want := range map[Choice]Verdict{
		Let:   {Action: Settle, Rule: "nfq.midstream"},
		Watch: accepted,
		Cut:   {Action: Block, Reset: true, Rule: "nfq.midstream"},
	} {
		b := newBench(t, quiet, func(c *Config) { c.Exceptions.Midstream = choice })
		c := newConn(client4, server4)
		b.want(want, c.from(1, ack, ""), c.from(0, ack, ""))
		n, events := uint64(1), 0
		if choice == Watch {
			n = 0
		}
		if choice == Cut {
			events = 1
		}
		if got := b.Counts().Exceptions[CauseMidstream]; got != n || len(b.events) != events {
			t.Errorf("%v: %d exceptions, events %v", choice, got, b.states())
		}
		// Its ports are used again by one that begins.
		b.want(accepted, newConn(client4, server4).handshake()...)
	}
}

// A connection that is watched from its middle on is never cleared, but a tunnel shows.
func TestMidstreamTunnel(t *testing.T) {
	all, _ := frames(t, "../pcaps/testdata/positive/ac-tls13-idle70--mid.pcap")
	b := newBench(t, dropping, nil)
	for _, f := range all {
		b.Packet(f.ip, f.at)
	}
	if k := b.Counts(); k.Exceptions[CauseMidstream] == 0 || k.Settled != 0 {
		t.Errorf("counts %+v", k)
	}
}

// Packets that cannot be read pass or do not.
func TestUnreadable(t *testing.T) {
	good := newConn(client4, server4).from(0, syn, "")
	edit := func(change func([]byte) []byte) []byte { return change(append([]byte(nil), good...)) }
	packets := map[string][]byte{
		"nothing":         {},
		"cut IP header":   good[:10],
		"cut TCP header":  edit(func(b []byte) []byte { binary.BigEndian.PutUint16(b[2:], 30); return b[:30] }),
		"IP header":       edit(func(b []byte) []byte { b[0] = 0x41; return b }),
		"version":         edit(func(b []byte) []byte { b[0] = 0x75; return b }),
		"TCP header":      edit(func(b []byte) []byte { b[32] = 0x10; return b }),
		"flags":           edit(func(b []byte) []byte { b[33] = syn | rst; return b }),
		"IPv6 extensions": {0x60, 0, 0, 0, 0, 8, 0, 64, 47: 0},
	}
	packets["IPv6 extensions"] = append(packets["IPv6 extensions"][:40], 6, 200, 0, 0, 0, 0, 0, 0)
	for choice, want := range map[Choice]Verdict{
		0: accepted, Let: accepted, Watch: accepted, Cut: {Action: Drop, Rule: "nfq.unreadable"},
	} {
		for name, p := range packets {
			b := newBench(t, dropping, func(c *Config) { c.Exceptions.Unreadable = choice })
			if got := b.take(p); got != want || b.Counts().Exceptions[CauseUnreadable] != 1 {
				t.Errorf("%v, %s: %+v, %d counted; want %+v", choice, name, got, b.Counts().Exceptions[CauseUnreadable], want)
			}
		}
		forced := newBench(t, dropping, func(c *Config) {
			c.Exceptions.Unreadable = choice
			c.Simulate = []Cause{CauseUnreadable}
		})
		forced.want(want, good)
		dry := newBench(t, dropping, func(c *Config) {
			c.Exceptions.Unreadable = choice
			c.Gate.DryRun = true
		})
		dry.want(accepted, good[:10])
	}
}

// A packet that contradicts one that its receiver need not have taken does not reach it:
// so who is behind us sees what was seen here, and a tunnel cannot hide behind noise.
func TestConflict(t *testing.T) {
	cut := Verdict{Action: Drop, Rule: "nfq.conflict"}
	noise := func(packets ...[]byte) []byte { // of the first one's kind
		p := append([]byte(nil), packets[0]...)
		for i := len(p) - 20; i < len(p); i++ {
			p[i] ^= 0x15
		}
		return p
	}
	for choice, want := range map[Choice]Verdict{0: cut, Watch: accepted, Let: accepted, Cut: cut} {
		for _, dry := range []bool{false, true} {
			b := newBench(t, dropping, func(c *Config) {
				c.Exceptions.Conflict = choice
				c.Gate.DryRun = dry
			})
			c := newConn(client4, server4)
			b.want(accepted, c.handshake()...)
			first := c.says(duplexPost)
			b.want(accepted, noise(first), noise(first))
			if dry {
				want = accepted
			}
			b.want(want, first)
			counted := uint64(1)
			if choice == Let || choice == Watch {
				counted = 0 // nobody looks
			}
			if n := b.Counts().Exceptions[CauseConflict]; n != counted {
				t.Errorf("%v, dry %v: %d counted", choice, dry, n)
			}
		}
	}
	forced := newBench(t, dropping, func(c *Config) { c.Simulate = []Cause{CauseConflict} })
	forced.want(cut, newConn(client4, server4).handshake()...)

	b := newBench(t, dropping, nil)
	c := newConn(client6, server6)
	b.want(accepted, c.handshake()...)
	end := *c
	b.want(accepted, end.from(0, fin|ack, "")) // that the server need not see
	b.want(cut, c.says(duplexPost))
}

// What is no TCP passes and is no exception, and neither is what belongs to nothing.
func TestOthersPass(t *testing.T) {
	udp := newConn(client4, server4).from(0, ack, "")
	udp[9] = 17
	b := newBench(t, dropping, func(c *Config) { c.Exceptions = Exceptions{Cut, Cut, Cut, Cut, 0} })
	b.want(accepted, udp, newConn(client4, server4).from(1, rst, ""), newConn(client6, server6).from(0, fin|ack, ""))
	if k := b.Counts(); k.Exceptions != [numCauses]uint64{} {
		t.Errorf("exceptions %v", k.Exceptions)
	}
}

// Fragments pass while they do not make a packet; the last one makes the case.
func TestFragments(t *testing.T) {
	b, c := newBench(t, dropping, nil), newConn(client4, server4)
	b.want(accepted, c.handshake()...)
	whole := c.says(announced)
	b.want(accepted, fragment(whole, 0, 40, true))
	b.want(Verdict{Action: Block, Reset: true, Rule: "test.sstp"}, fragment(whole, 40, len(whole)-20, false))
}

// fragment gives some bytes behind the IPv4 header.
func fragment(p []byte, from, to int, more bool) []byte {
	b := append(append([]byte(nil), p[:20]...), p[20+from:20+to]...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	offset := uint16(from / 8)
	if more {
		offset |= 0x2000
	}
	binary.BigEndian.PutUint16(b[6:], offset)
	return b
}

// A policy that gives no answer is stood in for, and every such question is counted.
func TestPolicyExceptions(t *testing.T) {
	failure := errors.New("broken")
	for _, test := range []struct {
		name     string
		cause    Cause
		simulate bool
		err      error
	}{
		{"error", CausePolicyError, false, failure},
		{"timeout", CausePolicyTimeout, false, context.DeadlineExceeded},
		{"forced error", CausePolicyError, true, nil},
		{"forced timeout", CausePolicyTimeout, true, nil},
	} {
		for _, standIn := range []policies.Action{policies.ActionLog, policies.ActionDrop} {
			t.Run(test.name+", "+string(standIn), func(t *testing.T) {
				b := newBench(t, policies.DeciderFunc(func(ctx context.Context, in policies.Input) (policies.Decision, error) {
					if test.simulate {
						return quiet(ctx, in)
					}
					return policies.Decision{}, test.err
				}), func(c *Config) {
					c.Gate.OnError = policies.StandIn{SSTP: standIn, Rest: standIn}
					c.Gate.OnTimeout = c.Gate.OnError
					if test.simulate {
						c.Simulate = []Cause{test.cause}
					}
				})
				c := newConn(client4, server4)
				b.want(accepted, c.handshake()...)
				v := b.take(c.says(duplexPost))
				if (v.Action == Block) != (standIn == policies.ActionDrop) {
					t.Errorf("%+v", v)
				}
				if n := b.Counts().Exceptions[test.cause]; n == 0 || !strings.Contains(b.log.String(), "cause="+test.cause.String()) {
					t.Errorf("%d counted; log %q", n, &b.log)
				}
				rule := policies.RulePolicyError
				if test.cause == CausePolicyTimeout {
					rule = policies.RulePolicyTimeout
				}
				if len(b.events) != 1 || b.events[0].Decision.Rule != rule {
					t.Errorf("events %v", b.states())
				}
			})
		}
	}
}

// A policy that takes too long is a timeout.
func TestPolicyTimeout(t *testing.T) {
	b := newBench(t, policies.DeciderFunc(func(ctx context.Context, _ policies.Input) (policies.Decision, error) {
		<-ctx.Done()
		return policies.Decision{}, ctx.Err()
	}), func(c *Config) { c.Gate.Timeout = time.Millisecond })
	c := newConn(client4, server4)
	b.want(accepted, c.handshake()...)
	b.want(Verdict{Action: Block, Rule: policies.RulePolicyTimeout}, c.says(duplexPost))
	if n := b.Counts().Exceptions[CausePolicyTimeout]; n != 1 {
		t.Errorf("%d timeouts counted", n)
	}
}

// An exception is logged when it first comes up, and then once an interval with how often.
func TestLogInterval(t *testing.T) {
	b := newBench(t, dropping, nil)
	for range 1000 {
		b.take(nil)
	}
	b.Tick(b.now)
	if n := strings.Count(b.log.String(), "\n"); n != 1 {
		t.Fatalf("%d lines: %s", n, &b.log)
	}
	b.Tick(b.now.Add(logInterval))
	if said := b.log.String(); strings.Count(said, "\n") != 2 || !strings.Contains(said, "cause=unreadable times=999") {
		t.Errorf("log %s", said)
	}
}

// A flood of first packets, of first payloads and of packets out of nowhere takes no more
// memory than it may, and a connection that goes on meanwhile is judged as ever.
func TestFlood(t *testing.T) {
	limits := tcpflow.Config{MaxFlows: 100, MaxHalfOpen: 200, MaxBuffered: 1 << 16, MaxBufferedPerFlow: 1 << 12}
	for _, choice := range choices {
		b := newBench(t, quiet, func(c *Config) {
			c.Limits = limits
			c.Exceptions.Memory = choice
		})
		for i := range 20000 {
			client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 40000)
			c := newConn(client, server4)
			b.take(c.from(0, syn, ""))
			switch i % 4 {
			case 1:
				b.take(c.says("\x16\x03\x01\x02\x00\x01\x00")) // a ClientHello that never ends
			case 2:
				c.next[0] += 100
				b.take(c.says("early"))
			case 3:
				b.take(c.says(banner))
			}
			if n := b.table.Len(); n > 2*limits.MaxFlows+limits.MaxHalfOpen || b.left.len() > limits.MaxFlows {
				t.Fatalf("%v: %d connections, %d linger", choice, n, b.left.len())
			}
		}
		k := b.Counts()
		if k.Exceptions[CauseMemory] == 0 || k.Watched > int64(limits.MaxFlows) {
			t.Errorf("%v: counts %+v", choice, k)
		}
		if choice != Watch {
			continue
		}
		b.config.Gate.Decider = dropping
		c := newConn(client4, server4)
		b.want(accepted, c.handshake()...)
		b.want(Verdict{Action: Block, Reset: true, Rule: "test.sstp"}, c.says(announced))
	}
}

// How many connections may be without payload follows how many may be watched. Who is given
// up for others is midstream when it goes on.
func TestHalfOpenFollows(t *testing.T) {
	for _, x := range []struct {
		limits tcpflow.Config
		want   int
	}{
		{tcpflow.Config{MaxFlows: 10}, MinHalfOpen},
		{tcpflow.Config{MaxFlows: 2000}, 2000},
		{tcpflow.Config{MaxFlows: 10, MaxHalfOpen: 30}, 30},
	} {
		for _, choice := range choices {
			b := newBench(t, quiet, func(c *Config) {
				c.Limits, c.Exceptions.Memory = x.limits, choice
				c.Exceptions.Midstream = Let
			})
			opened := make([]*conn, x.want+1)
			for i := range opened {
				opened[i] = newConn(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 40000), server4)
				b.want(accepted, opened[i].handshake()...)
			}
			b.want(accepted, opened[1].says("GET"))
			b.want(Verdict{Action: Settle, Rule: CauseMidstream.rule()}, opened[0].says("GET"))
			b.Tick(b.now)
			if n, gone := b.table.Len(), b.Counts().Table.HalfOpenEvicted; gone != 1 || n > x.want+2 {
				t.Errorf("%+v, %v: of %d connections %d are there, %d were given up", x.limits, choice, len(opened), n, gone)
			}
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range Causes() {
		if got, err := ParseCause(c.String()); err != nil || got != c {
			t.Errorf("%v: %v, %v", c, got, err)
		}
	}
	if _, err := ParseCause("nothing"); err == nil || Cause(0).String() != "Cause(0)" || Action(9).String() != "Action(9)" || Choice(9).String() != "Choice(9)" {
		t.Errorf("words for what is not known; %v", err)
	}
	for _, c := range choices {
		text, _ := c.MarshalText()
		var got Choice
		if err := got.UnmarshalText(text); err != nil || got != c {
			t.Errorf("%v: %v, %v", c, got, err)
		}
	}
	var c Choice
	if err := c.UnmarshalText([]byte("")); err == nil {
		t.Error("no word is a choice")
	}
	if Block.String() != "block" {
		t.Error(Block)
	}
}
