package access_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/proxy/access"
)

func networks(t *testing.T, list ...string) access.Networks {
	t.Helper()
	n, err := access.ParseNetworks(list)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// check wants an address to be allowed, or refused for a reason.
func check(t *testing.T, d *access.Destinations, addr, want string) {
	t.Helper()
	to := netip.MustParseAddrPort(addr)
	err := d.Check(to)
	refused, ok := errors.AsType[*access.RefusedError](err)
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", addr, err)
	case want != "" && (!ok || !strings.Contains(refused.Reason, want) || refused.Addr != to):
		t.Errorf("%s: %v\nwant %s", addr, err, want)
	}
}

func TestReserved(t *testing.T) {
	d := access.NewDestinations(access.DestinationOptions{})
	for addr, want := range map[string]string{
		"192.0.2.1:443":             "",
		"10.0.0.1:80":               "",
		"[2001:db8::1]:443":         "",
		"[fd00:ec2::253]:53":        "",
		"100.100.100.201:80":        "",
		"[::ffff:192.0.2.1]:443":    "",
		"[64:ff9b::192.0.2.1]:443":  "",
		"[64:ff9b:1::c000:201]:443": "",
		"[2002:c000:201::1]:443":    "",
		"[::192.0.2.1]:443":         "",

		"127.0.0.1:80":         "127.0.0.1 is a loopback address",
		"127.255.255.254:80":   "loopback",
		"[::1]:80":             "::1 is a loopback address",
		"0.0.0.0:80":           "means this host",
		"0.1.2.3:80":           "means this host",
		"[::]:80":              "means this host",
		"169.254.169.254:80":   "is a link-local address, where clouds serve credentials",
		"169.254.170.2:80":     "link-local",
		"[fe80::1%eth0]:80":    "fe80::1 is a link-local address",
		"[fe80::a9fe:a9fe]:80": "link-local",
		"224.0.0.1:80":         "multicast",
		"[ff02::1]:80":         "multicast",
		"255.255.255.255:80":   "is the broadcast address",

		"[fd00:ec2::254]:80":       "Amazon's metadata service",
		"[fd00:ec2::23]:80":        "Amazon's agent",
		"[fd20:ce::254]:80":        "Google's",
		"168.63.129.16:80":         "Azure",
		"100.100.100.200:80":       "Alibaba's",
		"[fd00:100::100:200]:80":   "Alibaba's",
		"[fd00:c1::a9fe:a9fe]:80":  "Oracle's",
		"[fd00:42::42]:80":         "Scaleway's",
		"[fd00:a9fe:a9fe::1]:80":   "Akamai's",
		"[::ffff:127.0.0.1]:80":    "127.0.0.1 is a loopback address",
		"[::127.0.0.1]:80":         "127.0.0.1 is a loopback address, and ::7f00:1 leads there",
		"[::ffff:0:127.0.0.1]:80":  "127.0.0.1 is a loopback address",
		"[64:ff9b::a9fe:a9fe]:80":  "169.254.169.254 is a link-local address, where clouds serve credentials, and 64:ff9b::a9fe:a9fe leads there",
		"[64:ff9b:1::7f00:1]:80":   "loopback",
		"[2002:7f00:1::]:80":       "loopback",
		"[2002:6464:64c8:1::1]:80": "Alibaba's",
		"192.0.2.1:0":              "names no address and port",
	} {
		check(t, d, addr, want)
	}
	if err := d.Check(netip.AddrPort{}); err == nil {
		t.Error("no address is allowed")
	}
}

func TestAllowAndDeny(t *testing.T) {
	d := access.NewDestinations(access.DestinationOptions{
		Allow: networks(t, "127.0.0.0/8", "0.0.0.0/0", "fd00::/8", "10.1.2.3", "198.51.100.0/24", "fe80::/10", "64:ff9b::/96"),
		Deny:  networks(t, "10.0.0.0/8", "127.0.0.2", "198.51.100.0/24", "2001:db8::/32"),
	})
	for addr, want := range map[string]string{
		"127.0.0.1:80":            "",
		"[::ffff:127.0.0.1]:80":   "",
		"[64:ff9b::127.0.0.1]:80": "",
		"[fe80::1%lo]:80":         "",
		"127.0.0.2:80":            "is in 127.0.0.2/32, which is denied",
		"[::1]:80":                "loopback",
		"10.1.2.3:80":             "",
		"10.1.2.4:80":             "10.1.2.4 is in 10.0.0.0/8, which is denied",
		"[64:ff9b::10.1.2.4]:80":  "10.1.2.4 is in 10.0.0.0/8, which is denied",
		"198.51.100.1:80":         "denied", // both say so, and Deny counts more
		"169.254.169.254:80":      "link-local",
		"100.100.100.200:80":      "Alibaba",
		"[fd00:1::1]:80":          "",
		"[fd00:ec2::254]:80":      "Amazon",
		"[2001:db8::1]:80":        "denied",
		"[2001:db9::1]:80":        "",
	} {
		check(t, d, addr, want)
	}
}

