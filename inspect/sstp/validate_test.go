package sstp_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/sstp"
)

// message lays out a message that may be faulty.
func message(t sstp.MessageType, attributes ...sstp.Attribute) sstp.ControlMessage {
	return sstp.ControlMessage{Type: t, NumAttributes: uint16(len(attributes)), Attributes: attributes}
}

func attribute(id sstp.AttributeID, value ...byte) sstp.Attribute {
	return sstp.Attribute{ID: id, Value: value}
}

var (
	ppp      = attribute(sstp.AttributeEncapsulatedProtocolID, 0, 1)
	noError  = attribute(sstp.AttributeStatusInfo, 0, 0, 0, 0, 0, 0, 0, 0)
	anError  = attribute(sstp.AttributeStatusInfo, 0, 0, 0, 1, 0, 0, 0, 4)
	request  = attribute(sstp.AttributeCryptoBindingReq, append([]byte{0, 0, 0, 3}, make([]byte, 32)...)...)
	binding  = attribute(sstp.AttributeCryptoBinding, append([]byte{0, 0, 0, 2}, make([]byte, 96)...)...)
	unknown  = attribute(9, 1, 2, 3)
	reserved = sstp.Attribute{Reserved: 0xff, ID: sstp.AttributeEncapsulatedProtocolID, LengthReserved: 0xf, Value: []byte{0, 1}}
)

// with returns a with one byte of its value changed.
func with(a sstp.Attribute, index int, value byte) sstp.Attribute {
	a.Value = bytes.Clone(a.Value)
	a.Value[index] = value
	return a
}

// sized returns a with its value cut or padded with zeros to n bytes.
func sized(a sstp.Attribute, n int) sstp.Attribute {
	value := make([]byte, n)
	copy(value, a.Value)
	a.Value = value
	return a
}

func TestValidateRequest(t *testing.T) {
	const (
		protocol = sstp.AttributeEncapsulatedProtocolID
		status   = sstp.AttributeStatusInfo
	)
	tests := []struct {
		name       string
		attributes []sstp.Attribute
		want       []sstp.StatusInfo
	}{
		{"as specified", []sstp.Attribute{ppp}, nil},
		{"reserved bits are ignored", []sstp.Attribute{reserved}, nil},
		{"status info without an error", []sstp.Attribute{noError, ppp}, nil},
		{"none", nil, []sstp.StatusInfo{{protocol, sstp.StatusRequiredAttributeMissing, nil}}},
		{
			"status info with an error",
			[]sstp.Attribute{ppp, anError},
			[]sstp.StatusInfo{{status, sstp.StatusStatusInfoNotSupportedInMsg, anError.Value}},
		},
		{
			"value too short",
			[]sstp.Attribute{sized(ppp, 1)},
			[]sstp.StatusInfo{{protocol, sstp.StatusInvalidAttribValueLength, []byte{0}}},
		},
		{
			"value too long, cut to 64 bytes",
			[]sstp.Attribute{sized(ppp, 65)},
			[]sstp.StatusInfo{{protocol, sstp.StatusInvalidAttribValueLength, sized(ppp, 64).Value}},
		},
		{
			"status info too short",
			[]sstp.Attribute{ppp, sized(noError, 7)},
			[]sstp.StatusInfo{{status, sstp.StatusInvalidAttribValueLength, sized(noError, 7).Value}},
		},
		{
			"status info too long",
			[]sstp.Attribute{ppp, sized(noError, 73)},
			[]sstp.StatusInfo{{status, sstp.StatusInvalidAttribValueLength, sized(noError, 64).Value}},
		},
		{
			"twice",
			[]sstp.Attribute{ppp, ppp},
			[]sstp.StatusInfo{{protocol, sstp.StatusDuplicateAttribute, ppp.Value}},
		},
		{
			"three times is one objection",
			[]sstp.Attribute{ppp, ppp, ppp},
			[]sstp.StatusInfo{{protocol, sstp.StatusDuplicateAttribute, ppp.Value}},
		},
		{
			"unknown attribute",
			[]sstp.Attribute{ppp, unknown},
			[]sstp.StatusInfo{{9, sstp.StatusUnrecognizedAttribute, nil}},
		},
		{
			"attribute of another message",
			[]sstp.Attribute{ppp, binding},
			[]sstp.StatusInfo{{sstp.AttributeCryptoBinding, sstp.StatusUnrecognizedAttribute, nil}},
		},
		{
			"not PPP",
			[]sstp.Attribute{with(ppp, 1, 2)},
			[]sstp.StatusInfo{{protocol, sstp.StatusValueNotSupported, []byte{0, 2}}},
		},
		{
			"several faults",
			[]sstp.Attribute{unknown, anError},
			[]sstp.StatusInfo{
				{9, sstp.StatusUnrecognizedAttribute, nil},
				{status, sstp.StatusStatusInfoNotSupportedInMsg, anError.Value},
				{protocol, sstp.StatusRequiredAttributeMissing, nil},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := message(sstp.MessageCallConnectRequest, tt.attributes...).Validate()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Validate (-want +got):\n%s", diff)
			}
		})
	}
}

