package proxy

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"sstpwarden/policies/event"
)

// A Server is the proxy. Make one with New.
type Server struct {
	config   Config
	log      *limitedLog
	httpLog  *log.Logger // of net/http
	counts   counters
	sessions registry
	bans     bans
	plain    *plainHTTP // what serves ordinary requests

	clock    atomic.Int64 // seconds since start, for timeouts
	running  sync.WaitGroup
	stopping context.Context // done when no more requests are to be taken
}

// New makes a Server.
func New(c Config) *Server {
	c.Timeouts = c.Timeouts.withDefaults()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Emit == nil {
		c.Emit = func(*event.Event) {}
	}
	s := &Server{config: c, log: &limitedLog{log: c.Log}}
	s.httpLog = s.log.httpLog()
	s.clock.Store(1) // 0 stands for never
	s.plain = newPlainHTTP(s)
	return s
}

func (s *Server) now() time.Time { return time.Now() }

// Serve serves the clients of all listeners until ctx is done. Then it takes those
// that the kernel has accepted already and no more, closes the listeners, lets who is
// there go on for as long as stop is not done, and ends them. The error is a
// listener's.
func (s *Server) Serve(ctx, stop context.Context, listeners ...Listener) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var janitor sync.WaitGroup
	janitor.Go(func() { s.watch(background) })
	defer janitor.Wait()
	defer cancel()

	accepting, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	s.stopping = accepting
	var loops sync.WaitGroup
	for _, l := range listeners {
		defer context.AfterFunc(accepting, l.wake)()
		loops.Go(func() {
			if err := s.accept(background, accepting, stop, l); err != nil {
				fail(err)
			}
			_ = l.Close()
		})
	}
	loops.Wait()
	failed := context.Cause(accepting)
	if ctx.Err() != nil {
		failed = nil
	}

	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-stop.Done():
	}
	s.sessions.close()
	for _, k := range s.sessions.list() {
		k.end(event.EndStopped, nil)
	}
	cancel()
	<-done
	return failed
}

// accept takes connections until accepting is done, and then those that wait.
func (s *Server) accept(ctx, accepting, stop context.Context, l Listener) error {
	var pause time.Duration
	for accepting.Err() == nil || stop.Err() == nil && l.waiting() {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.running.Go(func() { s.serve(ctx, conn.(*net.TCPConn), l.Mode) })
		case errors.Is(err, os.ErrDeadlineExceeded): // that of wake
			l.rest()
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			// Of memory or descriptors there may be more in a moment.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.warn("accept", "accepting a connection", "err", err)
			time.Sleep(pause)
		}
	}
	return nil
}

// serve serves one connection of a client.
func (s *Server) serve(ctx context.Context, conn *net.TCPConn, mode string) {
	defer func() { _ = conn.Close() }()
	client := remote(conn)
	if !s.config.Clients.Contains(client.Addr()) {
		s.counts.refusedClient.Add(1)
		s.log.refuse("client", "client is in none of the networks that may use the proxy", "client", client)
		return
	}
	release, err := s.config.Limiter.Acquire(client.Addr())
	if err != nil {
		s.counts.refusedLimit.Add(1)
		s.log.refuse("limit", "too many connections", "client", client, "err", err)
		return
	}
	defer release()
	s.counts.active.Add(1)
	defer s.counts.active.Add(-1)
	_ = conn.SetKeepAliveConfig(keepAlive)
	if mode == event.ModeExplicit {
		s.counts.explicit.Add(1)
		s.explicit(ctx, conn, client)
		return
	}
	s.counts.transparent.Add(1)
	s.transparent(ctx, conn, client, mode)
}

func remote(conn net.Conn) netip.AddrPort {
	a, _ := conn.RemoteAddr().(*net.TCPAddr)
	if a == nil {
		return netip.AddrPort{}
	}
	return plainAddr(a.AddrPort())
}

func local(conn net.Conn) netip.AddrPort {
	a, _ := conn.LocalAddr().(*net.TCPAddr)
	if a == nil {
		return netip.AddrPort{}
	}
	return plainAddr(a.AddrPort())
}

// watch ends what carries nothing, or what nobody takes, for too long.
func (s *Server) watch(ctx context.Context) {
	const tick = time.Second
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	idle, stall := int64(s.config.Timeouts.Idle/tick), int64(s.config.Timeouts.Stall/tick)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := s.clock.Add(1)
		s.bans.expire(s.now())
		for _, k := range s.sessions.list() {
			k.check(now, idle, stall)
		}
	}
}

// halfClosed is how long a tunnel may carry nothing of which one direction has
// ended: most often the other side just did not notice.
const halfClosed = 10 * time.Minute

var (
	errIdle    = errors.New("nothing came from either side for too long")
	errStalled = errors.New("a side took nothing of what was there for too long")
)

func (k *session) check(now, idle, stall int64) {
	for i := range k.blocked {
		if since := k.blocked[i].Load(); since != 0 && now-since > stall {
			k.srv.counts.stalled.Add(1)
			k.cut(event.EndIdle, errStalled)
			return
		}
	}
	if k.half.Load() {
		idle = min(idle, int64(halfClosed/time.Second))
	}
	if now-k.active.Load() > idle {
		k.srv.counts.idle.Add(1)
		k.cut(event.EndIdle, errIdle)
	}
}
