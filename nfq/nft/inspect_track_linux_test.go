package nft

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// A connection that was up before is watched, let or cut, whoever of its ends sends first.
func TestMidstream(t *testing.T) {
	for _, midstream := range []Midstream{"", MidstreamWatch, MidstreamLet, MidstreamCut} {
		t.Run(string(midstream), func(t *testing.T) {
			everywhere(t, func(t *testing.T, l *lab, inspector *host, server string) {
				client, far := l.ends(server, 4443)
				client2, far2 := l.ends(server, 4444)
				o := InspectOptions{Midstream: midstream}
				r := inspector.read(o, nil)
				in := inspector.inspect(o)
				for i, c := range [][2]*net.TCPConn{{client, far}, {far2, client2}} {
					if _, err := fmt.Fprintf(c[0], "hello\n"); err != nil {
						t.Fatal(err)
					}
					if midstream == MidstreamCut {
						wantReset(t, fmt.Sprintf("receiver %d", i), c[1])
						wantReset(t, fmt.Sprintf("sender %d", i), c[0])
						continue
					}
					if got, err := line(c[1]); got != "hello" {
						t.Errorf("%d: %q, %v", i, got, err)
					}
				}
				queued, got := len(r.seen()), counters(t, in)
				if watch := midstream == "" || midstream == MidstreamWatch; (queued > 0) != watch || watch && queued < 2 {
					t.Errorf("%d packets were queued", queued)
				}
				if got[CountMidstream].Packets < 2 || got[CountNew].Packets != 0 {
					t.Errorf("counters: %v", got)
				}
			})
		})
	}
}

// The scope holds for what was there before, too, and tells client from server as far as
// the kernel has seen who began.
func TestMidstreamScope(t *testing.T) {
	nftTool(t)
	for _, tracked := range []bool{true, false} {
		for name, test := range map[string]struct {
			scope  []string
			queued bool
		}{
			"in":                   {[]string{"port=4443", "port=5443"}, true},
			"out":                  {[]string{"port=443"}, false},
			"clients":              {[]string{"network=10.1.0.0/24"}, true},
			"interface":            {[]string{"interface=" + inside}, true},
			"interface of servers": {[]string{"interface=" + outside}, !tracked}, // the server might be the client
			"excluded":             {[]string{"exclude=" + server4}, false},
		} {
			t.Run(fmt.Sprintf("%s/tracked=%v", name, tracked), func(t *testing.T) {
				scope, err := ParseScope(test.scope)
				if err != nil {
					t.Fatal(err)
				}
				l := newLab(t)
				if tracked {
					l.router.nft("add table inet t\nadd chain inet t c { type filter hook forward priority 0; }\nadd rule inet t c ct state established", "-f", "-")
				}
				client, far := l.ends(server4, 4443)
				client2, far2 := l.ends(server4, 4443+1000)
				o := InspectOptions{Scope: scope}
				r := l.router.read(o, nil)
				l.router.inspect(o)
				for i, c := range [][2]*net.TCPConn{{client, far}, {far2, client2}} {
					before := len(r.seen())
					for range 2 {
						fmt.Fprintf(c[0], "hello\n")
						if got, err := line(c[1]); got != "hello" {
							t.Fatal(got, err)
						}
					}
					if !tracked && name == "excluded" {
						continue // as above: the client is not excluded
					}
					if n := len(r.seen()) - before; (n > 0) != test.queued {
						t.Errorf("connection %d: %d packets were queued", i, n)
					}
				}
			})
		}
	}
}

// Connections that the kernel does not track, or packets that it finds invalid, are
// queued: who could have their packets found so would else go past.
func TestUntracked(t *testing.T) {
	nftTool(t)
	for _, midstream := range []Midstream{MidstreamWatch, MidstreamLet, MidstreamCut} {
		t.Run(string(midstream), func(t *testing.T) {
			l := newLab(t)
			client, far := l.ends(server4, 4443)
			l.untrack()
			o := InspectOptions{Scope: Scope{Ports: []PortRange{{4443, 4443}}}, Midstream: midstream}
			r := l.router.read(o, nil)
			in := l.router.inspect(o)
			for _, c := range [][2]*net.TCPConn{{client, far}, {far, client}} {
				fmt.Fprintf(c[0], "hello\n")
				if midstream == MidstreamCut {
					continue
				}
				if got, err := line(c[1]); got != "hello" {
					t.Error(got, err)
				}
			}
			eventually(t, func() bool { return counters(t, in)[CountUntracked].Packets >= 4 })
			if n := len(r.seen()); (n > 0) != (midstream == MidstreamWatch) {
				t.Errorf("%d packets were queued", n)
			}
		})
	}
}