// TestValidateFitsNak gives every fault there is, which is the longest Nak.
func TestValidateFitsNak(t *testing.T) {
	attributes := []sstp.Attribute{
		sized(ppp, 100), sized(ppp, 100), sized(noError, 100), with(sized(noError, 64), 7, 1),
	}
	for id := range 256 {
		if id != int(sstp.AttributeStatusInfo) {
			attributes = append(attributes, attribute(sstp.AttributeID(id)))
		}
	}
	faults := message(sstp.MessageCallConnectRequest, attributes...).Validate()
	const unrecognized, others = 254, 4
	if len(faults) != unrecognized+others {
		t.Errorf("%d objections, want %d", len(faults), unrecognized+others)
	}
	nak := sstp.CallConnectNak{StatusInfo: faults}
	got, err := control(t, sstp.AppendMessage(nil, nak)).Message()
	if err != nil {
		t.Fatalf("Message: %v", err)
	}
	if diff := cmp.Diff(sstp.Message(nak), got); diff != "" {
		t.Errorf("Nak (-want +got):\n%s", diff)
	}
}

func TestValidateOther(t *testing.T) {
	notSupported := &sstp.StatusInfo{AttribID: sstp.AttributeStatusInfo, Status: sstp.StatusAttribNotSupportedInMsg}
	hashOf := func(id sstp.AttributeID) *sstp.StatusInfo {
		return &sstp.StatusInfo{AttribID: id, Status: sstp.StatusValueNotSupported}
	}
	tests := []struct {
		name    string
		message sstp.ControlMessage
		want    *sstp.StatusInfo
	}{
		{"ack", message(sstp.MessageCallConnectAck, request), nil},
		{"ack: an unknown hash beside known ones", message(sstp.MessageCallConnectAck, with(request, 3, 0xff)), nil},
		{"ack: no known hash", message(sstp.MessageCallConnectAck, with(request, 3, 0xfc)), hashOf(sstp.AttributeCryptoBindingReq)},
		{"ack: no attribute", message(sstp.MessageCallConnectAck), notSupported},
		{"ack: twice", message(sstp.MessageCallConnectAck, request, request), notSupported},
		{"ack: too short", message(sstp.MessageCallConnectAck, sized(request, 35)), notSupported},
		{"ack: too long", message(sstp.MessageCallConnectAck, sized(request, 37)), notSupported},
		{"ack: status info", message(sstp.MessageCallConnectAck, request, noError), notSupported},
		{"ack: the client's attribute", message(sstp.MessageCallConnectAck, binding), notSupported},

		{"connected", message(sstp.MessageCallConnected, binding), nil},
		{"connected: status info without an error", message(sstp.MessageCallConnected, noError, binding), nil},
		{"connected: status info with an error", message(sstp.MessageCallConnected, binding, anError), notSupported},
		{"connected: no attribute", message(sstp.MessageCallConnected), notSupported},
		{"connected: only status info", message(sstp.MessageCallConnected, noError), notSupported},
		{"connected: too short", message(sstp.MessageCallConnected, sized(binding, 99)), notSupported},
		{"connected: too long", message(sstp.MessageCallConnected, sized(binding, 101)), notSupported},
		{"connected: no hash", message(sstp.MessageCallConnected, with(binding, 3, 0)), hashOf(sstp.AttributeCryptoBinding)},
		{"connected: two hashes", message(sstp.MessageCallConnected, with(binding, 3, 3)), hashOf(sstp.AttributeCryptoBinding)},
		{
			"connected: attribute longer than the message",
			sstp.ControlMessage{Type: sstp.MessageCallConnected, NumAttributes: 1, Trailing: []byte{0, 3, 0, 0x70, 0, 0}},
			notSupported,
		},

		{"nak", message(sstp.MessageCallConnectNak, anError, sized(anError, 72), anError), nil},
		{"nak: no attribute", message(sstp.MessageCallConnectNak), notSupported},
		{"nak: too short", message(sstp.MessageCallConnectNak, sized(anError, 7)), notSupported},
		{"nak: value over 64 bytes", message(sstp.MessageCallConnectNak, sized(anError, 73)), notSupported},
		{"nak: another attribute", message(sstp.MessageCallConnectNak, anError, ppp), notSupported},

		{"abort", message(sstp.MessageCallAbort, anError), nil},
		{"abort: no attribute", message(sstp.MessageCallAbort), nil},
		{"abort: two", message(sstp.MessageCallAbort, anError, anError), notSupported},
		{"abort: with a value", message(sstp.MessageCallAbort, sized(anError, 10)), notSupported},
		{"disconnect", message(sstp.MessageCallDisconnect, noError), nil},
		{"disconnect: another attribute", message(sstp.MessageCallDisconnect, ppp), notSupported},
		{"disconnect ack", message(sstp.MessageCallDisconnectAck), nil},
		{"disconnect ack: an attribute", message(sstp.MessageCallDisconnectAck, noError), notSupported},
		{"echo request: an attribute", message(sstp.MessageEchoRequest, unknown), notSupported},
		{"echo response: attribute 0", message(sstp.MessageEchoResponse, attribute(0)), notSupported},
		{
			"more attributes than announced",
			sstp.ControlMessage{Type: sstp.MessageCallAbort, Attributes: []sstp.Attribute{anError}},
			&sstp.StatusInfo{AttribID: sstp.AttributeStatusInfo, Status: sstp.StatusInvalidFrameReceived},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var want []sstp.StatusInfo
			if tt.want != nil {
				want = []sstp.StatusInfo{*tt.want}
			}
			if diff := cmp.Diff(want, tt.message.Validate()); diff != "" {
				t.Errorf("Validate (-want +got):\n%s", diff)
			}
		})
	}
}
