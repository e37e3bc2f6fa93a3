package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A lab is an Asker and servers in memory, in a bubble of fake time. All servers
// answer the same.
type lab struct {
	*Asker
	t       *testing.T
	serving sync.WaitGroup

	mu     sync.Mutex
	dialed []string
	told   []Answer
	answer string        // "" for silence
	delay  time.Duration // before it
}

const (
	sayYes = "HTTP/1.1 200 OK\r\n" + endless + "\r\n\r\n"
	sayNo  = "HTTP/1.1 404 Not Found\r\n\r\n"
)

func inLab(t *testing.T, o AskerOptions, test func(l *lab)) {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{testCertificate()}} // made in real time
	synctest.Test(t, func(t *testing.T) {
		l := &lab{t: t, answer: sayYes}
		config.Time = func() time.Time { return time.Now() }
		o.Prober = &Prober{Dial: inMemory(&l.serving, func(addr string, c net.Conn) {
			l.mu.Lock()
			l.dialed = append(l.dialed, addr)
			answer, delay := l.answer, l.delay
			l.mu.Unlock()
			overTLS(config.Clone(), func(c *tls.Conn, _ string) {
				time.Sleep(delay)
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, c)
			})(c)
		})}
		o.Asked = func(r Result) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.told = append(l.told, r.SSTP)
		}
		l.Asker = NewAsker(o)
		test(l)
		l.Close()
		l.serving.Wait()
	})
}

func server(i int) Target {
	return Target{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{8, byte(i >> 8), byte(i), 8}), 443)}
}

// wants asks a server, and wants the answer yes, no, or "" for none.
func (l *lab) wants(t Target, want string) {
	l.t.Helper()
	e, ok := l.Ask(l.t.Context(), t)
	got := ""
	switch {
	case ok && e.Proof && e.Weight == weightYes && e.Rule == RuleAnswer:
		got = "yes"
	case ok && !e.Proof && e.Weight == weightNo && e.Rule == RuleAnswer:
		got = "no"
	case ok:
		got = fmt.Sprint(e)
	}
	if got != want {
		l.t.Errorf("%v: %q, want %q", t, got, want)
	}
}

func (l *lab) wantsDialed(n int) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.dialed) != n {
		l.t.Errorf("dialed %d times, want %d: %v", len(l.dialed), n, l.dialed)
	}
}

func (l *lab) says(answer string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = answer
}

func TestAskerRemembers(t *testing.T) {
	for _, tt := range []struct {
		answer, want string
		keep         time.Duration
	}{{sayYes, "yes", 24 * time.Hour}, {sayNo, "no", time.Hour}, {"", "", 10 * time.Minute}} {
		t.Run(tt.want, func(t *testing.T) {
			inLab(t, AskerOptions{}, func(l *lab) {
				l.says(tt.answer)
				l.wants(server(1), tt.want)
				asked := time.Now()
				l.says("HTTP/1.1 999 x\r\n\r\n")
				time.Sleep(tt.keep - time.Second)
				l.wants(server(1), tt.want)
				l.wants(Target{Addr: netip.AddrPortFrom(netip.AddrFrom16(server(1).Addr.Addr().As16()), 443)}, tt.want) // the same
				l.wantsDialed(1)
				time.Sleep(time.Until(asked.Add(tt.keep + time.Second)))
				l.says(sayNo)
				l.wants(server(1), "no")
				l.wantsDialed(2)
			})
		})
	}
}

