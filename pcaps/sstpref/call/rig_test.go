package call_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// start is when calls are made; nothing depends on the date.
var start = time.Date(2024, 4, 23, 0, 0, 0, 0, time.UTC)

// distinct are timers that tell which one runs.
var distinct = call.Timers{
	Negotiation: 60 * time.Second,
	Hello:       61 * time.Second,
	Abort1:      3 * time.Second,
	Abort2:      1 * time.Second,
	Disconnect1: 5 * time.Second,
	Disconnect2: 2 * time.Second,
}

var (
	certificate = []byte("a certificate in DER")
	serverNonce = bytes.Repeat([]byte{0x5a}, sstp.NonceLen)
	testHLAK    = sstp.NewHLAK([]byte("what PPP authentication has left behind"))
)

// A rig is a call with what it has sent and told.
type rig struct {
	*call.Call
	t      *testing.T
	now    time.Time
	sent   []sstp.Packet
	types  []sstp.MessageType
	events []call.Event
}

// newRig makes a call; edit changes its configuration.
func newRig(t *testing.T, role call.Role, edit ...func(*call.Config)) *rig {
	t.Helper()
	r := &rig{t: t, now: start}
	cfg := call.Config{
		Role:        role,
		Timers:      distinct,
		Certificate: certificate,
		Rand:        bytes.NewReader(serverNonce),
		Send: func(typ sstp.MessageType, p sstp.Packet) {
			r.types, r.sent = append(r.types, typ), append(r.sent, p)
		},
		Event: func(e call.Event) { r.events = append(r.events, e) },
	}
	for _, f := range edit {
		f(&cfg)
	}
	c, err := call.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Call = c
	return r
}

// clear forgets what was sent and told.
func (r *rig) clear() { r.sent, r.types, r.events = nil, nil, nil }

// pass lets time pass, and what is due happen.
func (r *rig) pass(d time.Duration) {
	end := r.now.Add(d)
	for at, ok := r.Deadline(); ok && !at.After(end); at, ok = r.Deadline() {
		r.now = at
		r.Expire(at)
	}
	r.now = end
}

func (r *rig) receive(m sstp.Message) { r.Receive(r.now, sstp.NewControlMessage(m).Packet()) }

// told names what was sent, in order.
func (r *rig) told() string {
	names := make([]string, 0, len(r.types))
	for _, t := range r.types {
		names = append(names, t.String())
	}
	return strings.Join(names, " ")
}

// timer names the timer that runs, by its distinct length.
func (r *rig) timer() string {
	at, ok := r.Deadline()
	if !ok {
		return ""
	}
	switch left := at.Sub(r.now); left {
	case distinct.Negotiation:
		return "negotiation"
	case distinct.Hello:
		return "hello"
	case distinct.Abort1:
		return "abort1"
	case distinct.Abort2:
		return "abort2"
	case distinct.Disconnect1:
		return "disconnect1"
	case distinct.Disconnect2:
		return "disconnect2"
	default:
		return "left:" + left.String()
	}
}

