package call_test

import (
	"errors"
	"testing"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// TestDefaults are the times of MS-SSTP 3.1.2, 3.2.2.1 and 3.3.2.1.
func TestDefaults(t *testing.T) {
	tests := []struct {
		role  call.Role
		state call.State
		want  time.Duration
	}{
		{call.Client, call.ClientConnectRequestSent, 60 * time.Second},
		{call.Client, call.ClientConnectAckReceived, 60 * time.Second},
		{call.Client, call.ClientCallConnected, 60 * time.Second},
		{call.Server, call.ServerConnectRequestPending, 60 * time.Second},
		{call.Server, call.ServerCallConnectedPending, 60 * time.Second},
		{call.Server, call.ServerCallConnected, 60 * time.Second},
		{call.Client, call.CallAbortPending, 3 * time.Second},
		{call.Client, call.CallAbortTimeoutPending, time.Second},
		{call.Client, call.CallDisconnectAckPending, 5 * time.Second},
		{call.Client, call.CallDisconnectTimeoutPending, time.Second},
	}
	for _, tt := range tests {
		r := reach(t, tt.role, tt.state, func(c *call.Config) { c.Timers = call.Timers{} })
		if at, ok := r.Deadline(); !ok || at.Sub(r.now) != tt.want {
			t.Errorf("%v ends after %v, %v, want %v", tt.state, at.Sub(r.now), ok, tt.want)
		}
	}
}

// TestNegotiationTimer is MS-SSTP 3.2.6.1, 3.3.2.1 and 3.3.6.1.
func TestNegotiationTimer(t *testing.T) {
	tests := []struct {
		role  call.Role
		state call.State
		sent  string // and then Abort timer 1; "": closed at once
	}{
		{call.Client, call.ClientConnectRequestSent, "call_abort"},
		{call.Client, call.ClientConnectAckReceived, "call_abort"},
		{call.Server, call.ServerConnectRequestPending, ""},
		{call.Server, call.ServerCallConnectedPending, "call_abort"},
	}
	for _, tt := range tests {
		t.Run(tt.state.String(), func(t *testing.T) {
			r := reach(t, tt.role, tt.state)
			r.pass(60*time.Second - 1)
			r.Expire(r.now) // too early
			if r.State() != tt.state {
				t.Fatalf("%v before the time", r.State())
			}
			r.pass(1)
			if r.told() != tt.sent || !errors.Is(r.Err(), call.ErrNegotiationTimeout) {
				t.Errorf("sent %q, error %v", r.told(), r.Err())
			}
			if tt.sent == "" {
				if !r.State().Disconnected() {
					t.Errorf("%v, want the call to have failed", r.State())
				}
				return
			}
			if r.State() != call.CallAbortPending || r.abortInfo() != "negotiation_timeout (status_info)" || r.timer() != "abort1" {
				t.Errorf("%v, Call Abort says %q, timer %q", r.State(), r.abortInfo(), r.timer())
			}
			r.pass(3 * time.Second)
			if !r.State().Disconnected() || r.told() != tt.sent {
				t.Errorf("%v, sent %q", r.State(), r.told())
			}
		})
	}
}

// TestHelloTimer is MS-SSTP 3.1.2.3 and 3.1.6.3.
func TestHelloTimer(t *testing.T) {
	const hello = 61 * time.Second
	for role, state := range map[call.Role]call.State{call.Client: call.ClientCallConnected, call.Server: call.ServerCallConnected} {
		signs := map[string]func(r *rig){
			"echo response": func(r *rig) { r.receive(sstp.EchoResponse{}) },
			"echo request":  func(r *rig) { r.receive(sstp.EchoRequest{}) },
			"data":          func(r *rig) { r.Data(r.now, false) },
			"control data":  func(r *rig) { r.Data(r.now, true) },
		}
		for name, sign := range signs {
			t.Run(role.String()+"/"+name, func(t *testing.T) {
				r := reach(t, role, state)
				for range 5 { // it answers each time, and late
					r.pass(hello)
					if r.told() != "echo_request" || r.timer() != "hello" {
						t.Fatalf("sent %q, timer %q, want an Echo Request", r.told(), r.timer())
					}
					r.pass(hello - 1)
					r.clear()
					sign(r)
					if r.State() != state || r.timer() != "hello" {
						t.Fatalf("%v, timer %q", r.State(), r.timer())
					}
					r.clear()
				}
				for range 5 { // it talks in time
					r.pass(hello - 1)
					sign(r)
				}
				r.clear()
				r.pass(2 * hello) // it falls silent
				if !r.State().Disconnected() || r.told() != "echo_request" || !errors.Is(r.Err(), call.ErrSilent) {
					t.Errorf("%v, sent %q, error %v, want no Call Abort", r.State(), r.told(), r.Err())
				}
				if e := r.callErr(); e.Op != call.OpClose || e.State != state || e.Remote {
					t.Errorf("error %+v", e)
				}
			})
		}
	}
}

// TestGatheredData: data that is reported late counts from when it came, and never
// as an answer to an Echo Request that was sent after it.
func TestGatheredData(t *testing.T) {
	r := reach(t, call.Client, call.ClientCallConnected)
	r.now = start.Add(61 * time.Second)
	r.Data(start.Add(40*time.Second), false)
	r.Expire(r.now)
	if at, _ := r.Deadline(); len(r.sent) > 0 || at != start.Add(101*time.Second) {
		t.Fatalf("sent %q, deadline %v", r.told(), at.Sub(start))
	}
	r.now = start.Add(101 * time.Second)
	for range 2 {
		r.Data(start.Add(40*time.Second), false)
		r.Expire(r.now)
		r.now = r.now.Add(61 * time.Second)
	}
	if r.told() != "echo_request" || !errors.Is(r.Err(), call.ErrSilent) {
		t.Errorf("sent %q, error %v", r.told(), r.Err())
	}
}

// TestNoHelloTimer: a negative Hello has the call neither ask nor mind.
func TestNoHelloTimer(t *testing.T) {
	r := reach(t, call.Client, call.ClientCallConnected, func(c *call.Config) { c.Timers.Hello = -1 })
	if at, ok := r.Deadline(); ok {
		t.Errorf("deadline %v", at)
	}
	r.Receive(r.now, sstp.NewControlMessage(sstp.EchoRequest{}).Packet())
	r.Expire(r.now.Add(time.Hour))
	if r.State() != call.ClientCallConnected || r.told() != "echo_response" {
		t.Errorf("%v, sent %q", r.State(), r.told())
	}
}

// TestExpireLate: one call handles one timer, however late it comes.
func TestExpireLate(t *testing.T) {
	r := reach(t, call.Client, call.ClientConnectAckReceived)
	late := r.now.Add(24 * time.Hour)
	r.Expire(late)
	if r.State() != call.CallAbortPending {
		t.Fatalf("%v", r.State())
	}
	if at, _ := r.Deadline(); at != late.Add(3*time.Second) {
		t.Errorf("Abort timer 1 runs from when it was started: %v", at)
	}
}
