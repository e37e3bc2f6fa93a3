package sstpref

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// A gate is a Port that takes packets only while it is open.
type gate struct {
	inner
	closing chan struct{}
	mu      sync.Mutex
	shut    chan struct{} // closed when it opens; nil if it is open
}

func newGate() *gate { return &gate{closing: make(chan struct{})} }

func (g *gate) Deliver(p []byte) error {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
		select {
		case <-shut:
		case <-g.closing:
			return errors.New("the gate is closed for good")
		}
	}
	return g.inner.Deliver(p)
}

func (g *gate) Close() error {
	close(g.closing)
	return g.inner.Close()
}

// hold makes Deliver wait until what it returns is called.
func (g *gate) hold() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	shut := make(chan struct{})
	g.shut = shut
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.shut = nil
		close(shut)
	}
}

// carryTo is a carrier to g.
func (g *gate) carryTo(up Up, t Tunnel) (Port, error) {
	g.Tunnel, g.up = t, up
	return g, nil
}

// serve has the server carry packets to g.
func (g *gate) serve(c *ServerConfig) {
	assign := c.Assign
	c.Assign = func(name string) (*Lease, error) {
		lease, err := assign(name)
		lease.Carry = g.carryTo
		return lease, err
	}
}

// A stall is a relay's hook that leaves the client, or the server, unread from when
// it is told to.
type stall struct {
	client bool // it is what the client sends that stays unread
	begun  atomic.Bool
	over   chan struct{}
	relay  atomic.Pointer[relay]
}

func (s *stall) hook(l *relay, p passing) []sstp.Packet {
	s.relay.Store(l)
	if s.begun.Load() && p.fromClient == s.client {
		<-s.over
	}
	return as(p)
}

// serverSession is the only session that the server has.
func (r *rig) serverSession() *Session {
	r.t.Helper()
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	for s := range r.server.sessions {
		return s
	}
	r.t.Fatal("the server has no session")
	return nil
}

// most is what may be under way between a WritePacket and a Deliver that waits: what
// waits to be written, the window, and what is read at once.
const most = maxPending + tcpWindow + 32<<10 + 3*4096

// A Port that waits holds up whoever sends, with so much under way and no more, and
// nothing is lost when it goes on. Meanwhile the other way is free.
func TestDeliverWaits(t *testing.T) {
	for _, held := range []string{"client", "server", "client and server"} {
		t.Run(held, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testDeliverWaits(t, held) })
		})
	}
}

func testDeliverWaits(t *testing.T, held string) {
	client, server := newGate(), newGate()
	r := newRig(t, server.serve)
	s, _, err := r.dial(t.Context(), func(c *ClientConfig) { c.Carry, c.Dial = client.carryTo, r.from("198.51.100.7") })
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	const size = 1300
	var sending sync.WaitGroup
	var counts []int
	var opens []func()
	flows := [][2]*gate{{server, client}, {client, server}}
	for i, to := range []string{"client", "server"} {
		from, to, waits := flows[i][0], flows[i][1], strings.Contains(held, to)
		count := 10
		if waits {
			opens, count = append(opens, to.hold()), 2*most/size
		}
		counts = append(counts, count)
		var sent atomic.Int64
		sending.Go(func() {
			for n := range count {
				if err := from.WritePacket(packet(4, size, n)); err != nil {
					t.Error(err)
					return
				}
				sent.Add(1)
			}
		})
		synctest.Wait()
		if got := int(sent.Load()) * size; waits && (got > most || got < maxPending) {
			t.Errorf("%d bytes were taken, want %d at most", got, most)
		}
		if !waits && len(to.got) != count {
			t.Errorf("%d packets came the other way, want %d", len(to.got), count)
		}
	}
	time.Sleep(100 * time.Second) // below twice the Hello timer
	for _, open := range opens {
		open()
	}
	sending.Wait()
	synctest.Wait()
	for i, flow := range flows {
		if len(flow[1].got) != counts[i] {
			t.Fatalf("%d packets came, want %d", len(flow[1].got), counts[i])
		}
		for n, p := range flow[1].got {
			if !bytes.Equal(p, packet(4, size, n)) {
				t.Fatalf("packet %d is another", n)
			}
		}
	}
	if err := s.Disconnect(t.Context(), "user request"); err != nil || s.Err() != nil {
		t.Errorf("%v, %v", err, s.Err())
	}
	if err := r.idle(); err != nil {
		t.Error(err)
	}
}

