package main

import "net"

// A gatherer writes many TLS records at once, where crypto/tls would write one by
// one: what is measured are the proxies, not the server behind them.
type gatherer struct {
	net.Conn
	on bool
	b  []byte
}

// Write implements [net.Conn].
func (g *gatherer) Write(p []byte) (int, error) {
	if !g.on {
		return g.Conn.Write(p)
	}
	g.b = append(g.b, p...)
	return len(p), nil
}

// gather calls write, and writes what it wrote.
func (g *gatherer) gather(write func() error) error {
	g.on = true
	err := write()
	g.on = false
	if err == nil {
		_, err = g.Conn.Write(g.b)
	}
	g.b = g.b[:0]
	return err
}
