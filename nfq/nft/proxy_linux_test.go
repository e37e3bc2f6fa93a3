package nft

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
)

const proxyPort = 3129

// proxy listens on the router and relays: "proxy", the destination, what the server says.
func (h *host) proxy(o ProxyOptions) *net.TCPListener {
	h.t.Helper()
	o = o.withDefaults()
	control := Control(nil)
	if o.Mode == TPROXY {
		control = TransparentListenControl(o.Mark)
	}
	l := h.listen(o.Port, control)
	serve(l, func(c *net.TCPConn) {
		defer c.Close()
		up, dst, err := h.forward(o, c)
		if err != nil {
			fmt.Fprintf(c, "proxy error: %v\n", err)
			return
		}
		defer up.Close()
		fmt.Fprintf(c, "proxy %v ", dst)
		go func() {
			io.Copy(up, c)
			up.CloseWrite()
		}()
		io.Copy(c, up)
	})
	return l
}

func (h *host) forward(o ProxyOptions, c *net.TCPConn) (up *net.TCPConn, dst netip.AddrPort, err error) {
	if o.Mode == TPROXY {
		dst = c.LocalAddr().(*net.TCPAddr).AddrPort()
		dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
		up, err = h.dial(remote(c).Addr().String(), dst.Addr().String(), dst.Port(), TransparentDialControl(o.Mark))
		return up, dst, err
	}
	if dst, err = OriginalDst(c); err != nil {
		return nil, dst, err
	}
	up, err = h.dial("", dst.Addr().String(), dst.Port(), MarkControl(o.Mark))
	return up, dst, err
}

func (h *host) setup(o ProxyOptions) *Installed {
	h.t.Helper()
	var in *Installed
	h.do(func() (err error) {
		in, err = Setup(o)
		return err
	})
	h.t.Cleanup(func() {
		if err := in.Close(); err != nil {
			h.t.Error(err)
		}
	})
	if err := in.Warning(); err != nil {
		h.t.Errorf("warning: %v", err)
	}
	return in
}

func (h *host) teardown() ([]string, error) {
	var removed []string
	err := h.try(func() (err error) {
		removed, err = Teardown()
		return err
	})
	return removed, err
}

// modes runs a test for each mode, fail-open and fail-closed.
func modes(t *testing.T, test func(t *testing.T, o ProxyOptions)) {
	for _, mode := range []Mode{Redirect, TPROXY} {
		for _, failOpen := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v/failopen=%v", mode, failOpen), func(t *testing.T) {
				test(t, ProxyOptions{Mode: mode, Port: proxyPort, FailOpen: failOpen})
			})
		}
	}
}

// throughProxy is what a client gets that goes through the proxy: with TPROXY the server
// sees the client, with Redirect the router.
func throughProxy(m Mode, client, router, server string, port uint16) string {
	seen := router
	if m == TPROXY {
		seen = client
	}
	return fmt.Sprintf("proxy %v server %s", netip.AddrPortFrom(netip.MustParseAddr(server), port), seen)
}

func TestProxyTakesAllTCP(t *testing.T) {
	modes(t, func(t *testing.T, o ProxyOptions) {
		l := newLab(t)
		l.router.proxy(o)
		in := l.router.setup(o)
		for _, port := range serverPorts {
			l.client.wantAnswer("", server4, port, throughProxy(o.Mode, client4, outside4, server4, port))
			l.client.wantAnswer("", server6, port, throughProxy(o.Mode, client6, outside6, server6, port))
			l.client.wantAnswer(other4, second4, port, throughProxy(o.Mode, other4, outside4, second4, port))
		}
		counters, err := in.Counters()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := counters[CountProxied].Packets, uint64(3*len(serverPorts)); got < want { // more if one was sent again
			t.Errorf("%d packets were proxied, want %d: %v", got, want, counters)
		}
	})
}

