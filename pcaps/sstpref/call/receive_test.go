package call_test

import (
	"maps"
	"testing"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// messages are one of each, all valid for the rig's call, and four that are not.
func messages(t *testing.T) map[string]sstp.Packet {
	t.Helper()
	p := func(m sstp.Message) sstp.Packet { return sstp.NewControlMessage(m).Packet() }
	return map[string]sstp.Packet{
		"request":        p(request()),
		"ack":            p(ack(sstp.HashProtocolSHA256)),
		"nak":            p(nak()),
		"connected":      connectedPacket(t, sstp.HashProtocolSHA256, nil),
		"abort":          p(sstp.CallAbort{StatusInfo: &sstp.StatusInfo{AttribID: sstp.AttributeCryptoBinding, Status: sstp.StatusValueNotSupported}}),
		"disconnect":     p(sstp.CallDisconnect{StatusInfo: &sstp.StatusInfo{}}),
		"disconnect ack": p(sstp.CallDisconnectAck{}),
		"echo request":   p(sstp.EchoRequest{}),
		"echo response":  p(sstp.EchoResponse{}),

		"unknown":           packet(t, unhex(t, "10 01 0008 000a 0000")),
		"too short":         packet(t, unhex(t, "10 01 0006 0008")),
		"echo, not empty":   packet(t, unhex(t, "10 01 0009 0008 0000 00")),
		"number of nothing": packet(t, unhex(t, "10 01 0008 0001 0001")),
	}
}

// An answer is what a message leads to.
type answer struct {
	sent, timer string
	state       call.State
	status      string // of a Call Abort
}

// What the specification has for most messages in most states.
var (
	ignored      = answer{}
	unexpected   = answer{"call_abort", "abort1", call.CallAbortPending, "unaccepted_frame_received (status_info)"}
	invalidFrame = answer{"call_abort", "abort1", call.CallAbortPending, "invalid_frame_received (status_info)"}
	// The peer's status comes back.
	aborted      = answer{"call_abort", "abort2", call.CallAbortTimeoutPending, "value_not_supported (crypto_binding)"}
	disconnected = answer{"call_disconnect_ack", "disconnect2", call.CallDisconnectTimeoutPending, ""}
)

// TestReceive goes through every message in every state. Sections 3.2.5.3.2 to
// 3.2.5.3.8 and 3.3.5.2.2 to 3.3.5.2.8 are a row or column each.
func TestReceive(t *testing.T) {
	// The states in which a call is set up or up: all that is not listed is
	// unexpected, or cannot be read.
	up := func(rows map[string]answer) map[string]answer {
		all := map[string]answer{
			"request": unexpected, "ack": unexpected, "nak": unexpected, "connected": unexpected,
			"abort": aborted, "disconnect": disconnected, "disconnect ack": unexpected,
			"echo request": unexpected, "echo response": unexpected,
			"unknown": invalidFrame, "too short": invalidFrame,
			// Faulty, but it may not come anyway.
			"echo, not empty": unexpected, "number of nothing": unexpected,
		}
		maps.Copy(all, rows)
		return all
	}
	connected := func(s call.State) map[string]answer {
		return up(map[string]answer{
			"echo request":    {"echo_response", "hello", s, ""},
			"echo response":   {"", "hello", s, ""},
			"echo, not empty": invalidFrame,
		})
	}
	// The states in which it ends: all that is not listed is ignored.
	ending := map[call.State]map[string]answer{
		call.CallAbortPending: {"abort": {"", "abort2", call.CallAbortTimeoutPending, ""}},
		call.CallDisconnectAckPending: {
			"abort": aborted, "disconnect": disconnected,
			"disconnect ack": {"", "", 0, ""}, // the role's Disconnected
		},
		call.CallAbortTimeoutPending:      {},
		call.CallDisconnectTimeoutPending: {},
	}
	tests := map[call.Role]map[call.State]map[string]answer{
		call.Client: {
			call.ClientCallDisconnected: {},
			call.ClientConnectRequestSent: up(map[string]answer{
				"ack": {"", "negotiation", call.ClientConnectAckReceived, ""},
				"nak": {"call_connect_request", "negotiation", call.ClientConnectRequestSent, ""},
			}),
			call.ClientConnectAckReceived: up(nil),
			call.ClientCallConnected:      connected(call.ClientCallConnected),
		},
		call.Server: {
			call.ServerCallDisconnected: {},
			call.ServerConnectRequestPending: up(map[string]answer{
				"request":           {"call_connect_ack", "negotiation", call.ServerCallConnectedPending, ""},
				"number of nothing": invalidFrame,
			}),
			call.ServerCallConnectedPending: up(map[string]answer{
				// PPP authentication is not done: the message is held.
				"connected": {"", "left:50s", call.ServerCallConnectedPending, ""},
			}),
			call.ServerCallConnected: connected(call.ServerCallConnected),
		},
	}
	const later = 500 * time.Millisecond
	for role, states := range tests {
		maps.Copy(states, ending)
		for _, state := range statesOf(role) {
			for name, p := range messages(t) {
				t.Run(role.String()+"/"+state.String()+"/"+name, func(t *testing.T) {
					r := reach(t, role, state)
					before, running := r.Deadline()
					step := later
					if !state.Ending() {
						step = 10 * time.Second
					}
					r.now = r.now.Add(step)
					r.Receive(r.now, p)

					want, listed := states[state][name]
					if !listed || want == ignored && name != "disconnect ack" {
						after, still := r.Deadline()
						if r.State() != state || len(r.sent)+len(r.events) > 0 || still != running || !after.Equal(before) {
							t.Fatalf("%v, sent %q, told %v, timer %v, want nothing to happen", r.State(), r.told(), r.events, after)
						}
						return
					}
					if want.state == 0 {
						want.state = statesOf(role)[0]
					}
					if r.State() != want.state || r.told() != want.sent || r.timer() != want.timer {
						t.Errorf("%v, sent %q, timer %q, want %v, %q, %q", r.State(), r.told(), r.timer(), want.state, want.sent, want.timer)
					}
					if want.status != "" && r.abortInfo() != want.status {
						t.Errorf("Call Abort says %q, want %q", r.abortInfo(), want.status)
					}
				})
			}
		}
	}
}

// TestPath names the states that a step passes (MS-SSTP 3.1.1.1, 3.1.5.1).
func TestPath(t *testing.T) {
	tests := []struct {
		name  string
		state call.State
		do    func(r *rig)
		want  string
	}{
		{"wrong message", call.ClientConnectAckReceived, func(r *rig) { r.receive(sstp.EchoRequest{}) }, "call_abort_in_progress_1 call_abort_pending"},
		{"abort received", call.ClientConnectAckReceived, func(r *rig) { r.receive(sstp.CallAbort{}) }, "call_abort_in_progress_2 call_abort_timeout_pending"},
		{"abort collides", call.CallAbortPending, func(r *rig) { r.receive(sstp.CallAbort{}) }, "call_abort_timeout_pending"},
		{"disconnect", call.ClientCallConnected, func(r *rig) { r.Disconnect(r.now) }, "call_disconnect_in_progress_1 call_disconnect_ack_pending"},
		{"disconnect received", call.ClientCallConnected, func(r *rig) { r.receive(sstp.CallDisconnect{}) }, "call_disconnect_in_progress_2 call_disconnect_timeout_pending"},
		{"disconnect collides", call.CallDisconnectAckPending, func(r *rig) { r.receive(sstp.CallDisconnect{}) }, "call_disconnect_in_progress_2 call_disconnect_timeout_pending"},
		{"abort while disconnecting", call.CallDisconnectAckPending, func(r *rig) { r.receive(sstp.CallAbort{}) }, "call_abort_in_progress_2 call_abort_timeout_pending"},
		{"disconnect acknowledged", call.CallDisconnectAckPending, func(r *rig) { r.receive(sstp.CallDisconnectAck{}) }, "client_call_disconnected"},
		{"abort timer 1", call.CallAbortPending, func(r *rig) { r.pass(3 * time.Second) }, "client_call_disconnected"},
		{"abort timer 2", call.CallAbortTimeoutPending, func(r *rig) { r.pass(time.Second) }, "client_call_disconnected"},
		{"disconnect timer 1", call.CallDisconnectAckPending, func(r *rig) { r.pass(5 * time.Second) }, "client_call_disconnected"},
		{"disconnect timer 2", call.CallDisconnectTimeoutPending, func(r *rig) { r.pass(2 * time.Second) }, "client_call_disconnected"},
		{"connection gone", call.CallAbortPending, func(r *rig) { r.TransportClosed(r.now, nil) }, "client_call_disconnected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := reach(t, call.Client, tt.state)
			tt.do(r)
			if r.path() != tt.want {
				t.Errorf("went through %q, want %q", r.path(), tt.want)
			}
		})
	}
}

