package sstp_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/sstp"
)

// Messages of the example in MS-SSTP 4.7.
const (
	specNonceSHA256 = "412b489aebd7ecc7d08966f26be7cd72b231a0e9210d7c91b308862b0344c435"
	specCertSHA256  = "7993ef314c493dace9f02d60e7e61c84b6690aafe9d7aeea92cbbe8ad599422d"
	specMACSHA256   = "52a68efd8cffbf52770b8f0fe8ec73716583af6d611eb6d179b3b20840985449"
	specNonceSHA1   = "0f1a2d58d4a3e3000fad3ce4906e07b707aa9e441cceac5cbd7b2cc1c9d86cdf"
	specCertSHA1    = "5826b629bda59b8e6fd8dcd2622fd34c534805a5"
	specMACSHA1     = "69915dd583d8062fef16f61db2f03290ec27cb6c"
	pad12           = "000000000000000000000000"

	specConnectedSHA256 = "10 01 0070  0004 0001  00 03 0068  000000 02" + specNonceSHA256 + specCertSHA256 + specMACSHA256
	specConnectedSHA1   = "10 01 0070  0004 0001  00 03 0068  000000 01" + specNonceSHA1 + specCertSHA1 + pad12 + specMACSHA1 + pad12
)

func nonce(t testing.TB, s string) [sstp.NonceLen]byte {
	t.Helper()
	return [sstp.NonceLen]byte(unhex(t, s))
}

