package ipcarry

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// A client is the Port of one tunnel on a Forwarder.
type client struct {
	f     *Forwarder
	own   []netip.Prefix
	link  *link
	stack *stack.Stack

	ctx   context.Context // ends with the client
	abort context.CancelFunc

	mu     sync.Mutex
	conns  int
	flows  map[flowKey]*flow
	closed bool
	tasks  sync.WaitGroup
	pings  atomic.Int64 // without an answer yet
}

// synLimit is how many connections of a client may be opening at once. Further SYNs are
// ignored: TCP sends them again.
const synLimit = 64

func newClient(f *Forwarder, own []netip.Prefix, mtu int, t Tunnel) (*client, error) {
	c := &client{f: f, own: own, flows: map[flowKey]*flow{}, link: newLink(mtu, t)}
	c.ctx, c.abort = context.WithCancel(context.Background())
	s, err := newNetstack(c.link)
	if err != nil {
		c.link.stop()
		return nil, err
	}
	c.stack = s
	// The stack is every address that the client talks to.
	s.SetPromiscuousMode(nicID, true)
	s.SetSpoofing(nicID, true)
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(s, tcpBufferDefault, synLimit, c.acceptTCP).HandlePacket)
	s.SetTransportProtocolHandler(udp.ProtocolNumber, c.handleUDP)
	s.SetTransportProtocolHandler(icmp.ProtocolNumber4, c.handleEcho)
	s.SetTransportProtocolHandler(icmp.ProtocolNumber6, c.handleEcho)
	return c, nil
}

// Deliver takes a packet that the client sent.
func (c *client) Deliver(p []byte) error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	ip, ok := parsePacket(p)
	if c.f.count.screen(&ip, ok, c.owns) == drop {
		return nil
	}
	c.link.inject(&ip)
	return nil
}

func (c *client) owns(p *packet) bool { return contains(c.own, p.src) }

// Close ends the client's connections and flows.
func (c *client) Close() error {
	c.f.detach(c)
	c.end()
	return nil
}

func (c *client) end() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	flows := c.flows
	c.flows = nil
	c.mu.Unlock()

	c.abort()
	for _, fl := range flows {
		hangUp(fl.conn)
	}
	c.link.stop()
	c.closeStack()
	c.stack.Wait()
	c.f.count.dropped.Add(c.link.dropIn.Load() + c.link.dropOut.Load())
}

// closeStack closes the stack until no task holds it any more: a handshake that begins
// behind the stack's back would wait for an answer that cannot come.
func (c *client) closeStack() {
	ended := make(chan struct{})
	go func() {
		c.tasks.Wait()
		close(ended)
	}()
	for {
		c.stack.Close()
		select {
		case <-ended:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// begin counts a task of the client's, which ends with tasks.Done. It tells whether the
// client still runs.
func (c *client) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.tasks.Add(1)
	return true
}

// refuse sends an ICMP error about p.
func (c *client) refuse(p *packet, why reason) {
	if !p.mayAnswer() {
		return
	}
	from := p.dst
	for _, g := range c.f.cfg.Gateways {
		if g.Is4() == p.dst.Is4() {
			from = g
		}
	}
	c.link.send(appendError(nil, p, from, why, 0))
}

// ends returns the addresses of a packet, as its sender sees them.
func ends(id stack.TransportEndpointID) (from, to netip.AddrPort) {
	return netip.AddrPortFrom(fromStack(id.RemoteAddress), id.RemotePort),
		netip.AddrPortFrom(fromStack(id.LocalAddress), id.LocalPort)
}