// A Port that waits for ever: its session hears nothing more, and the Hello timer
// ends it; the Port's Close lets Deliver return.
func TestDeliverWaitsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		r := newRig(t, nil)
		s, _, err := r.dial(t.Context(), func(c *ClientConfig) {
			c.Carry = g.carryTo
			c.Dial = r.through(func(_ *relay, p passing) []sstp.Packet { return as(p) })
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		g.hold()
		began := time.Now()
		if err := r.inside[rigUser].WritePacket(packet(4, 100, 1)); err != nil {
			t.Error(err)
		}
		<-s.Done()
		checkStep(t, s.Err(), StepData, "nothing has come for too long")
		if got := time.Since(began).Round(time.Millisecond); got != 120*time.Second {
			t.Errorf("ended after %v", got)
		}
		if err := r.idle(); err != nil {
			t.Error(err)
		}
	})
}

// Whatever waits, ending a session is a matter of seconds.
func TestEndingWhileWaiting(t *testing.T) {
	ends := []struct {
		name  string
		end   func(r *rig, s *Session)
		after time.Duration // at most
	}{
		{"Close", func(_ *rig, s *Session) { s.Close(); <-s.Done() }, 0},
		{"Disconnect, cancelled", func(_ *rig, s *Session) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = s.Disconnect(ctx, "user request")
		}, time.Second},
		// PPP's Terminate-Requests, Disconnect timer 1, and 2 s for what is pending.
		{"Disconnect", func(_ *rig, s *Session) { _ = s.Disconnect(context.Background(), "user request") }, (6 + 5 + 2) * time.Second},
		{"Shutdown", func(r *rig, _ *Session) { _ = r.server.Shutdown(context.Background()) }, (6 + 5 + 2) * time.Second},
		{"Shutdown, cancelled", func(r *rig, _ *Session) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := r.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				r.t.Errorf("got %v", err)
			}
		}, time.Second},
	}
	for _, end := range ends {
		for _, fill := range []int{0, 10, 1000} {
			t.Run("unread/"+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, nil)
					unread := &stall{over: make(chan struct{})}
					client, _, err := r.dial(t.Context(), func(c *ClientConfig) { c.Dial = r.through(unread.hook) })
					if err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					unread.begun.Store(true)
					var sending sync.WaitGroup
					for range 3 {
						sending.Go(func() {
							for n := range fill {
								if r.inside[rigUser].WritePacket(packet(4, 1300, n)) != nil {
									return
								}
							}
						})
					}
					synctest.Wait()
					began := time.Now()
					end.end(r, r.serverSession())
					if got := time.Since(began); got > end.after {
						t.Errorf("it took %v, want %v at most", got, end.after)
					}
					sending.Wait() // they return, whatever waits
					client.Close()
					close(unread.over)
					if err := r.idle(); err != nil {
						t.Error(err)
					}
				})
			})
		}
		t.Run("Deliver/"+end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				r := newRig(t, g.serve)
				client, inside, err := r.dial(t.Context(), func(c *ClientConfig) {
					c.Dial = r.through(func(_ *relay, p passing) []sstp.Packet { return as(p) })
				})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				g.hold()
				var sending sync.WaitGroup
				sending.Go(func() {
					for n := range 1000 {
						if inside.WritePacket(packet(4, 1300, n)) != nil {
							return
						}
					}
				})
				synctest.Wait()
				began := time.Now()
				end.end(r, r.serverSession())
				if got := time.Since(began); got > end.after {
					t.Errorf("it took %v, want %v at most", got, end.after)
				}
				sending.Wait()
				<-client.Done()
				if err := r.idle(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Close is at once even if the window is full to the last byte, and nobody writes
// whom it would interrupt.
func TestCloseFullWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		unread := &stall{over: make(chan struct{})}
		client, _, err := r.dial(t.Context(), func(c *ClientConfig) { c.Dial = r.through(unread.hook) })
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		unread.begun.Store(true)
		server := r.inside[rigUser]
		window := unread.relay.Load().conns[1].(*wire).in
		for {
			synctest.Wait()
			window.mu.Lock()
			free := window.window - len(window.buf)
			window.mu.Unlock()
			if free == 0 {
				break
			}
			const around = 4 + 1 + 5 + 1 + 16 // SSTP, PPP with both compressions, a record of TLS 1.3
			n := free - around
			if n > 1300 {
				n = min(1300, n-around-1) // what is left must do for another
			}
			if err := server.WritePacket(packet(4, n, 0)); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		s := r.serverSession()
		s.Close()
		<-s.Done()
		if got := time.Since(began); got != 0 {
			t.Errorf("it took %v", got)
		}
		client.Close()
		close(unread.over)
		if err := r.idle(); err != nil {
			t.Error(err)
		}
	})
}

