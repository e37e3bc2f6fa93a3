package access_test

import (
	"net/netip"
	"testing"

	"sstpwarden/proxy/access"

	"github.com/google/go-cmp/cmp"
)

func TestPrivate(t *testing.T) {
	for addr, want := range map[string]bool{
		"10.0.0.1":           true,
		"172.16.0.1":         true,
		"172.32.0.1":         false,
		"192.168.255.255":    true,
		"127.0.0.1":          true,
		"::1":                true,
		"169.254.1.1":        true,
		"fe80::1%eth0":       true,
		"fd12:3456::1":       true,
		"::ffff:10.0.0.1":    true,
		"::ffff:192.0.2.1":   false,
		"100.64.0.1":         false,
		"192.0.2.1":          false,
		"2001:db8::1":        false,
		"0.0.0.0":            false,
		"::":                 false,
		"64:ff9b::10.0.0.1":  false,
		"::ffff:127.0.0.1%1": true,
	} {
		if got := access.Private.Contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if access.Private.Contains(netip.Addr{}) {
		t.Error("no address is private")
	}
	if access.Networks(nil).Contains(netip.MustParseAddr("10.0.0.1")) {
		t.Error("no networks have an address")
	}
}

func TestParseNetworks(t *testing.T) {
	got, err := access.ParseNetworks([]string{"203.0.113.0/24", "2001:db8::7", "192.0.2.1", "private", "0.0.0.0/0"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"203.0.113.0/24", "2001:db8::7/128", "192.0.2.1/32", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
		"fc00::/7", "127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10", "0.0.0.0/0",
	}
	var s []string
	for _, p := range got {
		s = append(s, p.String())
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		"":                    `"" is no network: write a prefix such as 10.1.0.0/16 or 2001:db8::/32, an address, or private`,
		"lan":                 `"lan" is no network: write a prefix such as 10.1.0.0/16 or 2001:db8::/32, an address, or private`,
		"10.1.2.3/16":         "10.1.2.3/16 has bits set beyond its prefix: write 10.1.0.0/16 for the network, or 10.1.2.3 for the one address",
		"10.1.0.0/33":         `"33" is no length of a prefix of 10.1.0.0: write 0 to 32`,
		"2001:db8::/x":        `"x" is no length of a prefix of 2001:db8::: write 0 to 128`,
		"fe80::1%eth0":        "fe80::1%eth0 names an interface, which no network has: write fe80::1",
		"::ffff:10.0.0.1":     "::ffff:10.0.0.1 is IPv4 written as IPv6: write 10.0.0.1",
		"::ffff:10.0.0.0/104": "::ffff:10.0.0.0/104 is IPv4 written as IPv6: write 10.0.0.0",
	} {
		if _, err := access.ParseNetworks([]string{"10.0.0.0/8", text}); err == nil || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

func TestParsePorts(t *testing.T) {
	p, err := access.ParsePorts([]string{"443", "8000-8999", "65535"})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.String(); got != "443, 8000-8999, 65535" {
		t.Error(got)
	}
	for port, want := range map[uint16]bool{0: false, 442: false, 443: true, 444: false, 7999: false, 8000: true, 8999: true, 9000: false, 65535: true} {
		if p.Contains(port) != want {
			t.Errorf("%d: %v", port, !want)
		}
	}
	if !access.Ports(nil).Contains(1) {
		t.Error("no list leaves a port out")
	}
	for _, text := range []string{"", "0", "65536", "https", "9-8", "1-", "-1", "1-2-3", "443,80"} {
		if _, err := access.ParsePorts([]string{text}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
