package nfq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	"github.com/vishvananda/netlink"

	"sstpwarden/inspect"
	"sstpwarden/nfq/nft"
	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// Every client is cut off before an IP packet comes out of its tunnel, and a sanctioned one
// gets its tunnel.
func TestTunnels(t *testing.T) {
	for _, noGSO := range []bool{false, true} {
		for _, client := range []string{"windows", "sstpc"} {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				for _, address := range []string{netlab.Server4 + ":443", "[" + netlab.Server6 + "]:8443"} {
					t.Run(fmt.Sprintf("no GSO %v, %s, %s, %s", noGSO, client, tls.VersionName(version), address), func(t *testing.T) {
						r := newRouter(t, setup{queues: 2, queue: func(c *QueueConfig) { c.NoGSO = noGSO }})
						v := r.vpn(t, address, version)
						if err := r.call(t, client, address); err == nil {
							t.Error("a tunnel came up")
						}
						if n := v.packets.Load(); n != 0 {
							t.Errorf("%d packets came out of the tunnel", n)
						}
						r.stop()
						if c := r.counts(); c.Blocked != 1 || c.Exceptions != [numCauses]uint64{} {
							t.Errorf("counts %+v", c)
						}
						for _, b := range r.judges {
							for i, state := range b.states() {
								if e := &b.events[i]; state == "closed drop" {
									t.Logf("%v %v, score %d, after %d packets, %.1f ms", e.Detection.Verdict, e.Detection.Kind, e.Detection.Score, e.PktsToServer+e.PktsToClient, 1000*e.Duration)
								}
							}
						}
					})
				}
			}
		}
	}
}

func TestSanctionedTunnel(t *testing.T) {
	r := newRouter(t, setup{decider: always(policies.Decision{Action: policies.ActionLog})})
	v := r.vpn(t, netlab.Server4+":443", tls.VersionTLS13)
	if err := r.call(t, "windows", netlab.Server4+":443"); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if c := r.counts(); v.packets.Load() != 1 || c.Settled != 1 || c.Packets > 40 {
		t.Errorf("%d packets came out; counts %+v", v.packets.Load(), c)
	}
	found := false
	for _, e := range r.judges[0].events {
		found = found || e.State == event.StateOpen && e.Detection.Kind == inspect.KindTunnel
	}
	if !found {
		t.Errorf("events %v", r.judges[0].states())
	}
}

// Pages and large files load, over as many connections as there may be, and leave the queue
// after a few packets; both queues work, and each sees connections whole.
func TestWeb(t *testing.T) {
	for _, noGSO := range []bool{false, true} {
		t.Run(fmt.Sprintf("no GSO %v", noGSO), func(t *testing.T) {
			r := newRouter(t, setup{queues: 2, queue: func(c *QueueConfig) { c.NoGSO = noGSO }})
			servers := []string{netlab.Server4 + ":443", netlab.Server4b + ":8443", "[" + netlab.Server6 + "]:443", "[" + netlab.Server6b + "]:443"}
			clients := [][]string{{netlab.Client4, netlab.Client4b}, {netlab.Client4, netlab.Client4b}, {netlab.Client6, netlab.Client6b}, {netlab.Client6, netlab.Client6b}}
			r.web(t, servers...)
			var loads sync.WaitGroup
			n, carried := 0, 0
			for i, server := range servers {
				for _, client := range clients[i] {
					for _, size := range []int{100, 5_000_000} {
						n++
						carried += size
						loads.Go(func() {
							if err := r.get(t.Context(), client, server, size); err != nil {
								t.Errorf("%d bytes from %s to %s: %v", size, server, client, err)
							}
						})
					}
				}
			}
			loads.Wait()
			r.stop()
			c := r.counts()
			if int(c.Flows) != n || int(c.Settled) < n/2 || c.Blocked != 0 || c.Exceptions != [numCauses]uint64{} {
				t.Errorf("%d connections, counts %+v", n, c)
			}
			// How many come before the first verdict is known depends on the machine.
			if all := uint64(carried / 1448); c.Packets > all/4 {
				t.Errorf("%d packets of %d connections were queued, of %d with data alone", c.Packets, n, all)
			}
			for _, q := range r.queues {
				if k := q.Worker().Counts(); k.Flows == 0 {
					t.Errorf("queue %d saw nothing", q.Counts().Number)
				}
			}
		})
	}
}

// A packet's other mark bits stay.
func TestMarks(t *testing.T) {
	m := nft.InspectOptions{}.Marks()
	c := QueueConfig{Marks: m}
	other := ^m.Mask
	for _, test := range []struct {
		v    Verdict
		want uint32
	}{
		{Verdict{Action: Settle}, m.Settled},
		{Verdict{Action: Block}, m.Dropped},
		{Verdict{Action: Block, Reset: true}, m.Blocked},
	} {
		if got := c.mark(0xffff_ffff, test.v); got != other|test.want {
			t.Errorf("%+v: mark %#x, want %#x", test.v, got, other|test.want)
		}
	}
}

