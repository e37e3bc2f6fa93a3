package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"sstpwarden/policies/event"
)

// In opened TLS, too, SSTP in the body of an ordinary message is found, whatever
// its method and however its length is given.
func TestHiddenTunnelOpened(t *testing.T) {
	web, roots := tlsServer(t, false, nil)
	addr := server(t, func(conn *net.TCPConn) {
		hiddenSSTP(tls.Server(conn, &tls.Config{Certificates: web.TLS.Certificates}))
	})
	a, pool := authority(t)
	for _, method := range []string{"POST", "SSTP_DUPLEX_POST", "sstp_duplex_post"} {
		for length, body := range map[string]string{
			"length":  "Content-Length: 100000\r\n\r\n" + string(sstpRequest),
			"chunked": "Transfer-Encoding: chunked\r\n\r\ne\r\n" + string(sstpRequest) + "\r\n",
			"endless": "Content-Length: 18446744073709551615\r\n\r\n" + string(sstpRequest),
		} {
			for _, target := range []string{"/upload", "https://example.com/upload"} {
				for _, before := range []int{0, 1, 49} {
					t.Run(fmt.Sprint(method, " ", length, " ", target, " after ", before), func(t *testing.T) {
						l := run(t, opening, intercepting(a, roots))
						raw, err := plainConnect(t.Context(), l.addr, addr)
						if err != nil {
							t.Fatal(err)
						}
						conn := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "example.com"})
						defer conn.Close()
						r := bufio.NewReader(conn)
						for range before {
							fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
							if _, err := readHead(r); err != nil {
								t.Fatal(err)
							}
							_, _ = r.Discard(len("fine"))
						}
						// The first of two in one write, as who pipelines does.
						fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n%s %s HTTP/1.1\r\nHost: x\r\n%s", method, target, body)
						_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
						b, _ := io.ReadAll(r)
						if bytes.Contains(b, sstpAck) {
							t.Error("the client got the server's acknowledgement")
						}
						_ = conn.Close()
						e := l.told(t)
						if e.Proxy.End != event.EndDropped || e.Decision.Action != "drop" || !e.Proxy.Opened {
							t.Errorf("event %+v %+v %+v; got %q", e.Proxy, e.Decision, e.Detection, b)
						}
					})
				}
			}
		}
	}
}

// So is SSTP in a stream of HTTP/2.
func TestHiddenTunnelHTTP2(t *testing.T) {
	web, roots := tlsServer(t, true, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		if r.Method == http.MethodGet {
			return
		}
		if _, err := io.ReadFull(r.Body, make([]byte, len(sstpRequest))); err == nil {
			_, _ = w.Write(sstpAck)
			_ = http.NewResponseController(w).Flush()
			_, _ = io.Copy(io.Discard, r.Body)
		}
	})
	a, pool := authority(t)
	for _, method := range []string{"POST", "SSTP_DUPLEX_POST"} {
		for _, before := range []int{0, 20} {
			t.Run(fmt.Sprint(method, before), func(t *testing.T) {
				l := run(t, opening, intercepting(a, roots))
				client := through(t, l, pool, true)
				for range before {
					resp, err := client.Get(web.URL)
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				body, w := io.Pipe()
				defer w.Close()
				go func() { _, _ = w.Write(sstpRequest) }()
				req, _ := http.NewRequestWithContext(t.Context(), method, web.URL+"/up", body)
				if resp, err := client.Do(req); err == nil {
					b, _ := io.ReadAll(io.LimitReader(resp.Body, int64(len(sstpAck))))
					_ = resp.Body.Close()
					if bytes.Contains(b, sstpAck) {
						t.Error("the client got the server's acknowledgement")
					}
				}
				client.CloseIdleConnections()
				if e := l.told(t); e.Proxy.End != event.EndDropped || e.Decision.Action != "drop" || e.Detection.Verdict.String() != "confirmed" {
					t.Errorf("event %+v %+v %+v", e.Proxy, e.Decision, e.Detection)
				}
			})
		}
	}
}