// last returns the last message that was sent.
func (r *rig) last() sstp.Message {
	r.t.Helper()
	if len(r.sent) == 0 {
		r.t.Fatal("nothing was sent")
	}
	cm, err := r.sent[len(r.sent)-1].ControlMessage()
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := cm.Message()
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// abortInfo returns what the last message, a Call Abort, says: "status (attribute)".
func (r *rig) abortInfo() string {
	r.t.Helper()
	abort, ok := r.last().(sstp.CallAbort)
	switch {
	case !ok:
		return "no abort but " + r.last().Type().String()
	case abort.StatusInfo == nil:
		return "none"
	}
	return fmt.Sprintf("%v (%v)", abort.StatusInfo.Status, abort.StatusInfo.AttribID)
}

func (r *rig) callErr() *call.Error {
	r.t.Helper()
	return asCallError(r.t, r.Err())
}

func asCallError(t *testing.T, err error) *call.Error {
	t.Helper()
	e, ok := errors.AsType[*call.Error](err)
	if !ok {
		t.Fatalf("error %v, want a *call.Error", err)
	}
	return e
}

// kinds returns the kinds of events but EventState.
func (r *rig) kinds() []call.EventKind {
	var kinds []call.EventKind
	for _, e := range r.events {
		if e.Kind != call.EventState {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

// path returns the states that were entered.
func (r *rig) path() string {
	var names []string
	for _, e := range r.events {
		if e.Kind == call.EventState {
			names = append(names, e.To.String())
		}
	}
	return strings.Join(names, " ")
}

// reach brings a new call into a state, in the shortest way, and forgets how.
func reach(t *testing.T, role call.Role, state call.State, edit ...func(*call.Config)) *rig {
	t.Helper()
	r := newRig(t, role, edit...)
	up := func() {
		r.Open(r.now)
		if role == call.Client {
			r.receive(ack(sstp.HashProtocolSHA256))
			r.Authenticated(r.now, testHLAK)
		} else {
			r.receive(request())
			r.Authenticated(r.now, testHLAK)
			r.Receive(r.now, connectedPacket(t, sstp.HashProtocolSHA256, nil))
		}
	}
	switch state {
	case call.ClientCallDisconnected, call.ServerCallDisconnected:
	case call.ClientConnectRequestSent, call.ServerConnectRequestPending:
		r.Open(r.now)
	case call.ClientConnectAckReceived:
		r.Open(r.now)
		r.receive(ack(sstp.HashProtocolSHA256))
	case call.ServerCallConnectedPending:
		r.Open(r.now)
		r.receive(request())
	case call.ClientCallConnected, call.ServerCallConnected:
		up()
	case call.CallAbortPending:
		up()
		r.Abort(r.now, sstp.StatusUnacceptedFrameReceived)
	case call.CallAbortTimeoutPending:
		up()
		r.receive(sstp.CallAbort{})
	case call.CallDisconnectAckPending:
		up()
		r.Disconnect(r.now)
	case call.CallDisconnectTimeoutPending:
		up()
		r.receive(sstp.CallDisconnect{})
	default:
		t.Fatalf("%v is never where a call stays", state)
	}
	if r.State() != state {
		t.Fatalf("brought into %v, want %v", r.State(), state)
	}
	r.clear()
	return r
}

// statesOf lists the states in which a call stays.
func statesOf(role call.Role) []call.State {
	first := call.ClientCallDisconnected
	if role == call.Server {
		first = call.ServerCallDisconnected
	}
	return []call.State{
		first, first + 1, first + 2, first + 3,
		call.CallAbortPending, call.CallAbortTimeoutPending,
		call.CallDisconnectAckPending, call.CallDisconnectTimeoutPending,
	}
}

func request() sstp.CallConnectRequest {
	return sstp.CallConnectRequest{EncapsulatedProtocolID: sstp.EncapsulatedProtocolPPP}
}

func ack(h sstp.HashProtocol) sstp.CallConnectAck {
	return sstp.CallConnectAck{CryptoBindingRequest: sstp.CryptoBindingRequest{
		HashProtocolBitmask: h, Nonce: [sstp.NonceLen]byte(serverNonce),
	}}
}

func nak() sstp.CallConnectNak {
	return sstp.CallConnectNak{StatusInfo: []sstp.StatusInfo{{
		AttribID:    sstp.AttributeEncapsulatedProtocolID,
		Status:      sstp.StatusValueNotSupported,
		AttribValue: []byte{0, 1},
	}}}
}

// connectedPacket makes a Call Connected that the rig's server accepts, but for
// what edit does to it; the Compound MAC is made last.
func connectedPacket(t *testing.T, h sstp.HashProtocol, edit func(*sstp.CryptoBinding, *sstp.ControlMessage)) sstp.Packet {
	t.Helper()
	b := sstp.CryptoBinding{HashProtocol: h, Nonce: [sstp.NonceLen]byte(serverNonce)}
	b.CertHash, _ = sstp.CertHash(h, certificate)
	if edit == nil {
		edit = func(*sstp.CryptoBinding, *sstp.ControlMessage) {}
	}
	edit(&b, nil)
	if b.CompoundMAC == nil {
		p := sstp.NewControlMessage(sstp.CallConnected{CryptoBinding: b}).Packet()
		b.CompoundMAC, _ = testHLAK.CompoundMAC([sstp.CallConnectedLen]byte(p.Append(nil)))
	}
	cm := sstp.NewControlMessage(sstp.CallConnected{CryptoBinding: b})
	edit(nil, &cm)
	return cm.Packet()
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// packet reads the one packet in b.
func packet(t *testing.T, b []byte) sstp.Packet {
	t.Helper()
	p, n, err := sstp.ParsePacket(b)
	if err != nil || n != len(b) {
		t.Fatalf("ParsePacket took %d of %d bytes: %v", n, len(b), err)
	}
	return p
}

func TestStates(t *testing.T) {
	for _, role := range []call.Role{call.Client, call.Server} {
		for _, state := range statesOf(role) {
			r := reach(t, role, state)
			if got, want := r.State().Ending(), state >= call.CallAbortInProgress1; got != want {
				t.Errorf("%v.Ending() = %v, want %v", state, got, want)
			}
			if got, want := r.State().Connected(), strings.HasSuffix(state.String(), "call_connected"); got != want {
				t.Errorf("%v.Connected() = %v, want %v", state, got, want)
			}
			if got, want := r.State().Disconnected(), strings.HasSuffix(state.String(), "call_disconnected"); got != want {
				t.Errorf("%v.Disconnected() = %v, want %v", state, got, want)
			}
		}
	}
	var names []string
	for s := call.ClientCallDisconnected; s <= call.CallDisconnectTimeoutPending; s++ {
		names = append(names, s.String())
	}
	if slices.Sort(names); len(slices.Compact(names)) != 16 {
		t.Errorf("states have %d names, want 16", len(names))
	}
	for got, want := range map[fmt.Stringer]string{
		call.State(0): "state 0", call.State(99): "state 99", call.CallAbortPending: "call_abort_pending",
		call.Client: "client", call.Server: "server", call.Role(7): "role 7",
	} {
		if got.String() != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	}
}
