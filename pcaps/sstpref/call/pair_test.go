package call_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// latency is how long a packet travels in a [world].
const latency = 10 * time.Millisecond

// A world is a client and a server with a connection between them, on a clock of
// its own. PPP authentication takes a second from when the server starts PPP.
type world struct {
	t      *testing.T
	now    time.Time
	client *end
	server *end
	todo   []task
}

// A task happens at its time, after those of the same time that came before.
type task struct {
	at time.Time
	do func()
}

// An end is one call in a world.
type end struct {
	*call.Call
	w         *world
	peer      *end
	types     []string
	path      []string
	closedAt  time.Duration // after the start
	dead      bool
	dieBefore sstp.MessageType // it dies when it should send this
}

func newWorld(t *testing.T, edit ...func(client, server *call.Config)) *world {
	t.Helper()
	w := &world{t: t, now: start}
	var client, server call.Config
	for _, f := range edit {
		f(&client, &server)
	}
	w.client, w.server = &end{w: w}, &end{w: w}
	w.client.peer, w.server.peer = w.server, w.client
	w.client.make(client, call.Client)
	w.server.make(server, call.Server)
	w.at(0, func() { w.server.Open(w.now) })
	w.at(0, func() { w.client.open() })
	return w
}

func (e *end) make(cfg call.Config, role call.Role) {
	cfg.Role, cfg.Certificate = role, certificate
	cfg.Send = e.send
	cfg.Event = e.event
	c, err := call.New(cfg)
	if err != nil {
		e.w.t.Fatal(err)
	}
	e.Call = c
}

func (e *end) open() {
	if !e.dead {
		e.Open(e.w.now)
	}
}

func (e *end) send(t sstp.MessageType, p sstp.Packet) {
	if t == e.dieBefore {
		e.dead = true
	}
	if e.dead {
		return
	}
	e.types = append(e.types, t.String())
	e.toPeer(func() { e.peer.Receive(e.w.now, p) })
}

// toPeer has do happen at the other end, unless that is dead by then.
func (e *end) toPeer(do func()) {
	e.w.after(latency, func() {
		if !e.peer.dead {
			do()
		}
	})
}

func (e *end) event(ev call.Event) {
	if e.dead {
		return
	}
	switch ev.Kind {
	case call.EventState:
		e.path = append(e.path, ev.To.String())
	case call.EventClosed:
		e.closedAt = e.w.now.Sub(start)
		e.toPeer(func() { e.peer.TransportClosed(e.w.now, io.EOF) })
	case call.EventStartPPP:
		if e == e.w.server {
			e.w.after(time.Second, e.w.authenticate)
		}
	default:
	}
}

func (e *end) callErr() *call.Error { return asCallError(e.w.t, e.Err()) }

func (w *world) authenticate() {
	if w.server.dead || w.client.dead {
		return
	}
	w.server.Authenticated(w.now, testHLAK)
	w.server.toPeer(func() {
		if w.client.Data(w.now, true) {
			w.client.Authenticated(w.now, testHLAK)
		}
	})
}

// at has do happen at a time after the start.
func (w *world) at(d time.Duration, do func()) { w.todo = append(w.todo, task{start.Add(d), do}) }

func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d).Sub(start), do) }

// run lets everything happen until a time, or until nothing more can.
func (w *world) run(until time.Duration) {
	last := start.Add(until)
	for range 10000 {
		slices.SortStableFunc(w.todo, func(a, b task) int { return a.at.Compare(b.at) })
		next, who := last.Add(1), (*end)(nil)
		if len(w.todo) > 0 {
			next = w.todo[0].at
		}
		for _, e := range []*end{w.client, w.server} {
			if at, ok := e.Deadline(); ok && !e.dead && at.Before(next) {
				next, who = at, e
			}
		}
		if next.After(last) {
			w.now = last
			return
		}
		w.now = next
		if who != nil {
			who.Expire(w.now)
			continue
		}
		do := w.todo[0].do
		w.todo = w.todo[1:]
		do()
	}
	w.t.Fatal("it goes on for ever")
}

const forever = 24 * time.Hour