func TestDestinationPorts(t *testing.T) {
	d := access.NewDestinations(access.DestinationOptions{
		Ports: access.Ports{{First: 443, Last: 443}, {First: 8000, Last: 8010}},
		Allow: networks(t, "192.0.2.1"),
	})
	check(t, d, "192.0.2.1:443", "")
	check(t, d, "192.0.2.2:8010", "")
	check(t, d, "192.0.2.1:80", "port 80 is none of those that may be used (443, 8000-8010)")
	err := d.Check(netip.MustParseAddrPort("127.0.0.1:443"))
	if want := "127.0.0.1:443 is out of reach through this proxy: 127.0.0.1 is a loopback address; if clients need it, add 127.0.0.1 to the allowed destinations"; err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func hostAddrs(list ...string) func() ([]net.Addr, error) {
	return func() ([]net.Addr, error) {
		var addrs []net.Addr
		for _, s := range list {
			ip, n, err := net.ParseCIDR(s)
			if err != nil {
				return nil, err
			}
			addrs = append(addrs, &net.IPNet{IP: ip, Mask: n.Mask})
		}
		return append(addrs, &net.UnixAddr{Name: "something else"}), nil
	}
}

// What is asked for by name has a port all the same, and may be an address.
func TestCheckName(t *testing.T) {
	d := access.NewDestinations(access.DestinationOptions{Ports: access.Ports{{First: 443, Last: 443}}})
	for _, tt := range []struct {
		host string
		port uint16
		want string
	}{
		{"a.example", 443, ""},
		{"a.example.", 443, ""},
		{"a1", 443, ""},
		{"1.a.example", 443, ""},
		{"192.0.2.1", 443, ""},
		{"2001:db8::1", 443, ""},
		{"a.example", 25, "port 25 is none of those that may be used (443)"},
		{"192.0.2.1", 25, "port 25"},
		{"169.254.169.254", 443, "link-local"},
		{"::ffff:127.0.0.1", 443, "loopback"},
		{"127.1", 443, "neither a name nor an address"},
		{"0x7f.0.0.0x1", 443, "neither a name nor an address"},
		{"2852039166", 443, "neither a name nor an address"},
		{"0177.0.0.08", 443, "neither a name nor an address"},
		{"127.0.0.1.", 443, "neither a name nor an address"},
		{"", 443, "no host"},
		{"a.example", 0, "no host"},
	} {
		err := d.CheckName(tt.host, tt.port)
		refused, ok := errors.AsType[*access.RefusedError](err)
		if tt.want == "" && err != nil || tt.want != "" && (!ok || !strings.Contains(refused.Reason, tt.want)) {
			t.Errorf("%s, port %d: %v\nwant %s", tt.host, tt.port, err, tt.want)
		}
	}
	if err := d.CheckName("a.example", 25); err == nil || !strings.HasPrefix(err.Error(), "a.example:25 is out of reach") {
		t.Errorf("it says %v", err)
	}
}

func TestTheProxyItself(t *testing.T) {
	const self = "is the proxy itself"
	d := access.NewDestinations(access.DestinationOptions{
		Allow: networks(t, "127.0.0.0/8", "0.0.0.0/8", "::1", "::", "192.0.2.0/24"),
		Listeners: []netip.AddrPort{
			netip.MustParseAddrPort("0.0.0.0:3128"),
			netip.MustParseAddrPort("[::]:3129"),
			netip.MustParseAddrPort("192.0.2.9:3130"),
			netip.MustParseAddrPort("127.0.0.1:3131"),
			netip.MustParseAddrPort("[::ffff:192.0.2.9]:3132"),
		},
	})
	d.SetHostAddresses(hostAddrs("127.0.0.1/8", "192.0.2.9/24", "2001:db8::9/64"))
	for addr, want := range map[string]string{
		"127.0.0.1:3128":            self,
		"127.9.9.9:3128":            self,
		"0.0.0.0:3128":              self,
		"192.0.2.9:3128":            self,
		"[::ffff:192.0.2.9]:3128":   self,
		"[64:ff9b::192.0.2.9]:3128": self,
		"192.0.2.10:3128":           "",
		"192.0.2.9:3127":            "",
		"[2001:db8::9]:3128":        "", // an IPv4 listener has no IPv6
		"[2001:db8::9]:3129":        self,
		"192.0.2.9:3129":            self,
		"[::1]:3129":                self,
		"[::]:3129":                 self,
		"192.0.2.9:3130":            self,
		"127.0.0.1:3130":            "",
		"127.0.0.1:3131":            self,
		"0.0.0.0:3131":              self,
		"192.0.2.9:3132":            self,
	} {
		check(t, d, addr, want)
	}
}

func TestHostAddressesChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := access.NewDestinations(access.DestinationOptions{Listeners: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:3128")}})
		broken := func() ([]net.Addr, error) { return nil, errors.New("out of order") }
		d.SetHostAddresses(broken)
		check(t, d, "192.0.2.9:3128", "may be the proxy itself: looking up the addresses of this host: out of order")
		check(t, d, "192.0.2.9:3127", "")
		d.SetHostAddresses(hostAddrs("192.0.2.9/24"))
		check(t, d, "192.0.2.9:3128", "is the proxy itself")
		d.SetHostAddresses(hostAddrs("192.0.2.10/24"))
		check(t, d, "192.0.2.10:3128", "") // not looked up again at once
		time.Sleep(5 * time.Second)
		check(t, d, "192.0.2.10:3128", "is the proxy itself")
		check(t, d, "192.0.2.9:3128", "")
		d.SetHostAddresses(broken)
		time.Sleep(5 * time.Second)
		check(t, d, "192.0.2.10:3128", "is the proxy itself")
	})
}