func TestProxyRelaysMuch(t *testing.T) {
	modes(t, func(t *testing.T, o ProxyOptions) {
		l := newLab(t)
		l.router.proxy(o)
		l.router.setup(o)
		for _, server := range []string{server4, server6} {
			c, err := l.client.dial("", server, 443, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := line(c); err != nil {
				t.Fatal(err)
			}
			const size = 4 << 20
			go func() {
				c.Write(make([]byte, size))
				c.CloseWrite()
			}()
			if n, err := io.Copy(io.Discard, c); n != size || err != nil {
				t.Errorf("%s: %d bytes came back, %v; want %d", server, n, err, size)
			}
		}
	})
}

func TestProxyScope(t *testing.T) {
	type try struct {
		from, to string
		port     uint16
		proxied  bool
	}
	for _, test := range []struct {
		name  string
		scope []string
		tries []try
		count string // a counter that has to have seen something
	}{
		{"port", []string{"port=443"}, []try{{"", server4, 443, true}, {"", server6, 443, true}, {"", server4, 80, false}, {"", server6, 80, false}}, CountNotPort},
		{"ports", []string{"port=8000-8100", "port=80"}, []try{{"", server4, 8050, true}, {"", server6, 8050, true}, {"", server6, 80, true}, {"", server4, 443, false}}, CountNotPort},
		{"to the last port", []string{"port=444-65535"}, []try{{"", server4, 8050, true}, {"", server6, 443, false}}, CountNotPort},
		{"interface", []string{"interface=" + inside}, []try{{"", server4, 443, true}, {"", server6, 443, true}}, ""},
		{"other interface", []string{"interface=" + outside, "interface=none0"}, []try{{"", server4, 443, false}, {"", server6, 443, false}}, CountNotInterface},
		{"client", []string{"network=" + other4, "network=" + other6}, []try{{other4, server4, 443, true}, {other6, server6, 443, true}, {client4, server4, 443, false}, {client6, server6, 443, false}}, CountNotClient},
		{"clients of IPv4", []string{"network=10.0.0.0/8", "network=10.1.0.0/16"}, []try{{"", server4, 443, true}, {"", server6, 443, false}}, CountNotClient},
		{"clients of IPv6", []string{"network=fd00::/16"}, []try{{"", server4, 443, false}, {"", server6, 443, true}}, CountNotClient},
		{"everyone", []string{"network=0.0.0.0/0", "network=::/0"}, []try{{"", server4, 443, true}, {"", server6, 443, true}}, ""},
		{"exclude", []string{"exclude=" + second4, "exclude=" + second6}, []try{{"", server4, 443, true}, {"", server6, 443, true}, {"", second4, 443, false}, {"", second6, 443, false}}, CountExcluded},
		{"exclude a family", []string{"exclude=::/0"}, []try{{"", server4, 443, true}, {"", server6, 443, false}}, CountExcluded},
		{
			"all at once",
			[]string{"interface=" + inside, "network=10.1.0.0/24", "network=fd00:1::/64", "port=1-443", "exclude=10.2.0.3/32", "exclude=fd00:2::3/128"},
			[]try{{"", server4, 443, true}, {"", server6, 80, true}, {"", server4, 8050, false}, {"", second4, 443, false}, {"", second6, 443, false}},
			CountExcluded,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			scope, err := ParseScope(test.scope)
			if err != nil {
				t.Fatal(err)
			}
			for _, mode := range []Mode{Redirect, TPROXY} {
				t.Run(mode.String(), func(t *testing.T) {
					o := ProxyOptions{Mode: mode, Port: proxyPort, Scope: scope}
					l := newLab(t)
					l.router.proxy(o)
					in := l.router.setup(o)
					for _, try := range test.tries {
						client, router := client4, outside4
						if netip.MustParseAddr(try.to).Is6() {
							client, router = client6, outside6
						}
						if try.from != "" {
							client = try.from
						}
						want := "server " + client
						if try.proxied {
							want = throughProxy(mode, client, router, try.to, try.port)
						}
						l.client.wantAnswer(try.from, try.to, try.port, want)
					}
					if counters, err := in.Counters(); err != nil || test.count != "" && counters[test.count].Packets == 0 {
						t.Errorf("counters: %v, %v; want some of %s", counters, err, test.count)
					}
				})
			}
		})
	}
}

// What is for the router itself is not for the proxy, also where it has the address on
// another interface. The transparent port itself is no way in.
func TestProxyLeavesHostAlone(t *testing.T) {
	modes(t, func(t *testing.T, o ProxyOptions) {
		l := newLab(t)
		l.router.answer(80, "router")
		l.router.proxy(o)
		in := l.router.setup(o)
		for _, to := range []string{inside4, outside4} {
			l.client.wantAnswer("", to, 80, "router "+client4)
		}
		for _, to := range []string{inside6, outside6} {
			l.client.wantAnswer("", to, 80, "router "+client6)
		}
		if counters, _ := in.Counters(); counters[CountToHost].Packets < 4 {
			t.Errorf("counters: %v, want 4 to the host", counters)
		}
		if o.Mode == Redirect {
			l.client.wantAnswer("", inside4, proxyPort, "proxy error: "+ErrNotRedirected.Error())
			l.client.wantAnswer("", inside6, proxyPort, "proxy error: "+ErrNotRedirected.Error())
		}
	})
}