// TestPair is a call from its start to its end (MS-SSTP 4.3, 4.4).
func TestPair(t *testing.T) {
	for _, h := range []sstp.HashProtocol{0, sstp.HashProtocolSHA1, sstp.HashProtocolSHA256} {
		for _, hangsUp := range []call.Role{call.Client, call.Server} {
			t.Run(fmt.Sprintf("%v/%v", h, hangsUp), func(t *testing.T) {
				w := newWorld(t, func(_, server *call.Config) { server.HashProtocols = h })
				first, second := w.client, w.server
				if hangsUp == call.Server {
					first, second = w.server, w.client
				}
				w.run(200 * time.Second)
				if w.client.State() != call.ClientCallConnected || w.server.State() != call.ServerCallConnected {
					t.Fatalf("client %v (%v), server %v (%v)", w.client.State(), w.client.Err(), w.server.State(), w.server.Err())
				}
				w.at(200*time.Second, func() { first.Disconnect(w.now) })
				w.run(forever)
				// Three Echo Requests kept the call alive. Whoever was asked was the
				// first to hear of the other, and asks next.
				want := map[*end]string{
					w.client: "call_connect_request call_connected echo_request echo_response echo_request",
					w.server: "call_connect_ack echo_response echo_request echo_response",
				}
				want[first] += " call_disconnect"
				want[second] += " call_disconnect_ack"
				for _, e := range []*end{w.client, w.server} {
					if got := strings.Join(e.types, " "); got != want[e] {
						t.Errorf("%v sent %q, want %q", e.State(), got, want[e])
					}
					if ce := e.callErr(); !ce.Wanted() || ce.Remote != (e == second) {
						t.Errorf("%v ended with %v", e.State(), ce)
					}
				}
				if first.closedAt != 200*time.Second+2*latency || second.closedAt != 200*time.Second+3*latency {
					t.Errorf("closed after %v and %v", first.closedAt, second.closedAt)
				}
			})
		}
	}
}