// TestEndsWhateverTheAttributes: a Status Info that is too short for its length,
// as sorz/sstp-server sends it, ends the call all the same.
func TestEndsWhateverTheAttributes(t *testing.T) {
	tests := []struct {
		wire  string
		state call.State
		sent  string
	}{
		{"10 01 0010 0005 0001 00 02 0008 00000000", call.CallAbortTimeoutPending, "call_abort"},
		{"10 01 0010 0006 0001 00 00 0008 00000000", call.CallDisconnectTimeoutPending, "call_disconnect_ack"},
		{"10 01 0008 0005 0007", call.CallAbortTimeoutPending, "call_abort"},
		{"10 01 0008 0006 0007", call.CallDisconnectTimeoutPending, "call_disconnect_ack"},
	}
	for _, tt := range tests {
		r := reach(t, call.Client, call.ClientCallConnected)
		r.Receive(r.now, packet(t, unhex(t, tt.wire)))
		if r.State() != tt.state || r.told() != tt.sent {
			t.Errorf("%s: %v, sent %q, want %v, %q", tt.wire, r.State(), r.told(), tt.state, tt.sent)
		}
	}
}

// TestAbortAnswer: a Call Abort has Status Info (MS-SSTP 2.2.13), in an answer the
// peer's if an Abort may have that.
func TestAbortAnswer(t *testing.T) {
	info := func(a sstp.AttributeID, s sstp.Status) *sstp.StatusInfo {
		return &sstp.StatusInfo{AttribID: a, Status: s, AttribValue: []byte("for a Nak only")}
	}
	const none = "unaccepted_frame_received (status_info)"
	tests := []struct {
		received *sstp.StatusInfo
		want     string
	}{
		{info(sstp.AttributeCryptoBinding, sstp.StatusValueNotSupported), "value_not_supported (crypto_binding)"},
		{info(sstp.AttributeStatusInfo, sstp.StatusAttribNotSupportedInMsg), "attrib_not_supported_in_msg (status_info)"},
		{info(sstp.AttributeCryptoBindingReq, sstp.StatusNegotiationTimeout), "negotiation_timeout (crypto_binding_req)"},
		{nil, none},
		{info(sstp.AttributeNoError, sstp.StatusNoError), none},
		{info(sstp.AttributeNoError, sstp.StatusValueNotSupported), none},
		{info(sstp.AttributeStatusInfo, sstp.StatusInvalidAttribValueLength), none},
		{info(sstp.AttributeStatusInfo, sstp.StatusRequiredAttributeMissing), none},
		{info(5, sstp.StatusValueNotSupported), none},
		{info(sstp.AttributeStatusInfo, 0xffffffff), none},
	}
	for _, tt := range tests {
		r := reach(t, call.Server, call.ServerCallConnected)
		r.receive(sstp.CallAbort{StatusInfo: tt.received})
		if r.abortInfo() != tt.want || len(r.sent[0].Data) != sstp.CallAbortLen-sstp.HeaderLen {
			t.Errorf("Call Abort with %+v is answered with %q in %d bytes, want %q", tt.received, r.abortInfo(), r.sent[0].Len(), tt.want)
		}
	}
}

// TestReceiveData: a data packet among control packets is no more than a sign of
// life (MS-SSTP 3.1.2.3).
func TestReceiveData(t *testing.T) {
	r := reach(t, call.Client, call.ClientCallConnected)
	r.pass(30 * time.Second)
	r.Receive(r.now, sstp.Packet{Data: []byte{0xff, 0x03}})
	if r.State() != call.ClientCallConnected || len(r.sent) > 0 || r.timer() != "hello" {
		t.Errorf("%v, sent %q, timer %q", r.State(), r.told(), r.timer())
	}
}

// TestReservedBitsIgnored: receivers ignore them (MS-SSTP 2.2.1, 2.2.4).
func TestReservedBitsIgnored(t *testing.T) {
	r := reach(t, call.Server, call.ServerConnectRequestPending)
	r.Receive(r.now, packet(t, unhex(t, "10 ff f00e 0001 0001 ff 01 f006 0001")))
	if r.State() != call.ServerCallConnectedPending {
		t.Errorf("%v, want server_call_connected_pending", r.State())
	}
}
