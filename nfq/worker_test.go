package nfq

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

const (
	// duplexPost asks for SSTP, in clear: evidence, and no proof yet.
	duplexPost = "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n" +
		"Host: vpn.example\r\nContent-Length: 18446744073709551615\r\n\r\n"
	// page is a request whose answer may be of any length.
	page = "GET /page HTTP/1.1\r\nHost: www.example\r\n\r\n"
)

// banner is of no protocol that is looked into, and enough of it for nobody to look
// for TLS behind it any more.
var banner = "SSH-2.0-OpenSSH_9.9\r\n" + strings.Repeat("x", 16<<10)

// both are connections of both families.
func both() map[string]func() *conn {
	return map[string]func() *conn{
		"IPv4": func() *conn { return newConn(client4, server4) },
		"IPv6": func() *conn { return newConn(client6, server6) },
	}
}

// The packet that makes the case is stopped, and so are those that were on their way; the
// event has the policy's words, and comes once.
func TestBlock(t *testing.T) {
	for name, connect := range both() {
		t.Run(name, func(t *testing.T) {
			b, c := newBench(t, dropping, nil), connect()
			b.want(accepted, c.handshake()...)
			b.want(Verdict{Action: Block, Reset: true, Rule: "test.sstp"},
				c.says(announced), c.answers("HTTP/1.1 200 OK\r\n\r\n"), c.says("more"), c.from(1, rst, ""))
			if diff := cmp.Diff([]string{"closed drop"}, b.states()); diff != "" {
				t.Fatal(diff)
			}
			e := &b.events[0]
			if e.Detection.Verdict != inspect.VerdictConfirmed || e.SrcIP != c.client.Addr() || e.DestPort != c.server.Port() ||
				e.PktsToServer != 3 || e.PktsToClient != 1 || e.Decision.Reason != "SSTP." || !e.Decision.Enforced {
				t.Errorf("event %+v", e)
			}
			if k := b.Counts(); k.Flows != 1 || k.Blocked != 1 || k.Watched != 0 || k.Verdicts[Block] != 4 || k.Verdicts[Accept] != 3 {
				t.Errorf("counts %+v", k)
			}
		})
	}
}

// What is nothing leaves the queue with the packet that shows it.
func TestSettle(t *testing.T) {
	for name, connect := range both() {
		t.Run(name, func(t *testing.T) {
			b, c := newBench(t, dropping, nil), connect()
			b.want(accepted, c.handshake()...)
			b.want(Verdict{Action: Settle, Rule: "test.rest"}, c.answers(banner), c.says(banner), c.from(0, ack, ""))
			if diff := cmp.Diff([]string{"open log"}, b.states()); diff != "" {
				t.Error(diff)
			}
			if k := b.Counts(); k.Settled != 1 || k.Watched != 0 {
				t.Errorf("counts %+v", k)
			}
		})
	}
}

// An allowed tunnel leaves the queue, too.
func TestAllowedTunnel(t *testing.T) {
	all, _ := frames(t, "../pcaps/testdata/positive/se-tls13-p8443-ipv6.pcap")
	b := newBench(t, always(policies.Decision{Action: policies.ActionLog}), nil)
	k := newKernel(b)
	for _, f := range all {
		k.take(f)
	}
	if c := b.Counts(); c.Settled != 1 || k.queued > 25 || len(k.out) != len(all) {
		t.Errorf("%d of %d packets were queued, %d passed; counts %+v", k.queued, len(all), len(k.out), c)
	}
	last := b.events[len(b.events)-1]
	if last.State != event.StateOpen || last.Detection.Kind != inspect.KindTunnel || len(b.events) != 2 {
		t.Errorf("events %v, the last with %+v", b.states(), last.Detection)
	}
}

