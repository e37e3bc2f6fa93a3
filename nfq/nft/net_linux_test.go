package nft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// patience is how long anything may take that is going to happen.
const patience = 10 * time.Second

// A host is a network namespace.
type host struct {
	t  *testing.T
	ns netns.NsHandle
}

// needRoot skips, in CI fails, where namespaces cannot be made.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		unavailable(t, "namespaces take root")
	}
}

// nftTool skips, in CI fails, where there is no nft.
func nftTool(t *testing.T) {
	t.Helper()
	needRoot(t)
	if _, err := exec.LookPath("nft"); err != nil {
		unavailable(t, "nft is missing: apt-get install nftables")
	}
}

func unavailable(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func newHost(t *testing.T) *host {
	t.Helper()
	needRoot(t)
	h := &host{t: t}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		var err error
		h.ns, err = netns.New()
		made <- err
	}()
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.ns.Close() })
	h.do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	h.sysctl("ipv6/conf/default/accept_dad", "0") // addresses can be used at once
	return h
}

// try calls f in the namespace. Sockets that f opens stay there.
func (h *host) try(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(h.ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func (h *host) do(f func() error) {
	h.t.Helper()
	if err := h.try(f); err != nil {
		h.t.Fatal(err)
	}
}

// command runs a program there and returns what it prints.
func (h *host) command(input string, args ...string) (string, error) {
	var out []byte
	err := h.try(func() error {
		cmd := exec.Command(args[0], args[1:]...)
		if input != "" {
			r, w, err := os.Pipe()
			if err != nil {
				return err
			}
			defer r.Close()
			cmd.Stdin = r
			go func() {
				defer w.Close()
				io.WriteString(w, input)
			}()
		}
		var err error
		out, err = cmd.CombinedOutput()
		return err
	})
	return string(out), err
}

func (h *host) nft(input string, args ...string) string {
	h.t.Helper()
	out, err := h.command(input, append([]string{"nft"}, args...)...)
	if err != nil {
		h.t.Fatalf("nft %v: %v\n%s%s", args, err, out, input)
	}
	return out
}

func (h *host) sysctl(file, value string) {
	h.t.Helper()
	h.do(func() error { return os.WriteFile("/proc/sys/net/"+file, []byte(value), 0) })
}

// join links two hosts by interfaces that have these names and addresses.
func join(a *host, aName string, aAddrs []string, b *host, bName string, bAddrs []string) {
	a.t.Helper()
	a.do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = aName
		// With the same index at both ends the kernel does not see that they are
		// two, and lets the link come up a second late.
		attrs.Index = 100
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: bName, PeerNamespace: netlink.NsFd(b.ns)})
	})
	a.address(aName, aAddrs)
	b.address(bName, bAddrs)
	a.awaitAddresses(aAddrs)
	b.awaitAddresses(bAddrs)
}

// awaitAddresses waits until the host answers to addresses: to those of IPv6 it does not
// until the link is up, which takes both ends and a moment.
func (h *host) awaitAddresses(addrs []string) {
	h.t.Helper()
	h.do(func() error {
		for _, s := range addrs {
			addr := netip.MustParsePrefix(s).Addr().AsSlice()
			for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				routes, err := netlink.RouteGet(addr)
				if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
					break
				}
				if err == nil {
					err = fmt.Errorf("it is reached by %v", routes)
				}
				if time.Now().After(end) {
					return fmt.Errorf("%s is not there: %w", s, err)
				}
			}
		}
		return nil
	})
}

func (h *host) address(name string, addrs []string) {
	h.t.Helper()
	h.do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		for _, s := range addrs {
			addr, err := netlink.ParseAddr(s)
			if err != nil {
				return err
			}
			if addr.IP.To4() == nil {
				addr.Flags = unix.IFA_F_NODAD
			}
			if err := netlink.AddrAdd(link, addr); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return netlink.LinkSetUp(link)
	})
}

func (h *host) via(gateways ...string) {
	h.t.Helper()
	h.do(func() error {
		for _, g := range gateways {
			if err := netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(g)}); err != nil {
				return fmt.Errorf("default route via %s: %w", g, err)
			}
		}
		return nil
	})
}

// Addresses of the lab. The client has two, the server too; of IPv6 addresses the last
// that an interface got is the one it uses.
const (
	client4, client6   = "10.1.0.2", "fd00:1::2"
	other4, other6     = "10.1.0.3", "fd00:1::3"
	inside4, inside6   = "10.1.0.1", "fd00:1::1" // the router's, towards the client
	outside4, outside6 = "10.2.0.1", "fd00:2::1"
	server4, server6   = "10.2.0.2", "fd00:2::2"
	second4, second6   = "10.2.0.3", "fd00:2::3"
)

// Interfaces of the router.
const inside, outside = "inside", "outside"

// A lab is a client, a router with the proxy, and a server that answers on some ports.
type lab struct {
	t                      *testing.T
	client, router, server *host
}