// TestMessage has conforming messages only.
func TestMessage(t *testing.T) {
	tests := []struct {
		name string
		wire string
		len  int
		want sstp.Message
	}{
		{
			name: "Call Connect Request (MS-SSTP 4.7)",
			wire: "10 01 000e  0001 0001  00 01 0006  0001",
			len:  sstp.CallConnectRequestLen,
			want: sstp.CallConnectRequest{EncapsulatedProtocolID: sstp.EncapsulatedProtocolPPP},
		},
		{
			name: "Call Connect Ack, SHA256 (MS-SSTP 4.7)",
			wire: "10 01 0030  0002 0001  00 04 0028  000000 02" + specNonceSHA256,
			len:  sstp.CallConnectAckLen,
			want: sstp.CallConnectAck{CryptoBindingRequest: sstp.CryptoBindingRequest{
				HashProtocolBitmask: sstp.HashProtocolSHA256, Nonce: nonce(t, specNonceSHA256),
			}},
		},
		{
			name: "Call Connect Ack, SHA1 (MS-SSTP 4.7)",
			wire: "10 01 0030  0002 0001  00 04 0028  000000 01" + specNonceSHA1,
			len:  sstp.CallConnectAckLen,
			want: sstp.CallConnectAck{CryptoBindingRequest: sstp.CryptoBindingRequest{
				HashProtocolBitmask: sstp.HashProtocolSHA1, Nonce: nonce(t, specNonceSHA1),
			}},
		},
		{
			name: "Call Connect Ack, both hashes (accel-ppp)",
			wire: "10 01 0030  0002 0001  00 04 0028  000000 03 18e54b5c5e4608654b67c53bfa2b824034f86c3c1eaa200d688a1177ce53323b",
			len:  sstp.CallConnectAckLen,
			want: sstp.CallConnectAck{CryptoBindingRequest: sstp.CryptoBindingRequest{
				HashProtocolBitmask: sstp.HashProtocolSHA1 | sstp.HashProtocolSHA256,
				Nonce:               nonce(t, "18e54b5c5e4608654b67c53bfa2b824034f86c3c1eaa200d688a1177ce53323b"),
			}},
		},
		{
			name: "Call Connected, SHA256 (MS-SSTP 4.7)",
			wire: specConnectedSHA256,
			len:  sstp.CallConnectedLen,
			want: sstp.CallConnected{CryptoBinding: sstp.CryptoBinding{
				HashProtocol: sstp.HashProtocolSHA256, Nonce: nonce(t, specNonceSHA256),
				CertHash: unhex(t, specCertSHA256), CompoundMAC: unhex(t, specMACSHA256),
			}},
		},
		{
			name: "Call Connected, SHA1 (MS-SSTP 4.7)",
			wire: specConnectedSHA1,
			len:  sstp.CallConnectedLen,
			want: sstp.CallConnected{CryptoBinding: sstp.CryptoBinding{
				HashProtocol: sstp.HashProtocolSHA1, Nonce: nonce(t, specNonceSHA1),
				CertHash: unhex(t, specCertSHA1), CompoundMAC: unhex(t, specMACSHA1),
			}},
		},
		{
			name: "Call Connect Nak (the case of MS-SSTP 2.2.8)",
			wire: "10 01 0016  0003 0001  00 02 000e  000000 01 00000004  0002",
			len:  22,
			want: sstp.CallConnectNak{StatusInfo: []sstp.StatusInfo{{
				AttribID: sstp.AttributeEncapsulatedProtocolID, Status: sstp.StatusValueNotSupported,
				AttribValue: []byte{0, 2},
			}}},
		},
		{
			name: "Call Connect Nak with two statuses",
			wire: "10 01 0020  0003 0002  00 02 000c  000000 09 00000002  00 02 000c  000000 01 0000000a",
			len:  32,
			want: sstp.CallConnectNak{StatusInfo: []sstp.StatusInfo{
				{AttribID: 9, Status: sstp.StatusUnrecognizedAttribute},
				{AttribID: sstp.AttributeEncapsulatedProtocolID, Status: sstp.StatusRequiredAttributeMissing},
			}},
		},
		{
			name: "Call Abort",
			wire: "10 01 0014  0005 0001  00 02 000c  000000 02 00000007",
			len:  sstp.CallAbortLen,
			want: sstp.CallAbort{StatusInfo: &sstp.StatusInfo{
				AttribID: sstp.AttributeStatusInfo, Status: sstp.StatusInvalidFrameReceived,
			}},
		},
		{
			name: "Call Abort without status (SoftEther)",
			wire: "10 01 0008  0005 0000",
			len:  sstp.ControlHeaderLen,
			want: sstp.CallAbort{},
		},
		{
			name: "Call Disconnect (Windows 7, accel-ppp)",
			wire: "10 01 0014  0006 0001  00 02 000c  000000 00 00000000",
			len:  sstp.CallDisconnectLen,
			want: sstp.CallDisconnect{StatusInfo: &sstp.StatusInfo{}},
		},
		{
			name: "Call Disconnect without status (sstp-client)",
			wire: "10 01 0008  0006 0000",
			len:  sstp.ControlHeaderLen,
			want: sstp.CallDisconnect{},
		},
		{
			name: "Call Disconnect Ack",
			wire: "10 01 0008  0007 0000",
			len:  sstp.CallDisconnectAckLen,
			want: sstp.CallDisconnectAck{},
		},
		{
			name: "Echo Request",
			wire: "10 01 0008  0008 0000",
			len:  sstp.EchoRequestLen,
			want: sstp.EchoRequest{},
		},
		{
			name: "Echo Response",
			wire: "10 01 0008  0009 0000",
			len:  sstp.EchoResponseLen,
			want: sstp.EchoResponse{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := unhex(t, tt.wire)
			if len(wire) != tt.len {
				t.Errorf("%d bytes, want %d", len(wire), tt.len)
			}
			m := control(t, wire)
			if m.Type != tt.want.Type() {
				t.Errorf("Type = %v, want %v", m.Type, tt.want.Type())
			}
			got, err := m.Message()
			if err != nil {
				t.Fatalf("Message: %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Message (-want +got):\n%s", diff)
			}
			if faults := m.Validate(); faults != nil {
				t.Errorf("Validate = %v, want nil", faults)
			}
			before := []byte("before")
			if diff := cmp.Diff(append(bytes.Clone(before), wire...), sstp.AppendMessage(before, tt.want)); diff != "" {
				t.Errorf("AppendMessage (-want +got):\n%s", diff)
			}
			for i := range wire {
				if _, _, err := sstp.ParsePacket(wire[:i]); !isBareEOF(err) {
					t.Errorf("prefix of %d bytes: err = %v, want io.ErrUnexpectedEOF", i, err)
				}
			}
		})
	}
}

