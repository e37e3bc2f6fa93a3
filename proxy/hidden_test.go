package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sstpwarden/policies/event"
)

// hiddenSSTP answers GET with a page, and anything else as a server does that was
// made for SSTP in the bodies of ordinary messages.
func hiddenSSTP(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		head, err := readHead(r)
		switch {
		case err != nil:
			return
		case strings.HasPrefix(head, "GET "):
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
			continue
		case strings.Contains(strings.ToLower(head), "transfer-encoding: chunked"):
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			if _, err := io.ReadFull(r, make([]byte, len("e\r\n")+len(sstpRequest))); err == nil {
				_, _ = fmt.Fprintf(conn, "%x\r\n%s\r\n", len(sstpAck), sstpAck)
			}
		default:
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
			if _, err := io.ReadFull(r, make([]byte, len(sstpRequest))); err == nil {
				_, _ = conn.Write(sstpAck)
			}
		}
		_, _ = io.Copy(io.Discard, r)
		return
	}
}

// SSTP in the body of an ordinary message is found, whatever its method and
// however its length is given, and by whatever way it comes.
func TestHiddenTunnel(t *testing.T) {
	bodies := map[string]string{
		"length":  "Content-Length: 100000\r\n\r\n" + string(sstpRequest),
		"chunked": "Transfer-Encoding: chunked\r\n\r\ne\r\n" + string(sstpRequest) + "\r\n",
	}
	to := netip.MustParseAddr("192.0.2.1")
	for _, mode := range []string{event.ModeExplicit, "connect", event.ModeRedirect} {
		for _, method := range []string{"POST", "PUT", "SSTP_DUPLEX_POST"} {
			for length, body := range bodies {
				for _, before := range []int{0, 1, 17} {
					t.Run(fmt.Sprint(mode, " ", method, " ", length, " after ", before), func(t *testing.T) {
						var l *lab
						var conn net.Conn
						prefix := ""
						switch mode {
						case event.ModeRedirect:
							l = run(t, dropping, transparently, redirected(t, mode, to))
							c, err := net.Dial("tcp", serverAt(t, to, func(conn *net.TCPConn) { hiddenSSTP(conn) }))
							if err != nil {
								t.Fatal(err)
							}
							defer c.Close()
							conn = c
						case "connect":
							l = run(t, dropping, nil)
							conn = connect(t, l, server(t, func(conn *net.TCPConn) { hiddenSSTP(conn) }))
						default:
							l = run(t, dropping, nil)
							conn = dialLab(t, l)
							prefix = "http://" + server(t, func(conn *net.TCPConn) { hiddenSSTP(conn) })
						}
						r := bufio.NewReader(conn)
						for range before {
							fmt.Fprintf(conn, "GET %s/ HTTP/1.1\r\nHost: x\r\n\r\n", prefix)
							if _, err := readHead(r); err != nil {
								t.Fatal(err)
							}
							_, _ = r.Discard(len("fine"))
						}
						_, _ = fmt.Fprintf(conn, "%s %s/upload HTTP/1.1\r\nHost: x\r\n%s", method, prefix, body)
						_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
						b, _ := io.ReadAll(r)
						if bytes.Contains(b, sstpAck) {
							t.Error("the client got the server's acknowledgement")
						}
						e := l.told(t)
						if e.Proxy.End != event.EndDropped || e.Decision.Action != "drop" || e.Proxy.Spliced {
							t.Errorf("event %+v %+v %+v", e.Proxy, e.Decision, e.Detection)
						}
					})
				}
			}
		}
	}
}