// A server that happens to use the transparent port is in scope or not like any other,
// although packets for it find the listener.
func TestProxySamePortElsewhere(t *testing.T) {
	modes(t, func(t *testing.T, o ProxyOptions) {
		l := newLab(t)
		l.server.answer(proxyPort, "server")
		l.router.proxy(o)
		in := l.router.setup(o)
		l.client.wantAnswer("", server4, proxyPort, throughProxy(o.Mode, client4, outside4, server4, proxyPort))
		l.client.wantAnswer("", server6, proxyPort, throughProxy(o.Mode, client6, outside6, server6, proxyPort))
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		o.Scope.Ports = []PortRange{{443, 443}}
		l.router.setup(o)
		l.client.wantAnswer("", server4, proxyPort, "server "+client4)
		l.client.wantAnswer("", server6, proxyPort, "server "+client6)
	})
}

func TestProxyLocal(t *testing.T) {
	l := newLab(t)
	o := ProxyOptions{Mode: Redirect, Port: proxyPort, Local: true, Scope: Scope{
		Interfaces: []string{inside},
		Networks:   []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")},
		Ports:      []PortRange{{443, 443}},
		Exclude:    []netip.Prefix{netip.MustParsePrefix(second4 + "/32")},
	}}
	l.router.answer(443, "router")
	l.router.proxy(o)
	in := l.router.setup(o)
	// The proxy's own connection goes out, or these would be loops.
	l.router.wantAnswer("", server4, 443, throughProxy(Redirect, "", outside4, server4, 443))
	l.router.wantAnswer("", server6, 443, throughProxy(Redirect, "", outside6, server6, 443))
	l.router.wantAnswer("", server4, 80, "server "+outside4)
	l.router.wantAnswer("", second4, 443, "server "+outside4)
	l.router.wantAnswer("", inside4, 443, "router "+inside4)
	l.router.wantAnswer("", "127.0.0.1", 443, "router 127.0.0.1")
	// Other bits of a socket's mark neither make it the proxy's own nor are they in the way.
	for _, test := range []struct {
		mark uint32
		want string
	}{
		{0x0fff_ffff, "proxy"},
		{DefaultMask, "proxy"},
		{DefaultMark, "server"},
		{DefaultMark | 0xc000_0001, "server"},
	} {
		c, err := l.router.dial("", server4, 443, MarkControl(test.mark))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := line(c); err != nil || got[:len(test.want)] != test.want {
			t.Errorf("mark %#x: got %q, %v; want %s", test.mark, got, err, test.want)
		}
		c.Close()
	}
	counters, err := in.Counters()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{
		CountLocalProxied: 4, CountLocalOwn: 6, CountLocalNotPort: 1, CountLocalExcluded: 1, CountLocalToHost: 2, CountProxied: 0,
	} {
		if got := counters[name].Packets; got != want {
			t.Errorf("%s: %d packets, want %d", name, got, want)
		}
	}
}