// The policy is asked once at each stage, and when the Detection changes.
func TestStages(t *testing.T) {
	var asked []policies.Stage
	b := newBench(t, policies.DeciderFunc(func(_ context.Context, in policies.Input) (policies.Decision, error) {
		asked = append(asked, in.Stage)
		if in.Point != policies.PointNFQ {
			t.Errorf("point %q", in.Point)
		}
		return policies.Decision{Action: policies.ActionAllow, Reason: "Because.", Rule: "test"}, nil
	}), nil)
	all, _ := frames(t, "../pcaps/testdata/positive/ac-tls13-proxy-squid.pcap")
	for _, f := range all {
		b.Packet(f.ip, f.at)
	}
	count := map[policies.Stage]int{}
	for _, s := range asked {
		count[s]++
	}
	flows := int(b.Counts().Flows)
	if asked[0] != policies.StageConnect || count[policies.StageConnect] != flows || count[policies.StageHello] != 1 || count[policies.StageDetection] == 0 {
		t.Errorf("%d flows, asked at %v", flows, asked)
	}
	if len(b.events) != 0 {
		t.Errorf("%d events of what is allowed", len(b.events))
	}
}

// A logged connection is told of at once, and when it ends; also by time alone.
func TestEnds(t *testing.T) {
	ends := map[string]func(*bench, *conn){
		"FIN": func(b *bench, c *conn) {
			b.want(accepted, c.from(0, fin|ack, ""), c.from(1, fin|ack, ""), c.from(0, ack, ""))
			b.Tick(b.now.Add(time.Minute))
		},
		"RST": func(b *bench, c *conn) {
			b.want(accepted, c.from(1, rst|ack, ""))
			b.Tick(b.now.Add(time.Minute))
		},
		"idle": func(b *bench, _ *conn) { b.Tick(b.now.Add(time.Hour)) },
		"ports used again": func(b *bench, c *conn) {
			again := newConn(c.client, c.server)
			again.next[0] += 1 << 30
			b.want(accepted, again.from(0, syn, ""))
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			b, c := newBench(t, always(policies.Decision{Action: policies.ActionLog}), nil), newConn(client4, server4)
			b.want(accepted, c.handshake()...)
			b.want(accepted, c.says(duplexPost))
			if diff := cmp.Diff([]string{"open log"}, b.states()); diff != "" {
				t.Error(diff)
			}
			end(b, c)
			if diff := cmp.Diff([]string{"open log", "closed log"}, b.states()); diff != "" {
				t.Error(diff)
			}
			if k := b.Counts(); k.Watched != 0 {
				t.Errorf("%d flows are watched yet", k.Watched)
			}
		})
	}
}

// Packets that were on their way share the fate of their connection, a new one that uses
// its ports does not: its first packet can be made to look like one of the old.
func TestPortsOfTheFated(t *testing.T) {
	for name, first := range map[string]string{"settled": banner, "blocked": announced} {
		t.Run(name, func(t *testing.T) {
			b, c := newBench(t, dropping, nil), newConn(client4, server4)
			b.want(accepted, c.handshake()...)
			fate := b.take(c.says(first))
			if fate.Action == Accept {
				t.Fatal("no fate")
			}
			b.want(fate, c.answers("late"))
			b.want(accepted, c.from(0, syn, ""), c.from(1, syn|ack, ""), c.from(0, ack, ""), c.says(page))
			c.next[0] += 1 << 30
			b.want(accepted, c.from(0, syn, ""))
		})
	}
}

// A flow whose fate was told is forgotten after a while.
func TestLinger(t *testing.T) {
	b := newBench(t, dropping, nil)
	for i := range 1000 {
		c := newConn(netip.AddrPortFrom(client4.Addr(), uint16(1024+i)), server4)
		b.take(c.from(0, syn, ""))
		if v := b.take(c.says(banner)); v.Action != Settle {
			t.Fatalf("%+v", v)
		}
	}
	if b.table.Len() == 0 || b.left.len() == 0 {
		t.Fatal("nothing lingers")
	}
	b.Tick(b.now.Add(linger + time.Second))
	if b.table.Len() != 0 || b.left.len() != 0 {
		t.Errorf("%d connections, %d of them to be forgotten", b.table.Len(), b.left.len())
	}
}