var serverPorts = []uint16{80, 443, 8050}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t, newHost(t), newHost(t), newHost(t)}
	join(l.client, "out", []string{client4 + "/24", other6 + "/64", other4 + "/24", client6 + "/64"},
		l.router, inside, []string{inside4 + "/24", inside6 + "/64"})
	join(l.router, outside, []string{outside4 + "/24", outside6 + "/64"},
		l.server, "out", []string{server4 + "/24", server6 + "/64", second4 + "/24", second6 + "/64"})
	l.router.sysctl("ipv4/ip_forward", "1")
	l.router.sysctl("ipv6/conf/all/forwarding", "1")
	l.client.via(inside4, inside6)
	l.server.via(outside4, outside6)
	for _, port := range serverPorts {
		l.server.answer(port, "server")
	}
	return l
}

func (h *host) listen(port uint16, control Control) *net.TCPListener {
	h.t.Helper()
	var listener net.Listener
	h.do(func() (err error) {
		listener, err = (&net.ListenConfig{Control: control}).Listen(h.t.Context(), "tcp", fmt.Sprintf(":%d", port))
		return err
	})
	h.t.Cleanup(func() { listener.Close() })
	return listener.(*net.TCPListener)
}

// serve calls handle for every connection, until the listener is closed.
func serve(l *net.TCPListener, handle func(*net.TCPConn)) (closed chan struct{}) {
	closed = make(chan struct{})
	go func() {
		defer close(closed)
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			go handle(c)
		}
	}()
	return closed
}

// answer is a server that tells who it is and whom it sees, and then echoes.
func (h *host) answer(port uint16, name string) {
	h.t.Helper()
	serve(h.listen(port, nil), func(c *net.TCPConn) {
		defer c.Close()
		fmt.Fprintf(c, "%s %v\n", name, netip.AddrPortFrom(remote(c).Addr(), 0).Addr())
		io.Copy(c, c)
	})
}

func remote(c net.Conn) netip.AddrPort {
	a := c.RemoteAddr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// dial connects from an address, "" for any.
func (h *host) dial(from, to string, port uint16, control Control) (*net.TCPConn, error) {
	var conn net.Conn
	err := h.try(func() (err error) {
		d := net.Dialer{Control: control, Timeout: patience}
		if from != "" {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		}
		conn, err = d.DialContext(context.Background(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(to), port).String())
		return err
	})
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn), nil
}

// ask connects and returns the line that it gets: "server 10.1.0.2" is the server, which
// sees this address, "proxy 10.2.0.2:443" the proxy, which was to connect there.
func (h *host) ask(from, to string, port uint16) (string, error) {
	c, err := h.dial(from, to, port, nil)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return line(c)
}

// line reads a line, byte by byte so that nothing is lost.
func line(c net.Conn) (string, error) {
	var s []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(c, b); err != nil {
			return string(s), err
		}
		if b[0] == '\n' {
			return string(s), nil
		}
		s = append(s, b[0])
	}
}

func (h *host) wantAnswer(from, to string, port uint16, want string) {
	h.t.Helper()
	got, err := h.ask(from, to, port)
	if err != nil || got != want {
		h.t.Errorf("%s to %s port %d: got %q, %v; want %q", from, to, port, got, err, want)
	}
}

// refused is whether there was nobody to connect to.
func refused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }

// commentsWithoutPackets finds in nft's list the rules whose counters are zero.
func commentsWithoutPackets(list string) []string {
	var comments []string
	for rule := range strings.Lines(list) {
		if _, comment, found := strings.Cut(rule, "counter packets 0 bytes 0 comment "); found {
			comments = append(comments, strings.Trim(comment, "\" \n"))
		}
	}
	return comments
}

// datagram sends one to another host, which answers with the same.
func (h *host) datagram(to *host, address string) (string, error) {
	var server net.PacketConn
	err := to.try(func() (err error) {
		server, err = net.ListenPacket("udp", net.JoinHostPort(address, "53"))
		return err
	})
	if err != nil {
		return "", err
	}
	defer server.Close()
	server.SetDeadline(time.Now().Add(patience))
	go func() {
		b := make([]byte, 100)
		if n, from, err := server.ReadFrom(b); err == nil {
			server.WriteTo(b[:n], from)
		}
	}()
	return h.exchange(address, 53)
}

// unreachable is the error of a datagram that nobody takes.
func (h *host) unreachable(address string) error {
	_, err := h.exchange(address, 54)
	return err
}

func (h *host) exchange(address string, port int) (string, error) {
	var c net.Conn
	err := h.try(func() (err error) {
		c, err = net.Dial("udp", net.JoinHostPort(address, fmt.Sprint(port)))
		return err
	})
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("hello")); err != nil {
		return "", err
	}
	b := make([]byte, 100)
	n, err := c.Read(b)
	return string(b[:n]), err
}
