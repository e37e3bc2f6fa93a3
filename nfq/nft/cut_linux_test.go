package nft

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func wasReset(err error) bool { return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) }

// Whoever sends the packet that a connection is blocked for, both ends get a reset, and
// nothing of it arrives.
func TestBlockResetsBothEnds(t *testing.T) {
	for _, sender := range []string{"client", "server"} {
		t.Run(sender, func(t *testing.T) {
			everywhere(t, func(t *testing.T, l *lab, inspector *host, server string) {
				o := InspectOptions{}
				inspector.read(o, func(p packet) decision {
					if p.payload == 100 {
						return block
					}
					return pass
				})
				in := inspector.inspect(o)
				client, far := l.ends(server, 4443)
				fmt.Fprintf(client, "hello\n")
				if got, err := line(far); got != "hello" {
					t.Fatal(got, err)
				}
				from := client
				if sender == "server" {
					from = far
				}
				from.Write(make([]byte, 100))
				wantReset(t, "client", client)
				wantReset(t, "server", far)
				got := counters(t, in)
				if got[CountDecidedBlocked].Packets == 0 || got[CountResetReceiver].Packets == 0 || got[CountResetSender].Packets == 0 {
					t.Errorf("counters: %v", got)
				}
			})
		})
	}
}

// The packet may be many that the network interface has joined, and there may be one
// missing before it: then its receiver does not take it for a reset, but asks.
func TestBlockResetsReceiverOfAny(t *testing.T) {
	for name, test := range map[string]struct {
		send  []int
		judge func() func(packet) decision
	}{
		"large": {[]int{60_000}, func() func(packet) decision {
			return func(p packet) decision {
				if p.payload > 1500 { // more than the network carries in one
					return block
				}
				return pass
			}
		}},
		"after a loss": {[]int{50, 100}, func() func(packet) decision {
			return func(p packet) decision {
				switch p.payload {
				case 50:
					return dropPacket
				case 100:
					return block
				}
				return pass
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, l *lab, inspector *host, server string) {
				o := InspectOptions{}
				inspector.read(o, test.judge())
				inspector.inspect(o)
				client, far := l.ends(server, 4443)
				for _, n := range test.send {
					client.Write(make([]byte, n))
				}
				wantReset(t, "server", far)
				wantReset(t, "client", client)
			})
		})
	}
}

// A connection that is dropped ends at neither end, and nothing of it arrives.
func TestDroppedInSilence(t *testing.T) {
	everywhere(t, func(t *testing.T, l *lab, inspector *host, server string) {
		o := InspectOptions{}
		inspector.read(o, func(p packet) decision {
			if p.payload == 100 {
				return timeOut
			}
			return pass
		})
		in := inspector.inspect(o)
		client, far := l.ends(server, 4443)
		client.Write(make([]byte, 100))
		far.Write([]byte("anybody there?\n"))
		eventually(t, func() bool { return counters(t, in)[CountDropped].Packets >= 2 })
		for who, c := range map[string]*net.TCPConn{"client": client, "server": far} {
			c.SetReadDeadline(time.Now())
			if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %d, %v", who, n, err)
			}
		}
		if got := counters(t, in); got[CountDecidedDropped].Packets != 1 || got[CountResetSender].Packets != 0 {
			t.Errorf("counters: %v", got)
		}
	})
}

