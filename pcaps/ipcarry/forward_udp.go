package ipcarry

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// A flowKey is who sends to whom. Another port or address is another flow with a socket of
// its own: the mapping is "address and port-dependent" (RFC 4787, Section 4.1).
type flowKey struct{ from, to netip.AddrPort }

// A flow is the host's side of a UDP flow.
type flow struct {
	key  flowKey
	conn net.Conn
	last atomic.Int64 // when a datagram passed, in nanoseconds of time.Time
}

var datagrams = sync.Pool{New: func() any { return new(datagram) }}

// A datagram has room for the largest that there is.
type datagram [65535]byte

// handleUDP passes a client's datagram on. It runs within Deliver.
func (c *client) handleUDP(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	h := header.UDP(pkt.TransportHeader().Slice())
	whole, valid := header.UDPValid(h, pkt.Data().Checksum, uint16(pkt.Data().Size()),
		pkt.NetworkProtocolNumber, id.RemoteAddress, id.LocalAddress, false)
	if !whole || !valid {
		c.f.count.malformed.Add(1)
		return true
	}
	from, to := ends(id)
	fl := c.flow(flowKey{from, to})
	if fl == nil {
		return true
	}
	fl.last.Store(time.Now().UnixNano())
	data := pkt.Data().AsRange().Capped(int(h.Length()) - udpHeader).ToSlice()
	if _, err := fl.conn.Write(data); err != nil {
		c.tellUDP(fl.key, err)
	}
	return true
}

// flow returns the flow of a datagram, opening it if there is none. nil means that the
// sender has been told why there is none.
func (c *client) flow(key flowKey) *flow {
	c.mu.Lock()
	fl, ok := c.flows[key]
	c.mu.Unlock()
	if ok {
		return fl
	}
	where := c.f.target(key.to)
	if !where.ok {
		c.f.count.refused.Add(1)
		c.refuse(new(quoteUDP(key.from, key.to)), prohibited)
		return nil
	}
	if !c.makeRoom() {
		c.f.count.tooMany.Add(1)
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.f.cfg.DialTimeout)
	conn, err := c.f.cfg.Dial(ctx, "udp", where.to.String())
	cancel()
	if err != nil {
		c.f.flows.Add(-1)
		c.f.count.failed.Add(1)
		c.tellUDP(key, err)
		return nil
	}
	fl = &flow{key: key, conn: conn}
	fl.last.Store(time.Now().UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		hangUp(conn)
		c.f.flows.Add(-1)
		return nil
	}
	c.flows[key] = fl
	c.tasks.Add(1)
	go c.answers(fl)
	return fl
}

// makeRoom counts one more flow of the client's. Its longest idle flow goes if that is one
// too many.
func (c *client) makeRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	over := c.f.flows.Add(1) > int64(c.f.cfg.MaxFlows)
	if !over && len(c.flows) < c.f.cfg.MaxFlowsPerClient {
		return true
	}
	var oldest *flow
	for _, fl := range c.flows {
		if oldest == nil || fl.last.Load() < oldest.last.Load() {
			oldest = fl
		}
	}
	if oldest == nil {
		c.f.flows.Add(-1)
		return false
	}
	delete(c.flows, oldest.key)
	hangUp(oldest.conn)
	return true
}

// answers passes on what comes back, until the flow has been idle for too long.
func (c *client) answers(fl *flow) {
	defer c.tasks.Done()
	defer c.f.flows.Add(-1)
	defer c.forget(fl)
	route, terr := c.stack.FindRoute(nicID, toStack(fl.key.to.Addr()), toStack(fl.key.from.Addr()), family(fl.key.to.Addr()), false)
	if terr != nil {
		return
	}
	defer route.Release()
	for {
		idle := time.Until(time.Unix(0, fl.last.Load()).Add(c.f.cfg.FlowIdle))
		if idle <= 0 {
			return
		}
		_ = fl.conn.SetReadDeadline(time.Now().Add(idle))
		err := readDatagram(fl.conn, func(b []byte) {
			fl.last.Store(time.Now().UnixNano())
			sendUDP(route, fl.key, b)
		})
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
			c.tellUDP(fl.key, err)
		default:
			return
		}
	}
}

// readDatagram waits for a datagram and hands it over. It takes a buffer only when there is
// one, so that idle flows cost little, where the connection is a socket.
func readDatagram(conn net.Conn, handle func([]byte)) error {
	var raw syscall.RawConn
	if s, ok := conn.(syscall.Conn); ok {
		raw, _ = s.SyscallConn()
	}
	if raw == nil {
		buf := datagrams.Get().(*datagram)
		defer datagrams.Put(buf)
		n, err := conn.Read(buf[:])
		if err == nil {
			handle(buf[:n])
		}
		return err
	}
	var buf *datagram
	var n int
	var err error
	wait := raw.Read(func(fd uintptr) bool {
		buf = datagrams.Get().(*datagram)
		n, err = syscall.Read(int(fd), buf[:])
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
			datagrams.Put(buf)
			return false
		}
		return true
	})
	if wait != nil {
		return wait
	}
	defer datagrams.Put(buf)
	if err == nil {
		handle(buf[:n])
	}
	return err
}

func (c *client) forget(fl *flow) {
	hangUp(fl.conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flows[fl.key] == fl {
		delete(c.flows, fl.key)
	}
}

// sendUDP sends a datagram to the client, in fragments if need be. It waits for room.
func sendUDP(route *stack.Route, key flowKey, data []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: udpHeader + int(route.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(data),
	})
	defer pkt.DecRef()
	pkt.TransportProtocolNumber = header.UDPProtocolNumber
	length := uint16(udpHeader + len(data))
	h := header.UDP(pkt.TransportHeader().Push(udpHeader))
	h.Encode(&header.UDPFields{SrcPort: key.to.Port(), DstPort: key.from.Port(), Length: length})
	h.SetChecksum(^h.CalculateChecksum(checksum.Combine(
		route.PseudoHeaderChecksum(header.UDPProtocolNumber, length), pkt.Data().Checksum())))
	_ = route.WritePacket(stack.NetworkHeaderParams{Protocol: header.UDPProtocolNumber, TTL: route.DefaultTTL()}, pkt)
}

// tellUDP sends the ICMP error that stands for err. Errors of other kinds are silent, as
// datagrams that get lost are.
func (c *client) tellUDP(key flowKey, err error) {
	why := unreachableHost
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		why = unreachablePort
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		why = prohibited
	default:
		return
	}
	c.refuse(new(quoteUDP(key.from, key.to)), why)
}
