package matrix

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// aroundTransforms put something in front of the tunnel, or around it.
var aroundTransforms = []Transform{
	{Name: "request-first", Family: "around", About: "one ordinary request in front, answered with 300 bytes", apply: requestsFirst(1, 300, 0)},
	{Name: "request-first-long", Family: "around", About: "one ordinary request in front, answered with 20,000 bytes", apply: requestsFirst(1, 20_000, 0)},
	{Name: "requests-first-5", Family: "around", About: "five ordinary requests in front, answered with 900 bytes", apply: requestsFirst(5, 900, 0)},
	{Name: "requests-first-20", Family: "around", About: "20 ordinary requests in front, answered with 2,000 bytes", apply: requestsFirst(20, 2000, 0)},
	{Name: "requests-first-60", Family: "around", About: "60 ordinary requests in front, answered with 500 bytes", apply: requestsFirst(60, 500, 0)},
	{Name: "download-first", Family: "around", About: "one ordinary request in front, answered with 200,000 bytes", apply: requestsFirst(1, 200_000, 0)},
	{Name: "upload-first", Family: "around", About: "an upload of 40,000 bytes in front", apply: requestsFirst(1, 200, 40_000)},
	{Name: "tls-in-tls", Family: "around", About: "SSTP with its TLS in another TLS", apply: func(s *Setup) {
		config := s.Server.TLS
		inside(func(c net.Conn) (net.Conn, error) {
			t := tls.Client(c, &tls.Config{ServerName: hostName, InsecureSkipVerify: true})
			return t, t.Handshake()
		}, func(c net.Conn) (net.Conn, error) {
			t := tls.Server(c, &tls.Config{Certificates: config.Certificates})
			return t, t.Handshake()
		})(s)
	}},
	{Name: "websocket-upgrade", Family: "around", About: "SSTP behind the upgrade to a WebSocket, without its frames", apply: upgradeFirst},
}

// requestsFirst has so many requests in front, each of so many bytes that are sent and
// answered.
func requestsFirst(count, answer, upload int) func(*Setup) {
	return inside(func(c net.Conn) (net.Conn, error) {
		r := bufio.NewReader(c)
		for i := range count {
			if _, err := fmt.Fprintf(c, "POST /page/%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\nContent-Length: %d\r\n\r\n%s",
				i, hostName, upload, strings.Repeat("u", upload)); err != nil {
				return nil, err
			}
			answer, err := http.ReadResponse(r, nil)
			if err != nil {
				return nil, fmt.Errorf("an ordinary request in front: %w", err)
			}
			if _, err := io.Copy(io.Discard, answer.Body); err != nil {
				return nil, err
			}
		}
		return drained(c, r)
	}, func(c net.Conn) (net.Conn, error) {
		r := bufio.NewReader(c)
		for range count {
			q, err := http.ReadRequest(r)
			if err != nil {
				return nil, err
			}
			if _, err := io.Copy(io.Discard, q.Body); err != nil {
				return nil, err
			}
			if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s", answer, strings.Repeat("a", answer)); err != nil {
				return nil, err
			}
		}
		return drained(c, r)
	})
}

// drained returns c when nothing of it was read too far.
func drained(c net.Conn, r *bufio.Reader) (net.Conn, error) {
	if r.Buffered() > 0 {
		return nil, errors.New("more came than what was asked for in front")
	}
	return c, nil
}

func upgradeFirst(s *Setup) {
	inside(func(c net.Conn) (net.Conn, error) {
		r := bufio.NewReader(c)
		if _, err := fmt.Fprintf(c, "GET /chat HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", hostName); err != nil {
			return nil, err
		}
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			return nil, fmt.Errorf("an upgrade in front: %w", err)
		}
		if answer.StatusCode != http.StatusSwitchingProtocols {
			return nil, fmt.Errorf("an upgrade in front was answered %s", answer.Status)
		}
		return drained(c, r)
	}, func(c net.Conn) (net.Conn, error) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"); err != nil {
			return nil, err
		}
		return drained(c, r)
	})(s)
}
