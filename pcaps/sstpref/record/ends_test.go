package record

import (
	"net"
	"net/netip"
	"testing"
)

type addressed struct {
	net.Conn
	local, remote net.Addr
}

func (a addressed) LocalAddr() net.Addr  { return a.local }
func (a addressed) RemoteAddr() net.Addr { return a.remote }

type textAddr string

func (textAddr) Network() string  { return "text" }
func (a textAddr) String() string { return string(a) }

func TestName(t *testing.T) {
	tcp := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	for _, tt := range []struct {
		name           string
		local, remote  net.Addr
		isServer       bool
		client, server string
	}{
		{"client", tcp("10.0.0.1:5000"), tcp("10.0.0.2:443"), false, "10.0.0.1:5000", "10.0.0.2:443"},
		{"server", tcp("10.0.0.2:443"), tcp("10.0.0.1:5000"), true, "10.0.0.1:5000", "10.0.0.2:443"},
		{"IPv6", tcp("[fe80::1%eth0]:5000"), tcp("[fe80::2%3]:8443"), false, "[fe80::1]:5000", "[fe80::2]:8443"},
		{"IPv4 in IPv6", tcp("[::ffff:10.0.0.1]:5000"), tcp("10.0.0.2:443"), false, "10.0.0.1:5000", "10.0.0.2:443"},
		{"both families", tcp("10.0.0.1:5000"), tcp("[2001:db8::9]:443"), false, "[::ffff:10.0.0.1]:5000", "[2001:db8::9]:443"},
		{"pipe", textAddr("pipe"), textAddr("pipe"), false, "192.0.2.1:49152", "198.51.100.1:443"},
		{"pipe's server", textAddr("pipe"), textAddr("pipe"), true, "192.0.2.1:49152", "198.51.100.1:443"},
		{"other type", textAddr("10.0.0.1:5000"), textAddr("10.0.0.2:443"), false, "10.0.0.1:5000", "10.0.0.2:443"},
		{"none", nil, nil, false, "192.0.2.1:49152", "198.51.100.1:443"},
		{"nil of TCP", (*net.TCPAddr)(nil), &net.TCPAddr{}, false, "192.0.2.1:49152", "198.51.100.1:443"},
		{"any address", tcp("0.0.0.0:5000"), tcp("10.0.0.2:443"), false, "192.0.2.1:49152", "10.0.0.2:443"},
		{"one side of IPv6", textAddr("@"), tcp("[2001:db8::9]:8443"), false, "[2001:db8::1]:49152", "[2001:db8::9]:8443"},
		{"the other side of IPv6", tcp("[2001:db8::9]:1"), nil, false, "[2001:db8::9]:1", "[2001:db8:1::1]:443"},
		{"no ports", tcp("10.0.0.1:0"), tcp("10.0.0.2:0"), false, "10.0.0.1:49152", "10.0.0.2:443"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Capture{live: map[ends]struct{}{}, madeUp: firstMadeUp}
			want := ends{netip.MustParseAddrPort(tt.client), netip.MustParseAddrPort(tt.server)}
			if got := c.name(addressed{local: tt.local, remote: tt.remote}, tt.isServer); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

// TestNameOwn: of connections that are open at the same time, no two have the
// same addresses and ports, as long as there are ports.
func TestNameOwn(t *testing.T) {
	c := &Capture{live: map[ends]struct{}{}, madeUp: 1<<16 - 2}
	tcp := addressed{local: &net.TCPAddr{IP: net.IP{10, 0, 0, 1}, Port: 5000}, remote: &net.TCPAddr{IP: net.IP{10, 0, 0, 2}, Port: 443}}
	for _, inner := range []addressed{tcp, tcp, {}, {}, {}} {
		e := c.name(inner, false)
		if _, taken := c.live[e]; taken {
			t.Errorf("%v twice", e)
		}
		c.live[e] = struct{}{}
	}
	for range numMadeUp + 10 {
		c.live[c.name(addressed{}, false)] = struct{}{}
	}
	if len(c.live) != numMadeUp+2 {
		t.Errorf("%d names", len(c.live))
	}
}