// untrack has the router track no connection with port 4443.
func (l *lab) untrack() {
	l.t.Helper()
	l.router.nft(`table inet raw {
		chain c {
			type filter hook prerouting priority raw
			tcp dport 4443 notrack
			tcp sport 4443 notrack
		}
	}`, "-f", "-")
}

// Where no connection keeps a verdict, it holds for its packet, which does not come to the
// queue again.
func TestVerdictOnUntracked(t *testing.T) {
	nftTool(t)
	for _, x := range []struct {
		name  string
		judge decision
		count string
	}{
		{"settled", settle, CountDecidedSettled},
		{"blocked", block, CountDecidedBlocked},
		{"dropped", timeOut, CountDecidedDropped},
	} {
		t.Run(x.name, func(t *testing.T) {
			l := newLab(t)
			l.untrack()
			o := InspectOptions{}
			const size, most = 100, 10
			again := 0
			r := l.router.read(o, func(p packet) decision {
				if p.payload != size || again == most {
					return pass
				}
				again++
				return x.judge
			})
			in := l.router.inspect(o)
			client, far := l.ends(server4, 4443)
			fmt.Fprintf(client, "hello\n")
			if got, err := line(far); got != "hello" {
				t.Fatal(got, err)
			}
			client.Write(append(make([]byte, size-1), '\n'))
			switch x.judge {
			case settle:
				if got, err := line(far); len(got) != size-1 {
					t.Error(got, err)
				}
			case block:
				wantReset(t, "server", far)
			default:
			}
			eventually(t, func() bool { return counters(t, in)[x.count].Packets > 0 })
			got := r.of(func(p packet) bool { return p.payload == size })
			if n := counters(t, in)[x.count].Packets; got != int(n) || got > 5 {
				t.Errorf("%d packets were queued, %d decided", got, n)
			}
		})
	}
}

// A ban is of untracked connections, too.
func TestBanOfUntracked(t *testing.T) {
	nftTool(t)
	l := newLab(t)
	l.untrack()
	o := InspectOptions{}
	r := l.router.read(o, nil)
	in := l.router.inspect(o)
	l.server.answer(4443, "server")
	if err := in.Ban(Ban{Server: service(server4 + ":4443"), For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	l.wantRefused(client4, server4, 4443)
	if n := len(r.seen()); n != 0 {
		t.Errorf("%d packets were queued: %+v", n, r.seen())
	}
}

// A connection that a helper expects of another is inspected for itself.
func TestExpectedConnection(t *testing.T) {
	nftTool(t)
	l := newLab(t)
	l.router.nft(`table inet helpers {
		ct helper ftp-standard {
			type "ftp" protocol tcp
		}
		chain c {
			type filter hook prerouting priority filter
			tcp dport 21 ct helper set "ftp-standard"
		}
	}`, "-f", "-")
	o := InspectOptions{}
	r := l.router.read(o, func(p packet) decision {
		if p.server().Port() == 21 && p.payload > 0 {
			return settle
		}
		return pass
	})
	in := l.router.inspect(o)
	client, far := l.ends(server4, 21)
	fmt.Fprintf(client, "USER me\r\n")
	if got, err := line(far); got != "USER me\r" {
		t.Fatal(got, err)
	}
	l.client.answer(4444, "client")
	fmt.Fprintf(client, "PORT 10,1,0,2,%d,%d\r\n", 4444>>8, 4444&255)
	if got, err := line(far); err != nil {
		t.Fatal(got, err)
	}
	if got, err := l.server.ask("", client4, 4444); got != "client "+server4 {
		t.Fatal(got, err)
	}
	data := netip.AddrPortFrom(addr(client4), 4444)
	if n := r.of(func(p packet) bool { return p.to == data || p.from == data }); n < 4 {
		t.Errorf("%d packets of the expected connection were queued: %+v", n, r.seen())
	}
	if got := counters(t, in); got[CountNew].Packets != 2 {
		t.Errorf("counters: %v", got)
	}
}
