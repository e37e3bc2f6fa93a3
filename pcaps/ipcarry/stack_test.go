package ipcarry

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers A and AAAA queries of the names it knows on the loopback.
func nameServer(t testing.TB, names map[string][]netip.Addr) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if b := nameAnswer(buf[:n], names); b != nil {
				_, _ = c.WriteTo(b, from)
			}
		}
	})
	t.Cleanup(func() { c.Close(); done.Wait() })
	return c.LocalAddr().String()
}

func nameAnswer(query []byte, names map[string][]netip.Addr) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m = dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
	all, known := names[q.Name.String()]
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range all {
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60, Type: q.Type}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	b, _ := m.Pack()
	return b
}

func TestStackResolves(t *testing.T) {
	dns := nameServer(t, map[string][]netip.Addr{
		"both.test.":   {addr("2001:db8:1::1"), addr("192.0.2.1")},
		"dead.test.":   {addr("192.0.2.66"), addr("192.0.2.1")},
		"six.test.":    {addr("2001:db8:1::1")},
		"nothing.test": nil,
	})
	f := newForwarder(t, ForwarderConfig{Dial: hosts{
		"udp 192.0.2.53:53": dns,
		"tcp 192.0.2.1:80":  listen(t, echoServer),
	}.dial})
	s := connect(t, f, nil, []netip.Addr{addr("192.0.2.53")}, addr("10.9.0.2"))
	for name, tt := range map[string]struct{ network, to, err string }{
		"a name of both families":        {"tcp", "both.test:80", ""},
		"with a trailing dot":            {"tcp4", "both.test.:80", ""},
		"a service":                      {"tcp", "both.test:http", ""},
		"the second address":             {"tcp", "dead.test:80", ""},
		"a family that the tunnel lacks": {"tcp", "six.test:80", "no family in common"},
		"an address that it lacks":       {"tcp", "[2001:db8:1::1]:80", "no family in common"},
		"asked for IPv6":                 {"tcp6", "192.0.2.1:80", "no family in common"},
		"no such name":                   {"tcp", "missing.test:80", "no such host"},
		"no such network":                {"unix", "both.test:80", "unknown network"},
		"no port":                        {"tcp", "both.test", "missing port"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			c, err := s.DialContext(ctx, tt.network, tt.to)
			switch {
			case err == nil && tt.err == "":
				defer c.Close()
				if err := transfer(c, 1000, 1); err != nil {
					t.Error(err)
				}
			case err == nil:
				c.Close()
				t.Error("connected")
			case tt.err == "" || !strings.Contains(err.Error(), tt.err):
				t.Error(err)
			}
		})
	}
}

func TestStackWithoutNameServers(t *testing.T) {
	var log strings.Builder
	s, err := NewStack(StackConfig{
		Addrs: []netip.Addr{addr("10.9.0.2")}, MTU: testMTU, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}, newPipe(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		if _, err := s.LookupNetIP(t.Context(), "ip", "localhost"); err != nil {
			t.Error(err)
		}
	}
	if strings.Count(log.String(), "no name servers") != 1 {
		t.Errorf("said %q", log.String())
	}
}

func TestStackEnds(t *testing.T) {
	for name, cfg := range map[string]StackConfig{
		"no address": {MTU: testMTU},
		"no MTU":     {Addrs: []netip.Addr{addr("10.9.0.2")}},
	} {
		if _, err := NewStack(cfg, newPipe(nil)); err == nil {
			t.Errorf("%s: made", name)
		}
	}
	s, err := NewStack(StackConfig{Addrs: []netip.Addr{addr("10.9.0.2"), addr("fe80::2")}, MTU: testMTU}, newPipe(nil))
	if err != nil {
		t.Fatal(err)
	}
	dialing := make(chan error, 1)
	go func() {
		_, err := s.DialContext(t.Context(), "tcp", target)
		dialing <- err
	}()
	time.Sleep(10 * time.Millisecond)
	s.Close()
	s.Close()
	if err := <-dialing; err == nil {
		t.Error("connected to nobody")
	}
	if err := s.Deliver([]byte{0x45}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := s.DialContext(t.Context(), "tcp", target); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.WaitAddr6(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// Two stacks, and what a peer may send them at worst.
func TestStackListens(t *testing.T) {
	up, down := newPipe(nil), newPipe(nil)
	one, err := NewStack(StackConfig{Addrs: []netip.Addr{addr("10.9.0.1")}, MTU: testMTU}, down)
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewStack(StackConfig{Addrs: []netip.Addr{addr("10.9.0.2")}, MTU: testMTU}, up)
	if err != nil {
		t.Fatal(err)
	}
	up.to, down.to = one, two
	defer one.Close()
	defer two.Close()
	l, err := one.ListenTCP(netip.MustParseAddrPort("10.9.0.1:7"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		echoServer(c)
		c.Close()
	}()
	c, err := two.DialContext(t.Context(), "tcp", "10.9.0.1:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := transfer(c, 1<<20, 3); err != nil {
		t.Error(err)
	}
	if _, err := two.Ping(t.Context(), addr("10.9.0.1"), 4000); err != nil { // in fragments
		t.Error(err)
	}
}

// FuzzStacks: whatever comes out of a tunnel, both ends stand.
func FuzzStacks(f *testing.F) {
	f.Add(udpPacket(netip.MustParseAddrPort("10.9.0.2:9"), netip.MustParseAddrPort("192.0.2.1:9"), []byte("x")))
	f.Add(segment(addr("10.9.0.2"), addr("192.0.2.1"), 2, []byte{2, 4, 5, 0xb4}, nil))
	ra := sampleRA()
	f.Add(ra.Append(nil, serverLocal, clientLocal))
	none := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }
	fw, err := NewForwarder(ForwarderConfig{Dial: none, Gateways: []netip.Addr{addr("10.9.0.1")}})
	if err != nil {
		f.Fatal(err)
	}
	defer fw.Close()
	port, err := fw.Attach([]netip.Prefix{netip.MustParsePrefix("10.9.0.0/24"), netip.MustParsePrefix("2001:db8::/64")}, testMTU, newPipe(nil))
	if err != nil {
		f.Fatal(err)
	}
	s, err := NewStack(StackConfig{Addrs: []netip.Addr{addr("10.9.0.2"), clientLocal}, MTU: testMTU}, newPipe(nil))
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := errors.Join(port.Deliver(b), s.Deliver(b)); err != nil {
			t.Fatal(err)
		}
	})
}
