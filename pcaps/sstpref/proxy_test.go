package sstpref

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/pcaps/sstpref/profile"
)

// A testProxy answers one CONNECT a connection, with the answers in turn, and
// carries on to the rig's server after one of 2xx.
type testProxy struct {
	r       *rig
	answers []string
	slow    time.Duration // between an answer's bytes
	cut     bool          // close after the answers

	mu    sync.Mutex
	asked []string
	addrs []string
}

const (
	established = "HTTP/1.1 200 Connection Established\r\nConnection: Keep-Alive\r\n\r\n"
	wantsBasic  = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 5\r\n\r\nsorry"
)

func (p *testProxy) dial(_ context.Context, _, address string) (net.Conn, error) {
	near, far := newWire(tcpWindow, "198.51.100.7")
	p.mu.Lock()
	n := len(p.addrs)
	p.addrs = append(p.addrs, address)
	p.mu.Unlock()
	p.r.t.Cleanup(func() { _ = far.Close() })
	go p.serve(far, p.answers[min(n, len(p.answers)-1)])
	return near, nil
}

func (p *testProxy) serve(c net.Conn, text string) {
	r := &headReader{from: c}
	var s httphead.Scanner
	var raw []byte
	_, err := read(r, func(b []byte) (httphead.Request, int, error) {
		h, n, err := s.Request(b)
		raw = b[:n]
		return h, n, err
	})
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, string(raw))
	p.mu.Unlock()
	if p.slow > 0 {
		drip(c, []byte(text), p.slow)
	} else {
		_, _ = io.WriteString(c, text)
	}
	if p.cut {
		_ = c.Close()
		return
	}
	if !strings.Contains(text, " 200 ") {
		return
	}
	near, far := newWire(tcpWindow, "203.0.113.1")
	p.r.server.admit(far)
	go func() {
		_, _ = io.Copy(near, c)
		_ = near.Close()
	}()
	_, _ = near.Write(r.buf)
	_, _ = io.Copy(c, near)
	_ = c.Close()
}

// What goes to the proxy, as each client writes it, and a tunnel through it.
func TestProxyConnect(t *testing.T) {
	const version = "SSTPVERSION: 1.0\r\n"
	for _, tt := range []struct {
		client, host string
		port         uint16
		want         string
	}{
		{"reference", "vpn.example", 0, "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\n" + version + "\r\n"},
		{"reference", "192.0.2.1", 8443, "CONNECT 192.0.2.1:8443 HTTP/1.1\r\nHost: 192.0.2.1:8443\r\n" + version + "\r\n"},
		{"reference", "2001:db8::7", 0, "CONNECT [2001:db8::7]:443 HTTP/1.1\r\nHost: [2001:db8::7]:443\r\n" + version + "\r\n"},
		{"windows", "vpn.example", 0, "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\n" + version + "\r\n"},
		{"sstpc", "vpn.example", 0, "CONNECT vpn.example:443 HTTP/1.1\r\n" + version + "Connection: keep-alive\r\nUser-Agent: sstp-client\r\n\r\n"},
		{"osc", "vpn.example", 0, "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\n" + version + "\r\n"},
		{"mikrotik", "vpn.example", 0, "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\n\r\n"},
		{"mihomo", "vpn.example", 0, "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\n\r\n"},
	} {
		t.Run(tt.client+" to "+tt.host, func(t *testing.T) {
			cp, err := profile.ClientByName(tt.client)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				p := &testProxy{r: r, answers: []string{established}}
				s, client, err := r.dial(t.Context(), func(c *ClientConfig) {
					c.Host, c.Port, c.Proxy, c.Dial = tt.host, tt.port, &Proxy{Addr: "proxy.example:3128", User: "unasked", Password: "for"}, p.dial
					c.Profile = cp
				})
				if err != nil {
					t.Fatalf("%v\n%s", err, r.log)
				}
				defer s.Close()
				if len(p.asked) != 1 || p.asked[0] != tt.want {
					t.Errorf("asked %q, want %q", p.asked, tt.want)
				}
				if p.addrs[0] != "proxy.example:3128" {
					t.Errorf("dialled %q", p.addrs)
				}
				if tt.client != "mihomo" { // which the reference server does not take to be connected
					synctest.Wait()
					exchange(t, client, r.inside[rigUser], 4)
				}
			})
		})
	}
}

