package sstp_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/sstp"
)

// control reads the one control packet that wire holds.
func control(t *testing.T, wire []byte) sstp.ControlMessage {
	t.Helper()
	p, n, err := sstp.ParsePacket(wire)
	if err != nil || n != len(wire) {
		t.Fatalf("ParsePacket: n = %d of %d, err = %v", n, len(wire), err)
	}
	m, err := p.ControlMessage()
	if err != nil {
		t.Fatalf("ControlMessage: %v", err)
	}
	return m
}

// TestControlMessage reads what real implementations send and what they could
// send, and writes it back.
func TestControlMessage(t *testing.T) {
	tests := []struct {
		name   string
		wire   string
		want   sstp.ControlMessage
		faults []sstp.StatusInfo
	}{
		{
			name: "accel-ppp 1.14: the length of the Nak's attribute leaves out the value",
			wire: "10 01 0016  0003 0001  00 02 000c  000000 01 00000004  0000",
			want: sstp.ControlMessage{
				Type: sstp.MessageCallConnectNak, NumAttributes: 1,
				Attributes: []sstp.Attribute{
					{ID: sstp.AttributeStatusInfo, Value: []byte{0, 0, 0, 1, 0, 0, 0, 4}},
				},
				Trailing: []byte{0, 0},
			},
			faults: []sstp.StatusInfo{{AttribID: sstp.AttributeStatusInfo, Status: sstp.StatusInvalidFrameReceived}},
		},
		{
			name: "sorz/sstp-server 0.7.2: Abort without AttribID",
			wire: "10 01 0010  0005 0001  00 02 0008  00000007",
			want: sstp.ControlMessage{
				Type: sstp.MessageCallAbort, NumAttributes: 1,
				Attributes: []sstp.Attribute{
					{ID: sstp.AttributeStatusInfo, Value: []byte{0, 0, 0, 7}},
				},
			},
			faults: []sstp.StatusInfo{{AttribID: sstp.AttributeStatusInfo, Status: sstp.StatusAttribNotSupportedInMsg}},
		},
		{
			name: "sorz/sstp-server 0.7.2: attribute 0 in a Disconnect",
			wire: "10 01 0010  0006 0001  00 00 0008  00000000",
			want: sstp.ControlMessage{
				Type: sstp.MessageCallDisconnect, NumAttributes: 1,
				Attributes: []sstp.Attribute{
					{ID: sstp.AttributeNoError, Value: []byte{0, 0, 0, 0}},
				},
			},
			faults: []sstp.StatusInfo{{AttribID: sstp.AttributeStatusInfo, Status: sstp.StatusAttribNotSupportedInMsg}},
		},
		{
			name: "edgetunnel: Protocol ID of 4 bytes",
			wire: "10 01 0010  0001 0001  00 01 0008  00000001",
			want: sstp.ControlMessage{
				Type: sstp.MessageCallConnectRequest, NumAttributes: 1,
				Attributes: []sstp.Attribute{
					{ID: sstp.AttributeEncapsulatedProtocolID, Value: []byte{0, 0, 0, 1}},
				},
			},
			faults: []sstp.StatusInfo{{
				AttribID: sstp.AttributeEncapsulatedProtocolID, Status: sstp.StatusInvalidAttribValueLength,
				AttribValue: []byte{0, 0, 0, 1},
			}},
		},
		{
			name: "2m0nd/sstp-rust: Reserved and Attribute ID change places",
			wire: "10 01 000e  0001 0001  01 00 0006  0001",
			want: sstp.ControlMessage{
				Type: sstp.MessageCallConnectRequest, NumAttributes: 1,
				Attributes: []sstp.Attribute{
					{Reserved: 1, ID: sstp.AttributeNoError, Value: []byte{0, 1}},
				},
			},
			faults: []sstp.StatusInfo{
				{AttribID: sstp.AttributeNoError, Status: sstp.StatusUnrecognizedAttribute},
				{AttribID: sstp.AttributeEncapsulatedProtocolID, Status: sstp.StatusRequiredAttributeMissing},
			},
		},
		{
			name: "reserved bits of attributes, in a message of unknown type",
			wire: "10 01 0014  1234 0002  ff 07 f005 aa  80 01 8006 0001  00",
			want: sstp.ControlMessage{
				Type: 0x1234, NumAttributes: 2,
				Attributes: []sstp.Attribute{
					{Reserved: 0xff, ID: 7, LengthReserved: 0xf, Value: []byte{0xaa}},
					{Reserved: 0x80, ID: 1, LengthReserved: 8, Value: []byte{0, 1}},
				},
				Trailing: []byte{0},
			},
			faults: []sstp.StatusInfo{{AttribID: sstp.AttributeStatusInfo, Status: sstp.StatusInvalidFrameReceived}},
		},
		{
			name: "an attribute more than announced",
			wire: "10 01 000e  0008 0000  00 01 0006 0001",
			want: sstp.ControlMessage{
				Type: sstp.MessageEchoRequest, Trailing: []byte{0, 1, 0, 6, 0, 1},
			},
			faults: []sstp.StatusInfo{{AttribID: sstp.AttributeStatusInfo, Status: sstp.StatusInvalidFrameReceived}},
		},
		{
			name:   "65535 attributes announced, none sent",
			wire:   "10 01 0008  0001 ffff",
			want:   sstp.ControlMessage{Type: sstp.MessageCallConnectRequest, NumAttributes: 0xffff},
			faults: []sstp.StatusInfo{{AttribID: sstp.AttributeStatusInfo, Status: sstp.StatusInvalidFrameReceived}},
		},
		{
			name: "an attribute that is longer than the message",
			wire: "10 01 000e  0001 0001  00 01 0007 0001",
			want: sstp.ControlMessage{
				Type: sstp.MessageCallConnectRequest, NumAttributes: 1,
				Trailing: []byte{0, 1, 0, 7, 0, 1},
			},
			faults: []sstp.StatusInfo{{
				AttribID: sstp.AttributeEncapsulatedProtocolID, Status: sstp.StatusInvalidAttribValueLength,
			}},
		},
		{
			name: "an attribute that is shorter than its header",
			wire: "10 01 0014  0001 0002  00 01 0006 0001  00 02 0003 0000",
			want: sstp.ControlMessage{
				Type: sstp.MessageCallConnectRequest, NumAttributes: 2,
				Attributes: []sstp.Attribute{
					{ID: sstp.AttributeEncapsulatedProtocolID, Value: []byte{0, 1}},
				},
				Trailing: []byte{0, 2, 0, 3, 0, 0},
			},
			faults: []sstp.StatusInfo{{
				AttribID: sstp.AttributeStatusInfo, Status: sstp.StatusInvalidAttribValueLength,
			}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := unhex(t, tt.wire)
			got := control(t, wire)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ControlMessage (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wire, tt.want.Append(nil)); diff != "" {
				t.Errorf("Append (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.faults, got.Validate()); diff != "" {
				t.Errorf("Validate (-want +got):\n%s", diff)
			}
		})
	}
}

func TestControlMessageErrors(t *testing.T) {
	tests := []struct {
		name   string
		packet sstp.Packet
		want   *sstp.SyntaxError
		text   string
	}{
		{
			name:   "data packet",
			packet: sstp.Packet{Data: []byte{0, 8, 0, 0}},
			want:   &sstp.SyntaxError{Section: "MS-SSTP 2.2.2", Field: "C", Offset: 1, Value: 0},
			text:   "sstp: bad C 0x0 at byte 1 (MS-SSTP 2.2.2)",
		},
		{
			name:   "no room for Num Attributes",
			packet: sstp.Packet{Control: true, Data: []byte{0, 8, 0}},
			want:   &sstp.SyntaxError{Section: "MS-SSTP 2.2.2", Field: "Length", Offset: 2, Value: 7},
			text:   "sstp: bad Length 0x7 at byte 2 (MS-SSTP 2.2.2)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.packet.ControlMessage()
			checkSyntaxError(t, err, tt.want, tt.text)
		})
	}
}
