package ipcarry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/things-go/go-socks5"
	"github.com/things-go/go-socks5/bufferpool"
	"github.com/things-go/go-socks5/statute"
)

const (
	// associateFlows bounds the destinations of one UDP ASSOCIATE, associateIdle how long
	// one is kept without answers.
	associateFlows = 64
	associateIdle  = 2 * time.Minute
)

// socksBuffers are of all connections.
var socksBuffers = bufferpool.NewPool(copyBuffer)

// socksFor makes the SOCKS5 server of one connection, so that the time for the greeting
// ends as soon as it is known what the client wants.
func (p *proxy) socksFor(c *proxyConn) *socks5.Server {
	return socks5.NewServer(
		socks5.WithBufferPool(socksBuffers),
		socks5.WithResolver(unresolved{}),
		socks5.WithDial(func(ctx context.Context, network, address string) (net.Conn, error) {
			_ = c.SetReadDeadline(time.Time{})
			return p.dialTracked(ctx, network, address)
		}),
		socks5.WithAssociateHandle(func(_ context.Context, w io.Writer, r *socks5.Request) error {
			_ = c.SetReadDeadline(time.Time{})
			return p.associate(w, r)
		}),
	)
}

// unresolved leaves names to the dial.
type unresolved struct{}

// Resolve implements socks5.NameResolver.
func (unresolved) Resolve(ctx context.Context, _ string) (context.Context, net.IP, error) {
	return ctx, nil, nil
}

// An association is one UDP ASSOCIATE (RFC 1928, Section 7).
type association struct {
	p      *proxy
	socket *net.UDPConn
	host   net.IP // only from there datagrams are taken

	mu     sync.Mutex
	client *net.UDPAddr // where it sends from; answers go there
	flows  map[string]net.Conn
	tasks  sync.WaitGroup
}

// associate serves a UDP ASSOCIATE until its TCP connection ends.
func (p *proxy) associate(w io.Writer, r *socks5.Request) error {
	local, ok := r.LocalAddr.(*net.TCPAddr)
	remote, ok2 := r.RemoteAddr.(*net.TCPAddr)
	if !ok || !ok2 {
		return socks5.SendReply(w, statute.RepServerFailure, nil)
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: local.IP, Zone: local.Zone})
	if err != nil {
		_ = socks5.SendReply(w, statute.RepServerFailure, nil)
		return fmt.Errorf("opening a UDP socket: %w", err)
	}
	a := &association{p: p, socket: socket, host: remote.IP, flows: map[string]net.Conn{}}
	tracked := p.track(socket, nil)
	a.tasks.Go(a.receive)
	defer a.tasks.Wait()
	defer a.close()
	defer hangUp(tracked)
	if err := socks5.SendReply(w, statute.RepSuccess, socket.LocalAddr()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r.Reader)
	return err
}

func (a *association) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.flows {
		hangUp(c)
	}
	a.flows = nil
}

// receive passes the client's datagrams on. Fragments are dropped, as they may be.
func (a *association) receive() {
	buf := datagrams.Get().(*datagram)
	defer datagrams.Put(buf)
	for {
		n, from, err := a.socket.ReadFromUDP(buf[:])
		if err != nil {
			return
		}
		d, err := statute.ParseDatagram(buf[:n])
		if err != nil || d.Frag != 0 || !from.IP.Equal(a.host) {
			continue
		}
		a.mu.Lock()
		a.client = from
		a.mu.Unlock()
		a.send(d.DstAddr.String(), d.Header(), d.Data)
	}
}

// send passes one datagram on. The first to a destination waits for its dial, those that
// come meanwhile are lost.
func (a *association) send(to string, header, data []byte) {
	a.mu.Lock()
	c, ok := a.flows[to]
	if !ok && a.flows != nil && len(a.flows) < associateFlows {
		a.flows[to] = pending{}
		data = bytes.Clone(data)
		a.tasks.Go(func() { a.open(to, header, data) })
	}
	a.mu.Unlock()
	if ok {
		_, _ = c.Write(data) // may wait
	}
}

// pending stands in for a flow whose dial is under way.
type pending struct{ net.Conn }

func (pending) Write(b []byte) (int, error) { return len(b), nil }
func (pending) Close() error                { return nil }

// open dials and passes answers back until the flow is idle.
func (a *association) open(to string, header, first []byte) {
	c, err := a.p.dialTracked(a.p.ctx, "udp", to)
	a.mu.Lock()
	switch {
	case err != nil:
		delete(a.flows, to)
		a.mu.Unlock()
		return
	case a.flows == nil:
		a.mu.Unlock()
		hangUp(c)
		return
	}
	a.flows[to] = c
	a.mu.Unlock()
	_, _ = c.Write(first)
	a.answers(c, header)
	hangUp(c)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flows[to] == c {
		delete(a.flows, to)
	}
}

func (a *association) answers(c net.Conn, header []byte) {
	buf := datagrams.Get().(*datagram)
	defer datagrams.Put(buf)
	head := copy(buf[:], header)
	for {
		_ = c.SetReadDeadline(time.Now().Add(associateIdle))
		n, err := c.Read(buf[head:])
		if err != nil {
			return
		}
		a.mu.Lock()
		client := a.client
		a.mu.Unlock()
		_, _ = a.socket.WriteToUDP(buf[:head+n], client)
	}
}