// A proxy that wants to know who asks is told on a new connection.
func TestProxyAuthentication(t *testing.T) {
	const version = "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\nSSTPVERSION: 1.0\r\n"
	answer := func(challenges ...string) string {
		b := "HTTP/1.1 407 Who?\r\n"
		for _, c := range challenges {
			b += "Proxy-Authenticate: " + c + "\r\n"
		}
		return b + "\r\n"
	}
	for _, tt := range []struct {
		name    string
		user    string
		answers []string
		asked   int // how often
		err     string
	}{
		{"Basic", "bob", []string{wantsBasic, established}, 2, ""},
		{"Basic among others", "bob", []string{answer("Negotiate", "NTLM", `Basic realm="x"`), established}, 2, ""},
		{"in any case", "bob", []string{answer(`bASIC realm="x"`), established}, 2, ""},
		{"in one list", "bob", []string{answer(`Digest realm="a, Basic b", nonce="y", Basic realm="z"`), established}, 2, ""},
		{"in one list, first", "bob", []string{answer(`Basic realm="z", Digest realm="x", nonce="y"`), established}, 2, ""},
		{"a realm that says Basic", "bob", []string{answer(`Digest realm="a, Basic b", nonce="y"`)}, 1, "the proxy wants Digest authentication, and SSTP clients can do Basic alone"},
		{"without saying how", "bob", []string{answer(), established}, 2, ""},
		{"not asked", "bob", []string{established}, 1, ""},
		{"wrong password", "bob", []string{wantsBasic}, 2, `the proxy proxy.example:3128 refuses user "bob" and the password`},
		{"nobody given", "", []string{wantsBasic}, 1, "the proxy wants authentication; give it in the proxy's URL: http://USER:PASSWORD@HOST:PORT"},
		{"Digest alone", "bob", []string{answer(`Digest realm="x", nonce="y"`)}, 1, "the proxy wants Digest authentication, and SSTP clients can do Basic alone"},
		{"Negotiate and NTLM", "bob", []string{answer("Negotiate", "NTLM")}, 1, "the proxy wants Negotiate authentication, and SSTP clients can do Basic alone"},
		{"then forbidden", "bob", []string{wantsBasic, "HTTP/1.1 403 Forbidden\r\n\r\n"}, 2, "the proxy answered 403 Forbidden to CONNECT vpn.example:443"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				p := &testProxy{r: r, answers: tt.answers}
				s, _, err := r.dial(t.Context(), func(c *ClientConfig) {
					c.Proxy, c.Dial = &Proxy{Addr: "proxy.example:3128", User: tt.user, Password: "geheim"}, p.dial
				})
				if err == nil {
					defer s.Close()
				}
				if tt.err != "" {
					checkStep(t, err, StepProxy, tt.err)
				} else if err != nil {
					t.Error(err)
				}
				if err != nil && strings.Contains(err.Error(), "geheim") {
					t.Errorf("the password is in %v", err)
				}
				want := []string{version + "\r\n", version + "Proxy-Authorization: Basic Ym9iOmdlaGVpbQ==\r\n\r\n"}[:tt.asked]
				if fmt.Sprint(p.asked) != fmt.Sprint(want) {
					t.Errorf("asked %q, want %q", p.asked, want)
				}
			})
		})
	}
}

