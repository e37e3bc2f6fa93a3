package ipcarry

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	// From fewConns connections of one client on, each gets buffers of manyBuffer bytes
	// each way that do not grow: a client holds fewConns * 2 MiB and
	// (MaxConnsPerClient - fewConns) * 128 KiB at most, 62 MiB by default.
	fewConns   = 16
	manyBuffer = 64 << 10

	// copyBuffer is what one direction of a connection reads at once.
	copyBuffer = 32 << 10
	// drainTime is how long what was written to a client may take to arrive after the
	// connection has ended on both sides.
	drainTime = 30 * time.Second

	// A client that has vanished is noticed after keepIdle + keepCount * keepEvery.
	keepIdle  = time.Minute
	keepEvery = 20 * time.Second
	keepCount = 3
)

var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// acceptTCP opens what a client's SYN asks for on the host's side first, so that the
// client hears what came of it.
func (c *client) acceptTCP(r *tcp.ForwarderRequest) {
	_, to := ends(r.ID())
	if !c.begin() {
		r.Complete(false)
		return
	}
	defer c.tasks.Done()

	where := c.f.target(to)
	if !where.ok {
		c.f.count.refused.Add(1)
		r.Complete(true)
		return
	}
	number, ok := c.takeConn()
	if !ok {
		c.f.count.tooMany.Add(1)
		r.Complete(true)
		return
	}
	defer c.giveConn()

	ctx, cancel := context.WithTimeout(c.ctx, c.f.cfg.DialTimeout)
	host, err := c.f.cfg.Dial(ctx, "tcp", where.to.String())
	cancel()
	if err != nil {
		c.f.count.failed.Add(1)
		r.Complete(true)
		return
	}
	defer hangUp(host)
	c.serveTCP(r, host, number)
}

// serveTCP answers the SYN and carries the connection.
func (c *client) serveTCP(r *tcp.ForwarderRequest, host net.Conn, number int) {
	var queue waiter.Queue
	ep, terr := r.CreateEndpoint(&queue)
	r.Complete(false)
	if terr != nil { // the client did not finish the handshake
		c.f.count.failed.Add(1)
		resetConn(host)
		return
	}
	keepAlive(ep)
	if number > fewConns {
		ep.SocketOptions().SetReceiveBufferSize(manyBuffer, true)
		ep.SocketOptions().SetSendBufferSize(manyBuffer, true)
	}
	relay(c.ctx, gonet.NewTCPConn(&queue, ep), ep, host)
	c.drain(ep, &queue)
}

// takeConn counts a connection of the client's and returns how many it has.
func (c *client) takeConn() (number int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.conns >= c.f.cfg.MaxConnsPerClient {
		return 0, false
	}
	if c.f.conns.Add(1) > int64(c.f.cfg.MaxConns) {
		c.f.conns.Add(-1)
		return 0, false
	}
	c.conns++
	return c.conns, true
}

func (c *client) giveConn() {
	c.f.conns.Add(-1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns--
}

func keepAlive(ep tcpip.Endpoint) {
	idle, every := tcpip.KeepaliveIdleOption(keepIdle), tcpip.KeepaliveIntervalOption(keepEvery)
	ep.SocketOptions().SetKeepAlive(true)
	_ = ep.SetSockOpt(&idle)
	_ = ep.SetSockOpt(&every)
	_ = ep.SetSockOptInt(tcpip.KeepaliveCountOption, keepCount)
}

// drain closes ep and waits until the client has what was written, so that what waits in
// the buffer counts as a connection.
func (c *client) drain(ep tcpip.Endpoint, queue *waiter.Queue) {
	entry, gone := waiter.NewChannelEntry(waiter.EventHUp)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	ep.Close()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	for {
		state := tcp.EndpointState(ep.State())
		if state == tcp.StateClose || state == tcp.StateError || state == tcp.StateTimeWait {
			return
		}
		select {
		case <-gone:
		case <-timer.C:
			ep.Abort()
			return
		case <-c.ctx.Done():
			ep.Abort()
			return
		}
	}
}

// relay copies both ways until both have ended. An end of one direction is passed on as
// what it is: FIN as FIN, failure as RST.
func relay(ctx context.Context, inner net.Conn, ep tcpip.Endpoint, host net.Conn) {
	reset := func() {
		ep.Abort()
		resetConn(host)
	}
	stop := context.AfterFunc(ctx, reset)
	defer stop()

	var both sync.WaitGroup
	one := func(dst, src net.Conn) {
		// When the client ends, its side reads as ended in order.
		if err := copyStream(dst, src); err != nil || ctx.Err() != nil {
			reset()
		} else if w, ok := dst.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite()
		}
	}
	both.Go(func() { one(host, inner) })
	one(inner, host)
	both.Wait()
}

// resetConn closes a connection with a RST.
func resetConn(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	hangUp(c)
}

// copyStream copies until src ends. Unlike io.Copy it always uses a buffer of the pool.
func copyStream(dst io.Writer, src io.Reader) error {
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := src.Read(buf[:])
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return werr
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
