package nft

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Bits outside the mask survive every verdict, on packets and on connections, and ours
// are on no packet that others see.
func TestInspectKeepsForeignMarks(t *testing.T) {
	nftTool(t)
	for name, d := range map[string]decision{"settled": settle, "blocked": block, "passed": pass} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, l *lab, inspector *host, server string) {
				hooks := ""
				for _, h := range HookNames() {
					hooks += fmt.Sprintf(`
						chain before_%[1]s {
							type filter hook %[1]s priority filter
							tcp dport 4443 meta mark set 0xf1ff000f
							tcp dport 4443 ct mark set ct mark & 0x0e000000 | 0xf10000f0
						}
						chain after_%[1]s {
							type filter hook %[1]s priority filter + 11
							tcp dport 4443 meta mark 0xf1ff000f counter comment "packet"
							tcp dport 4443 ct mark & 0xf1ffffff == 0xf10000f0 counter comment "connection"
							tcp dport 4443 meta mark != 0xf1ff000f counter comment "wrong packet"
							tcp dport 4443 ct mark & 0xf1ffffff != 0xf10000f0 counter comment "wrong connection"
						}`, h)
				}
				inspector.nft("table inet foreign {"+hooks+"\n}", "-f", "-")
				o := InspectOptions{}
				r := inspector.read(o, func(p packet) decision {
					if p.payload > 0 && p.fromClient() {
						return d
					}
					return pass
				})
				in := inspector.inspect(o)
				client, far := l.ends(server, 4443)
				fmt.Fprintf(client, "hello\n")
				if d == block {
					wantReset(t, "server", far)
					wantReset(t, "client", client)
				} else if got, err := line(far); got != "hello" {
					t.Fatal(got, err)
				}
				if d == settle {
					if got, want := inspector.connectionMark(addrPort(client.LocalAddr())), 0xf10000f0|in.Marks().Settled; got != want {
						t.Errorf("the connection's mark is %#x, want %#x", got, want)
					}
				}
				if n := r.of(func(p packet) bool { return p.mark != 0xf1ff000f && p.fromClient() }); n != 0 {
					t.Errorf("the reader saw %d packets with other marks", n)
				}
				seen := map[string]bool{}
				for _, h := range HookNames() {
					list := inspector.nft("", "list", "chain", "inet", "foreign", "after_"+string(h))
					without := commentsWithoutPackets(list)
					for _, c := range []string{"packet", "connection", "wrong packet", "wrong connection"} {
						seen[c] = seen[c] || !slices.Contains(without, c)
					}
				}
				if !seen["packet"] || !seen["connection"] || seen["wrong packet"] || seen["wrong connection"] {
					t.Errorf("seen: %v", seen)
				}
			})
		})
	}
}

// What leaves this host is routed by its mark again if that has changed: a verdict must
// not lead it astray.
func TestVerdictDoesNotReroute(t *testing.T) {
	l := newLab(t)
	o := InspectOptions{}
	r := l.client.read(o, func(packet) decision { return settle })
	l.client.inspect(o)
	l.client.do(func() error {
		for _, f := range families {
			rule := netlink.NewRule()
			rule.Family, rule.Priority, rule.Table, rule.Mark, rule.Mask = f, 1, 99, 0x42, new(^uint32(0))
			if err := netlink.RuleAdd(rule); err != nil {
				return err
			}
			gateway := inside4
			if f == unix.AF_INET6 {
				gateway = inside6
			}
			if err := netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(gateway), Table: 99}); err != nil {
				return err
			}
			// Without that mark there is no way.
			if err := netlink.RouteDel(&netlink.Route{Gw: net.ParseIP(gateway)}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, server := range []string{server4, server6} {
		c, err := l.client.dial("", server, 443, MarkControl(0x42))
		if err != nil {
			t.Fatalf("%s: %v; queued: %+v", server, err, r.seen())
		}
		defer c.Close()
		if got, err := line(c); err != nil {
			t.Errorf("%s: %q, %v", server, got, err)
		}
	}
}

// Both directions of a connection go to the same queue, and connections to all queues.
func TestQueuesAreBalanced(t *testing.T) {
	const count, clients = 4, 50
	for _, where := range HookNames() {
		t.Run(string(where), func(t *testing.T) {
			l := newLab(t)
			var from []string
			var addrs []string
			for i := range clients {
				four, six := fmt.Sprintf("10.1.0.%d", 100+i), fmt.Sprintf("fd00:1::1:%x", 100+i)
				from = append(from, four, six)
				addrs = append(addrs, four+"/24", six+"/64")
			}
			l.client.address("out", addrs)
			o := InspectOptions{Queues: count}
			r := l.at(where).read(o, nil)
			l.at(where).inspect(o)
			for _, client := range from {
				server := server4
				if addr(client).Is6() {
					server = server6
				}
				l.client.wantAnswer(client, server, 443, "server "+client)
			}
			queues := make(map[netip.AddrPort]uint16)
			directions := make(map[netip.AddrPort]map[bool]bool)
			used := make(map[bool]map[uint16]bool)
			for _, p := range r.seen() {
				if q, known := queues[p.client()]; known && q != p.queue {
					t.Errorf("%v is in queues %d and %d", p.client(), q, p.queue)
				}
				queues[p.client()] = p.queue
				if directions[p.client()] == nil {
					directions[p.client()] = make(map[bool]bool)
				}
				directions[p.client()][p.fromClient()] = true
				if six := p.from.Addr().Is6(); used[six] == nil {
					used[six] = map[uint16]bool{p.queue: true}
				} else {
					used[six][p.queue] = true
				}
			}
			if len(queues) != 2*clients {
				t.Errorf("%d connections were seen, want %d", len(queues), 2*clients)
			}
			for c, d := range directions {
				if len(d) != 2 {
					t.Errorf("%v was seen in one direction", c)
				}
			}
			// The hash has a random start; that one of four queues has none of 50
			// connections happens twice in a million times.
			if len(used[false]) != count || len(used[true]) != count {
				t.Errorf("queues in use: %v", used)
			}
		})
	}
}
