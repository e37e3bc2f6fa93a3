package proxy

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"sstpwarden/inspect"
	"sstpwarden/inspect/httphead"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// A session is one connection of a client: what was seen of it, what the policy
// says, and how it ends. Its methods may be called from both directions at once.
type session struct {
	srv *Server

	mu       sync.Mutex
	flow     *inspect.Flow
	opened   bool // what comes is the plaintext of opened TLS
	gate     policies.State
	connect  bool // the policy was asked at that stage
	hello    bool
	info     event.Flow // but for the Observation and the Detection
	proxy    event.Proxy
	decision policies.Decision
	told     bool
	ended    bool
	began    bool // of a tunnel's first bytes some were written
	late     bool // because a ClientHello among them did not come to its end
	opening  bool // its TLS is to be opened
	noted    bool // the Detection changed, and the policy was not asked
	closers  []func(reset bool)
	outbox   outbox

	// settled says that the bytes need not be looked at any more.
	settled    atomic.Bool
	handedOver atomic.Bool // the kernel carries them
	// active is when something last went through, in the Server's seconds, and
	// blocked[d] since when something waits to be taken; 0 where nothing does.
	active  atomic.Int64
	blocked [2]atomic.Int64
	half    atomic.Bool // one direction of a tunnel has ended
	traffic [2]atomic.Uint64
}

// open begins a session. Server is the other end as the client sees it: of a
// transparent connection the server, else the proxy.
func (s *Server) open(mode string, client, server netip.AddrPort) *session {
	now := s.now()
	key := inspect.FlowKey{Client: plainAddr(client), Server: plainAddr(server)}
	k := &session{
		srv:   s,
		flow:  s.config.Inspector().Open(key, now),
		info:  event.Flow{Key: key, Start: now, Last: now},
		proxy: event.Proxy{Mode: mode},
	}
	k.active.Store(s.clock.Load())
	if !s.sessions.add(k) {
		k.end(event.EndStopped, nil)
	}
	return k
}

// cleared says that what was seen so far speaks against SSTP for good.
func (k *session) cleared() bool {
	if k.settled.Load() {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.flow.Detection().Verdict == inspect.VerdictCleared
}

// restart inspects anew, from a request on. Ordinary requests clear a connection
// to a server; to a proxy anything may follow them.
func (k *session) restart(head *httphead.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flow = k.srv.config.Inspector().Open(k.info.Key, k.srv.now())
	k.gate = policies.State{}
	k.connect, k.hello, k.opening = false, false, false
	k.settled.Store(false)
	k.noted = k.observe(inspect.ClientToServer, []byte(head.Raw))
}

func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// see shows bytes to the inspector, and asks the policy where there is something
// new. The error is why they may not go on.
func (k *session) see(d inspect.Direction, b []byte) error {
	if k.settled.Load() {
		return nil
	}
	k.mu.Lock()
	defer k.unlock()
	return k.judge(k.observe(d, b))
}

// note shows bytes to the inspector, and leaves the policy to a later judgement.
func (k *session) note(d inspect.Direction, b []byte) {
	if k.settled.Load() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dropped() && k.flow.Observation().Connect == nil {
		return // that a request was refused is our own doing
	}
	if k.observe(d, b) {
		k.noted = true
	}
}

func (k *session) observe(d inspect.Direction, b []byte) (changed bool) {
	k.info.Last = k.srv.now()
	s := inspect.Segment{Direction: d, Time: k.info.Last, Data: b}
	if k.opened {
		return k.flow.FeedOpened(s)
	}
	return k.flow.Feed(s)
}

// eventFlow is the session as the policy and events are told of it.
func (k *session) eventFlow() *event.Flow {
	k.info.ToServer.Bytes, k.info.ToClient.Bytes = k.traffic[0].Load(), k.traffic[1].Load()
	k.info.Proxy = &k.proxy
	return &k.info
}

// count counts bytes that are about to be written.
func (k *session) count(d inspect.Direction, n int) {
	i := index(d)
	k.traffic[i].Add(uint64(n))
	if i == 0 {
		k.srv.counts.bytesToServer.Add(uint64(n))
	} else {
		k.srv.counts.bytesToClient.Add(uint64(n))
	}
	now := k.srv.clock.Load()
	k.active.Store(now)
	k.blocked[i].Store(now)
}

// taken says that what was counted was written.
func (k *session) taken(d inspect.Direction) {
	k.blocked[index(d)].Store(0)
	k.active.Store(k.srv.clock.Load())
}

func index(d inspect.Direction) int {
	if d == inspect.ClientToServer {
		return 0
	}
	return 1
}

// closes has f called when the session ends, or at once if it did.
func (k *session) closes(f func(reset bool)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended {
		f(false)
		return
	}
	k.closers = append(k.closers, f)
}

// end ends the session, once: the first cause counts.
func (k *session) end(how string, err error) {
	k.cut(how, err)
	k.flush()
}

// cut is end for who must not wait for those that take events: the session's own
// goroutine tells of it.
func (k *session) cut(how string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended {
		return
	}
	k.ended = true
	k.proxy.End = how
	if err != nil {
		k.proxy.Error = err.Error()
	}
	reset := how == event.EndDropped && k.decision.Reset || wasReset(err)
	for _, f := range k.closers {
		f(reset)
	}
	k.closers = nil
	k.srv.sessions.remove(k)
	k.closed()
}

// closed counts, logs and tells of a session that ended.
func (k *session) closed() {
	s := k.srv
	s.drops(k)
	if k.told || k.decision.Action == policies.ActionLog || k.decision.Action == policies.ActionDrop {
		k.tell(event.StateClosed)
	}
	s.log.ended(k.proxy.End, k.described)
}

// described is the session as the log tells of it.
func (k *session) described() []any {
	args := []any{
		"client", k.info.Key.Client, "mode", k.proxy.Mode, "end", k.proxy.End,
		"bytes_toserver", k.traffic[0].Load(), "bytes_toclient", k.traffic[1].Load(),
	}
	if c := k.flow.Observation().Connect; c != nil {
		args = append(args, "target", event.Printable(c.Request.Target))
	} else if k.proxy.Mode != event.ModeExplicit {
		args = append(args, "server", k.info.Key.Server)
	}
	if k.info.User != "" {
		args = append(args, "user", k.info.User)
	}
	if k.proxy.Error != "" {
		args = append(args, "err", k.proxy.Error)
	}
	return args
}

// drops counts what the policy did, and bans.
func (s *Server) drops(k *session) {
	switch {
	case k.decision.Action != policies.ActionDrop:
	case k.decision.DryRun:
		s.counts.wouldDrop.Add(1)
	default:
		s.counts.dropped.Add(1)
		if k.decision.Ban > 0 && k.proxy.Mode != event.ModeExplicit && k.flow.Observation().Connect == nil {
			s.bans.add(k.info.Key, k.decision.Ban, s.now())
		}
	}
}

// tell has the session's event emitted.
func (k *session) tell(state string) {
	k.info.State = state
	k.info.Observation, k.info.Detection = k.flow.Observation(), k.flow.Detection()
	if state == event.StateClosed {
		k.info.Last = k.srv.now()
	}
	k.proxy.Spliced = k.handedOver.Load()
	e := event.New(k.eventFlow())
	e.Decision = k.decision.Event(policies.PointProxy)
	k.outbox.waiting = append(k.outbox.waiting, e)
}

// closer ends a connection, by a reset if that is asked for.
func closer(conn net.Conn) func(reset bool) {
	return func(reset bool) {
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}
