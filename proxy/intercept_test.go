package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/pcaps/sstpref/profile"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/mitm"
)

// opening opens all TLS, and otherwise does as dropping does.
var opening = policies.DeciderFunc(func(ctx context.Context, in policies.Input) (policies.Decision, error) {
	d, err := dropping(ctx, in)
	d.Intercept = d.Action == policies.ActionAllow
	return d, err
})

// letting opens all TLS, and lets SSTP be.
var letting = always(policies.Decision{Action: policies.ActionLog, Intercept: true})

// authority gives an authority, and what trusts it and the certificates given.
func authority(t testing.TB) (*mitm.Authority, *x509.CertPool) {
	t.Helper()
	a, err := mitm.Create(mitm.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate())
	return a, pool
}

// intercepting sets a proxy up to open TLS of servers whose certificates are
// signed by roots.
func intercepting(a *mitm.Authority, roots *x509.CertPool) func(*Config) {
	return func(c *Config) {
		c.Intercept = &Intercept{Cache: mitm.NewCache(a, mitm.CacheOptions{}), Roots: func() *x509.CertPool { return roots }}
	}
}

// through is a client that goes through the proxy and trusts pool.
func through(t testing.TB, l *lab, pool *x509.CertPool, http2 bool) *http.Client {
	u, err := url.Parse("http://" + l.addr)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: http2}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// tlsServer serves TLS whose certificate roots trusts.
func tlsServer(t testing.TB, http2 bool, h http.HandlerFunc) (web *httptest.Server, roots *x509.CertPool) {
	t.Helper()
	web = httptest.NewUnstartedServer(h)
	web.EnableHTTP2 = http2
	web.StartTLS()
	t.Cleanup(web.Close)
	roots = x509.NewCertPool()
	roots.AddCert(web.Certificate())
	return web, roots
}

func TestIntercept(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("HTTP/2 ", http2), func(t *testing.T) {
			web, roots := tlsServer(t, http2, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Trailer", "X-Sum")
				n, _ := io.Copy(io.Discard, r.Body)
				fmt.Fprintf(w, "%s %s %s %d %q", r.Proto, r.Method, r.URL, n, r.Header["User-Agent"])
				w.Header().Set("X-Sum", "1")
			})
			a, pool := authority(t)
			l := run(t, opening, intercepting(a, roots))
			client := through(t, l, pool, http2)
			for range 3 {
				req, _ := http.NewRequest(http.MethodPut, web.URL+"/a?b=%7B{", bytes.NewReader(make([]byte, 1<<20)))
				req.Header["User-Agent"] = nil
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				want := "HTTP/1.1 PUT /a?b=%7B{ 1048576 []"
				if http2 {
					want = "HTTP/2.0" + want[8:]
				}
				if string(b) != want || err != nil || resp.Trailer.Get("X-Sum") != "1" {
					t.Errorf("got %q, %v, trailer %v; want %q", b, err, resp.Trailer, want)
				}
				if resp.TLS.PeerCertificates[0].Issuer.CommonName != a.Certificate().Subject.CommonName {
					t.Errorf("certificate is by %s", resp.TLS.PeerCertificates[0].Issuer)
				}
			}
			if c := l.Counts(); c.Opened == 0 || c.NotOpened != 0 {
				t.Errorf("counts %+v", c)
			}
		})
	}
}

// The server is offered post-quantum key exchanges if the client offers them.
func TestInterceptGroups(t *testing.T) {
	for name, c := range map[string]struct {
		groups []tls.CurveID
		want   bool
	}{
		"all":       {nil, true},
		"hybrid":    {[]tls.CurveID{tls.X25519MLKEM768, tls.X25519}, true},
		"classical": {[]tls.CurveID{tls.X25519, tls.CurveP256}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var offered atomic.Pointer[[]tls.CurveID]
			web := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			web.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
				offered.Store(&h.SupportedCurves)
				return nil, nil
			}}
			web.StartTLS()
			defer web.Close()
			roots := x509.NewCertPool()
			roots.AddCert(web.Certificate())
			a, pool := authority(t)
			client := through(t, run(t, opening, intercepting(a, roots)), pool, false)
			client.Transport.(*http.Transport).TLSClientConfig.CurvePreferences = c.groups
			resp, err := client.Get(web.URL)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if got := slices.Contains(*offered.Load(), tls.X25519MLKEM768); got != c.want {
				t.Errorf("the server is offered %v", *offered.Load())
			}
		})
	}
}