func TestDryRun(t *testing.T) {
	for name, change := range map[string]func(*policies.Gate){
		"everything": func(g *policies.Gate) { g.DryRun = true },
		"one rule":   func(g *policies.Gate) { g.DryRunRules = []string{"test.sstp"} },
	} {
		t.Run(name, func(t *testing.T) {
			banned := 0
			b, c := newBench(t, dropping, func(c *Config) {
				change(c.Gate)
				c.Ban = func(netip.AddrPort, netip.AddrPort, time.Duration) { banned++ }
			}), newConn(client4, server4)
			b.want(accepted, c.handshake()...)
			b.want(accepted, c.says(announced), c.answers("HTTP/1.1 200 OK\r\n\r\n"))
			b.Close()
			if got := b.states(); len(got) == 0 || slices.ContainsFunc(got, func(s string) bool { return s != "open drop (not enforced)" }) {
				t.Errorf("events %v", got)
			}
			if k := b.Counts(); k.WouldBlock != 1 || k.Blocked != 0 || banned != 0 {
				t.Errorf("counts %+v, %d bans", k, banned)
			}
		})
	}
}

func TestBan(t *testing.T) {
	for _, test := range []struct {
		name, says string
		want       bool
	}{
		{"a connection to the server", duplexPost, true},
		{"a connection through a proxy", announced, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var banned []string
			b, c := newBench(t, always(policies.Decision{Action: policies.ActionDrop, Ban: time.Minute}), func(c *Config) {
				c.Ban = func(client, server netip.AddrPort, d time.Duration) {
					banned = append(banned, strings.Join([]string{client.String(), server.String(), d.String()}, " "))
				}
			}), newConn(client4, server4)
			b.want(accepted, c.handshake()...)
			b.want(Verdict{Action: Block, Rule: "test.always"}, c.says(test.says))
			want := []string(nil)
			if test.want {
				want = []string{"192.0.2.1:51000 198.51.100.7:443 1m0s"}
			}
			if diff := cmp.Diff(want, banned); diff != "" {
				t.Error(diff)
			}
			if got := b.Counts().Bans; got != uint64(len(want)) {
				t.Errorf("%d bans counted", got)
			}
		})
	}
}

// Close tells of what is known by then, and is enough once.
func TestClose(t *testing.T) {
	b, c := newBench(t, always(policies.Decision{Action: policies.ActionLog}), nil), newConn(client4, server4)
	b.want(accepted, c.handshake()...)
	b.want(accepted, c.says(duplexPost))
	b.Close()
	b.Close()
	if diff := cmp.Diff([]string{"open log"}, b.states()); diff != "" {
		t.Error(diff)
	}
}

// A packet of a known connection that changes nothing costs no memory.
func TestAllocations(t *testing.T) {
	for name, connect := range both() {
		b, watched := newBench(t, dropping, nil), connect()
		settled := newConn(netip.AddrPortFrom(watched.client.Addr(), 51001), watched.server)
		for _, c := range []*conn{watched, settled} {
			b.want(accepted, c.handshake()...)
		}
		b.want(accepted, watched.says(page), watched.answers("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n"))
		b.want(Verdict{Action: Settle, Rule: "test.rest"}, settled.says(banner))
		data := watched.answers(strings.Repeat("x", 100))
		b.want(accepted, data)
		header := len(data) - 120
		again := slices.Clone(data)
		for what, next := range map[string]func() []byte{
			"data": func() []byte {
				seq := data[header+4:]
				binary.BigEndian.PutUint32(seq, binary.BigEndian.Uint32(seq)+100)
				return data
			},
			"data again": func() []byte { return again },
			"settled":    func() []byte { return again },
		} {
			if what == "settled" {
				again = settled.says("x")
			}
			if n := testing.AllocsPerRun(1000, func() { b.Packet(next(), b.now) }); n != 0 {
				t.Errorf("%s, %s: %v allocations a packet", name, what, n)
			}
		}
	}
}
