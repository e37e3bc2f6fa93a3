package call_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// FuzzCall plays a script to a call: whatever a peer sends, whatever is asked of
// the call and however time goes, it stays in a state that it knows, says no more
// than one packet at a time, and nothing after its end.
func FuzzCall(f *testing.F) {
	f.Add([]byte{0, 0, opOpen, opMessage, 1, opAuthenticated, opTime, 200, opMessage, 7, opDisconnect, opMessage, 6})
	f.Add([]byte{1, 0, opOpen, opMessage, 0, opAuthenticated, opMessage, 3, opData, 0, opTime, 200, opTime, 200})
	f.Add([]byte{1, 0, opOpen, opMessage, 0, opMessage, 3, opAuthenticated, opAbort, opMessage, 4, opTime, 30})
	f.Add([]byte{1, 4, opOpen, opMessage, 0, opAuthenticated, opData, 0, opBack, 9, opTime, 250, opEnd})
	f.Add([]byte{0, 255, opOpen, opPacket, 4, 0, 8, 0, 0, opMessage, 2, opMessage, 2, opMessage, 2, opMessage, 2})
	f.Add(append([]byte{0, 0, opOpen, opPacket, 44, 0, 2, 0, 1, 0, 4, 0, 40, 0, 0, 0, 3}, serverNonce...))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) < 2 {
			return
		}
		newActor(t, script[0], script[1]).play(script[2:])
	})
}

// The steps of a script.
const (
	opOpen = iota
	opMessage
	opPacket
	opTime
	opBack
	opData
	opAuthenticated
	opDisconnect
	opAbort
	opEnd
	ops
)

// An actor plays a script and watches.
type actor struct {
	t             *testing.T
	call          *call.Call
	role          call.Role
	strict        bool
	now           time.Time
	messages      []sstp.Packet
	states        []call.State
	sent          int // in this step
	events        [call.EventClosed + 1]int
	authenticated bool
}

func newActor(t *testing.T, roleAndFaults, quirkBits byte) *actor {
	bit := func(b byte, n int) bool { return b>>n&1 != 0 }
	a := &actor{t: t, now: start, role: call.Client}
	if bit(roleAndFaults, 0) {
		a.role = call.Server
	}
	cfg := call.Config{
		Role:        a.role,
		Certificate: certificate,
		Rand:        bytes.NewReader(serverNonce),
		Send:        a.send,
		Event:       a.event,
		Faults: call.Faults{
			WrongMAC: bit(roleAndFaults, 1), Nak: bit(roleAndFaults, 2), ReservedBits: bit(roleAndFaults, 3),
			HashProtocol: sstp.HashProtocol(roleAndFaults >> 4), NeverConnected: bit(roleAndFaults, 7),
		},
		Quirks: call.Quirks{
			EarlyPPP: bit(quirkBits, 0), NoCallConnected: bit(quirkBits, 1), AcceptUnbound: bit(quirkBits, 2),
			NakShortLength: bit(quirkBits, 3), NoStatusInfo: bit(quirkBits, 4), ResendOnTimeout: bit(quirkBits, 5),
			DisconnectOnNak: bit(quirkBits, 6), IgnoreControl: bit(quirkBits, 7),
		},
	}
	if bit(quirkBits, 5) {
		cfg.Quirks.EchoInterval = func() time.Duration { return 3 * time.Second }
		cfg.Quirks.Idle = 20 * time.Second
	}
	a.strict = !cfg.Quirks.NakShortLength
	c, err := call.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a.call = c
	a.states = statesOf(a.role)
	for _, m := range []sstp.Message{
		request(), ack(sstp.HashProtocolSHA1 | sstp.HashProtocolSHA256), nak(),
		sstp.CallConnected{},
		sstp.CallAbort{},
		sstp.CallDisconnect{},
		sstp.CallDisconnectAck{},
		sstp.EchoRequest{},
		sstp.EchoResponse{},
	} {
		a.messages = append(a.messages, sstp.NewControlMessage(m).Packet())
	}
	a.messages[3] = connectedPacket(t, sstp.HashProtocolSHA256, nil)
	return a
}