// What was there before the table stays as it was, through setup and removal.
func TestProxyLeavesRunningConnections(t *testing.T) {
	modes(t, func(t *testing.T, o ProxyOptions) {
		l := newLab(t)
		l.router.proxy(o)
		var conns []*net.TCPConn
		for _, server := range []string{server4, server6} {
			c, err := l.client.dial("", server, 443, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if got, err := line(c); err != nil {
				t.Fatal(got, err)
			}
			conns = append(conns, c)
		}
		echo := func(when string) {
			for _, c := range conns {
				fmt.Fprintf(c, "%s\n", when)
				if got, err := line(c); err != nil || got != when {
					t.Errorf("%v: got %q, %v; want %q", c.RemoteAddr(), got, err, when)
				}
			}
		}
		in := l.router.setup(o)
		echo("with the table")
		l.client.wantAnswer("", server4, 443, throughProxy(o.Mode, client4, outside4, server4, 443))
		echo("beside a proxied one")
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		echo("without the table")
		l.client.wantAnswer("", server4, 443, "server "+client4)
	})
}

// Nobody listens: fail-closed stops what is in scope and nothing else.
func TestRedirectWithoutListener(t *testing.T) {
	l := newLab(t)
	o := ProxyOptions{Mode: Redirect, Port: proxyPort, Scope: Scope{Ports: []PortRange{{443, 443}}}}
	l.router.setup(o)
	for _, server := range []string{server4, server6} {
		if got, err := l.client.ask("", server, 443); !refused(err) {
			t.Errorf("%s: got %q, %v; want a refusal", server, got, err)
		}
	}
	l.client.wantAnswer("", server4, 80, "server "+client4)
}

// With SYN cookies the kernel keeps nothing of a connection until its third packet, which
// must find the listener all the same.
func TestTPROXYWithSYNCookies(t *testing.T) {
	l := newLab(t)
	o := ProxyOptions{Mode: TPROXY, Port: proxyPort}
	l.router.proxy(o)
	in := l.router.setup(o)
	l.router.sysctl("ipv4/tcp_syncookies", "2") // always
	l.client.wantAnswer("", server4, 443, throughProxy(TPROXY, client4, outside4, server4, 443))
	l.client.wantAnswer("", server6, 443, throughProxy(TPROXY, client6, outside6, server6, 443))
	if counters, err := in.Counters(); err != nil || counters[CountResumed].Packets < 2 {
		t.Errorf("counters: %v, %v; want some resumed", counters, err)
	}
}

// A listener takes the mark of packets over to its connections where the host says so;
// one with a mark of its own does not.
func TestTPROXYWithMarkAccept(t *testing.T) {
	l := newLab(t)
	o := ProxyOptions{Mode: TPROXY, Port: proxyPort}
	l.router.sysctl("ipv4/tcp_fwmark_accept", "1")
	l.router.proxy(o)
	l.router.setup(o)
	l.client.wantAnswer("", server4, 443, throughProxy(TPROXY, client4, outside4, server4, 443))
	l.client.wantAnswer("", server6, 443, throughProxy(TPROXY, client6, outside6, server6, 443))
}

func TestTPROXYReversePath(t *testing.T) {
	l := newLab(t)
	o := ProxyOptions{Mode: TPROXY, Port: proxyPort, Scope: Scope{Ports: []PortRange{{443, 443}}}}
	l.router.proxy(o)
	l.router.setup(o)
	reverse := func() error {
		var f Feature
		l.router.do(func() error {
			f = checkReversePath("/proc/sys/net/ipv4/conf")
			return nil
		})
		return f.Err
	}
	for _, file := range []string{"all", "inside", "outside"} {
		l.router.sysctl("ipv4/conf/"+file+"/rp_filter", "1")
	}
	if err := reverse(); err != nil {
		t.Errorf("strict reverse path filtering without marks: %v", err)
	}
	l.client.wantAnswer("", server4, 443, throughProxy(TPROXY, client4, outside4, server4, 443))
	l.router.sysctl("ipv4/conf/all/src_valid_mark", "1")
	if err := reverse(); err == nil {
		t.Error("nothing was found to be in the way")
	}
	d := net.Dialer{Timeout: patience / 10}
	err := l.client.try(func() error {
		_, err := d.Dial("tcp", server4+":443")
		return err
	})
	if err == nil {
		t.Error("the kernel has nothing against it: is the check needed?")
	}
}

// Bits outside the mask survive, on packets and on connections.
func TestTPROXYKeepsForeignMarks(t *testing.T) {
	nftTool(t)
	l := newLab(t)
	o := ProxyOptions{Mode: TPROXY, Port: proxyPort}
	l.router.proxy(o)
	l.router.nft(`table inet foreign {
		chain before {
			type filter hook prerouting priority mangle - 1
			meta mark set 0xcf00ff0f
			ct mark set 0xcf0000f0
		}
		chain after {
			type filter hook input priority filter
			meta mark 0xef00ff0f counter comment "packet"
			ct mark 0xef0000f0 counter comment "connection"
			meta l4proto tcp tcp dport 443 meta mark != 0xef00ff0f counter comment "wrong"
		}
	}`, "-f", "-")
	l.router.setup(o)
	l.client.wantAnswer("", server4, 443, throughProxy(TPROXY, client4, outside4, server4, 443))
	l.client.wantAnswer("", server6, 443, throughProxy(TPROXY, client6, outside6, server6, 443))
	list := l.router.nft("", "list", "chain", "inet", "foreign", "after")
	for comment, want := range map[string]bool{"packet": true, "connection": true, "wrong": false} {
		if got := !slices.Contains(commentsWithoutPackets(list), comment); got != want {
			t.Errorf("%s: seen is %v, want %v\n%s", comment, got, want, list)
		}
	}
}

func TestOriginalDstNotRedirected(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OriginalDst(s.(*net.TCPConn)); !errors.Is(err, ErrNotRedirected) {
		t.Errorf("got %v, %v", got, err)
	}
	s.Close()
	if _, err := OriginalDst(s.(*net.TCPConn)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