// TestPeerDies: one end stops at some step while the connection stays up. Which
// timer ends the call at the other end, when, and what that has said by then.
func TestPeerDies(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	client := func(w *world) *end { return w.client }
	server := func(w *world) *end { return w.server }
	before := func(who func(*world) *end, m sstp.MessageType) func(*world) {
		return func(w *world) { who(w).dieBefore = m }
	}
	at := func(who func(*world) *end, d time.Duration) func(*world) {
		return func(w *world) { w.at(d, func() { who(w).dead = true }) }
	}
	do := func(f func(w *world), more func(*world)) func(*world) {
		return func(w *world) {
			w.at(10*s, func() { f(w) })
			more(w)
		}
	}
	disconnect := func(who func(*world) *end) func(*world) { return func(w *world) { who(w).Disconnect(w.now) } }
	abort := func(who func(*world) *end) func(*world) {
		return func(w *world) { who(w).Abort(w.now, sstp.StatusInvalidFrameReceived) }
	}
	noEcho := func(c, s *call.Config) { c.Timers.Hello, s.Timers.Hello = -1, -1 }
	tests := []struct {
		name     string
		setup    func(*world)
		edit     func(client, server *call.Config)
		survivor func(*world) *end
		closed   time.Duration
		sent     string
		op       call.Op
		err      error
	}{
		{
			"client, before it asks", before(client, sstp.MessageCallConnectRequest), nil,
			server, 60 * s, "", call.OpClose, call.ErrNegotiationTimeout,
		},
		{
			"server, before it answers", before(server, sstp.MessageCallConnectAck), nil,
			client, 63 * s, "call_connect_request call_abort", call.OpAbort, call.ErrNegotiationTimeout,
		},
		{
			"server, after one refusal", func(w *world) { w.at(15*ms, func() { w.server.dead = true }) },
			func(_, server *call.Config) { server.Faults.Nak = true },
			client, 63*s + 20*ms, "call_connect_request call_connect_request call_abort", call.OpAbort, call.ErrNegotiationTimeout,
		},
		{
			"client, after one refusal", at(client, 15*ms),
			func(_, server *call.Config) { server.Faults.Nak = true },
			server, 60 * s, "call_connect_nak", call.OpClose, call.ErrNegotiationTimeout,
		},
		{
			"server, while PPP authenticates", at(server, 500*ms), nil,
			client, 63*s + 20*ms, "call_connect_request call_abort", call.OpAbort, call.ErrNegotiationTimeout,
		},
		{
			"client, while PPP authenticates", at(client, 500*ms), nil,
			server, 63*s + 10*ms, "call_connect_ack call_abort", call.OpAbort, call.ErrNegotiationTimeout,
		},
		{
			"client, before it confirms", before(client, sstp.MessageCallConnected), nil,
			server, 63*s + 10*ms, "call_connect_ack call_abort", call.OpAbort, call.ErrNegotiationTimeout,
		},
		{
			"server, before Call Connected is there", at(server, 1025*ms), nil,
			client, 121*s + 20*ms, "call_connect_request call_connected echo_request", call.OpClose, call.ErrSilent,
		},
		{
			"client, connected", at(client, 10*s), nil,
			server, 121*s + 30*ms, "call_connect_ack echo_request", call.OpClose, call.ErrSilent,
		},
		{
			"server, connected", at(server, 10*s), nil,
			client, 121*s + 20*ms, "call_connect_request call_connected echo_request", call.OpClose, call.ErrSilent,
		},
		{
			"server, before it answers an echo", before(server, sstp.MessageEchoResponse), nil,
			client, 121*s + 20*ms, "call_connect_request call_connected echo_request", call.OpClose, call.ErrSilent,
		},
		{
			"server, before it acknowledges", do(disconnect(client), before(server, sstp.MessageCallDisconnectAck)), noEcho,
			client, 15 * s, "call_connect_request call_connected call_disconnect", call.OpDisconnect, nil,
		},
		{
			"client, before it acknowledges", do(disconnect(server), before(client, sstp.MessageCallDisconnectAck)), noEcho,
			server, 15 * s, "call_connect_ack call_disconnect", call.OpDisconnect, nil,
		},
		{
			"client, once it has disconnected", do(disconnect(client), at(client, 10*s+5*ms)), noEcho,
			server, 11*s + 10*ms, "call_connect_ack call_disconnect_ack", call.OpDisconnect, nil,
		},
		{
			"server, before it answers an abort", do(abort(client), before(server, sstp.MessageCallAbort)), noEcho,
			client, 13 * s, "call_connect_request call_connected call_abort", call.OpAbort, nil,
		},
		{
			"client, before it answers an abort", do(abort(server), before(client, sstp.MessageCallAbort)), noEcho,
			server, 13 * s, "call_connect_ack call_abort", call.OpAbort, nil,
		},
		{
			"server, once it has aborted", do(abort(server), at(server, 10*s+5*ms)), noEcho,
			client, 11*s + 10*ms, "call_connect_request call_connected call_abort", call.OpAbort, nil,
		},
		{
			"server, once it has answered an abort", do(abort(client), at(server, 10*s+15*ms)), noEcho,
			client, 11*s + 20*ms, "call_connect_request call_connected call_abort", call.OpAbort, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			edit := tt.edit
			if edit == nil {
				edit = func(*call.Config, *call.Config) {}
			}
			w := newWorld(t, edit)
			tt.setup(w)
			w.run(forever)
			e := tt.survivor(w)
			if got := strings.Join(e.types, " "); got != tt.sent || e.closedAt != tt.closed || !e.State().Disconnected() {
				t.Errorf("%v, sent %q, closed after %v, want %q, %v", e.State(), got, e.closedAt, tt.sent, tt.closed)
			}
			if ce := e.callErr(); ce.Op != tt.op || tt.err != nil && !errors.Is(ce, tt.err) {
				t.Errorf("error %+v, want op %v, %v", ce, tt.op, tt.err)
			}
		})
	}
}

