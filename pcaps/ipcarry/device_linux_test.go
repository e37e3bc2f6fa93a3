package ipcarry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// A namespace is a network namespace of its own. What do runs, happens there.
type namespace struct{ calls chan func() }

// needTUN skips the test where TUN devices cannot be made, but not in CI.
func needTUN(t testing.TB) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "needs root"
	} else if _, err := os.Stat("/dev/net/tun"); err != nil {
		missing = "needs /dev/net/tun"
	}
	if missing != "" {
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
}

// unshare puts this thread, which has to be locked, into a network namespace of its own.
func unshare() error {
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// enterNamespace moves the test itself into a namespace.
func enterNamespace(t *testing.T) {
	t.Helper()
	needTUN(t)
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unshare(); err != nil {
		t.Fatal(err)
	}
}

func newNamespace(t testing.TB) *namespace {
	t.Helper()
	needTUN(t)
	ns := &namespace{make(chan func())}
	ready, ended := make(chan error), make(chan bool)
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the thread ends with the namespace
		ready <- unshare()
		for f := range ns.calls {
			f()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(ns.calls); <-ended })
	return ns
}

func (ns *namespace) do(f func()) {
	done := make(chan bool)
	ns.calls <- func() { defer close(done); f() }
	<-done
}

// in is do for what returns an error.
func in[T any](t testing.TB, ns *namespace, f func() (T, error)) (v T) {
	t.Helper()
	var err error
	ns.do(func() { v, err = f() })
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (ns *namespace) listen(t testing.TB, at string, serve func(net.Conn)) {
	t.Helper()
	l := in(t, ns, func() (net.Listener, error) { return net.Listen("tcp", at) })
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			all.Go(func() { defer c.Close(); serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
}

var gateways = []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("fd00:1::1/48")}

func newDevice(t testing.TB, ns *namespace) *Device {
	t.Helper()
	d := in(t, ns, func() (*Device, error) { return NewDevice(DeviceConfig{MTU: testMTU, Gateways: gateways}) })
	t.Cleanup(func() { d.Close() })
	return d
}

// join attaches a Stack to d.
func joinDevice(t testing.TB, d *Device, mtu int, hold func(), addrs ...netip.Addr) *Stack {
	t.Helper()
	up, down := newPipe(nil), newPipe(nil)
	down.hold = hold
	port, err := d.Attach(Own(addrs...), mtu, down)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewStack(StackConfig{Addrs: addrs, MTU: testMTU}, up)
	if err != nil {
		t.Fatal(err)
	}
	set := func(p *pipe, to Port) { p.mu.Lock(); p.to = to; p.mu.Unlock() }
	set(up, port)
	set(down, s)
	t.Cleanup(func() { up.end(); down.end(); s.Close(); port.Close() })
	return s
}

// The kernel of the server's side and the stack of the client's.
func TestDevice(t *testing.T) {
	ns := newNamespace(t)
	d := newDevice(t, ns)
	if !strings.HasPrefix(d.Name(), "sstp") {
		t.Errorf("name %q", d.Name())
	}
	ns.listen(t, "10.9.0.1:80", echoServer)
	ns.listen(t, "[fd00:1::1]:80", echoServer)
	s := joinDevice(t, d, testMTU, nil, addr("10.9.0.2"), addr("fd00:1:0:1::2"))
	for _, to := range []string{"10.9.0.1:80", "[fd00:1::1]:80"} {
		c, err := s.DialContext(t.Context(), "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		if err := transfer(c, 1<<20, 1); err != nil {
			t.Error(err)
		}
		c.Close()
	}
	for _, to := range []string{"10.9.0.1", "fd00:1::1"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := s.Ping(ctx, addr(to), 3000); err != nil { // in fragments
			t.Error(err)
		}
		cancel()
	}
	if _, err := d.Attach(Own(addr("10.9.0.2")), testMTU, newPipe(nil)); err == nil {
		t.Error("an address was given out twice")
	}
	if st := d.Stats(); st.Clients != 1 || st.Spoofed != 0 {
		t.Errorf("%+v", st)
	}
}

func TestDeviceScreens(t *testing.T) {
	ns := newNamespace(t)
	d := newDevice(t, ns)
	p, err := d.Attach([]netip.Prefix{netip.MustParsePrefix("10.9.0.2/32"), netip.MustParsePrefix("fd00:1:0:1::/64")}, testMTU, newRecorder())
	if err != nil {
		t.Fatal(err)
	}
	to4, to6 := netip.MustParseAddrPort("10.9.0.1:9"), netip.MustParseAddrPort("[fd00:1::1]:9")
	for _, b := range [][]byte{
		udpPacket(netip.MustParseAddrPort("10.9.0.1:9"), to4, nil),
		udpPacket(netip.MustParseAddrPort("[fd00:1:0:2::1]:9"), to6, nil),
		AppendRouterSolicitation(nil, clientLocal),
		{0x45},
	} {
		if err := p.Deliver(b); err != nil {
			t.Error(err)
		}
	}
	if st := d.Stats(); st.Spoofed != 2 || st.Ignored != 1 || st.Malformed != 1 {
		t.Errorf("%+v", st)
	}
	p.Close()
	if err := p.Deliver(udpPacket(netip.MustParseAddrPort("10.9.0.2:9"), to4, nil)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if st := d.Stats(); st.Clients != 0 || len(d.lengths) != 0 {
		t.Errorf("%+v, %v", st, d.lengths)
	}
	d.Close()
	if _, err := d.Attach(Own(addr("10.9.0.2")), testMTU, newRecorder()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// A tunnel with a smaller MTU than the device's gets packets that fit.
func TestDeviceSmallTunnel(t *testing.T) {
	const mtu = 600
	ns := newNamespace(t)
	d := newDevice(t, ns)
	r := newRecorder()
	if _, err := d.Attach(Own(addr("10.9.0.2")), mtu, r); err != nil {
		t.Fatal(err)
	}
	c := in(t, ns, func() (net.Conn, error) { return net.Dial("udp", "10.9.0.2:9") })
	defer c.Close()
	data := randomBytes(1300, 1)
	got := map[int][]byte{}
	for i := 0; ; i++ { // the first is refused as too big, the next come in fragments
		if i > 50 {
			t.Fatal("the kernel does not believe in the MTU")
		}
		_, _ = c.Write(data)
		select {
		case p := <-r.packets:
			got[0] = p
		case <-time.After(100 * time.Millisecond):
			continue
		}
		break
	}
	p, ok := parsePacket(got[0])
	if !ok || len(p.bytes) > mtu || !p.fragment {
		t.Errorf("%d bytes came, fragment %v", len(p.bytes), p.fragment)
	}

	// TCP learns it from its handshake.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go ns.do(func() {
		if _, err := (&net.Dialer{}).DialContext(ctx, "tcp", "10.9.0.2:9"); err == nil {
			t.Error("connected to nobody")
		}
	})
	for {
		syn := r.next(t)
		p, ok := parsePacket(syn)
		if !ok || p.proto != protoTCP {
			continue
		}
		want := append([]byte(nil), syn...)
		ClampMSS(want, mtu)
		if string(want) != string(syn) {
			t.Error("a SYN was not clamped")
		}
		break
	}
}

// One client that stands still costs the others nothing.
func TestDeviceSlowClient(t *testing.T) {
	ns := newNamespace(t)
	d := newDevice(t, ns)
	var stuck atomic.Bool
	release := make(chan struct{})
	ns.listen(t, "10.9.0.1:80", echoServer)
	ns.listen(t, "10.9.0.1:81", func(c net.Conn) {
		for {
			if _, err := c.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	slow := joinDevice(t, d, testMTU, func() {
		if stuck.Load() {
			<-release
		}
	}, addr("10.9.0.2"))
	t.Cleanup(func() { close(release) })
	for range 4 {
		c, err := slow.DialContext(t.Context(), "tcp", "10.9.0.1:81")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	stuck.Store(true)
	fine := joinDevice(t, d, testMTU, nil, addr("10.9.0.3"))
	for i := range 3 {
		c, err := fine.DialContext(t.Context(), "tcp", "10.9.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		if err := transfer(c, 1<<20, uint64(i)); err != nil {
			t.Error(err)
		}
		c.Close()
	}
}

// Kernels on both sides, with routes, and an address by advertisement.
func TestClientDevice(t *testing.T) {
	there, here := newNamespace(t), newNamespace(t)
	d := newDevice(t, there)
	there.listen(t, "10.9.0.1:80", echoServer)
	there.listen(t, "[fd00:1::1]:80", echoServer)

	up, down := newPipe(nil), newPipe(nil)
	down.mu.Lock()
	own := append(Own(addr("10.9.0.2")), netip.MustParsePrefix("fd00:1:0:1::/64"))
	inner, err := d.Attach(own, testMTU, down)
	if err != nil {
		t.Fatal(err)
	}
	port := WithRouter(inner, down, Advertise(netip.MustParsePrefix("fd00:1:0:1::/64"), testMTU, addr("fd00:1::1")), serverLocal)
	up.to = port
	c := in(t, here, func() (*ClientDevice, error) {
		return NewClientDevice(ClientDeviceConfig{
			Name: "vpn0", Addrs: []netip.Addr{addr("10.9.0.2"), clientLocal}, MTU: testMTU,
			Routes: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24"), netip.MustParsePrefix("fd00:1::/48")},
			Keep:   []netip.Addr{addr("127.0.0.5")},
		}, up)
	})
	down.to = c
	down.mu.Unlock()
	t.Cleanup(func() { up.end(); down.end(); here.do(func() { c.Close() }); port.Close() })
	if c.Name() != "vpn0" {
		t.Errorf("name %q", c.Name())
	}

	eventually(t, func() bool { return slices.Contains(c.Addrs(), addr("fd00:1:0:1::2")) })
	for _, to := range []string{"10.9.0.1:80", "[fd00:1::1]:80"} {
		conn := in(t, here, func() (net.Conn, error) { return net.Dial("tcp", to) })
		if err := transfer(conn, 1<<20, 1); err != nil {
			t.Errorf("%s: %v", to, err)
		}
		conn.Close()
		conn = in(t, here, func() (net.Conn, error) { return c.DialContext(t.Context(), "tcp", to) })
		if err := transfer(conn, 1000, 1); err != nil {
			t.Errorf("%s, bound to the device: %v", to, err)
		}
		conn.Close()
	}
}

func TestClientDeviceKeeps(t *testing.T) {
	enterNamespace(t)
	// A way out, as an Ethernet would be.
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "peer0"}); err != nil {
		t.Fatal(err)
	}
	eth, err := netlink.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	peer, _ := netlink.LinkByName("peer0")
	err = errors.Join(netlink.LinkSetUp(peer), netlink.LinkSetUp(eth),
		netlink.AddrAdd(eth, &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix("192.0.2.2/24"))}),
		netlink.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Gw: net.IPv4(192, 0, 2, 1)}))
	if err != nil {
		t.Fatal(err)
	}
	cfg := ClientDeviceConfig{
		Addrs: []netip.Addr{addr("10.9.0.2")}, MTU: testMTU, Keep: []netip.Addr{addr("198.51.100.1")},
		Routes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1")},
	}
	via := func(to string) int {
		r, err := netlink.RouteGet(addr(to).AsSlice())
		if err != nil {
			t.Fatal(err)
		}
		return r[0].LinkIndex
	}
	c, err := NewClientDevice(cfg, newPipe(nil))
	if err != nil {
		t.Fatal(err)
	}
	if via("198.51.100.1") != eth.Attrs().Index {
		t.Error("the server is routed into its own tunnel")
	}
	if via("203.0.113.1") != c.tun.link.Attrs().Index {
		t.Error("the rest of the world is not routed into the tunnel")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if via("203.0.113.1") != eth.Attrs().Index {
		t.Error("routes stayed")
	}
	routes, _ := netlink.RouteList(eth, netlink.FAMILY_V4)
	if len(routes) != 2 {
		t.Errorf("routes left: %v", routes)
	}
	cfg.Routes = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.0.2.0/24")}
	if _, err := NewClientDevice(cfg, newPipe(nil)); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Errorf("a route that is there twice: %v", err)
	}
}

func TestDeviceErrors(t *testing.T) {
	enterNamespace(t)
	if _, err := NewDevice(DeviceConfig{MTU: 10}); err == nil {
		t.Error("an MTU of 10 was taken")
	}
	if _, err := NewDevice(DeviceConfig{Name: "a-name-that-is-far-too-long", MTU: testMTU}); err == nil {
		t.Error("a name too long was taken")
	}
	d, err := NewDevice(DeviceConfig{Name: "one", MTU: testMTU})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewDevice(DeviceConfig{Name: "one", MTU: testMTU}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("the same name again: %v", err)
	}
	// Somebody removes it.
	if err := netlink.LinkDel(d.tun.link); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, err := NewClientDevice(ClientDeviceConfig{MTU: testMTU}, nil); err == nil {
		t.Error("a device without an address was made")
	}
}

// BenchmarkDevice carries a stream between two kernels through two TUN devices, in memory
// in between.
func BenchmarkDevice(b *testing.B) {
	there, here := newNamespace(b), newNamespace(b)
	d := newDevice(b, there)
	received := make(chan int64, 1)
	there.listen(b, "10.9.0.1:80", func(c net.Conn) {
		n, _ := io.Copy(io.Discard, c)
		received <- n
	})
	up, down := newPipe(nil), newPipe(nil)
	port, err := d.Attach(Own(addr("10.9.0.2")), testMTU, down)
	if err != nil {
		b.Fatal(err)
	}
	up.to = port
	c := in(b, here, func() (*ClientDevice, error) {
		return NewClientDevice(ClientDeviceConfig{
			Addrs: []netip.Addr{addr("10.9.0.2")}, MTU: testMTU, Routes: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")},
		}, up)
	})
	down.mu.Lock()
	down.to = c
	down.mu.Unlock()
	b.Cleanup(func() { up.end(); down.end(); here.do(func() { c.Close() }); port.Close() })
	conn := in(b, here, func() (net.Conn, error) { return net.Dial("tcp", "10.9.0.1:80") })
	chunk := make([]byte, copyBuffer)
	b.SetBytes(copyBuffer)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	conn.Close()
	<-received
}

// Both ways to ping, to addresses of a host that is not this one.
func TestForwarderPingSockets(t *testing.T) {
	for name, tt := range map[string]struct {
		groups string
		raw    bool
	}{
		"ping sockets": {"0 65535", false},
		"raw sockets":  {"1 0", true},
	} {
		t.Run(name, func(t *testing.T) {
			enterNamespace(t)
			if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte(tt.groups), 0o644); err != nil {
				t.Fatal(err)
			}
			d, err := NewDevice(DeviceConfig{MTU: testMTU, Gateways: gateways})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			f := newForwarder(t, ForwarderConfig{})
			if f.pings.v4 == nil || f.pings.v4.raw != tt.raw || f.pings.v6.raw != tt.raw {
				t.Fatalf("%+v", f.pings)
			}
			s := connect(t, f, nil, nil, addr("203.0.113.2"), addr("2001:db8::2"))
			for _, g := range gateways {
				for size := range 3 {
					if err := pingUntil(t, s, g.Addr(), 500*size); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// pingUntil pings for ten seconds at most. The kernel makes an IPv6 address its own a
// while after it was given, and drops what comes until then.
func pingUntil(t *testing.T, s *Stack, to netip.Addr, size int) (err error) {
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err = s.Ping(ctx, to, size)
		cancel()
		if err == nil {
			return nil
		}
	}
	return err
}