// What is no HTTP goes through opened TLS as it is, also where the server speaks
// first.
func TestInterceptOther(t *testing.T) {
	a, pool := authority(t)
	inner, err := mitm.Create(mitm.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(inner.Certificate())
	web, _ := tlsServer(t, false, func(http.ResponseWriter, *http.Request) {})
	leaf := web.TLS.Certificates[0]
	roots.AddCert(web.Certificate())
	for _, serverFirst := range []bool{false, true} {
		t.Run(fmt.Sprint("server first ", serverFirst), func(t *testing.T) {
			ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{leaf}, NextProtos: []string{"other"}})
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				if serverFirst {
					_, _ = io.WriteString(conn, "220 hello\r\n")
				}
				_, _ = io.Copy(conn, conn)
			}()
			l := run(t, opening, func(c *Config) {
				intercepting(a, roots)(c)
				c.Timeouts.Hello = time.Hour // nobody waits for that
			})
			raw, err := plainConnect(context.Background(), l.addr, ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			conn := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "example.com", NextProtos: []string{"other"}})
			defer conn.Close()
			if serverFirst {
				b := make([]byte, 11)
				if _, err := io.ReadFull(conn, b); err != nil || string(b) != "220 hello\r\n" {
					t.Fatalf("got %q, %v", b, err)
				}
			}
			if _, err := io.WriteString(conn, "\x01\x02 not HTTP\n"); err != nil {
				t.Fatal(err)
			}
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(conn); err != nil || string(b) != "\x01\x02 not HTTP\n" {
				t.Errorf("got %q, %v", b, err)
			}
			if chosen := conn.ConnectionState().NegotiatedProtocol; l.Counts().Opened != 1 || chosen != "other" {
				t.Errorf("protocol %q, counts %+v", chosen, l.Counts())
			}
		})
	}
}

// The requests of a client that takes its time are read like any other's.
func TestInterceptWaits(t *testing.T) {
	web, roots := tlsServer(t, false, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL) })
	a, pool := authority(t)
	l := run(t, opening, func(c *Config) {
		intercepting(a, roots)(c)
		c.Timeouts.Hello = 20 * time.Millisecond
	})
	for head, want := range map[string]string{
		"":                               "/late",
		"Transfer-Encoding: chunked\r\n": "the request's head has",
	} {
		raw, err := plainConnect(t.Context(), l.addr, web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "example.com"})
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // longer than a hello may take
		_, _ = io.WriteString(conn, "GET /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n"+head+"\r\n")
		if b, err := io.ReadAll(conn); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("got %q, %v; want %s", b, err, want)
		}
		_ = conn.Close()
	}
}

// A client that rejects the certificate is heard, although the server spoke first.
func TestInterceptRejectedLate(t *testing.T) {
	web, roots := tlsServer(t, false, func(http.ResponseWriter, *http.Request) {})
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.WriteString(conn, "220 hello\r\n")
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			}()
		}
	}()
	a, _ := authority(t)
	l := run(t, opening, intercepting(a, roots))
	for n := range uint64(5) {
		raw, err := plainConnect(t.Context(), l.addr, ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		err = tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "example.com"}).Handshake()
		if err == nil {
			_ = raw.Close()
			break
		}
		until(t, "the rejection to be counted", func() bool { return l.Counts().Rejected == n+1 })
		_ = raw.Close()
	}
	if l.Counts().Bypassed == 0 {
		t.Errorf("never left alone: %+v", l.Counts())
	}
}