// TestMessageLenient reads messages that a strict receiver objects to.
func TestMessageLenient(t *testing.T) {
	binding64 := sstp.CryptoBinding{
		HashProtocol: 4, Nonce: nonce(t, specNonceSHA256),
		CertHash: unhex(t, specCertSHA256), CompoundMAC: unhex(t, specMACSHA256),
	}
	tests := []struct {
		name string
		wire string
		want sstp.Message
	}{
		{
			name: "accel-ppp 1.14: the length of the Nak's attribute leaves out the value",
			wire: "10 01 0016  0003 0001  00 02 000c  000000 01 00000004  0000",
			want: sstp.CallConnectNak{StatusInfo: []sstp.StatusInfo{
				{AttribID: sstp.AttributeEncapsulatedProtocolID, Status: sstp.StatusValueNotSupported},
			}},
		},
		{
			name: "sorz/sstp-server 0.7.2: Abort without AttribID",
			wire: "10 01 0010  0005 0001  00 02 0008  00000007",
			want: sstp.CallAbort{},
		},
		{
			name: "Nak with another attribute and an unreadable status first",
			wire: "10 01 0020  0003 0003  00 01 0006 0001  00 02 0006 0000  00 02 000c  ffffff 03 00000004",
			want: sstp.CallConnectNak{StatusInfo: []sstp.StatusInfo{
				{AttribID: sstp.AttributeCryptoBinding, Status: sstp.StatusValueNotSupported},
			}},
		},
		{
			name: "the first readable attribute counts",
			wire: "10 01 0019  0001 0003  00 01 0005 00  ff 01 f006 0021  00 01 0006 0001",
			want: sstp.CallConnectRequest{EncapsulatedProtocolID: 0x21},
		},
		{
			name: "Call Connected of unknown hash protocol, Reserved1 set",
			wire: "10 01 0070  0004 0001  00 03 0068  ffffff 04" + specNonceSHA256 + specCertSHA256 + specMACSHA256,
			want: sstp.CallConnected{CryptoBinding: binding64},
		},
		{
			name: "Call Connected with padding that is not zero",
			wire: "10 01 0070  0004 0001  00 03 0068  000000 01" + specNonceSHA1 +
				specCertSHA1 + "ffffffffffffffffffffffff" + specMACSHA1 + "ffffffffffffffffffffffff",
			want: sstp.CallConnected{CryptoBinding: sstp.CryptoBinding{
				HashProtocol: sstp.HashProtocolSHA1, Nonce: nonce(t, specNonceSHA1),
				CertHash: unhex(t, specCertSHA1), CompoundMAC: unhex(t, specMACSHA1),
			}},
		},
		{
			name: "Echo Request with an attribute",
			wire: "10 01 000c  0008 0001  00 09 0004",
			want: sstp.EchoRequest{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := control(t, unhex(t, tt.wire)).Message()
			if err != nil {
				t.Fatalf("Message: %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessageErrors(t *testing.T) {
	tests := []struct {
		name string
		wire string
		want *sstp.SyntaxError
		text string
	}{
		{
			name: "unknown type",
			wire: "10 01 0008  000a 0000",
			want: &sstp.SyntaxError{Section: "MS-SSTP 2.2.2", Field: "Message Type", Offset: 4, Value: uint16(10)},
			text: "sstp: bad Message Type 0xa at byte 4 (MS-SSTP 2.2.2)",
		},
		{
			name: "2m0nd/sstp-rust: Reserved and Attribute ID change places",
			wire: "10 01 000e  0001 0001  01 00 0006  0001",
			want: &sstp.SyntaxError{Section: "MS-SSTP 2.2.4", Field: "Attribute ID encapsulated_protocol_id", Offset: 8},
			text: "sstp: no Attribute ID encapsulated_protocol_id at byte 8 (MS-SSTP 2.2.4)",
		},
		{
			name: "edgetunnel: Protocol ID of 4 bytes",
			wire: "10 01 0010  0001 0001  00 01 0008  00000001",
			want: &sstp.SyntaxError{Section: "MS-SSTP 2.2.4", Field: "Length", Offset: 10, Value: 8},
			text: "sstp: bad Length 0x8 at byte 10 (MS-SSTP 2.2.4)",
		},
		{
			name: "short Crypto Binding Request behind another attribute",
			wire: "10 01 0012  0002 0002  00 09 0005 aa  00 04 0005 03",
			want: &sstp.SyntaxError{Section: "MS-SSTP 2.2.4", Field: "Length", Offset: 15, Value: 5},
			text: "sstp: bad Length 0x5 at byte 15 (MS-SSTP 2.2.4)",
		},
		{
			name: "Nak without a status",
			wire: "10 01 0008  0003 0000",
			want: &sstp.SyntaxError{Section: "MS-SSTP 2.2.4", Field: "Attribute ID status_info", Offset: 8},
			text: "sstp: no Attribute ID status_info at byte 8 (MS-SSTP 2.2.4)",
		},
		{
			name: "short Crypto Binding",
			wire: "10 01 000d  0004 0001  00 03 0005 02",
			want: &sstp.SyntaxError{Section: "MS-SSTP 2.2.4", Field: "Length", Offset: 10, Value: 5},
			text: "sstp: bad Length 0x5 at byte 10 (MS-SSTP 2.2.4)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := control(t, unhex(t, tt.wire)).Message()
			if m != nil {
				t.Errorf("Message = %v, want nil", m)
			}
			checkSyntaxError(t, err, tt.want, tt.text)
		})
	}
}
