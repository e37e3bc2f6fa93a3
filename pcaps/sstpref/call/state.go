package call

import "fmt"

// A Role is one of the two ends of a call.
type Role uint8

// The roles.
const (
	Client Role = iota + 1
	Server
)

// String returns "client" or "server".
func (r Role) String() string {
	switch r {
	case Client:
		return "client"
	case Server:
		return "server"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

func (r Role) far() Role {
	if r == Client {
		return Server
	}
	return Client
}

// A State is what the specification calls CurrentState (MS-SSTP 3.1.1, 3.2.1,
// 3.3.1). The zero value is none.
type State uint8

// The states of a client (MS-SSTP 3.2.1.1.1), of a server (MS-SSTP 3.3.1.1.1) and
// of both while a call ends (MS-SSTP 3.1.1.1). The InProgress ones are left in the
// step that enters them.
const (
	ClientCallDisconnected State = iota + 1
	ClientConnectRequestSent
	ClientConnectAckReceived
	ClientCallConnected

	ServerCallDisconnected
	ServerConnectRequestPending
	ServerCallConnectedPending
	ServerCallConnected

	CallAbortInProgress1
	CallAbortInProgress2
	CallAbortPending
	CallAbortTimeoutPending

	CallDisconnectInProgress1
	CallDisconnectInProgress2
	CallDisconnectAckPending
	CallDisconnectTimeoutPending
)

var stateNames = [...]string{
	ClientCallDisconnected:       "client_call_disconnected",
	ClientConnectRequestSent:     "client_connect_request_sent",
	ClientConnectAckReceived:     "client_connect_ack_received",
	ClientCallConnected:          "client_call_connected",
	ServerCallDisconnected:       "server_call_disconnected",
	ServerConnectRequestPending:  "server_connect_request_pending",
	ServerCallConnectedPending:   "server_call_connected_pending",
	ServerCallConnected:          "server_call_connected",
	CallAbortInProgress1:         "call_abort_in_progress_1",
	CallAbortInProgress2:         "call_abort_in_progress_2",
	CallAbortPending:             "call_abort_pending",
	CallAbortTimeoutPending:      "call_abort_timeout_pending",
	CallDisconnectInProgress1:    "call_disconnect_in_progress_1",
	CallDisconnectInProgress2:    "call_disconnect_in_progress_2",
	CallDisconnectAckPending:     "call_disconnect_ack_pending",
	CallDisconnectTimeoutPending: "call_disconnect_timeout_pending",
}

// String returns the specification's name in lower case, "client_call_connected",
// or the number.
func (s State) String() string {
	if s == 0 || int(s) >= len(stateNames) {
		return fmt.Sprintf("state %d", uint8(s))
	}
	return stateNames[s]
}

// Connected says whether PPP data may pass.
func (s State) Connected() bool { return s == ClientCallConnected || s == ServerCallConnected }

// Ending says whether the call is being aborted or disconnected.
func (s State) Ending() bool { return s >= CallAbortInProgress1 }

// Disconnected says whether there is no call: not yet, or no more.
func (s State) Disconnected() bool { return s == ClientCallDisconnected || s == ServerCallDisconnected }

// negotiated says whether PPP control frames may pass.
func (s State) negotiated() bool {
	return s == ClientConnectAckReceived || s == ServerCallConnectedPending || s.Connected()
}

// disconnected returns the first and last state of a role.
func (r Role) disconnected() State {
	if r == Client {
		return ClientCallDisconnected
	}
	return ServerCallDisconnected
}

// connected returns the state of a role in which the call is up.
func (r Role) connected() State {
	if r == Client {
		return ClientCallConnected
	}
	return ServerCallConnected
}
