package call_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

func quirks(q call.Quirks) func(*call.Config) { return func(c *call.Config) { c.Quirks = q } }

func TestNoCallConnected(t *testing.T) {
	r := reach(t, call.Client, call.ClientConnectAckReceived, quirks(call.Quirks{NoCallConnected: true}), func(c *call.Config) { c.Certificate = nil })
	r.Authenticated(r.now, testHLAK)
	if r.State() != call.ClientCallConnected || len(r.sent) > 0 || !r.MaySend(false) || r.timer() != "hello" {
		t.Errorf("%v, sent %q, timer %q", r.State(), r.told(), r.timer())
	}
}

func TestEarlyPPP(t *testing.T) {
	r := newRig(t, call.Client, quirks(call.Quirks{EarlyPPP: true}))
	if r.MaySend(true) {
		t.Error("PPP may be sent before the call is open")
	}
	r.Open(r.now)
	if !slices.Equal(r.kinds(), []call.EventKind{call.EventStartPPP}) || !r.MaySend(true) || r.MaySend(false) {
		t.Errorf("events %v, control %v, data %v", r.kinds(), r.MaySend(true), r.MaySend(false))
	}
	r.receive(ack(sstp.HashProtocolSHA256))
	if r.State() != call.ClientConnectAckReceived || len(r.kinds()) != 1 {
		t.Errorf("%v, events %v, want PPP started once", r.State(), r.kinds())
	}
}

func TestIgnoreControl(t *testing.T) {
	r := reach(t, call.Client, call.ClientConnectAckReceived, quirks(call.Quirks{IgnoreControl: true}))
	for _, p := range messages(t) {
		r.Receive(r.now, p)
	}
	r.Authenticated(r.now, testHLAK)
	for _, p := range messages(t) {
		r.Receive(r.now, p)
	}
	if r.State() != call.ClientCallConnected || r.told() != "call_connected" {
		t.Errorf("%v, sent %q", r.State(), r.told())
	}
}

func TestResendOnTimeout(t *testing.T) {
	r := reach(t, call.Client, call.ClientConnectRequestSent, quirks(call.Quirks{ResendOnTimeout: true}))
	r.pass(239 * time.Second)
	if want := "call_connect_request call_connect_request call_connect_request"; r.told() != want || r.State() != call.ClientConnectRequestSent {
		t.Fatalf("%v, sent %q", r.State(), r.told())
	}
	r.pass(time.Second)
	if r.State() != call.CallAbortPending || r.abortInfo() != "negotiation_timeout (status_info)" {
		t.Errorf("%v, sent %q", r.State(), r.told())
	}
	r = reach(t, call.Client, call.ClientConnectAckReceived, quirks(call.Quirks{ResendOnTimeout: true}))
	r.pass(60 * time.Second)
	if r.told() != "call_abort" {
		t.Errorf("sent %q after the Ack", r.told())
	}
}

func TestDisconnectOnNak(t *testing.T) {
	r := reach(t, call.Client, call.ClientConnectRequestSent, quirks(call.Quirks{DisconnectOnNak: true}))
	r.receive(nak())
	if r.State() != call.CallDisconnectAckPending || r.told() != "call_disconnect" {
		t.Errorf("%v, sent %q", r.State(), r.told())
	}
}

func TestAcceptUnbound(t *testing.T) {
	unbound := quirks(call.Quirks{AcceptUnbound: true})
	noCertificate := func(c *call.Config) { c.Certificate = nil }
	t.Run("any Call Connected", func(t *testing.T) {
		for _, p := range []sstp.Packet{
			connectedPacket(t, 9, func(b *sstp.CryptoBinding, _ *sstp.ControlMessage) {
				if b != nil {
					b.Nonce[0] ^= 1
				}
			}),
			sstp.ControlMessage{Type: sstp.MessageCallConnected}.Packet(),
		} {
			r := reach(t, call.Server, call.ServerCallConnectedPending, unbound, noCertificate)
			r.Receive(r.now, p)
			if r.State() != call.ServerCallConnectedPending {
				t.Errorf("%v before PPP is authenticated", r.State())
			}
			r.Authenticated(r.now, testHLAK)
			if r.State() != call.ServerCallConnected || r.Err() != nil {
				t.Errorf("%v: %v", r.State(), r.Err())
			}
		}
	})
	t.Run("data instead", func(t *testing.T) {
		r := reach(t, call.Server, call.ServerCallConnectedPending, unbound)
		if r.Data(r.now, false) {
			t.Error("data passes before PPP is authenticated")
		}
		r.Authenticated(r.now, testHLAK)
		if !r.Data(r.now, true) || r.State() != call.ServerCallConnectedPending {
			t.Errorf("%v after a PPP control frame", r.State())
		}
		if !r.Data(r.now, false) || r.State() != call.ServerCallConnected || r.timer() != "hello" ||
			!slices.Equal(r.kinds(), []call.EventKind{call.EventConnected}) {
			t.Errorf("%v, timer %q, events %v", r.State(), r.timer(), r.kinds())
		}
	})
	t.Run("other servers", func(t *testing.T) {
		r := reach(t, call.Server, call.ServerCallConnectedPending)
		r.Authenticated(r.now, testHLAK)
		if r.Data(r.now, false) || r.State() != call.ServerCallConnectedPending {
			t.Errorf("%v, want data dropped", r.State())
		}
	})
}

