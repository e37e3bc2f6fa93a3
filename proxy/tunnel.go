package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

// A tunnel carries a session's bytes between two TCP connections. Each direction
// has a goroutine of its own.
type tunnel struct {
	*session
	client, server *leg

	first    atomic.Int32 // the direction that ended first, in order; 0 while none did
	answered atomic.Bool  // something of the server's was written
	paused   bool         // the server's direction was interrupted, and may go on
	spliced  sync.Once

	classical bool // the client offers no post-quantum key exchange
}

// run carries until both directions ended. The client's first bytes are held
// until a ClientHello among them is whole, so that the policy is asked about it
// before anything of it leaves, and its TLS can be opened. What the server says
// goes on meanwhile: there are protocols in which it speaks first.
func (t *tunnel) run(ctx context.Context) {
	t.srv.counts.tunnels.Add(1)
	defer t.srv.counts.tunnels.Add(-1)
	t.closes(closer(t.client.conn))
	t.closes(closer(t.server.conn))
	var back sync.WaitGroup
	back.Go(func() { t.pump(inspect.ServerToClient, t.server, t.client) })
	s := t.holdHello()
	if s.open {
		_ = t.server.conn.SetReadDeadline(past)
		back.Wait()
		_ = t.server.conn.SetReadDeadline(time.Time{})
		switch {
		case t.paused && !t.answered.Load():
			t.intercept(ctx, s.first)
		case t.goesUnopened(errServerFirst):
			t.carry(s.first)
		}
		return
	}
	if s.pass {
		t.pump(inspect.ClientToServer, t.client, t.server)
	}
	back.Wait()
	t.over()
}

var errServerFirst = errors.New("TLS cannot be opened where the server speaks first, or ends")

// goesUnopened says whether a connection goes on that should have been opened and
// cannot be. Otherwise it has ended.
func (t *tunnel) goesUnopened(why error) bool {
	s := t.srv
	s.counts.notOpened.Add(1)
	t.mu.Lock()
	name := t.serverName()
	t.opening = false
	t.mu.Unlock()
	s.log.warn("not opened", "TLS could not be opened", "client", t.info.Key.Client, "server", event.Printable(name), "err", why)
	if s.config.Intercept.FailClosed {
		t.end(event.EndRefused, why)
		return false
	}
	return true
}

// carry goes on with a tunnel whose first bytes were seen, but not written yet,
// and those directions of it that have not ended.
func (t *tunnel) carry(first []byte) {
	var back sync.WaitGroup
	if t.first.Load() == 0 {
		back.Go(func() { t.pump(inspect.ServerToClient, t.server, t.client) })
	}
	if err := t.write(inspect.ClientToServer, t.server, first); err != nil {
		t.finish(inspect.ClientToServer, t.server, err)
	} else {
		t.pump(inspect.ClientToServer, t.client, t.server)
	}
	back.Wait()
	t.over()
}

// over ends a tunnel of which both directions did.
func (t *tunnel) over() {
	end := event.EndServer
	if inspect.Direction(t.first.Load()) == inspect.ClientToServer {
		end = event.EndClient
	}
	t.end(end, nil)
}

// pump carries one direction: bytes are seen, then written, and once the session
// is settled the kernel carries them.
func (t *tunnel) pump(d inspect.Direction, src, dst *leg) {
	for !t.settled.Load() || len(src.early) > 0 {
		c, n, err := src.read()
		if n > 0 {
			err = t.pass(d, dst, c[:n])
			put(c)
		}
		if err != nil {
			t.finish(d, dst, err)
			return
		}
	}
	t.spliced.Do(func() {
		t.srv.counts.spliced.Add(1)
		t.handedOver.Store(true)
	})
	t.finish(d, dst, splice(dst, src, func(n int) { t.count(d, n) }, func() { t.taken(d) }))
}

// pass has bytes seen, and writes them if they may go on.
func (t *tunnel) pass(d inspect.Direction, dst *leg, b []byte) error {
	if err := t.see(d, b); err != nil {
		return err
	}
	return t.write(d, dst, b)
}

func (t *tunnel) write(d inspect.Direction, dst *leg, b []byte) error {
	t.count(d, len(b))
	if d == inspect.ServerToClient && !t.answered.Load() {
		t.answered.Store(true)
	}
	_, err := dst.conn.Write(b)
	t.taken(d)
	return err
}

// finish ends a direction. An end in order is passed on, and the other direction
// goes on; anything else ends both.
func (t *tunnel) finish(d inspect.Direction, dst *leg, err error) {
	switch {
	case isEnd(err):
		if t.first.CompareAndSwap(0, int32(d)) { // the second end is followed by Close
			t.half.Store(true)
			_ = dst.conn.CloseWrite() // where it is gone, the other direction will notice
		}
	case errors.Is(err, errDropped):
		t.end(event.EndDropped, nil)
	case errors.Is(err, errLate), errors.Is(err, errBehind):
		t.end(event.EndRefused, err)
	case isPast(err):
		t.paused = true // TLS is to be opened, and somebody else reads on
	default:
		t.end(blame(d, err), err)
	}
}

// blame says who broke off: of an error that is a reset, the side it came from.
func blame(d inspect.Direction, err error) string {
	if !wasReset(err) {
		return event.EndError
	}
	op, ok := errors.AsType[*net.OpError](err)
	fromClient := d == inspect.ClientToServer
	if ok && op.Op == "write" {
		fromClient = !fromClient
	}
	if fromClient {
		return event.EndClient
	}
	return event.EndServer
}