// A live connection is cut, or settled, from outside its packets' path.
func TestMarkConnection(t *testing.T) {
	everywhere(t, func(t *testing.T, l *lab, inspector *host, server string) {
		o := InspectOptions{}
		r := inspector.read(o, nil)
		in := inspector.inspect(o)
		client, far := l.ends(server, 4443)
		echo := func() {
			t.Helper()
			for _, c := range [][2]*net.TCPConn{{client, far}, {far, client}} {
				fmt.Fprintf(c[0], "hello\n")
				if got, err := line(c[1]); got != "hello" {
					t.Fatal(got, err)
				}
			}
		}
		echo()
		from, to := addrPort(client.LocalAddr()), addrPort(client.RemoteAddr())
		foreign := uint32(0x7100_0001)
		in.marks.Mask = ^uint32(0) // as somebody else does
		if err := in.MarkConnection(from, to, foreign|in.Marks().Watched); err != nil {
			t.Fatal(err)
		}
		in.marks.Mask = DefaultInspectMask
		if err := in.MarkConnection(from, to, in.Marks().Settled); err != nil {
			t.Fatal(err)
		}
		// An acknowledgement that was queued before may not have been read yet.
		queued := -1
		for n := len(r.seen()); n != queued; n = len(r.seen()) {
			queued = n
			time.Sleep(100 * time.Millisecond)
		}
		echo()
		if n := len(r.seen()); n != queued {
			t.Errorf("%d packets were queued, before it was settled %d", n, queued)
		}
		if got := inspector.connectionMark(from); got != foreign|in.Marks().Settled {
			t.Errorf("its mark is %#x", got)
		}
		if err := in.MarkConnection(from, to, in.Marks().Blocked); err != nil {
			t.Fatal(err)
		}
		for who, c := range map[string]*net.TCPConn{"client": client, "server": far} {
			wantResetOnWrite(t, who, c)
		}
		if err := in.MarkConnection(from, netip.AddrPortFrom(to.Addr(), 4444), in.Marks().Blocked); !errors.Is(err, ErrNoConnection) {
			t.Errorf("there is none: %v", err)
		}
		if err := in.MarkConnection(from, to, 1); err == nil {
			t.Error("it took a mark that is not ours")
		}
		if err := in.MarkConnection(from, netip.MustParseAddrPort("[::ffff:1.2.3.4]:1"), 0); from.Addr().Is6() && (err == nil || errors.Is(err, ErrNoConnection)) {
			t.Error("it took ends of different families")
		}
	})
}

// connectionMark is the mark of the connection of a client.
func (h *host) connectionMark(client netip.AddrPort) uint32 {
	h.t.Helper()
	var mark uint32
	h.do(func() error {
		family := netlink.InetFamily(unix.AF_INET)
		if client.Addr().Is6() {
			family = unix.AF_INET6
		}
		flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, family)
		if err != nil {
			return err
		}
		for _, f := range flows {
			if f.Forward.SrcPort == client.Port() && f.Forward.SrcIP.Equal(client.Addr().AsSlice()) {
				mark = f.Mark
				return nil
			}
		}
		return fmt.Errorf("no connection of %v", client)
	})
	return mark
}

// Addresses may be translated before or after.
func TestMarkTranslatedConnection(t *testing.T) {
	nftTool(t)
	for name, rules := range map[string]string{
		"server": `table inet nat { chain c { type nat hook prerouting priority dstnat
			ip daddr 192.0.2.1 dnat to 10.2.0.2
			ip6 daddr 2001:db8::1 dnat to fd00:2::2
		}
		}`,
		"client": `table inet nat { chain c { type nat hook postrouting priority srcnat
			oifname outside masquerade
		}
		}`,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			o := InspectOptions{}
			r := l.router.read(o, nil)
			in := l.router.inspect(o)
			l.router.nft(rules, "-f", "-")
			for _, server := range []string{server4, server6} {
				to := server
				if name == "server" {
					to = map[string]string{server4: "192.0.2.1", server6: "2001:db8::1"}[server]
				}
				c, err := l.client.dial("", to, 443, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if got, err := line(c); err != nil {
					t.Fatal(got, err)
				}
				for _, p := range r.seen() {
					if p.server().Addr().String() != server || p.client() != addrPort(c.LocalAddr()) {
						if p.server().Addr().Is4() == netip.MustParseAddr(server).Is4() {
							t.Errorf("an end is not what it is on the other way: %+v", p)
						}
					}
				}
				if err := in.MarkConnection(addrPort(c.LocalAddr()), netip.AddrPortFrom(netip.MustParseAddr(server), 443), in.Marks().Blocked); err != nil {
					t.Error(err)
				}
				wantResetOnWrite(t, "client", c)
			}
		})
	}
}