// openHere opens a queue in a network of its own.
func openHere(t *testing.T, change func(*QueueConfig)) (*netlab.Host, *Queue) {
	t.Helper()
	labtest.Need(t)
	h, err := netlab.NewHost("host")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	c := QueueConfig{Number: 7, Marks: nft.InspectOptions{}.Marks()}
	if change != nil {
		change(&c)
	}
	var q *Queue
	if err := h.Do(func() (err error) {
		q, err = Open(c, newBench(t, dropping, nil).Worker)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return h, q
}

func TestQueueTaken(t *testing.T) {
	h, q := openHere(t, nil)
	defer q.Close()
	err := h.Do(func() error {
		_, err := Open(QueueConfig{Number: 7}, newBench(t, dropping, nil).Worker)
		return err
	})
	if !errors.Is(err, ErrQueueTaken) {
		t.Errorf("got %v", err)
	}
}

// A queue ends promptly, whether it ran or not, and can be opened again.
func TestStop(t *testing.T) {
	h, q := openHere(t, nil)
	if k := q.Counts(); k.KernelErr != nil {
		t.Error(k.KernelErr)
	}
	if err := errors.Join(q.Close(), q.Close()); err != nil {
		t.Error(err)
	}
	if err := q.Run(t.Context()); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("running a closed queue: %v", err)
	}
	for _, early := range []bool{true, false} {
		var again *Queue
		if err := h.Do(func() (err error) {
			again, err = Open(QueueConfig{Number: 7}, newBench(t, dropping, nil).Worker)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		if early {
			cancel()
		}
		ended := make(chan error)
		go func() { ended <- again.Run(ctx) }()
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Fatal("it does not stop")
		}
		if k := again.Counts(); k.KernelErr == nil {
			t.Errorf("the kernel knows the queue yet: %+v", k)
		}
	}
}

// A packet that the library received before the loop ran is judged like any other, and a
// verdict on one that is gone is refused; messages that cannot be read do no harm.
func TestEarlyPacket(t *testing.T) {
	_, q := openHere(t, nil)
	id, mark, length := uint32(5), uint32(0x10), uint32(70000)
	p := newConn(client4, server4).from(0, syn, "")
	q.loop.early(&nfqueue.Attribute{PacketID: &id, Mark: &mark, Payload: &p, CapLen: &length})
	q.loop.early(&nfqueue.Attribute{})
	q.loop.messages([]byte("\x10\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	q.loop.messages([]byte("no message at all"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- q.Run(ctx) }()
	waitFor(t, func() bool { return q.Counts().Refused == 1 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if k := q.Counts(); k.Malformed != 3 || q.Worker().Counts().Bytes != uint64(length) {
		t.Errorf("counts %+v, %+v", k, q.Worker().Counts())
	}
}

// A queue that begins while packets come loses none of those that it is shown.
func TestOpenUnderLoad(t *testing.T) {
	r := newRouter(t, setup{table: func(o *nft.InspectOptions) { o.Keep = true }})
	r.web(t, netlab.Server4+":443")
	ctx, cancel := context.WithCancel(t.Context())
	var loads sync.WaitGroup
	for range 4 {
		loads.Go(func() {
			for ctx.Err() == nil {
				// Some end where nobody reads the queue.
				_ = r.get(ctx, netlab.Client4, netlab.Server4+":443", 1000)
			}
		})
	}
	r.stop() // the table stays
	for range 10 {
		b := newBench(t, dropping, nil)
		var q *Queue
		if err := r.Router.Do(func() (err error) {
			q, err = Open(QueueConfig{Number: nft.DefaultQueue, Marks: r.table.Marks()}, b.Worker)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- q.Run(ctx) }()
		for b.Counts().Packets < 50 {
			time.Sleep(time.Millisecond)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if k := q.Counts(); k.Malformed != 0 || k.Overflow != 0 || k.Refused != 0 {
			t.Errorf("counts %+v", k)
		}
	}
	cancel()
	loads.Wait()
}

// flood sends TCP segments out of nowhere to the server, which does not answer them: their
// checksums are wrong.
func (r *router) flood(t *testing.T, n int) {
	t.Helper()
	err := r.Client.Do(func() error {
		conn, err := net.Dial("ip4:tcp", netlab.Server4)
		if err != nil {
			return err
		}
		defer conn.Close()
		c := newConn(client4, server4)
		for range n {
			if _, err := conn.Write(c.says("flood")[20:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// arrived counts packets that came to the server.
func (r *router) arrived(t *testing.T) (n uint64) {
	t.Helper()
	if err := r.Server.Do(func() error {
		l, err := netlink.LinkByName(netlab.Uplink)
		if err == nil {
			n = l.Attrs().Statistics.RxPackets
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// What does not fit into the buffer passes or not, is counted, and what comes later is
// judged as ever.
func TestOverflow(t *testing.T) {
	for _, open := range []bool{true, false} {
		for _, report := range []bool{true, false} {
			t.Run(fmt.Sprintf("fail open %v, reports %v", open, report), func(t *testing.T) {
				r := newRouter(t, setup{
					queue: func(c *QueueConfig) {
						c.FailOpen, c.ReportOverruns, c.Buffer = open, report, 1<<14
					},
					worker: func(c *Config) { c.Simulate = []Cause{CauseOverflow} },
				})
				q := r.queues[0]
				before := r.arrived(t)
				sent := uint64(500)
				r.flood(t, int(sent))
				// That packets are missing is seen by the next one, which must not
				// come so early that it does not fit itself.
				waitFor(t, func() bool {
					if q.Counts().Kernel.Waiting > 0 {
						return false
					}
					if sent > 500 && q.Counts().Overflow+q.Worker().Counts().Packets == sent {
						return true
					}
					r.flood(t, 1)
					sent++
					return false
				})
				k, judged := q.Counts(), q.Worker().Counts().Packets
				if judged < 2 || k.Overflow == 0 || report != (k.Overruns > 0) || q.Worker().Counts().Exceptions[CauseOverflow] != k.Overflow {
					t.Errorf("%d packets judged, %+v", judged, k)
				}
				want := judged
				if open {
					want = sent
				} else if k.Kernel.UserDropped != k.Overflow {
					t.Errorf("the kernel dropped %d, counts %+v", k.Kernel.UserDropped, k)
				}
				waitFor(t, func() bool { return r.arrived(t)-before >= want })
			})
		}
	}
}

// What the kernel drops because too many packets wait gets no number that could be missing,
// and is counted all the same.
func TestQueueLength(t *testing.T) {
	r := newRouter(t, setup{
		queue:  func(c *QueueConfig) { c.Length = 2 },
		worker: func(c *Config) { c.Simulate = []Cause{CauseOverflow} },
	})
	q := r.queues[0]
	const sent = 100
	r.flood(t, sent)
	waitFor(t, func() bool {
		k := q.Counts().Kernel
		return k.Waiting == 0 && q.Worker().Counts().Packets+k.Dropped == sent && q.Worker().Counts().Exceptions[CauseOverflow] == k.Dropped
	})
	if k := q.Counts(); k.Kernel.Dropped == 0 || k.Kernel.UserDropped != 0 || k.Overflow != k.Kernel.Dropped {
		t.Errorf("%+v", k)
	}
}

// What is said with a wrong checksum is never said: the other end does not take it.
func TestWrongChecksum(t *testing.T) {
	for name, ends := range map[string][2]string{"ip4": {netlab.Client4, netlab.Server4}, "ip6": {netlab.Client6, netlab.Server6}} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t, setup{})
			w := r.queues[0].Worker()
			client := netip.AddrPortFrom(netip.MustParseAddr(ends[0]), 51000)
			server := netip.AddrPortFrom(netip.MustParseAddr(ends[1]), 443)
			send := func(tcp []byte) {
				t.Helper()
				if err := r.Client.Do(func() error {
					conn, err := net.Dial(name+":tcp", ends[1])
					if err != nil {
						return err
					}
					defer conn.Close()
					_, err = conn.Write(tcp)
					return err
				}); err != nil {
					t.Fatal(err)
				}
			}
			p := packet(client, server, ack, 1000, 5000, announced)
			addresses, tcp := transport(p)
			send(tcp)
			waitFor(t, func() bool { return w.Counts().Packets == 1 })
			if c := w.Counts(); c.Exceptions[CauseUnreadable] != 1 || c.Flows != 0 || c.Verdicts[Accept] != 1 {
				t.Errorf("with a wrong checksum: %+v", c)
			}
			sign(addresses, tcp)
			send(tcp)
			waitFor(t, func() bool { return w.Counts().Blocked == 1 })
			if c := w.Counts(); c.Exceptions[CauseUnreadable] != 1 {
				t.Errorf("with the right one: %+v", c)
			}
		})
	}
}

// waitFor waits until something is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

func TestKernelCounts(t *testing.T) {
	const list = "    7  12345    17 2 65531    18    19   20  1\n21332   -456     0 2 65531     0     0    2  1\n"
	got, err := parseKernelCounts(list, 7)
	if err != nil || got != (KernelCounts{17, 18, 19, 20}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", list[:20], "7 x\n", strings.ReplaceAll(list, "18", "many")} {
		if k, err := parseKernelCounts(text, 7); err == nil {
			t.Errorf("%q: %+v", text, k)
		}
	}
}