// TestAskerKeys: another name or port is another server.
func TestAskerKeys(t *testing.T) {
	inLab(t, AskerOptions{NetworkBurst: 9}, func(l *lab) {
		a := server(1)
		l.wants(a, "yes")
		l.wants(Target{Addr: netip.AddrPortFrom(a.Addr.Addr(), 8443)}, "yes")
		l.wants(Target{Name: "vpn.example", Addr: a.Addr}, "yes")
		l.wantsDialed(3)
		l.wants(Target{Name: "VPN.example.", Addr: a.Addr}, "yes")
		l.wants(Target{Name: "8.0.1.8", Addr: a.Addr}, "yes")
		l.wants(Target{Name: "no name\n", Addr: a.Addr}, "yes")
		l.wantsDialed(3)
		want := Counters{Asked: 3, Yes: 3, Cached: 3, Remembered: 3}
		if diff := cmp.Diff(want, l.Counters()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAskerSingleFlight(t *testing.T) {
	inLab(t, AskerOptions{}, func(l *lab) {
		l.delay = 2 * time.Second
		var asking sync.WaitGroup
		for range 20 {
			asking.Go(func() { l.wants(server(1), "yes") })
		}
		// One that has no time learns nothing; the answer is for the others.
		ctx, cancel := context.WithTimeout(l.t.Context(), time.Second)
		defer cancel()
		if _, ok := l.Ask(ctx, server(1)); ok {
			t.Error("an answer before there is one")
		}
		asking.Wait()
		l.wantsDialed(1)
		l.mu.Lock()
		defer l.mu.Unlock()
		if diff := cmp.Diff([]Answer{Yes}, l.told); diff != "" {
			t.Error(diff)
		}
	})
}

// TestAskerGivenUp: the first to ask is gone before the answer.
func TestAskerGivenUp(t *testing.T) {
	inLab(t, AskerOptions{}, func(l *lab) {
		l.delay = 2 * time.Second
		ctx, cancel := context.WithTimeout(l.t.Context(), time.Second)
		defer cancel()
		if _, ok := l.Ask(ctx, server(1)); ok {
			t.Error("an answer before there is one")
		}
		l.wants(server(1), "yes")
		l.wantsDialed(1)
	})
}

func TestAskerRate(t *testing.T) {
	inLab(t, AskerOptions{}, func(l *lab) {
		for i := range 5 {
			l.wants(server(i), "yes")
		}
		l.wants(server(5), "")
		l.wants(server(0), "yes") // remembered
		l.wantsDialed(5)
		time.Sleep(time.Second)
		l.wants(server(5), "yes")
		l.wants(server(6), "")
		time.Sleep(time.Hour) // no more than five at once
		for i := range 7 {
			l.Ask(l.t.Context(), server(100+i))
		}
		l.wantsDialed(11)
		if c := l.Counters(); c.RateLimited != 4 || c.Asked != 11 {
			t.Errorf("%+v", c)
		}
	})
}

func TestAskerNetworkRate(t *testing.T) {
	inLab(t, AskerOptions{}, func(l *lab) {
		in := func(network string, i int) Target {
			return Target{Addr: addrPort(fmt.Sprintf(network, i))}
		}
		for i := range 3 {
			l.wants(in("8.8.8.%d:443", i), "yes")
		}
		l.wants(in("8.8.8.%d:443", 3), "")
		l.wants(in("8.8.9.%d:443", 3), "yes") // a token of all was not lost
		l.wantsDialed(4)
		time.Sleep(5 * time.Second)
		l.wants(in("8.8.8.%d:443", 3), "yes")
		l.wants(in("8.8.8.%d:443", 4), "")
		for i := range 3 {
			l.wants(in("[2606:4700:0:%d::1]:443", i), "yes")
		}
		l.wants(in("[2606:4700:0:%d::1]:443", 3), "")
		l.wants(in("[2606:4700:1:%d::1]:443", 3), "yes")
	})
}

func TestAskerRefuses(t *testing.T) {
	inLab(t, AskerOptions{}, func(l *lab) {
		for _, s := range []string{"10.0.0.1:443", "[::1]:443", "169.254.169.254:80", "[::ffff:192.168.0.1]:443", "[fe80::1%25eth0]:443", "8.8.8.8:0"} {
			a, err := netip.ParseAddrPort(s)
			if err != nil {
				t.Fatal(err)
			}
			l.wants(Target{Addr: a}, "")
		}
		l.wants(Target{}, "")
		l.wantsDialed(0)
		if diff := cmp.Diff(Counters{Refused: 7}, l.Counters()); diff != "" {
			t.Error(diff)
		}
	})
	inLab(t, AskerOptions{Allowed: func(a netip.Addr) error {
		if a == netip.MustParseAddr("10.0.0.1") {
			return nil
		}
		return &AddressError{a, "no"}
	}}, func(l *lab) {
		l.wants(Target{Addr: addrPort("10.0.0.1:443")}, "yes")
		l.wants(Target{Addr: addrPort("[::ffff:10.0.0.1]:443")}, "yes")
		l.wants(server(1), "")
	})
}

func TestAskerIsBounded(t *testing.T) {
	inLab(t, AskerOptions{Entries: 8, Rate: 1000, Burst: 1000}, func(l *lab) {
		for i := range 20 {
			l.wants(server(i), "yes")
			time.Sleep(time.Minute)
		}
		c := l.Counters()
		if c.Remembered != 8 || c.Evicted != 12 {
			t.Errorf("%+v", c)
		}
		l.wants(server(19), "yes")
		l.wantsDialed(20)
		l.wants(server(0), "yes") // fell out
		l.wantsDialed(21)
		if len(l.networks) > 8 || len(l.known) > 8 || l.order.Len() > 8 {
			t.Errorf("%d networks, %d known, %d in order", len(l.networks), len(l.known), l.order.Len())
		}
		// Networks whose tokens are not back yet are not forgotten for others, and
		// neither is a server that is being asked.
		time.Sleep(time.Hour)
		l.says("")
		var asking sync.WaitGroup
		for i := range 20 {
			asking.Go(func() { l.wants(server(100+i), "") })
		}
		asking.Wait()
		if c := l.Counters(); c.Failed != 8 || c.RateLimited != 12 {
			t.Errorf("%+v", c)
		}
	})
}

func TestAskerFullOfFlights(t *testing.T) {
	inLab(t, AskerOptions{Entries: 2, Rate: 1000, Burst: 1000}, func(l *lab) {
		l.says("")
		one := func(port uint16) Target { return Target{Addr: netip.AddrPortFrom(server(1).Addr.Addr(), port)} }
		var asking sync.WaitGroup
		for port := range uint16(3) {
			asking.Go(func() { l.wants(one(443+port), "") })
		}
		asking.Wait()
		l.wantsDialed(2)
		if c := l.Counters(); c.Failed != 2 || c.RateLimited != 1 {
			t.Errorf("%+v", c)
		}
	})
}

func TestAskerClose(t *testing.T) {
	inLab(t, AskerOptions{}, func(l *lab) {
		l.wants(server(1), "yes")
		l.says("")
		var asking sync.WaitGroup
		asking.Go(func() { l.wants(server(2), "") })
		time.Sleep(time.Second)
		began := time.Now()
		l.Close()
		if waited := time.Since(began); waited > time.Second { // of fake time
			t.Errorf("closing took %v", waited)
		}
		asking.Wait()
		l.wants(server(3), "")
		l.wants(server(1), "yes") // it is remembered
		l.wantsDialed(2)
		l.Close()
	})
}