// A peer that asks and asks, and does not read the answers, is given up. What it
// is owed until then is bounded.
func TestFloodUnread(t *testing.T) {
	bytesOf := func(p sstp.Packet) []byte { return p.Append(nil) }
	for _, tt := range []struct {
		name string
		ask  []byte
	}{
		{"Echo Requests", bytesOf(control(sstp.EchoRequest{}))},
		{"LCP Echo-Requests", bytesOf(pppPacket(ppp.ProtocolLCP, ppp.Echo{Code: ppp.CodeEchoRequest, Data: make([]byte, 1000)}))},
		{"protocols that nobody knows", bytesOf(sstp.Packet{Data: append([]byte{0xff, 0x03, 0x80, 0x2b, 1, 1, 3, 232}, make([]byte, 1000)...)})},
		{"IPV6CP Configure-Requests", bytesOf(pppPacket(ppp.ProtocolIPV6CP, ppp.Configure{Code: ppp.CodeConfigureRequest, Options: []ppp.Option{ppp.RawOption{Type: 200, Data: make([]byte, 200)}}}))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				unread := &stall{over: make(chan struct{})}
				client, _, err := r.dial(t.Context(), func(c *ClientConfig) { c.Dial = r.through(unread.hook) })
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				unread.begun.Store(true)
				s, began := r.serverSession(), time.Now()
				var flooding sync.WaitGroup
				flooding.Go(func() {
					many := bytes.Repeat(tt.ask, 10_000/len(tt.ask)+1)
					for range 10_000 {
						if _, err := unread.relay.Load().toServer.Write(many); err != nil {
							return
						}
						time.Sleep(10 * time.Millisecond)
					}
					t.Error("the flood was never ended")
				})
				<-s.Done()
				if got := time.Since(began); got > 60*time.Second {
					t.Errorf("given up after %v", got)
				}
				checkStep(t, s.Err(), StepData, errNotReading.Error())
				if got := cap(s.out.buf) + cap(s.out.spare); got > 4*maxControl {
					t.Errorf("%d bytes waited to be written", got)
				}
				flooding.Wait()
				client.Close()
				close(unread.over)
				if err := r.idle(); err != nil {
					t.Error(err)
				}
				if !strings.Contains(r.log.String(), errNotReading.Error()) {
					t.Errorf("nothing of it in\n%s", r.log)
				}
			})
		})
	}
}

// A peer that asks as much, and reads the answers before it asks for more, does no
// harm.
func TestFloodRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		var seen watch
		s, client, err := r.dial(t.Context(), func(c *ClientConfig) { c.Dial = r.through(seen.hook) })
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		const times, each = 100, 1000
		many := bytes.Repeat(control(sstp.EchoRequest{}).Append(nil), each)
		for range times {
			if _, err := seen.relay.Load().toServer.Write(many); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if got := seen.count("server echo_response"); got != times*each {
			t.Errorf("%d responses to %d requests", got, times*each)
		}
		exchange(t, client, r.inside[rigUser], 4)
		if err := s.Disconnect(t.Context(), "user request"); err != nil || s.Err() != nil {
			t.Errorf("%v, %v", err, s.Err())
		}
		if err := r.idle(); err != nil {
			t.Error(err)
		}
	})
}
