package call_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// TestOpen is MS-SSTP 3.2.4.1, 3.2.2.1 and 3.3.7.2.
func TestOpen(t *testing.T) {
	tests := []struct {
		role  call.Role
		sent  string
		state call.State
	}{
		{call.Client, "call_connect_request", call.ClientConnectRequestSent},
		{call.Server, "", call.ServerConnectRequestPending},
	}
	for _, tt := range tests {
		r := newRig(t, tt.role)
		r.pass(time.Hour) // no timer runs before
		r.Open(r.now)
		r.Open(r.now) // once is enough
		if r.State() != tt.state || r.told() != tt.sent || r.timer() != "negotiation" || len(r.events) != 1 {
			t.Errorf("%v: %v, sent %q, timer %q, events %v", tt.role, r.State(), r.told(), r.timer(), r.events)
		}
	}
}

// TestAck is MS-SSTP 3.2.5.3.2.
func TestAck(t *testing.T) {
	const (
		sha1, sha256 = sstp.HashProtocolSHA1, sstp.HashProtocolSHA256
		both         = sha1 | sha256
		notInMessage = "attrib_not_supported_in_msg (status_info)"
		notSupported = "value_not_supported (crypto_binding_req)"
	)
	good := sstp.NewControlMessage(ack(sha256))
	tests := []struct {
		name  string
		can   sstp.HashProtocol
		ack   sstp.ControlMessage
		uses  sstp.HashProtocol // 0: aborts
		abort string
	}{
		{"sha256", both, good, sha256, ""},
		{"sha1", both, sstp.NewControlMessage(ack(sha1)), sha1, ""},
		{"the stronger of both", both, sstp.NewControlMessage(ack(both)), sha256, ""},
		{"both offered, one can be done", sha1, sstp.NewControlMessage(ack(both)), sha1, ""},
		{"unknown beside a known one", both, sstp.NewControlMessage(ack(0x80 | sha1)), sha1, ""},
		{"none in common", sha1, sstp.NewControlMessage(ack(sha256)), 0, notSupported},
		{"none at all", both, sstp.NewControlMessage(ack(0)), 0, notSupported},
		{"none known", both, sstp.NewControlMessage(ack(0x80)), 0, notSupported},
		{"no attribute", both, sstp.ControlMessage{Type: sstp.MessageCallConnectAck}, 0, notInMessage},
		{"too short", both, sstp.ControlMessage{
			Type: sstp.MessageCallConnectAck, NumAttributes: 1,
			Attributes: []sstp.Attribute{{ID: sstp.AttributeCryptoBindingReq, Value: make([]byte, 35)}},
		}, 0, notInMessage},
		{"fewer than announced", both, sstp.ControlMessage{Type: sstp.MessageCallConnectAck, NumAttributes: 2, Attributes: good.Attributes}, 0, "invalid_frame_received (status_info)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := reach(t, call.Client, call.ClientConnectRequestSent, func(c *call.Config) { c.HashProtocols = tt.can })
			r.now = r.now.Add(10 * time.Second)
			r.Receive(r.now, tt.ack.Packet())
			if tt.uses == 0 {
				if r.State() != call.CallAbortPending || r.timer() != "abort1" || r.abortInfo() != tt.abort {
					t.Errorf("%v, timer %q, Call Abort says %q, want %q", r.State(), r.timer(), r.abortInfo(), tt.abort)
				}
				return
			}
			if r.State() != call.ClientConnectAckReceived || r.timer() != "negotiation" || len(r.sent) > 0 ||
				!slices.Equal(r.kinds(), []call.EventKind{call.EventStartPPP}) {
				t.Fatalf("%v, timer %q, sent %q, events %v", r.State(), r.timer(), r.told(), r.kinds())
			}
			r.Authenticated(r.now, testHLAK)
			want := connectedPacket(t, tt.uses, nil)
			if diff := cmp.Diff(want, r.sent[0]); diff != "" {
				t.Errorf("Call Connected (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNak is MS-SSTP 3.2.5.3.3.
func TestNak(t *testing.T) {
	for limit, retries := range map[int]int{0: 3, 1: 1, 7: 7, -1: 0} {
		r := reach(t, call.Client, call.ClientConnectRequestSent, func(c *call.Config) { c.RetryLimit = limit })
		for range retries {
			r.now = r.now.Add(10 * time.Second)
			r.receive(nak())
			if r.State() != call.ClientConnectRequestSent || r.timer() != "negotiation" {
				t.Fatalf("limit %d: %v, timer %q", limit, r.State(), r.timer())
			}
		}
		if want := strings.TrimSuffix(strings.Repeat("call_connect_request ", retries), " "); r.told() != want {
			t.Fatalf("limit %d: sent %q, want %q", limit, r.told(), want)
		}
		r.receive(nak())
		if r.State() != call.CallAbortPending || r.abortInfo() != "retry_count_exceeded (status_info)" || !errors.Is(r.Err(), call.ErrRefused) {
			t.Errorf("limit %d: %v, Call Abort says %q, error %v", limit, r.State(), r.abortInfo(), r.Err())
		}
		refusals := 0
		for _, e := range r.events {
			if e.Kind == call.EventRefused && cmp.Equal(e.StatusInfo, nak().StatusInfo) {
				refusals++
			}
		}
		if refusals != retries+1 {
			t.Errorf("limit %d: %d refusals told, want %d", limit, refusals, retries+1)
		}
	}

	r := reach(t, call.Client, call.ClientConnectRequestSent)
	r.receive(nak())
	r.receive(ack(sstp.HashProtocolSHA1))
	if r.State() != call.ClientConnectAckReceived {
		t.Errorf("%v, want an Ack after a Nak to do", r.State())
	}

	r = reach(t, call.Client, call.ClientConnectRequestSent)
	r.receive(sstp.CallConnectNak{}) // MS-SSTP 2.2.12: at least one Status Info
	if r.abortInfo() != "attrib_not_supported_in_msg (status_info)" || !errors.Is(r.Err(), call.ErrInvalid) {
		t.Errorf("Call Abort says %q, error %v", r.abortInfo(), r.Err())
	}
}

// TestRefusedForMuch: what is told of a Nak is bounded and the call's own.
func TestRefusedForMuch(t *testing.T) {
	m := sstp.CallConnectNak{}
	for range 50 {
		m.StatusInfo = append(m.StatusInfo, nak().StatusInfo...)
	}
	r := reach(t, call.Client, call.ClientConnectRequestSent, func(c *call.Config) { c.RetryLimit = -1 })
	p := sstp.NewControlMessage(m).Packet()
	r.Receive(r.now, p)
	clear(p.Data)
	if got := r.events[0].StatusInfo; !cmp.Equal(got, m.StatusInfo) {
		t.Errorf("told %v", got)
	}
	if text := r.Err().Error(); len(text) > 400 || !strings.HasSuffix(text, ", ...") {
		t.Errorf("error of %d bytes: %s", len(text), text)
	}
}

// TestAuthenticated is MS-SSTP 3.2.7.1 and 3.3.7.1: the event counts once, and in
// one state of each role.
func TestAuthenticated(t *testing.T) {
	for _, role := range []call.Role{call.Client, call.Server} {
		for _, state := range statesOf(role) {
			r := reach(t, role, state)
			r.Authenticated(r.now, testHLAK)
			r.Authenticated(r.now, sstp.HLAK{})
			if state == call.ClientConnectAckReceived {
				if r.told() != "call_connected" || r.State() != call.ClientCallConnected || r.timer() != "hello" ||
					!slices.Equal(r.kinds(), []call.EventKind{call.EventConnected}) {
					t.Errorf("%v: %v, sent %q, timer %q, events %v", state, r.State(), r.told(), r.timer(), r.kinds())
				}
				continue
			}
			if r.State() != state || len(r.sent)+len(r.events) > 0 {
				t.Errorf("%v: %v, sent %q, events %v", state, r.State(), r.told(), r.events)
			}
		}
	}
}

// TestPass is MS-SSTP 3.2.7.1, 3.2.7.2, 3.3.7.1 and 3.3.7.2: which PPP frames pass
// in which state, in either direction.
func TestPass(t *testing.T) {
	for _, role := range []call.Role{call.Client, call.Server} {
		for i, state := range statesOf(role) {
			control, data := i == 2 || i == 3, i == 3
			r := reach(t, role, state)
			before := r.timer()
			for isControl, want := range map[bool]bool{true: control, false: data} {
				if got := r.Data(r.now, isControl); got != want {
					t.Errorf("%v: Data(control %v) = %v, want %v", state, isControl, got, want)
				}
				if got := r.MaySend(isControl); got != want {
					t.Errorf("%v: MaySend(control %v) = %v, want %v", state, isControl, got, want)
				}
			}
			if r.State() != state || len(r.sent)+len(r.events) > 0 || r.timer() != before {
				t.Errorf("%v: data leads to %v, %q, %v, timer %q", state, r.State(), r.told(), r.events, r.timer())
			}
		}
	}
}

func TestDataAllocates(t *testing.T) {
	r := reach(t, call.Client, call.ClientCallConnected)
	if n := testing.AllocsPerRun(100, func() {
		r.now = r.now.Add(time.Millisecond)
		r.Data(r.now, false)
		r.MaySend(false)
	}); n != 0 {
		t.Errorf("%v allocations per packet of data", n)
	}
}

// TestStateFromAnywhere is for the race detector.
func TestStateFromAnywhere(t *testing.T) {
	r := reach(t, call.Client, call.ClientConnectAckReceived)
	var asking sync.WaitGroup
	asking.Go(func() {
		for !r.MaySend(false) {
			runtime.Gosched()
		}
	})
	r.Authenticated(r.now, testHLAK)
	asking.Wait()
	if r.State() != call.ClientCallConnected {
		t.Errorf("%v", r.State())
	}
}

func BenchmarkData(b *testing.B) {
	c, err := call.New(call.Config{Role: call.Client, Certificate: certificate, Send: func(sstp.MessageType, sstp.Packet) {}})
	if err != nil {
		b.Fatal(err)
	}
	c.Open(start)
	c.Receive(start, sstp.NewControlMessage(ack(sstp.HashProtocolSHA256)).Packet())
	c.Authenticated(start, testHLAK)
	now := start
	for b.Loop() {
		now = now.Add(time.Microsecond)
		c.Data(now, false)
	}
}