// TestCollision: both ends act before they have heard of each other (MS-SSTP
// 3.1.1.1, 3.1.2.1).
func TestCollision(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	disconnect := func(e *end) { e.Disconnect(e.w.now) }
	abort := func(e *end) { e.Abort(e.w.now, sstp.StatusInvalidFrameReceived) }
	nothing := func(*end) {}
	type outcome struct {
		path   string // from the collision on
		sent   string // likewise
		closed time.Duration
	}
	abortedBoth := outcome{
		"call_abort_in_progress_1 call_abort_pending call_abort_timeout_pending",
		"call_abort", 11*s + 10*ms,
	}
	disconnectedBoth := outcome{
		"call_disconnect_in_progress_1 call_disconnect_ack_pending call_disconnect_in_progress_2 call_disconnect_timeout_pending",
		"call_disconnect call_disconnect_ack", 11*s + 10*ms,
	}
	disconnectedAborted := outcome{
		"call_disconnect_in_progress_1 call_disconnect_ack_pending call_abort_in_progress_2 call_abort_timeout_pending",
		"call_disconnect call_abort", 11*s + 10*ms,
	}
	aborting := outcome{abortedBoth.path, "call_abort", 11*s + 20*ms}
	tests := []struct {
		name           string
		at             time.Duration // when the server acts
		client, server func(*end)
		wantC, wantS   outcome
	}{
		{"abort, abort", 10 * s, abort, abort, abortedBoth, abortedBoth},
		{"disconnect, disconnect", 10 * s, disconnect, disconnect, disconnectedBoth, disconnectedBoth},
		{"disconnect, abort", 10 * s, disconnect, abort, disconnectedAborted, aborting},
		{"abort, disconnect", 10 * s, abort, disconnect, aborting, disconnectedAborted},
		{
			"Call Connected, disconnect", 1015 * ms, nothing, disconnect,
			outcome{"client_call_connected call_disconnect_in_progress_2 call_disconnect_timeout_pending", "call_connected call_disconnect_ack", 1045 * ms},
			outcome{"call_disconnect_in_progress_1 call_disconnect_ack_pending", "call_disconnect", 1035 * ms},
		},
		{
			"Call Connected, abort", 1015 * ms, nothing, abort,
			outcome{"client_call_connected call_abort_in_progress_2 call_abort_timeout_pending", "call_connected call_abort", 2025 * ms},
			outcome{abortedBoth.path, "call_abort", 2035 * ms},
		},
		{
			"Call Connect Request, disconnect", 5 * ms, nothing, disconnect,
			outcome{"call_disconnect_in_progress_2 call_disconnect_timeout_pending", "call_disconnect_ack", 35 * ms},
			outcome{"call_disconnect_in_progress_1 call_disconnect_ack_pending", "call_disconnect", 25 * ms},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.run(tt.at - 1)
			from := map[*end][2]int{}
			for _, e := range []*end{w.client, w.server} {
				from[e] = [2]int{len(e.path), len(e.types)}
			}
			w.at(tt.at, func() {
				tt.client(w.client)
				tt.server(w.server)
			})
			w.run(forever)
			for e, want := range map[*end]outcome{w.client: tt.wantC, w.server: tt.wantS} {
				path := e.path[from[e][0] : len(e.path)-1] // the last is Disconnected
				got := outcome{strings.Join(path, " "), strings.Join(e.types[from[e][1]:], " "), e.closedAt}
				if got != want || !e.State().Disconnected() {
					t.Errorf("%v:\n%+v, want\n%+v", e.State(), got, want)
				}
			}
		})
	}
}

// TestEndsSoon: however the ends disconnect and abort, both are closed after the
// longest of the timers, and neither has said more than it must.
func TestEndsSoon(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		w := newWorld(t)
		var log []string
		first := forever
		for range 1 + random.IntN(4) {
			at := time.Duration(random.Int64N(int64(1100 * time.Millisecond)))
			first = min(first, at)
			e, abort := w.client, random.IntN(2) == 0
			if random.IntN(2) == 0 {
				e = w.server
			}
			log = append(log, fmt.Sprint(at, e == w.client, abort))
			w.at(at, func() {
				if abort {
					e.Abort(w.now, sstp.StatusInvalidFrameReceived)
				} else {
					e.Disconnect(w.now)
				}
			})
		}
		w.run(forever)
		for _, e := range []*end{w.client, w.server} {
			if e.closedAt == 0 || e.closedAt > first+6*time.Second || len(e.types) > 5 {
				t.Fatalf("%v: %v, closed after %v, sent %v", log, e.State(), e.closedAt, e.types)
			}
		}
	}
}
