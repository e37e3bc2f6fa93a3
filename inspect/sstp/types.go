package sstp

import "fmt"

// A MessageType tells control messages apart (MS-SSTP 2.2.2).
type MessageType uint16

// The message types. They are SSTP_MSG_... in the specification.
const (
	MessageCallConnectRequest MessageType = 0x0001 // client to server
	MessageCallConnectAck     MessageType = 0x0002 // server to client
	MessageCallConnectNak     MessageType = 0x0003 // server to client
	MessageCallConnected      MessageType = 0x0004 // client to server
	MessageCallAbort          MessageType = 0x0005
	MessageCallDisconnect     MessageType = 0x0006
	MessageCallDisconnectAck  MessageType = 0x0007
	MessageEchoRequest        MessageType = 0x0008
	MessageEchoResponse       MessageType = 0x0009
)

// String returns the specification's name without its prefix and in lower
// case, "call_connect_request", or the number.
func (t MessageType) String() string {
	switch t {
	case MessageCallConnectRequest:
		return "call_connect_request"
	case MessageCallConnectAck:
		return "call_connect_ack"
	case MessageCallConnectNak:
		return "call_connect_nak"
	case MessageCallConnected:
		return "call_connected"
	case MessageCallAbort:
		return "call_abort"
	case MessageCallDisconnect:
		return "call_disconnect"
	case MessageCallDisconnectAck:
		return "call_disconnect_ack"
	case MessageEchoRequest:
		return "echo_request"
	case MessageEchoResponse:
		return "echo_response"
	}
	return fmt.Sprintf("0x%04x", uint16(t))
}

// An AttributeID tells attributes apart (MS-SSTP 2.2.4).
type AttributeID uint8

// The attribute IDs. They are SSTP_ATTRIB_... in the specification.
const (
	AttributeNoError                AttributeID = 0x00 // in StatusInfo.AttribID only
	AttributeEncapsulatedProtocolID AttributeID = 0x01
	AttributeStatusInfo             AttributeID = 0x02
	AttributeCryptoBinding          AttributeID = 0x03
	AttributeCryptoBindingReq       AttributeID = 0x04
)

// String returns the specification's name without its prefix and in lower
// case, "status_info", or the number.
func (id AttributeID) String() string {
	switch id {
	case AttributeNoError:
		return "no_error"
	case AttributeEncapsulatedProtocolID:
		return "encapsulated_protocol_id"
	case AttributeStatusInfo:
		return "status_info"
	case AttributeCryptoBinding:
		return "crypto_binding"
	case AttributeCryptoBindingReq:
		return "crypto_binding_req"
	}
	return fmt.Sprintf("0x%02x", uint8(id))
}

// A Status is the reason that a Status Info attribute gives (MS-SSTP 2.2.8).
type Status uint32

// The statuses. They are ATTRIB_STATUS_... in the specification.
const (
	StatusNoError                     Status = 0x00000000
	StatusDuplicateAttribute          Status = 0x00000001
	StatusUnrecognizedAttribute       Status = 0x00000002
	StatusInvalidAttribValueLength    Status = 0x00000003
	StatusValueNotSupported           Status = 0x00000004
	StatusUnacceptedFrameReceived     Status = 0x00000005 // message not expected in this state
	StatusRetryCountExceeded          Status = 0x00000006
	StatusInvalidFrameReceived        Status = 0x00000007 // message type or format not recognised
	StatusNegotiationTimeout          Status = 0x00000008
	StatusAttribNotSupportedInMsg     Status = 0x00000009 // also: an expected attribute is missing
	StatusRequiredAttributeMissing    Status = 0x0000000a // Call Connect Nak only
	StatusStatusInfoNotSupportedInMsg Status = 0x0000000b // Call Connect Nak only
)

// String returns the specification's name without its prefix and in lower
// case, "value_not_supported", or the number.
func (s Status) String() string {
	switch s {
	case StatusNoError:
		return "no_error"
	case StatusDuplicateAttribute:
		return "duplicate_attribute"
	case StatusUnrecognizedAttribute:
		return "unrecognized_attribute"
	case StatusInvalidAttribValueLength:
		return "invalid_attrib_value_length"
	case StatusValueNotSupported:
		return "value_not_supported"
	case StatusUnacceptedFrameReceived:
		return "unaccepted_frame_received"
	case StatusRetryCountExceeded:
		return "retry_count_exceeded"
	case StatusInvalidFrameReceived:
		return "invalid_frame_received"
	case StatusNegotiationTimeout:
		return "negotiation_timeout"
	case StatusAttribNotSupportedInMsg:
		return "attrib_not_supported_in_msg"
	case StatusRequiredAttributeMissing:
		return "required_attribute_missing"
	case StatusStatusInfoNotSupportedInMsg:
		return "status_info_not_supported_in_msg"
	}
	return fmt.Sprintf("0x%08x", uint32(s))
}