// TestControl dials, by address and by name, what is there and what would be refused.
func TestControl(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dial := func(d *access.Destinations, network, address string) error {
		dialer := net.Dialer{ControlContext: d.Control, Timeout: 5 * time.Second}
		c, err := dialer.DialContext(t.Context(), network, address)
		if err == nil {
			c.Close()
		}
		return err
	}
	closed := access.NewDestinations(access.DestinationOptions{})
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "", "[::ffff:127.0.0.1]", "127.1.2.3"} {
		err := dial(closed, "tcp", host+":"+port)
		if _, ok := errors.AsType[*access.RefusedError](err); !ok {
			t.Errorf("%s: %v", host, err)
		}
	}
	open := access.NewDestinations(access.DestinationOptions{Allow: networks(t, "127.0.0.0/8", "::1")})
	for _, host := range []string{"127.0.0.1", "localhost"} {
		if err := dial(open, "tcp", host+":"+port); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	at := netip.MustParseAddrPort(l.Addr().String())
	loop := access.NewDestinations(access.DestinationOptions{Allow: networks(t, "127.0.0.0/8", "::1"), Listeners: []netip.AddrPort{at}})
	if err := dial(loop, "tcp", l.Addr().String()); err == nil || !strings.Contains(err.Error(), "is the proxy itself") {
		t.Error(err)
	}
	for _, tt := range []struct{ network, address, want string }{
		{"udp", "192.0.2.1:443", `192.0.2.1:443 is out of reach through this proxy: "udp" is not TCP`},
		{"unix", "/run/x", `the address is out of reach through this proxy: "unix" is not TCP`},
		{"tcp", "x", `the address is out of reach through this proxy: "x" is no address`},
		{"tcp", ":80", "the address is out of reach through this proxy: no address means this host"},
	} {
		if err := closed.Control(t.Context(), tt.network, tt.address, nil); err == nil || err.Error() != tt.want {
			t.Errorf("%v\nwant %s", err, tt.want)
		}
	}
}

func TestDestinationsConcurrently(t *testing.T) {
	d := access.NewDestinations(access.DestinationOptions{Listeners: []netip.AddrPort{netip.MustParseAddrPort("[::]:3128")}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if err := d.Control(context.Background(), "tcp4", "127.0.0.1:3128", nil); err == nil {
					t.Error("the proxy dials itself")
				}
				if err := d.Control(context.Background(), "tcp6", "[2001:db8::1]:3128", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzControl(f *testing.F) {
	d := access.NewDestinations(access.DestinationOptions{})
	for _, s := range []string{"192.0.2.1:443", "[::ffff:127.0.0.1]:1", ":80", "[fe80::1%eth0]:0", "[2002:7f00:1::]:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if d.Control(t.Context(), "tcp", address, nil) != nil {
			return
		}
		to, err := netip.ParseAddrPort(address)
		if a := to.Addr().Unmap(); err != nil || a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() {
			t.Errorf("%q is allowed", address)
		}
	})
}