func TestNakShortLength(t *testing.T) {
	r := reach(t, call.Server, call.ServerConnectRequestPending, quirks(call.Quirks{NakShortLength: true}))
	r.Receive(r.now, packet(t, unhex(t, "10 01 0014 0001 0002 00 01 0006 0002 00 09 0006 0001")))
	want := unhex(t, "10 01 0022 0003 0002"+
		"00 02 000c 000000 01 00000004 0002"+
		"00 02 000c 000000 09 00000002")
	if diff := cmp.Diff(want, r.sent[0].Append(nil)); diff != "" {
		t.Errorf("Call Connect Nak (-want +got):\n%s", diff)
	}
}

func TestStatusInfoQuirks(t *testing.T) {
	wire := func(q call.Quirks, do func(*rig)) []byte {
		r := reach(t, call.Client, call.ClientCallConnected, quirks(q))
		do(r)
		return r.sent[0].Append(nil)
	}
	abort := func(r *rig) { r.Abort(r.now, sstp.StatusUnacceptedFrameReceived) }
	disconnect := func(r *rig) { r.Disconnect(r.now) }
	aborted := func(r *rig) { r.receive(sstp.CallAbort{}) }
	tests := []struct {
		name string
		q    call.Quirks
		do   func(*rig)
		want string
	}{
		{"abort", call.Quirks{}, abort, "10 01 0014 0005 0001 00 02 000c 000000 02 00000005"},
		{"disconnect", call.Quirks{}, disconnect, "10 01 0014 0006 0001 00 02 000c 000000 00 00000000"},
		{"abort without", call.Quirks{NoStatusInfo: true}, abort, "10 01 0008 0005 0000"},
		{"answer without", call.Quirks{NoStatusInfo: true}, aborted, "10 01 0008 0005 0000"},
		{"disconnect without", call.Quirks{NoStatusInfo: true}, disconnect, "10 01 0008 0006 0000"},
		{"always the same", call.Quirks{AbortStatus: 7}, abort, "10 01 0014 0005 0001 00 02 000c 000000 02 00000007"},
		{"always the same answer", call.Quirks{AbortStatus: 7}, aborted, "10 01 0014 0005 0001 00 02 000c 000000 02 00000007"},
		{"R", call.Quirks{LengthReserved: 8}, abort, "10 01 8014 0005 0001 00 02 000c 000000 02 00000005"},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(unhex(t, tt.want), wire(tt.q, tt.do)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestNoEchoResponse(t *testing.T) {
	r := reach(t, call.Server, call.ServerCallConnected, quirks(call.Quirks{NoEchoResponse: true}))
	r.now = r.now.Add(10 * time.Second)
	r.receive(sstp.EchoRequest{})
	if len(r.sent) > 0 || r.timer() != "hello" {
		t.Errorf("sent %q, timer %q", r.told(), r.timer())
	}
}

// TestEchoInterval: Echo Requests that come whatever else does.
func TestEchoInterval(t *testing.T) {
	intervals := []time.Duration{3 * time.Second, 4 * time.Second, 2500 * time.Millisecond, 0}
	var at []time.Duration
	r := reach(t, call.Server, call.ServerCallConnected, quirks(call.Quirks{EchoInterval: func() time.Duration {
		d := intervals[0]
		intervals = intervals[1:]
		return d
	}}))
	for range 200 {
		r.pass(100 * time.Millisecond)
		r.Data(r.now, false)
		if len(r.sent) > 0 {
			at = append(at, r.now.Sub(start))
			r.clear()
		}
	}
	if want := []time.Duration{3 * time.Second, 7 * time.Second, 9500 * time.Millisecond}; !slices.Equal(at, want) {
		t.Errorf("Echo Requests at %v, want %v", at, want)
	}
	// They ask nothing of the Hello timer, and stop with the call.
	r = reach(t, call.Server, call.ServerCallConnected, quirks(call.Quirks{EchoInterval: func() time.Duration { return 10 * time.Second }}))
	r.pass(122 * time.Second)
	if !errors.Is(r.Err(), call.ErrSilent) || len(r.sent) != 12+1 {
		t.Errorf("error %v, %d Echo Requests", r.Err(), len(r.sent))
	}
	r.clear()
	r.pass(time.Hour)
	if len(r.sent)+len(r.events) > 0 {
		t.Errorf("sent %q, events %v after the end", r.told(), r.events)
	}
}

func TestEchoFailures(t *testing.T) {
	r := reach(t, call.Client, call.ClientCallConnected, quirks(call.Quirks{EchoFailures: 4}))
	r.pass(4 * 61 * time.Second)
	if r.State() != call.ClientCallConnected || len(r.sent) != 4 {
		t.Fatalf("%v, sent %q", r.State(), r.told())
	}
	r.receive(sstp.EchoResponse{}) // and all over again
	r.pass(5*61*time.Second - 1)
	if r.State() != call.ClientCallConnected || len(r.sent) != 8 {
		t.Fatalf("%v, sent %q", r.State(), r.told())
	}
	r.pass(1)
	if !r.State().Disconnected() || len(r.sent) != 8 {
		t.Errorf("%v, sent %q", r.State(), r.told())
	}
}

func TestIdle(t *testing.T) {
	r := reach(t, call.Server, call.ServerCallConnected, quirks(call.Quirks{Idle: 20 * time.Second}), func(c *call.Config) { c.Timers.Hello = -1 })
	for range 10 {
		r.pass(19 * time.Second)
		r.Data(r.now, false)
	}
	r.Data(start, false) // told late
	r.pass(20*time.Second - 1)
	if r.State() != call.ServerCallConnected {
		t.Fatalf("%v: %v", r.State(), r.Err())
	}
	r.pass(1)
	if !r.State().Disconnected() || !errors.Is(r.Err(), call.ErrSilent) || len(r.sent) > 0 {
		t.Errorf("%v, sent %q, error %v", r.State(), r.told(), r.Err())
	}
}
