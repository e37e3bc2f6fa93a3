package call_test

import (
	"fmt"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// A client whose server falls silent. Time is whatever it is told.
func Example() {
	now := time.Unix(0, 0)
	var c *call.Call
	c, err := call.New(call.Config{
		Role:        call.Client,
		Certificate: []byte("what the server has shown in the TLS handshake"),
		Send: func(t sstp.MessageType, p sstp.Packet) {
			fmt.Printf("%v: %d bytes for the server\n", t, p.Len())
		},
		Event: func(e call.Event) {
			switch e.Kind {
			case call.EventState:
				fmt.Printf("%v (%s)\n", e.To, e.Cause)
			case call.EventStartPPP:
				// PPP speaks with the server, until at last:
				c.Authenticated(now, sstp.NewHLAK([]byte("keys of MS-CHAPv2")))
			case call.EventClosed:
				fmt.Println("close the connection:", e.Err)
			default:
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Open(now)
	// What the server sends, cut by sstp.ParsePacket:
	c.Receive(now, sstp.NewControlMessage(sstp.CallConnectAck{CryptoBindingRequest: sstp.CryptoBindingRequest{
		HashProtocolBitmask: sstp.HashProtocolSHA256,
	}}).Packet())
	for at, ok := c.Deadline(); ok; at, ok = c.Deadline() {
		now = at // a real program waits
		c.Expire(now)
	}
	// Output:
	// call_connect_request: 14 bytes for the server
	// client_connect_request_sent (opened)
	// client_connect_ack_received (received call_connect_ack)
	// call_connected: 112 bytes for the server
	// client_call_connected (PPP authenticated)
	// echo_request: 8 bytes for the server
	// client_call_disconnected (hello timer expired)
	// close the connection: we closed the connection: nothing has come for too long; is the server still there, and the path to it?
}