// Proxies that do not help, each told in words, in time, and with nothing left.
func TestProxyFails(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		slow         time.Duration
		cut          bool
		after        time.Duration
		words        string
	}{
		{"forbids", "HTTP/1.1 403 Forbidden\r\n\r\n<html>no</html>", 0, false, 0, "the proxy answered 403 Forbidden to CONNECT vpn.example:443; does it let tunnels through to this host and port, and the header SSTPVERSION?"},
		{"does not reach it", "HTTP/1.1 502 Bad Gateway\r\n\r\n", 0, true, 0, "the proxy answered 502 Bad Gateway"},
		{"redirects", "HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", 0, false, 0, "the proxy answered 302 Found"},
		{"hides in its reason", "HTTP/1.1 403 \x1b[2J\r\n\r\n", 0, false, 0, "the answer to CONNECT: httphead: "},
		{"closes", "", 0, true, 0, "the answer to CONNECT: EOF; is it an HTTP proxy?"},
		{"closes in its answer", "HTTP/1.1 20", 0, true, 0, "the answer to CONNECT: unexpected EOF; is it an HTTP proxy?"},
		{"is silent", "", 0, false, 30 * time.Second, "no answer from proxy.example:3128 within 30s; is it an HTTP proxy?"},
		{"dawdles", established, time.Second, false, 30 * time.Second, "no answer from proxy.example:3128 within 30s; is it an HTTP proxy?"},
		{"is none", "\x05\xff", 0, false, 0, "is it an HTTP proxy?"},
		{"is SSH", "SSH-2.0-OpenSSH_9.6\r\n", 0, false, 0, "is it an HTTP proxy?"},
		{"says too much", established + "hello", 0, false, 0, "bytes came before TLS began; is it an HTTP proxy?"},
		{"has no end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 200), 0, false, 0, "is it an HTTP proxy?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				p := &testProxy{r: r, answers: []string{tt.answer}, slow: tt.slow, cut: tt.cut}
				began := time.Now()
				var conn net.Conn
				_, _, err := r.dial(t.Context(), func(c *ClientConfig) {
					c.Proxy = &Proxy{Addr: "proxy.example:3128"}
					c.Dial = func(ctx context.Context, network, address string) (_ net.Conn, err error) {
						conn, err = p.dial(ctx, network, address)
						return conn, err
					}
				})
				checkStep(t, err, StepProxy, tt.words)
				if got := time.Since(began); got != tt.after {
					t.Errorf("it took %v, want %v", got, tt.after)
				}
				if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the connection is left: %v", err)
				}
				time.Sleep(time.Minute) // whoever dawdles ends
				if err := r.idle(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A proxy that is not there.
func TestProxyUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	_, err = Dial(t.Context(), ClientConfig{
		Host: "vpn.example", Proxy: &Proxy{Addr: addr}, Carry: func(Up, Tunnel) (Port, error) { return &inner{}, nil },
	})
	checkStep(t, err, StepProxy, "connection refused; is the proxy there?")
}

func TestParseProxy(t *testing.T) {
	for _, tt := range []struct {
		url  string
		want Proxy
		err  string
	}{
		{"http://proxy.example:3128", Proxy{"proxy.example:3128", "", ""}, ""},
		{"proxy.example:3128/", Proxy{"proxy.example:3128", "", ""}, ""},
		{"proxy.example", Proxy{"proxy.example:8080", "", ""}, ""},
		{"http://bob:se%40cret@[2001:db8::1]:3128", Proxy{"[2001:db8::1]:3128", "bob", "se@cret"}, ""},
		{"http://[2001:db8::1]", Proxy{"[2001:db8::1]:8080", "", ""}, ""},
		{"bob@proxy.example", Proxy{"proxy.example:8080", "bob", ""}, ""},
		{"https://proxy.example", Proxy{}, "proxy https://proxy.example: write http://[USER:PASSWORD@]HOST:PORT"},
		{"socks5://bob:secret@proxy.example", Proxy{}, "proxy socks5://bob:xxxxx@proxy.example: write http://"},
		{"http://", Proxy{}, "write http://"},
		{"http://bob:secret@proxy.example/path", Proxy{}, "bob:xxxxx@"},
		{"http://bob:sec%ret@proxy.example", Proxy{}, "the proxy is no URL: write http://"},
		{"", Proxy{}, "write http://"},
	} {
		got, err := ParseProxy(tt.url)
		switch {
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s: got %v, want %q in it", tt.url, err, tt.err)
		case tt.err == "" && (err != nil || *got != tt.want):
			t.Errorf("%s: got %+v, %v, want %+v", tt.url, got, err, tt.want)
		}
	}
}
