package interop

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"sstpwarden/pcaps/netlab/labtest"
)

// recordPage records TLS in which a page of some size is fetched, so that it can be
// played again without the work of TLS: nobody on the way knows the keys.
func recordPage(size int) (script, error) {
	a, b := net.Pipe()
	r := &recorder{}
	client := tls.Client(recorded{a, r, true}, &tls.Config{ServerName: labtest.WebName, RootCAs: labtest.Shared.Pool, NextProtos: []string{"http/1.1"}})
	server := tls.Server(recorded{b, r, false}, &tls.Config{Certificates: []tls.Certificate{labtest.Shared.Leaf}, NextProtos: []string{"http/1.1"}})
	served := make(chan error, 1)
	go func() {
		_, err := http.ReadRequest(bufio.NewReader(server))
		if err == nil {
			_, err = fmt.Fprintf(server, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, noise()[:size])
		}
		served <- err
	}()
	if _, err := fmt.Fprintf(client, "GET /page HTTP/1.1\r\nHost: %s\r\n\r\n", labtest.WebName); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	return r.lines, <-served
}

// A recorder keeps what both ends wrote, in order.
type recorder struct {
	mu    sync.Mutex
	lines script
}

type recorded struct {
	net.Conn
	to     *recorder
	client bool
}

// Write implements net.Conn.
func (r recorded) Write(b []byte) (int, error) {
	r.to.mu.Lock()
	lines := &r.to.lines
	if n := len(*lines); n == 0 || (*lines)[n-1].Client != r.client {
		*lines = append(*lines, line{Client: r.client})
	}
	last := &(*lines)[len(*lines)-1]
	last.Text = append(last.Text, b...)
	r.to.mu.Unlock()
	return r.Conn.Write(b)
}