func (a *actor) send(typ sstp.MessageType, p sstp.Packet) {
	a.sent++
	if a.events[call.EventClosed] > 0 {
		a.t.Fatalf("%v is sent after the end", typ)
	}
	m, err := packet(a.t, p.Append(nil)).ControlMessage()
	if err != nil || m.Type != typ {
		a.t.Fatalf("%v is sent as %v: %v", typ, m.Type, err)
	}
	// Of a Call Connected, the fault may be the hash protocol.
	if a.strict && typ != sstp.MessageCallConnected && m.Validate() != nil {
		a.t.Fatalf("%v is sent, which is invalid: %+v", typ, m)
	}
}

func (a *actor) event(e call.Event) {
	if a.events[call.EventClosed] > 0 {
		a.t.Fatalf("event %+v after the end", e)
	}
	a.events[e.Kind]++
	switch e.Kind {
	case call.EventStartPPP, call.EventConnected, call.EventEnding, call.EventClosed:
		if a.events[e.Kind] > 1 {
			a.t.Fatalf("event %+v for the second time", e)
		}
	default:
	}
	if e.Kind == call.EventEnding && (e.Err == nil || e.Err.Error() == "") {
		a.t.Fatalf("event %+v without a reason", e)
	}
	if e.Kind == call.EventRefused && len(e.StatusInfo) == 0 {
		a.t.Fatalf("event %+v without a status", e)
	}
}

func (a *actor) play(script []byte) {
	next := func() byte {
		if len(script) == 0 {
			return 0
		}
		b := script[0]
		script = script[1:]
		return b
	}
	for len(script) > 0 {
		a.sent = 0
		switch next() % ops {
		case opOpen:
			a.call.Open(a.now)
		case opMessage:
			a.call.Receive(a.now, a.messages[int(next())%len(a.messages)])
		case opPacket:
			n := min(int(next()), len(script))
			p := sstp.Packet{Control: true, Data: bytes.Clone(script[:n])}
			script = script[n:]
			a.call.Receive(a.now, p)
			clear(p.Data) // the caller's again
		case opTime:
			a.now = a.now.Add(time.Duration(next()) * 300 * time.Millisecond)
			a.call.Expire(a.now)
		case opBack:
			a.call.Data(a.now.Add(-time.Duration(next())*time.Second), false)
		case opData:
			a.call.Data(a.now, next()%2 == 0)
		case opAuthenticated:
			a.authenticated = true
			a.call.Authenticated(a.now, testHLAK)
		case opDisconnect:
			a.call.Disconnect(a.now)
		case opAbort:
			a.call.Abort(a.now, sstp.Status(next()))
		case opEnd:
			a.call.TransportClosed(a.now, errors.New("gone"))
		}
		a.check()
	}
	a.finish()
}

func (a *actor) check() {
	state := a.call.State()
	if !slices.Contains(a.states, state) {
		a.t.Fatalf("%v is no state of a %v to stay in", state, a.role)
	}
	if a.sent > 1 {
		a.t.Fatalf("%d packets at once", a.sent)
	}
	if a.call.Pending() > 0 {
		a.t.Fatalf("%d outputs are left", a.call.Pending())
	}
	if _, ok := a.call.Deadline(); ok == state.Disconnected() {
		a.t.Fatalf("%v, and a timer runs: %v", state, ok)
	}
	if ended := state.Ending() || a.events[call.EventClosed] > 0; ended != (a.call.Err() != nil) || ended != (a.events[call.EventEnding] > 0) {
		a.t.Fatalf("%v with error %v", state, a.call.Err())
	}
	if state.Connected() && (!a.authenticated || a.events[call.EventConnected] == 0) {
		a.t.Fatalf("%v without authentication", state)
	}
	if a.call.MaySend(false) != state.Connected() {
		a.t.Fatalf("%v, and data may be sent: %v", state, a.call.MaySend(false))
	}
}

// finish sees that a call that is left alone ends by itself once it is told to.
func (a *actor) finish() {
	a.call.Disconnect(a.now)
	for range 3 {
		a.now = a.now.Add(5 * time.Second)
		a.sent = 0
		a.call.Expire(a.now)
		a.check()
	}
	if !a.call.State().Disconnected() {
		a.t.Fatalf("%v 15 s after Disconnect", a.call.State())
	}
}
