package ipcarry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const target = "192.0.2.1:80"

// transfer sends n bytes through c to an echo server and wants them back.
func transfer(c net.Conn, n int, seed uint64) error {
	want := randomBytes(n, seed)
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(want)
		if err == nil {
			err = c.(interface{ CloseWrite() error }).CloseWrite()
		}
		sent <- err
	}()
	got, err := io.ReadAll(c)
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%d bytes went out, %d others came back", len(want), len(got))
	}
	return nil
}

func TestForwarderTCP(t *testing.T) {
	jitter := func() {
		if rand.IntN(50) == 0 {
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		}
	}
	tests := []struct {
		name   string
		hold   func()
		client string
		to     string
	}{
		{"IPv4", nil, "10.9.0.2", "192.0.2.1:80"},
		{"IPv6", nil, "2001:db8::2", "[2001:db8:1::1]:80"},
		{"a tunnel that blocks now and then", jitter, "10.9.0.2", "192.0.2.1:80"},
		{"the same over IPv6", jitter, "2001:db8::2", "[2001:db8:1::1]:80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newForwarder(t, ForwarderConfig{Dial: hosts{"tcp " + tt.to: listen(t, echoServer)}.dial})
			s := connect(t, f, tt.hold, nil, addr(tt.client))
			c, err := s.DialContext(t.Context(), "tcp", tt.to)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := transfer(c, 1<<20, 1); err != nil {
				t.Error(err)
			}
			if st := f.Stats(); st.Dropped != 0 || st.Spoofed != 0 || st.Malformed != 0 {
				t.Errorf("something was lost: %+v", st)
			}
		})
	}
}

// The ends of a connection are what they are on the other side (RFC 9293, Section 3.6).
func TestForwarderTCPEnds(t *testing.T) {
	t.Run("half-closed by the host", func(t *testing.T) {
		got := make(chan string, 1)
		f := newForwarder(t, ForwarderConfig{Dial: hosts{"tcp " + target: listen(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "bye")
			_ = c.(*net.TCPConn).CloseWrite()
			b, _ := io.ReadAll(c)
			got <- string(b)
		})}.dial})
		c, err := connect(t, f, nil, nil, addr("10.9.0.2")).DialContext(t.Context(), "tcp", target)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if b, err := io.ReadAll(c); string(b) != "bye" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
		if _, err := io.WriteString(c, "one more thing"); err != nil {
			t.Error(err)
		}
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
		if g := <-got; g != "one more thing" {
			t.Errorf("the host read %q", g)
		}
	})
	t.Run("reset by the host", func(t *testing.T) {
		f := newForwarder(t, ForwarderConfig{Dial: hosts{"tcp " + target: listen(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
		})}.dial})
		c, err := connect(t, f, nil, nil, addr("10.9.0.2")).DialContext(t.Context(), "tcp", target)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c); err == nil || !strings.Contains(err.Error(), "reset") {
			t.Errorf("error %v, want a reset", err)
		}
	})
	t.Run("the client leaves", func(t *testing.T) {
		ended := make(chan error, 1)
		f := newForwarder(t, ForwarderConfig{Dial: hosts{"tcp " + target: listen(t, func(c net.Conn) {
			_, err := io.ReadAll(c)
			ended <- err
		})}.dial})
		down := newPipe(nil)
		port, err := f.Attach(Own(addr("10.9.0.2")), testMTU, down)
		if err != nil {
			t.Fatal(err)
		}
		up := newPipe(port)
		s, err := NewStack(StackConfig{Addrs: []netip.Addr{addr("10.9.0.2")}, MTU: testMTU}, up)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		down.mu.Lock()
		down.to = s
		down.mu.Unlock()
		if _, err := s.DialContext(t.Context(), "tcp", target); err != nil {
			t.Fatal(err)
		}
		port.Close()
		if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the host saw %v, want a reset", err)
		}
		if st := f.Stats(); st.Conns != 0 || st.Clients != 0 {
			t.Errorf("left behind: %+v", st)
		}
		if err := port.Deliver([]byte{0x45}); !errors.Is(err, ErrClosed) {
			t.Errorf("Deliver after Close: %v", err)
		}
	})
}

