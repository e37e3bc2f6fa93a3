package sstp_test

import (
	"fmt"
	"testing"

	"sstpwarden/inspect/sstp"
)

func TestString(t *testing.T) {
	tests := []struct {
		value fmt.Stringer
		want  string
	}{
		{sstp.MessageType(0), "0x0000"},
		{sstp.MessageType(1), "call_connect_request"},
		{sstp.MessageType(2), "call_connect_ack"},
		{sstp.MessageType(3), "call_connect_nak"},
		{sstp.MessageType(4), "call_connected"},
		{sstp.MessageType(5), "call_abort"},
		{sstp.MessageType(6), "call_disconnect"},
		{sstp.MessageType(7), "call_disconnect_ack"},
		{sstp.MessageType(8), "echo_request"},
		{sstp.MessageType(9), "echo_response"},
		{sstp.MessageType(0xa), "0x000a"},

		{sstp.AttributeID(0), "no_error"},
		{sstp.AttributeID(1), "encapsulated_protocol_id"},
		{sstp.AttributeID(2), "status_info"},
		{sstp.AttributeID(3), "crypto_binding"},
		{sstp.AttributeID(4), "crypto_binding_req"},
		{sstp.AttributeID(5), "0x05"},

		{sstp.Status(0), "no_error"},
		{sstp.Status(1), "duplicate_attribute"},
		{sstp.Status(2), "unrecognized_attribute"},
		{sstp.Status(3), "invalid_attrib_value_length"},
		{sstp.Status(4), "value_not_supported"},
		{sstp.Status(5), "unaccepted_frame_received"},
		{sstp.Status(6), "retry_count_exceeded"},
		{sstp.Status(7), "invalid_frame_received"},
		{sstp.Status(8), "negotiation_timeout"},
		{sstp.Status(9), "attrib_not_supported_in_msg"},
		{sstp.Status(0xa), "required_attribute_missing"},
		{sstp.Status(0xb), "status_info_not_supported_in_msg"},
		{sstp.Status(0xc), "0x0000000c"},

		{sstp.HashProtocol(0), "0x00"},
		{sstp.HashProtocol(1), "sha1"},
		{sstp.HashProtocol(2), "sha256"},
		{sstp.HashProtocol(3), "sha1|sha256"},
		{sstp.HashProtocol(0x84), "0x84"},
		{sstp.HashProtocol(6), "sha256|0x04"},
	}
	for _, tt := range tests {
		if got := tt.value.String(); got != tt.want {
			t.Errorf("%T(%d).String() = %q, want %q", tt.value, tt.value, got, tt.want)
		}
	}
}

func TestHashProtocol(t *testing.T) {
	tests := []struct {
		protocol  sstp.HashProtocol
		size      int
		strongest sstp.HashProtocol
	}{
		{0, 0, 0},
		{sstp.HashProtocolSHA1, 20, sstp.HashProtocolSHA1},
		{sstp.HashProtocolSHA256, 32, sstp.HashProtocolSHA256},
		{sstp.HashProtocolSHA1 | sstp.HashProtocolSHA256, 0, sstp.HashProtocolSHA256},
		{sstp.HashProtocolSHA1 | 0x04, 0, sstp.HashProtocolSHA1},
		{0xfc, 0, 0},
	}
	for _, tt := range tests {
		if got := tt.protocol.Size(); got != tt.size {
			t.Errorf("%v.Size() = %d, want %d", tt.protocol, got, tt.size)
		}
		if got := tt.protocol.Strongest(); got != tt.strongest {
			t.Errorf("%v.Strongest() = %v, want %v", tt.protocol, got, tt.strongest)
		}
	}
}

// TestSizes compares the sums in the constants with the numbers in
// MS-SSTP 2.2.
func TestSizes(t *testing.T) {
	tests := []struct {
		name      string
		got, want int
	}{
		{"HeaderLen", sstp.HeaderLen, 4},
		{"MaxPacketLen", sstp.MaxPacketLen, 4095},
		{"MaxDataLen", sstp.MaxDataLen, 4091},
		{"CallConnectRequestLen", sstp.CallConnectRequestLen, 0x00e},
		{"CallConnectAckLen", sstp.CallConnectAckLen, 0x030},
		{"CallConnectedLen", sstp.CallConnectedLen, 0x070},
		{"CallAbortLen", sstp.CallAbortLen, 0x014},
		{"CallDisconnectLen", sstp.CallDisconnectLen, 0x014},
		{"CallDisconnectAckLen", sstp.CallDisconnectAckLen, 0x008},
		{"EchoRequestLen", sstp.EchoRequestLen, 0x008},
		{"EchoResponseLen", sstp.EchoResponseLen, 0x008},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s = %d, want %d", tt.name, tt.got, tt.want)
		}
	}
	if got := fmt.Sprint(sstp.ContentLength); got != "18446744073709551615" {
		t.Errorf("ContentLength prints as %s", got)
	}
}