// In opened TLS nothing of a tunnel passes that the policy drops, whoever made it
// and whatever came before.
func TestInterceptTunnel(t *testing.T) {
	for _, client := range profile.ClientNames() {
		if client == "windows7" {
			continue // TLS 1.0 alone, which is not opened
		}
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			v := newVPN(t, "softether", 0)
			a, _ := authority(t)
			l := run(t, opening, intercepting(a, nil))
			c := &caller{profile: client, plain: l.addr}
			err := c.call(t, v.addr)
			e := l.told(t)
			t.Logf("%v; %+v %+v", err, e.Detection, e.Proxy)
			if err == nil || v.leases.Load() != 0 || e.Detection.Verdict.Strength() < inspect.VerdictSuspected.Strength() || !e.Proxy.Opened || e.Proxy.End != event.EndDropped {
				t.Errorf("error %v, event %+v %+v", err, e.Detection, e.Proxy)
			}
		})
	}
}

// A tunnel in opened TLS that the policy lets be is not opened the next time.
func TestInterceptRemembers(t *testing.T) {
	for _, client := range []string{"windows", "sstpc", "mihomo"} {
		t.Run(client, func(t *testing.T) {
			v := newVPN(t, "softether", 0)
			a, _ := authority(t)
			l := run(t, letting, intercepting(a, nil))
			c := &caller{profile: client, plain: l.addr}
			if err := c.call(t, v.addr); err == nil {
				t.Error("the first attempt came through opened TLS")
			}
			e := l.told(t)
			if !e.Proxy.Remembered || !e.Proxy.Opened || e.Decision.Action != "log" {
				t.Errorf("event %+v %+v", e.Proxy, e.Decision)
			}
			l.mu.Lock()
			l.events = nil
			l.mu.Unlock()
			c.arrived = &v.packets
			if err := c.call(t, v.addr); err != nil {
				t.Errorf("the second attempt: %v", err)
			}
			if e = l.told(t); e.Proxy.Bypass != "tunnel" || e.Proxy.Opened || v.packets.Load() < 3 {
				t.Errorf("event %+v, %d packets", e.Proxy, v.packets.Load())
			}
		})
	}
}

// A client that does not trust the authority is left alone once it has said so
// often enough.
func TestInterceptRejected(t *testing.T) {
	web, roots := tlsServer(t, false, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") })
	a, _ := authority(t)
	l := run(t, opening, intercepting(a, roots))
	var last error
	for range 5 {
		client := through(t, l, roots, false)
		resp, err := client.Get(web.URL)
		if last = err; err == nil {
			b, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(b) != "fine" {
				t.Errorf("got %q", b)
			}
			break
		}
	}
	if last != nil {
		t.Errorf("never left alone: %v", last)
	}
	if c := l.Counts(); c.Rejected == 0 || c.Bypassed == 0 {
		t.Errorf("counts %+v", c)
	}
}

// Problems of the server's certificate are the client's to see.
func TestInterceptMirrors(t *testing.T) {
	web, _ := tlsServer(t, false, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") })
	a, pool := authority(t)
	l := run(t, opening, intercepting(a, x509.NewCertPool()))
	_, err := through(t, l, pool, false).Get(web.URL)
	if err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("got %v", err)
	}
}

// A client that can do nothing of what we can goes to the server unopened, unless
// that is to fail.
func TestInterceptUnanswered(t *testing.T) {
	for _, failClosed := range []bool{false, true} {
		t.Run(fmt.Sprint("fail closed ", failClosed), func(t *testing.T) {
			web, roots := tlsServer(t, false, func(http.ResponseWriter, *http.Request) {}) // its key is RSA, ours is not
			a, _ := authority(t)
			l := run(t, opening, func(c *Config) {
				intercepting(a, roots)(c)
				c.Intercept.FailClosed = failClosed
			})
			client := through(t, l, roots, false)
			config := client.Transport.(*http.Transport).TLSClientConfig
			config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
			resp, err := client.Get(web.URL)
			if err == nil {
				_ = resp.Body.Close()
			}
			if (err != nil) != failClosed {
				t.Error(err)
			}
			if c := l.Counts(); c.NotOpened != 1 || c.Opened != 0 {
				t.Errorf("counts %+v", c)
			}
		})
	}
}