func TestForwarderRefuses(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	f := newForwarder(t, ForwarderConfig{
		Dial:     hosts{"tcp 192.0.2.9:80": dead.Addr().String()}.dial,
		Gateways: []netip.Addr{addr("10.9.0.1")},
		Deny:     []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24"), netip.MustParsePrefix("198.51.100.0/24")},
	})
	s := connect(t, f, nil, nil, addr("10.9.0.2"), addr("2001:db8::2"))
	connect(t, f, nil, nil, addr("203.0.113.7"))
	for _, tt := range []struct{ name, to string }{
		{"closed port", "192.0.2.9:80"},
		{"unreachable", "192.0.2.8:80"},
		{"loopback", "127.0.0.1:80"},
		{"loopback's other addresses", "127.8.8.8:80"},
		{"this network", "0.1.2.3:80"},
		{"IPv6 loopback", "[::1]:80"},
		{"loopback embedded in IPv6", "[::127.0.0.1]:80"},
		{"reserved", "240.0.0.1:80"},
		{"denied", "198.51.100.1:80"},
		{"the gateway", "10.9.0.1:80"},
		{"another client", "203.0.113.7:80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			c, err := s.DialContext(ctx, "tcp", tt.to)
			if err == nil {
				c.Close()
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), "refused") {
				t.Errorf("error %v, want a RST", err)
			}
		})
	}
}

func TestUnicast(t *testing.T) {
	for a, want := range map[string]bool{
		"192.0.2.1": true, "10.0.0.1": true, "2001:db8::1": true, "fd00::1": true, "169.254.1.1": true,
		"127.0.0.1": false, "127.255.255.255": false, "0.0.0.0": false, "0.255.0.1": false, "224.0.0.1": false,
		"255.255.255.255": false, "240.0.0.1": false, "::": false, "::1": false, "::ffff:127.0.0.1": false,
		"::ffff:0.0.0.1": false, "::ffff:192.0.2.1": true, "::127.0.0.1": false, "ff02::1": false, "fe80::1": false,
	} {
		if got := unicast(addr(a)); got != want {
			t.Errorf("unicast(%s) = %v", a, got)
		}
	}
	if unicast(netip.Addr{}) {
		t.Error("the zero address is nobody's")
	}
}

// udpEcho answers datagrams on the loopback.
func udpEcho(t testing.TB) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 65535)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(buf[:n], from)
		}
	})
	t.Cleanup(func() { c.Close(); done.Wait() })
	return c.LocalAddr().String()
}

func TestForwarderUDP(t *testing.T) {
	f := newForwarder(t, ForwarderConfig{
		Dial:              hosts{"udp 192.0.2.1:53": udpEcho(t), "udp [2001:db8:1::1]:53": udpEcho(t), "udp 192.0.2.2:53": udpEcho(t)}.dial,
		MaxFlowsPerClient: 2,
	})
	s := connect(t, f, nil, nil, addr("10.9.0.2"), addr("2001:db8::2"))
	for _, to := range []string{"192.0.2.1:53", "[2001:db8:1::1]:53", "192.0.2.2:53"} {
		c, err := s.DialContext(t.Context(), "udp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		for i, size := range []int{0, 1, 1300, 4000, 20000} { // the larger ones in fragments
			want := randomBytes(size, uint64(i))
			if _, err := c.Write(want); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 65535)
			n, err := c.Read(got)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", to, size, err)
			}
			if !bytes.Equal(got[:n], want) {
				t.Errorf("%s: %d bytes came back as %d others", to, size, n)
			}
		}
	}
	if st := f.Stats(); st.Flows > 3 || st.Flows < 2 { // an evicted one may be just about to end
		t.Errorf("%d flows of 2 allowed ones", st.Flows)
	}
}

func TestForwarderUDPErrors(t *testing.T) {
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	f := newForwarder(t, ForwarderConfig{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "192.0.2.4:53" {
			return nil, &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}
		}
		return hosts{"udp 192.0.2.3:53": gone.LocalAddr().String()}.dial(ctx, network, address)
	}})
	r := newRecorder()
	four, err := f.Attach(Own(addr("10.9.0.2"), addr("2001:db8::2")), testMTU, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, from, to string
		kind, code     uint8
	}{
		{"closed port", "10.9.0.2:5000", "192.0.2.3:53", 3, 3},
		{"no route", "10.9.0.2:5000", "192.0.2.4:53", 3, 1},
		{"refused", "10.9.0.2:5000", "127.0.0.1:53", 3, 13},
		{"refused, IPv6", "[2001:db8::2]:5000", "[::1]:53", 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from, to := netip.MustParseAddrPort(tt.from), netip.MustParseAddrPort(tt.to)
			if err := four.Deliver(udpPacket(from, to, []byte("hello"))); err != nil {
				t.Fatal(err)
			}
			p, ok := parsePacket(r.next(t))
			if !ok || p.dst != from.Addr() || p.data()[0] != tt.kind || p.data()[1] != tt.code {
				t.Fatalf("got %+v, want an ICMP error %d/%d", p, tt.kind, tt.code)
			}
			about, ok := parsePacket(append(p.data()[icmpHeader:], make([]byte, 64)...))
			if !ok || about.src != from.Addr() || about.dst != to.Addr() || about.proto != protoUDP {
				t.Errorf("it is about %+v", about)
			}
		})
	}
}

