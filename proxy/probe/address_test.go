package probe

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestPublic(t *testing.T) {
	for s := range strings.FieldsSeq(`
		1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 168.63.129.15 168.63.129.17 172.15.0.1 172.32.0.1
		192.0.1.1 192.167.0.1 198.17.0.1 198.20.0.1 223.255.255.255 2606:4700::1111 2a00:1450:4001::1
		64:ff9b::8.8.8.8 2002:808:808::1 ::ffff:1.1.1.1`) {
		if err := Public(netip.MustParseAddr(s)); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for s := range strings.FieldsSeq(`
		0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254 172.16.0.1 172.31.255.255
		192.0.0.192 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
		:: ::1 ::2 fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1 100::1 2001:db8::1 3fff::1 64:ff9b:1::1 5f00::1
		::ffff:127.0.0.1 ::ffff:169.254.169.254 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe 2002:7f00:1::1 2002:c0a8:101::1 2001:0:1:2:3:4:80ff:fffe`) {
		addr := netip.MustParseAddr(s)
		err := Public(addr)
		var e *AddressError
		if !errors.As(err, &e) || e.Addr != addr || !strings.Contains(err.Error(), addr.String()) {
			t.Errorf("%s: %v", s, err)
		}
	}
	if Public(netip.Addr{}) == nil {
		t.Error("the zero address is public")
	}
}

func TestIsHostName(t *testing.T) {
	label := strings.Repeat("a", 63)
	for name, want := range map[string]bool{
		"a": true, "vpn.example.org": true, "A-b_c.9": true, "xn--bcher-kva.example": true, label + ".a": true,
		"": false, ".": false, "a..b": false, ".a": false, "a.": false, "a b": false, "a\r\nb": false, "a:1": false, "b\u00fccher": false, "[a": false, "@": false,
		label + "a": false, strings.Repeat(label+".", 4) + "a": false,
	} {
		if got := IsHostName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
