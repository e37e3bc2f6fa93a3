package call_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// TestErrorText: what a person reads.
func TestErrorText(t *testing.T) {
	remote := func(a sstp.AttributeID, s sstp.Status) func(*rig) {
		return func(r *rig) { r.receive(sstp.CallAbort{StatusInfo: &sstp.StatusInfo{AttribID: a, Status: s}}) }
	}
	const si = sstp.AttributeStatusInfo
	binding := func(f func(*sstp.CryptoBinding)) func(*rig) {
		return func(r *rig) {
			r.Authenticated(r.now, testHLAK)
			r.Receive(r.now, connectedPacket(r.t, sstp.HashProtocolSHA256, func(b *sstp.CryptoBinding, _ *sstp.ControlMessage) {
				if b != nil {
					f(b)
				}
			}))
		}
	}
	lost := errors.New("read tcp: connection reset by peer")
	_, _, syntax := sstp.ParsePacket([]byte("HTTP"))
	tests := []struct {
		state call.State
		do    func(*rig)
		want  string
	}{
		{call.ClientCallConnected, func(r *rig) { r.Disconnect(r.now) }, "we ended the call"},
		{call.ClientCallConnected, func(r *rig) { r.receive(sstp.CallDisconnect{}) }, "the server ended the call"},
		{call.ServerCallConnected, func(r *rig) { r.receive(sstp.CallDisconnect{}) }, "the client ended the call"},
		{call.ClientConnectAckReceived, func(r *rig) { r.receive(sstp.CallDisconnect{}) }, "the server ended the call before PPP authentication was done; look at LCP and PPP authentication"},
		{call.ServerCallConnectedPending, func(r *rig) { r.receive(sstp.CallDisconnect{}) }, "the client ended the call before a good Call Connected had come; look at LCP and PPP authentication"},

		{
			call.ClientCallConnected, remote(sstp.AttributeCryptoBinding, sstp.StatusValueNotSupported),
			"the server aborted the call: value not supported (crypto binding); the certificate it shows and the one we saw differ, or the keys of PPP authentication do: is TLS opened on the way?",
		},
		{call.ClientConnectRequestSent, remote(sstp.AttributeEncapsulatedProtocolID, sstp.StatusValueNotSupported), "the server aborted the call before the Call Connect Request was accepted: value not supported (encapsulated protocol id); it does not do what we ask for"},
		{call.ClientConnectAckReceived, remote(si, sstp.StatusNegotiationTimeout), "the server aborted the call before PPP authentication was done: negotiation timeout; it has waited too long for us: look at LCP and PPP authentication"},
		{call.ClientCallConnected, remote(si, sstp.StatusUnacceptedFrameReceived), "the server aborted the call: unaccepted frame received; it did not expect our last message"},
		{call.ClientCallConnected, remote(si, sstp.StatusInvalidFrameReceived), "the server aborted the call: invalid frame received; it could not read our last message: is the server strict, or are bytes changed on the way?"},
		{call.ClientConnectRequestSent, remote(si, sstp.StatusRetryCountExceeded), "the server aborted the call before the Call Connect Request was accepted: retry count exceeded; it keeps refusing: does it carry PPP?"},
		{call.ClientCallConnected, remote(si, sstp.StatusAttribNotSupportedInMsg), "the server aborted the call: attrib not supported in msg; it misses an attribute in our last message, or found one too many"},
		{call.ServerCallConnected, remote(si, 0x55), "the client aborted the call: 0x00000055; its log may say more"},
		{call.ServerCallConnected, func(r *rig) { r.receive(sstp.CallAbort{}) }, "the client aborted the call: no reason given; its log may say more"},

		{call.ServerCallConnectedPending, binding(func(b *sstp.CryptoBinding) { b.CertHash[0] ^= 1 }), "we aborted the call before a good Call Connected had come: the crypto binding has the hash of another certificate than ours; is TLS opened on the way, or is another certificate shown than the call was given?"},
		{call.ServerCallConnectedPending, binding(func(b *sstp.CryptoBinding) { b.CompoundMAC = make([]byte, 32) }), "we aborted the call before a good Call Connected had come: the crypto binding was made with another key than PPP authentication has left here; are the keys of PPP authentication handed over the right way round, or has someone passed on another client's authentication?"},
		{call.ServerCallConnectedPending, binding(func(b *sstp.CryptoBinding) { b.Nonce[0] ^= 1 }), "we aborted the call before a good Call Connected had come: the crypto binding has a nonce that is not ours"},
		{call.ClientConnectRequestSent, func(r *rig) { r.receive(ack(0x80)) }, "we aborted the call before the Call Connect Request was accepted: no hash protocol that both ends do: 0x80 is offered, sha1|sha256 can be done"},
		{call.ClientConnectAckReceived, func(r *rig) { r.receive(nak()) }, "we aborted the call before PPP authentication was done: unexpected message: call_connect_nak"},
		{call.ClientCallConnected, func(r *rig) { r.Receive(r.now, packet(r.t, unhex(r.t, "10 01 0006 0008"))) }, "we aborted the call: sstp: bad Length 0x6 at byte 2 (MS-SSTP 2.2.2)"},
		{call.ClientCallConnected, func(r *rig) { r.Abort(r.now, sstp.StatusNegotiationTimeout) }, "we aborted the call: negotiation timeout"},

		{call.ClientConnectRequestSent, func(r *rig) { r.pass(time.Minute) }, "we aborted the call before the Call Connect Request was accepted: negotiation timer expired; does the server speak SSTP, and does something hold its answers back?"},
		{call.ServerConnectRequestPending, func(r *rig) { r.pass(time.Minute) }, "we closed the connection before a good Call Connect Request had come: negotiation timer expired; does the client speak SSTP?"},
		{call.ServerCallConnectedPending, func(r *rig) { r.pass(time.Minute) }, "we aborted the call before a good Call Connected had come: negotiation timer expired; look at LCP and PPP authentication"},
		{call.ServerCallConnected, func(r *rig) { r.pass(time.Hour) }, "we closed the connection: nothing has come for too long; is the client still there, and the path to it?"},

		{call.ClientCallConnected, func(r *rig) { r.TransportClosed(r.now, lost) }, "the connection to the server is gone: read tcp: connection reset by peer"},
		{call.ClientConnectAckReceived, func(r *rig) { r.TransportClosed(r.now, io.EOF) }, "the connection to the server is gone before PPP authentication was done: closed by the other side without a message"},
		{call.ServerCallDisconnected, func(r *rig) { r.TransportClosed(r.now, nil) }, "the connection to the client is gone before the call was open: closed by the other side without a message"},
		{call.ClientConnectRequestSent, func(r *rig) { r.TransportClosed(r.now, syntax) }, "we closed the connection before the Call Connect Request was accepted: sstp: bad Version 0x48 at byte 0 (MS-SSTP 2.2.1); is there something else than SSTP at the other end, or in between?"},
	}
	for _, tt := range tests {
		role := call.Client
		if strings.HasPrefix(tt.state.String(), "server") {
			role = call.Server
		}
		r := reach(t, role, tt.state)
		tt.do(r)
		if got := fmt.Sprint(r.Err()); got != tt.want {
			t.Errorf("%v:\n%s, want\n%s", tt.state, got, tt.want)
		}
	}
	// A client that refuses what is offered says both sides of it.
	r := reach(t, call.Client, call.ClientConnectRequestSent, func(c *call.Config) { c.HashProtocols = sstp.HashProtocolSHA1 })
	r.receive(ack(sstp.HashProtocolSHA256))
	if want := "no hash protocol that both ends do: sha256 is offered, sha1 can be done"; !strings.HasSuffix(r.Err().Error(), want) {
		t.Errorf("%v, want %q", r.Err(), want)
	}
	// One that is refused says for what.
	r = reach(t, call.Client, call.ClientConnectRequestSent, func(c *call.Config) { c.RetryLimit = -1 })
	r.receive(nak())
	if want := "call connect request refused too many times: value not supported (encapsulated protocol id)"; !strings.HasSuffix(r.Err().Error(), want) {
		t.Errorf("%v, want %q", r.Err(), want)
	}
}
