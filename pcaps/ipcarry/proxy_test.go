package ipcarry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	socks "golang.org/x/net/proxy"
)

// serveProxy runs a proxy over dial and returns its address.
func serveProxy(t *testing.T, dial DialFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ServeProxy(ctx, l, dial, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestProxySOCKS5(t *testing.T) {
	var asked []string
	to := listen(t, echoServer)
	p := serveProxy(t, func(ctx context.Context, network, address string) (net.Conn, error) {
		asked = append(asked, network+" "+address)
		if strings.HasPrefix(address, "dead") {
			return nil, errors.New("connection was refused")
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	})
	d, err := socks.SOCKS5("tcp", p, nil, socks.Direct)
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"name.test:80", "192.0.2.1:80", "[2001:db8::1]:80"} {
		c, err := d.Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		if err := echoOnce(c); err != nil {
			t.Error(err)
		}
		c.Close()
	}
	if got := strings.Join(asked, ", "); got != "tcp name.test:80, tcp 192.0.2.1:80, tcp [2001:db8::1]:80" {
		t.Errorf("dialed %s", got)
	}
	if _, err := d.Dial("tcp", "dead.test:80"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v, want a refusal", err)
	}
}

func echoOnce(c net.Conn) error {
	want := randomBytes(100_000, 7)
	sent := make(chan error, 1)
	go func() { _, err := c.Write(want); sent <- err }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != string(want) {
		return errors.New("what came back is not what went out")
	}
	return <-sent
}

func TestProxySOCKS5UDP(t *testing.T) {
	server := udpEcho(t)
	p := serveProxy(t, func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "dead.test:53" {
			return nil, errors.New("no")
		}
		return (&net.Dialer{}).DialContext(ctx, network, server)
	})
	c, err := net.Dial("tcp", p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte{5, 1, 0})
	answer := make([]byte, 2)
	if _, err := io.ReadFull(c, answer); err != nil || answer[1] != 0 {
		t.Fatal(answer, err)
	}
	_, _ = c.Write([]byte{5, 3, 0, 1, 0, 0, 0, 0, 0, 0})
	reply := make([]byte, 10)
	if _, err := io.ReadFull(c, reply); err != nil || reply[1] != 0 {
		t.Fatal(reply, err)
	}
	relay := netip.AddrPortFrom(netip.AddrFrom4([4]byte(reply[4:8])), uint16(reply[8])<<8|uint16(reply[9]))
	u, err := net.Dial("udp", relay.String())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	_ = u.SetDeadline(time.Now().Add(10 * time.Second))
	name := func(n string) []byte {
		return append(append([]byte{0, 0, 0, 3, byte(len(n))}, n...), 0, 53)
	}
	_, _ = u.Write([]byte{0, 0})                                 // too short
	_, _ = u.Write(append(name("dead.test"), "lost"...))         // nobody there
	_, _ = u.Write(append([]byte{0, 0, 1}, name("frag")[3:]...)) // a fragment
	for _, head := range [][]byte{name("name.test"), {0, 0, 0, 1, 192, 0, 2, 1, 0, 53}} {
		for i := range 3 {
			want := string(head) + fmt.Sprint("datagram ", i)
			if _, err := u.Write([]byte(want)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 2000)
			n, err := u.Read(b)
			if err != nil || string(b[:n]) != want {
				t.Fatalf("%q, %v", b[:n], err)
			}
		}
	}
	c.Close() // ends the association
	eventually(t, func() bool {
		_, _ = u.Write(append(name("name.test"), 'x'))
		_ = u.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := u.Read(make([]byte, 100))
		return err != nil && !errors.Is(err, context.DeadlineExceeded) && strings.Contains(err.Error(), "refused")
	})
}

func TestProxyHTTP(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Host, " ", r.Header.Get("Proxy-Connection"), r.URL.Path)
	}))
	defer web.Close()
	secure := httptest.NewTLSServer(web.Config.Handler)
	defer secure.Close()
	p := serveProxy(t, func(ctx context.Context, network, address string) (net.Conn, error) {
		to := map[string]string{"name.test:80": web.Listener.Addr().String(), "example.com:443": secure.Listener.Addr().String()}[address]
		if to == "" {
			return nil, errors.New("connection was refused")
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	})
	client := secure.Client()
	transport := client.Transport.(*http.Transport)
	transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: p})
	defer transport.CloseIdleConnections()
	for u, want := range map[string]string{
		"http://name.test/a":      "name.test /a",
		"https://example.com/b":   "example.com /b",
		"http://dead.test/":       "refused",
		"http://" + p + "/status": "",
	} {
		r, err := client.Get(u)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if !strings.Contains(string(b), want) {
			t.Errorf("%s: %s %q", u, r.Status, b)
		}
	}
	if _, err := client.Get("https://dead.test/"); err == nil || !strings.Contains(err.Error(), "Bad Gateway") {
		t.Errorf("CONNECT to nobody: %v", err)
	}
}

// What a client sends right behind its CONNECT is not lost, and a half-closed tunnel lives.
func TestProxyConnectEager(t *testing.T) {
	to := listen(t, func(c net.Conn) {
		b, _ := io.ReadAll(c)
		_, _ = c.Write(b)
	})
	p := serveProxy(t, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, to)
	})
	c, err := net.Dial("tcp", p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "CONNECT name.test:443 HTTP/1.1\r\nHost: name.test:443\r\n\r\nearly")
	_ = c.(*net.TCPConn).CloseWrite()
	r := bufio.NewReader(c)
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil || answer.StatusCode != 200 {
		t.Fatal(answer, err)
	}
	if b, _ := io.ReadAll(r); string(b) != "early" {
		t.Errorf("%q came back", b)
	}
}

func TestProxyEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	to := listen(t, echoServer)
	ended := make(chan error, 1)
	go func() {
		ended <- ServeProxy(ctx, l, func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "hang.test:80" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return (&net.Dialer{}).DialContext(ctx, network, to)
		}, nil)
	}()
	var conns []net.Conn
	for _, hello := range []string{
		"", "\x05", "\x05\x01\x00", "GET ", "CONNECT name.test:80 HTTP/1.1\r\n\r\n",
		"CONNECT hang.test:80 HTTP/1.1\r\n\r\n", "\x16\x03\x01", "\x04\x01\x00\x50",
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, hello)
		conns = append(conns, c)
	}
	time.Sleep(50 * time.Millisecond)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for i, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("connection %d is still open", i)
		}
		c.Close()
	}

	l2, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l2.Close()
	if err := ServeProxy(t.Context(), l2, nil, nil); err == nil {
		t.Error("a closed listener is an error")
	}
}
