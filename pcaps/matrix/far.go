package matrix

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"sstpwarden/pcaps/ipcarry"
	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/sstpref"
)

// A farEnd serves one cell.
type farEnd interface {
	// close ends it, and waits for that.
	close()
}

// farPatience is how long a server waits for clients that are to disconnect.
const farPatience = 2 * time.Second

// serve begins a cell's far end on ln.
func (l *Lab) serve(c *Cell, s *Setup, ln net.Listener) (farEnd, error) {
	wrapped := &wrappedListener{Listener: ln, wrap: s.FarWire}
	s.Server.TLS.KeyLogWriter = s.Far
	if c.Benign() {
		return l.serveBenign(c, s, wrapped)
	}
	s.Server.Inside = chain(s.FarInside)
	s.Server.Assign = func(string) (*sstpref.Lease, error) {
		return &sstpref.Lease{
			Addresses: pppref.Addresses{Local: innerServer, Peer: innerClient, DNS: []netip.Addr{innerServer}},
			Carry:     carryServer,
		}, nil
	}
	server, err := sstpref.NewServer(*s.Server)
	if err != nil {
		return nil, err
	}
	e := &sstpEnd{server: server, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		_ = server.Serve(wrapped) // the cell's client sees what goes wrong
	}()
	return e, nil
}

// serveOn is serve, with the listener's address.
func (l *Lab) serveOn(c *Cell, s *Setup, ln net.Listener) (string, farEnd, error) {
	far, err := l.serve(c, s, ln)
	if err != nil {
		return "", nil, errors.Join(err, ln.Close())
	}
	return ln.Addr().String(), far, nil
}

// chain puts wrappers around one another.
func chain(list []wrapper) wrapper {
	if len(list) == 0 {
		return nil
	}
	return func(c net.Conn) (net.Conn, error) {
		for _, w := range list {
			var err error
			if c, err = w(c); err != nil {
				return nil, err
			}
		}
		return c, nil
	}
}

type wrappedListener struct {
	net.Listener
	wrap []func(net.Conn) net.Conn
}

func (l *wrappedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	for _, w := range l.wrap {
		c = w(c)
	}
	return c, nil
}

type sstpEnd struct {
	server *sstpref.Server
	done   chan struct{}
}

func (e *sstpEnd) close() {
	ctx, cancel := context.WithTimeout(context.Background(), farPatience)
	defer cancel()
	_ = e.server.Shutdown(ctx) // who does not answer is cut off
	<-e.done
}

// carryServer answers downloads within a tunnel.
func carryServer(up sstpref.Up, t sstpref.Tunnel) (sstpref.Port, error) {
	stack, err := ipcarry.NewStack(ipcarry.StackConfig{Addrs: []netip.Addr{innerServer}, MTU: up.MTU}, t)
	if err != nil {
		return nil, err
	}
	ln, err := stack.ListenTCP(netip.AddrPortFrom(innerServer, innerPort))
	if err != nil {
		_ = stack.Close() // it was not used
		return nil, err
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // the stack is closed
			}
			go serveInner(c)
		}
	}()
	return stack, nil
}

const (
	innerPort = 80
	// innerDown and innerUp are what a cell downloads and uploads in its tunnel.
	innerDown = 48 << 10
	innerUp   = 6 << 10
)

// serveInner takes an upload and answers it with a download.
func serveInner(c net.Conn) {
	defer func() { _ = c.Close() }() // all is told
	if _, err := io.CopyN(io.Discard, c, innerUp); err == nil {
		_, _ = c.Write(make([]byte, innerDown)) // the client sees what comes
	}
}

// A benignEnd serves a scenario.
type benignEnd struct {
	ln      net.Listener
	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	serving sync.WaitGroup
}

func (l *Lab) serveBenign(c *Cell, s *Setup, ln net.Listener) (farEnd, error) {
	scenario, err := ScenarioByName(c.Scenario)
	if err != nil {
		return nil, err
	}
	s.Server.TLS.NextProtos = scenario.alpn
	e := &benignEnd{ln: ln, conns: map[net.Conn]struct{}{}}
	around := chain(s.FarInside)
	e.serving.Go(func() {
		for {
			raw, err := ln.Accept()
			if err != nil {
				return // it is closed
			}
			e.mu.Lock()
			e.conns[raw] = struct{}{}
			e.mu.Unlock()
			e.serving.Go(func() { serveScenario(scenario, s.Server.TLS, around, raw) })
		}
	})
	return e, nil
}

func serveScenario(s *Scenario, config *tls.Config, around wrapper, raw net.Conn) {
	defer func() { _ = raw.Close() }() // the client has all it wants
	_ = raw.SetDeadline(time.Now().Add(benignPatience))
	t := tls.Server(raw, config)
	if err := t.Handshake(); err != nil {
		return
	}
	var c net.Conn = t
	if around != nil {
		var err error
		if c, err = around(t); err != nil {
			return
		}
	}
	_ = s.server(c) // the client sees it
	_ = c.Close()
}

// benignPatience bounds a scenario.
const benignPatience = 30 * time.Second

func (e *benignEnd) close() {
	_ = e.ln.Close() // accepting ends
	e.mu.Lock()
	for c := range e.conns {
		_ = c.Close() // the client has gone
	}
	e.mu.Unlock()
	e.serving.Wait()
}
