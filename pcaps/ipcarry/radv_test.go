package ipcarry

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

var (
	serverLocal = addr("fe80::1")
	clientLocal = addr("fe80::2")
)

func sampleRA() RouterAdvertisement {
	return Advertise(netip.MustParsePrefix("2001:db8:0:7::/64"), 1400,
		addr("2001:db8::53"), addr("192.0.2.53"), addr("2001:db8::54"))
}

var compareAddrs = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func TestRouterAdvertisement(t *testing.T) {
	for name, ra := range map[string]RouterAdvertisement{
		"usual":   sampleRA(),
		"nothing": {},
		"two prefixes": {Lifetime: time.Minute, Valid: time.Hour, Preferred: time.Minute, Prefixes: []netip.Prefix{
			netip.MustParsePrefix("2001:db8:0:7::/64"), netip.MustParsePrefix("fd00:1::/64"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, router, err := ParseRouterAdvertisement(ra.Append(nil, serverLocal, clientLocal))
			if err != nil || router != serverLocal {
				t.Fatal(router, err)
			}
			want := ra
			if len(ra.DNS) == 0 {
				want.DNSLifetime = 0
			}
			if diff := cmp.Diff(want, got, compareAddrs, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
	ra := sampleRA()
	if want := []netip.Addr{addr("2001:db8::53"), addr("2001:db8::54")}; !cmp.Equal(ra.DNS, want, compareAddrs) {
		t.Errorf("name servers %v: RFC 8106 has no room for IPv4", ra.DNS)
	}
}

// gVisor, an implementation that is not ours, reads the message.
func TestRouterAdvertisementLikeAnother(t *testing.T) {
	ra := sampleRA()
	b := ra.Append(nil, serverLocal, netip.Addr{})
	ip := header.IPv6(b)
	if !ip.IsValid(len(b)) || ip.HopLimit() != 255 || ip.DestinationAddress() != header.IPv6AllNodesMulticastAddress {
		t.Fatalf("IPv6 header %x", b[:ipv6Header])
	}
	msg := header.ICMPv6(ip.Payload())
	if want := header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: msg, Src: ip.SourceAddress(), Dst: ip.DestinationAddress()}); msg.Checksum() != want || msg.Type() != header.ICMPv6RouterAdvert {
		t.Errorf("type %v, checksum %#x, want %#x", msg.Type(), msg.Checksum(), want)
	}
	body := header.NDPRouterAdvert(msg.MessageBody())
	if body.RouterLifetime() != 9000*time.Second || body.ManagedAddrConfFlag() {
		t.Error("lifetime or flags")
	}
	it, err := body.Options().Iter(true)
	if err != nil {
		t.Fatal(err)
	}
	var prefixes, servers int
	for {
		o, done, err := it.Next()
		if err != nil {
			t.Fatal(err)
		}
		if done {
			break
		}
		switch o := o.(type) {
		case header.NDPPrefixInformation:
			prefixes++
			if o.Subnet().String() != "2001:db8:0:7::/64" || !o.AutonomousAddressConfigurationFlag() || o.ValidLifetime() != 30*24*time.Hour {
				t.Errorf("prefix %v", o)
			}
		case header.NDPRecursiveDNSServer:
			a, err := o.Addresses()
			servers += len(a)
			if err != nil || o.Lifetime() != 9000*time.Second {
				t.Error(err)
			}
		}
	}
	if prefixes != 1 || servers != 2 {
		t.Errorf("%d prefixes, %d servers", prefixes, servers)
	}
}

// RFC 4861, Section 6.1.2, and RFC 4862, Section 5.5.3.
func TestRouterAdvertisementRejects(t *testing.T) {
	change := func(f func(b []byte)) []byte {
		ra := sampleRA()
		b := ra.Append(nil, serverLocal, clientLocal)
		f(b)
		msg := b[ipv6Header:]
		msg[2], msg[3] = 0, 0
		src, dst := netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		binary.BigEndian.PutUint16(msg[2:], fold(sum(pseudo6(src, dst, protoICMPv6, len(msg)), msg)))
		return b
	}
	const option = ipv6Header + raHeader
	for name, b := range map[string][]byte{
		"hop limit":           change(func(b []byte) { b[7] = 254 }),
		"global source":       change(func(b []byte) { b[8] = 0x20 }),
		"code":                change(func(b []byte) { b[ipv6Header+1] = 1 }),
		"type":                change(func(b []byte) { b[ipv6Header] = 133 }),
		"option of no length": change(func(b []byte) { b[option+1] = 0 }),
		"option too long":     change(func(b []byte) { b[option+1] = 200 }),
	} {
		if ra, _, err := ParseRouterAdvertisement(b); err == nil {
			t.Errorf("%s: read as %+v", name, ra)
		}
	}
	bad := change(func([]byte) {})
	bad[len(bad)-1]++
	if _, _, err := ParseRouterAdvertisement(bad); err == nil {
		t.Error("a wrong checksum was taken")
	}
	for n := range bad {
		if _, _, err := ParseRouterAdvertisement(bad[:n]); err == nil {
			t.Errorf("%d bytes were taken", n)
		}
	}
	for name, b := range map[string][]byte{
		"not for SLAAC":            change(func(b []byte) { b[option+3] = flagOnLink }),
		"not 64 bits":              change(func(b []byte) { b[option+2] = 63 }),
		"preferred beyond valid":   change(func(b []byte) { b[option+8] = 0xff }),
		"over":                     change(func(b []byte) { clear(b[option+4 : option+12]) }),
		"link-local":               change(func(b []byte) { b[option+16], b[option+17] = 0xfe, 0x80 }),
		"multicast":                change(func(b []byte) { b[option+16] = 0xff }),
		"prefix option too short ": change(func(b []byte) { b[option], b[option+1] = optionPrefix, 3; b[option+24], b[option+25] = 99, 1 }),
	} {
		ra, _, err := ParseRouterAdvertisement(b)
		if err != nil || len(ra.Prefixes) != 0 {
			t.Errorf("%s: %v, %v", name, ra.Prefixes, err)
		}
	}
}

func FuzzRouterAdvertisement(f *testing.F) {
	ra := sampleRA()
	f.Add(ra.Append(nil, serverLocal, clientLocal))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = ParseRouterSolicitation(b)
		ra, router, err := ParseRouterAdvertisement(b)
		if err != nil {
			return
		}
		again, _, err := ParseRouterAdvertisement(ra.Append(nil, router, clientLocal))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ra, again, compareAddrs, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestRouterSolicitation(t *testing.T) {
	b := AppendRouterSolicitation(nil, clientLocal)
	if from, ok := ParseRouterSolicitation(b); !ok || from != clientLocal {
		t.Error(from, ok)
	}
	for n := range b {
		if _, ok := ParseRouterSolicitation(b[:n]); ok {
			t.Errorf("%d bytes were taken", n)
		}
	}
	b[7] = 254
	if _, ok := ParseRouterSolicitation(b); ok {
		t.Error("a hop limit of 254 was taken")
	}
}

// A portFunc is a Port of a function.
type portFunc func(p []byte) error

func (f portFunc) Deliver(p []byte) error { return f(p) }
func (f portFunc) Close() error           { return nil }

// A sink is a Tunnel that notes when packets came.
type sink struct {
	mu    sync.Mutex
	times []time.Duration
	start time.Time
}

func (s *sink) WritePacket([]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, time.Since(s.start))
	return nil
}

func TestWithRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{start: time.Now()}
		passed := 0
		p := WithRouter(portFunc(func([]byte) error { passed++; return nil }), out, sampleRA(), serverLocal)
		time.Sleep(20 * time.Second)
		rs := AppendRouterSolicitation(nil, clientLocal)
		for range 100 {
			if err := p.Deliver(rs); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(11 * time.Minute)
		if err := p.Deliver(udpPacket(netip.MustParseAddrPort("10.9.0.2:9"), netip.MustParseAddrPort("192.0.2.1:9"), nil)); err != nil {
			t.Fatal(err)
		}
		p.Close()
		synctest.Wait()
		// At once, after 16 seconds, when asked, and for the questions that came while it
		// was answering.
		want := []time.Duration{0, 16 * time.Second, 20 * time.Second}
		if diff := cmp.Diff(want, out.times[:3]); diff != "" {
			t.Error(diff)
		}
		if len(out.times) > 5 || len(out.times) < 4 {
			t.Errorf("spoke at %v", out.times)
		}
		if passed != 1 {
			t.Errorf("%d packets were passed on, want the one that is no solicitation", passed)
		}
	})
}

// A client makes an address of what the server advertises, and the server carries it.
func TestIPv6ByAdvertisement(t *testing.T) {
	const to = "[2001:db8:1::1]:80"
	f := newForwarder(t, ForwarderConfig{Dial: hosts{"tcp " + to: listen(t, echoServer)}.dial})
	down := newPipe(nil)
	inner, err := f.Attach([]netip.Prefix{netip.MustParsePrefix("2001:db8:0:7::/64")}, testMTU, down)
	if err != nil {
		t.Fatal(err)
	}
	up := newPipe(nil)
	down.mu.Lock() // the advertisement must find the stack
	port := WithRouter(inner, down, sampleRA(), serverLocal)
	up.to = port
	s, err := NewStack(StackConfig{Addrs: []netip.Addr{clientLocal}, MTU: testMTU}, up)
	if err != nil {
		t.Fatal(err)
	}
	down.to = s
	down.mu.Unlock()
	t.Cleanup(func() { up.end(); down.end(); s.Close(); port.Close() })

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	a, err := s.WaitAddr6(ctx)
	if err != nil || a != addr("2001:db8:0:7::2") {
		t.Fatal(a, err)
	}
	c, err := s.DialContext(ctx, "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := transfer(c, 10_000, 1); err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dns) != 2 {
		t.Errorf("name servers %v", s.dns)
	}
}
