package matrix

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// A plainProxy is an HTTP proxy that connects to whatever it is asked for.
type plainProxy struct {
	directPath
	ln      net.Listener
	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	serving sync.WaitGroup
}

func openPlainProxy(ctx context.Context, _ *Options, _ *Lab) (route, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &plainProxy{ln: ln, conns: map[net.Conn]struct{}{}}
	p.serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // it is closed
			}
			p.serving.Go(func() { p.serve(c) })
		}
	})
	return p, nil
}

func (p *plainProxy) proxy() string { return p.ln.Addr().String() }

// keep has a connection closed with the proxy.
func (p *plainProxy) keep(c net.Conn) {
	p.mu.Lock()
	p.conns[c] = struct{}{}
	p.mu.Unlock()
}

func (p *plainProxy) drop(c net.Conn) {
	_ = c.Close() // it is over
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

func (p *plainProxy) serve(c net.Conn) {
	p.keep(c)
	defer p.drop(c)
	r := bufio.NewReader(c)
	_ = c.SetReadDeadline(time.Now().Add(benignPatience)) // for the head
	q, err := http.ReadRequest(r)
	if err != nil || q.Method != http.MethodConnect {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") // it ends anyway
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	up, err := net.DialTimeout("tcp", q.Host, 5*time.Second)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n") // likewise
		return
	}
	p.keep(up)
	defer p.drop(up)
	if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(c, up) // whichever way it ends, both do
		_ = c.Close()
	}()
	_, _ = io.Copy(up, r)
	_ = up.Close()
	<-done
}

func (p *plainProxy) close() error {
	err := p.ln.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close() // nobody uses it any more
	}
	p.mu.Unlock()
	p.serving.Wait()
	return err
}