func udpPacket(from, to netip.AddrPort, data []byte) []byte {
	b := appendHeader(nil, from.Addr(), to.Addr(), protoUDP, udpHeader+len(data), 64)
	at := len(b)
	b = append(b, byte(from.Port()>>8), byte(from.Port()), byte(to.Port()>>8), byte(to.Port()),
		byte((udpHeader+len(data))>>8), byte(udpHeader+len(data)), 0, 0)
	b = append(b, data...)
	if from.Addr().Is6() {
		c := fold(sum(pseudo6(from.Addr(), to.Addr(), protoUDP, len(b)-at), b[at:]))
		b[at+6], b[at+7] = byte(c>>8), byte(c)
	}
	return b
}

func TestForwarderUDPIdle(t *testing.T) {
	f := newForwarder(t, ForwarderConfig{Dial: hosts{"udp 192.0.2.1:53": udpEcho(t)}.dial, FlowIdle: 50 * time.Millisecond})
	s := connect(t, f, nil, nil, addr("10.9.0.2"))
	c, err := s.DialContext(t.Context(), "udp", "192.0.2.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return f.Stats().Flows == 0 })
}

// eventually waits until something has happened, for a while.
func eventually(t *testing.T, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

func TestForwarderDNSOfTheHost(t *testing.T) {
	server := netip.MustParseAddrPort(udpEcho(t))
	f := newForwarder(t, ForwarderConfig{Gateways: []netip.Addr{addr("10.9.0.1")}, DNS: server})
	s := connect(t, f, nil, nil, addr("10.9.0.2"))
	c, err := s.DialContext(t.Context(), "udp", "10.9.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write([]byte("query")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 9)
	if n, err := c.Read(b); string(b[:n]) != "query" {
		t.Errorf("%q, %v", b[:n], err)
	}
}

func TestForwarderScreens(t *testing.T) {
	f := newForwarder(t, ForwarderConfig{Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("a packet that is not allowed was carried")
		return nil, io.EOF
	}})
	p, err := f.Attach(append(Own(addr("10.9.0.2")), netip.MustParsePrefix("2001:db8:5::/64")), testMTU, newRecorder())
	if err != nil {
		t.Fatal(err)
	}
	to4, to6 := netip.MustParseAddrPort("192.0.2.1:9"), netip.MustParseAddrPort("[2001:db8::1]:9")
	deliver := func(b []byte) {
		if err := p.Deliver(b); err != nil {
			t.Error(err)
		}
	}
	deliver(udpPacket(netip.MustParseAddrPort("10.9.0.3:9"), to4, nil))
	deliver(udpPacket(netip.MustParseAddrPort("[2001:db8:6::9]:9"), to6, nil))
	deliver(udpPacket(netip.MustParseAddrPort("[::]:9"), to6, nil))
	deliver(AppendRouterSolicitation(nil, addr("fe80::2")))
	deliver(udpPacket(netip.MustParseAddrPort("[fe80::2]:9"), to6, nil))
	deliver(udpPacket(netip.MustParseAddrPort("10.9.0.2:9"), netip.MustParseAddrPort("224.0.0.251:5353"), nil))
	deliver(nil)
	deliver([]byte{0x45, 0, 0})
	whole := udpPacket(netip.MustParseAddrPort("10.9.0.2:9"), to4, []byte("x"))
	for n := range whole {
		deliver(whole[:n])
	}
	st := f.Stats()
	if st.Spoofed != 3 || st.Ignored != 3 || st.Malformed != uint64(2+len(whole)) {
		t.Errorf("counted %+v", st)
	}
}

func TestForwarderAttach(t *testing.T) {
	f := newForwarder(t, ForwarderConfig{})
	if _, err := f.Attach(Own(addr("10.9.0.2"), addr("2001:db8::2")), testMTU, newRecorder()); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		own []netip.Prefix
		mtu int
	}{
		"no address":     {nil, testMTU},
		"in use":         {Own(addr("10.9.0.2")), testMTU},
		"overlapping":    {[]netip.Prefix{netip.MustParsePrefix("2001:db8::/64")}, testMTU},
		"invalid":        {[]netip.Prefix{{}}, testMTU},
		"mapped":         {Own(addr("::ffff:10.9.0.3")), testMTU},
		"MTU of nothing": {Own(addr("10.9.0.3")), 0},
	} {
		if _, err := f.Attach(tt.own, tt.mtu, newRecorder()); err == nil {
			t.Errorf("%s: attached", name)
		}
	}
	f.Close()
	if _, err := f.Attach(Own(addr("10.9.0.9")), testMTU, newRecorder()); !errors.Is(err, ErrClosed) {
		t.Errorf("attached after Close: %v", err)
	}
}

func TestForwarderBounds(t *testing.T) {
	f := newForwarder(t, ForwarderConfig{
		Dial:     hosts{"tcp " + target: listen(t, echoServer)}.dial,
		MaxConns: 5, MaxConnsPerClient: 3,
	})
	open := func(s *Stack, want int) {
		t.Helper()
		var conns []net.Conn
		for {
			c, err := s.DialContext(t.Context(), "tcp", target)
			if err != nil {
				break
			}
			conns = append(conns, c)
			t.Cleanup(func() { c.Close() })
		}
		if len(conns) != want {
			t.Errorf("%d connections, want %d", len(conns), want)
		}
	}
	one := connect(t, f, nil, nil, addr("10.9.0.2"))
	open(one, 3)
	open(connect(t, f, nil, nil, addr("10.9.0.3")), 2)
	one.Close()
}

// A client whose tunnel stands still holds up nobody else, and can be ended.
func TestForwarderSlowClient(t *testing.T) {
	f := newForwarder(t, ForwarderConfig{Dial: hosts{
		"tcp 192.0.2.1:80": listen(t, func(c net.Conn) {
			for {
				if _, err := c.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}),
		"tcp 192.0.2.2:80": listen(t, echoServer),
	}.dial})
	var stuck atomic.Bool
	release := make(chan struct{})
	slow := connect(t, f, func() {
		if stuck.Load() {
			<-release
		}
	}, nil, addr("10.9.0.2"))
	t.Cleanup(func() { close(release) })
	for range 20 { // as many as there are processors in a stack, and more
		c, err := slow.DialContext(t.Context(), "tcp", "192.0.2.1:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	stuck.Store(true)

	fine := connect(t, f, nil, nil, addr("10.9.0.3"))
	for i := range 5 {
		c, err := fine.DialContext(t.Context(), "tcp", "192.0.2.2:80")
		if err != nil {
			t.Fatal(err)
		}
		if err := transfer(c, 1<<20, uint64(i)); err != nil {
			t.Error(err)
		}
		c.Close()
	}
}

// What a client that reads nothing sends is bounded too.
func TestForwarderFlood(t *testing.T) {
	f := newForwarder(t, ForwarderConfig{Gateways: []netip.Addr{addr("10.9.0.1")}})
	release := make(chan struct{})
	down := newPipe(nil)
	down.hold = func() { <-release }
	p, err := f.Attach(Own(addr("10.9.0.2")), testMTU, down)
	if err != nil {
		t.Fatal(err)
	}
	e := echo{id: 1, seq: 1, data: make([]byte, 1000)}
	ping := appendICMP(nil, addr("10.9.0.2"), addr("10.9.0.1"), 64, echoRequest4, 0, e.appendEcho(nil))
	for range 10_000 {
		if err := p.Deliver(ping); err != nil {
			t.Fatal(err)
		}
	}
	c := p.(*client)
	c.link.mu.Lock()
	queued := c.link.bytes
	c.link.mu.Unlock()
	if queued > linkRoom+linkReserve+2000 {
		t.Errorf("%d bytes are queued", queued)
	}
	if st := f.Stats(); st.Dropped < 9000 {
		t.Errorf("only %d were dropped", st.Dropped)
	}
	close(release)
}

func TestForwarderManyClients(t *testing.T) {
	const clients = 100
	f := newForwarder(t, ForwarderConfig{Dial: hosts{"tcp " + target: listen(t, echoServer)}.dial})
	var all sync.WaitGroup
	for i := range clients {
		s := connect(t, f, nil, nil, netip.AddrFrom4([4]byte{10, 9, 1, byte(i)}))
		all.Go(func() {
			c, err := s.DialContext(t.Context(), "tcp", target)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if err := transfer(c, 200_000, uint64(i)); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	all.Wait()
	if st := f.Stats(); st.Clients != clients || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
}

// A client that goes away while it opens connections goes at once.
func TestForwarderEndsMidway(t *testing.T) {
	f := newForwarder(t, ForwarderConfig{Dial: hosts{"tcp " + target: listen(t, echoServer)}.dial})
	for i := range 30 {
		down := newPipe(nil)
		port, err := f.Attach(Own(addr("10.9.0.2")), testMTU, down)
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewStack(StackConfig{Addrs: []netip.Addr{addr("10.9.0.2")}, MTU: testMTU}, newPipe(port))
		if err != nil {
			t.Fatal(err)
		}
		down.mu.Lock()
		down.to = s
		down.mu.Unlock()
		var dials sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for range 10 {
			dials.Go(func() {
				if c, err := s.DialContext(ctx, "tcp", target); err == nil {
					c.Close()
				}
			})
		}
		time.Sleep(time.Duration(i) * 50 * time.Microsecond)
		start := time.Now()
		port.Close()
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("it took %v", d)
		}
		cancel()
		dials.Wait()
		s.Close()
	}
}
