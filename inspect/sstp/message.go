package sstp

// Sizes of the messages in bytes, packet header included. A Call Connect Nak
// has ControlHeaderLen bytes and, per Status Info, StatusInfoLen and up to
// MaxAttribValueLen. Many implementations send Call Abort and Call Disconnect
// without Status Info: ControlHeaderLen.
const (
	CallConnectRequestLen = ControlHeaderLen + EncapsulatedProtocolIDLen // 14
	CallConnectAckLen     = ControlHeaderLen + CryptoBindingRequestLen   // 48
	CallConnectedLen      = ControlHeaderLen + CryptoBindingLen          // 112
	CallAbortLen          = ControlHeaderLen + StatusInfoLen             // 20
	CallDisconnectLen     = ControlHeaderLen + StatusInfoLen             // 20
	CallDisconnectAckLen  = ControlHeaderLen                             // 8
	EchoRequestLen        = ControlHeaderLen                             // 8
	EchoResponseLen       = ControlHeaderLen                             // 8
)

// A Message is one of the nine control messages. The set is closed;
// [ControlMessage.Message] returns them as values, not as pointers.
type Message interface {
	Type() MessageType

	attributes() []Attribute
}

// A CallConnectRequest opens the negotiation (MS-SSTP 2.2.9).
type CallConnectRequest struct {
	EncapsulatedProtocolID EncapsulatedProtocolID
}

// A CallConnectAck accepts a CallConnectRequest (MS-SSTP 2.2.10).
type CallConnectAck struct {
	CryptoBindingRequest CryptoBindingRequest
}

// A CallConnected completes the negotiation, after PPP authentication
// (MS-SSTP 2.2.11).
type CallConnected struct {
	CryptoBinding CryptoBinding
}

// A CallConnectNak refuses a CallConnectRequest (MS-SSTP 2.2.12).
type CallConnectNak struct {
	StatusInfo []StatusInfo // one per refused attribute, at least one
}

// A CallAbort ends a call because of an error (MS-SSTP 2.2.13).
type CallAbort struct {
	StatusInfo *StatusInfo // nil if there is none, or none that can be read
}

// A CallDisconnect ends a call (MS-SSTP 2.2.14).
type CallDisconnect struct {
	StatusInfo *StatusInfo // nil if there is none, or none that can be read
}

// A CallDisconnectAck answers a CallDisconnect (MS-SSTP 2.2.15).
type CallDisconnectAck struct{}

// An EchoRequest asks whether the far end is alive (MS-SSTP 2.2.15).
type EchoRequest struct{}

// An EchoResponse answers an EchoRequest (MS-SSTP 2.2.15).
type EchoResponse struct{}

var (
	_ Message = CallConnectRequest{}
	_ Message = CallConnectAck{}
	_ Message = CallConnected{}
	_ Message = CallConnectNak{}
	_ Message = CallAbort{}
	_ Message = CallDisconnect{}
	_ Message = CallDisconnectAck{}
	_ Message = EchoRequest{}
	_ Message = EchoResponse{}
)

// Type returns MessageCallConnectRequest.
func (CallConnectRequest) Type() MessageType { return MessageCallConnectRequest }

// Type returns MessageCallConnectAck.
func (CallConnectAck) Type() MessageType { return MessageCallConnectAck }

// Type returns MessageCallConnected.
func (CallConnected) Type() MessageType { return MessageCallConnected }

// Type returns MessageCallConnectNak.
func (CallConnectNak) Type() MessageType { return MessageCallConnectNak }

// Type returns MessageCallAbort.
func (CallAbort) Type() MessageType { return MessageCallAbort }

// Type returns MessageCallDisconnect.
func (CallDisconnect) Type() MessageType { return MessageCallDisconnect }

// Type returns MessageCallDisconnectAck.
func (CallDisconnectAck) Type() MessageType { return MessageCallDisconnectAck }

// Type returns MessageEchoRequest.
func (EchoRequest) Type() MessageType { return MessageEchoRequest }

// Type returns MessageEchoResponse.
func (EchoResponse) Type() MessageType { return MessageEchoResponse }

func (m CallConnectRequest) attributes() []Attribute {
	return []Attribute{m.EncapsulatedProtocolID.attribute()}
}

func (m CallConnectAck) attributes() []Attribute {
	return []Attribute{m.CryptoBindingRequest.attribute()}
}

func (m CallConnected) attributes() []Attribute {
	return []Attribute{m.CryptoBinding.attribute()}
}

func (m CallConnectNak) attributes() []Attribute {
	attributes := make([]Attribute, 0, len(m.StatusInfo))
	for _, s := range m.StatusInfo {
		attributes = append(attributes, s.attribute())
	}
	return attributes
}

func (m CallAbort) attributes() []Attribute       { return optional(m.StatusInfo) }
func (m CallDisconnect) attributes() []Attribute  { return optional(m.StatusInfo) }
func (CallDisconnectAck) attributes() []Attribute { return nil }
func (EchoRequest) attributes() []Attribute       { return nil }
func (EchoResponse) attributes() []Attribute      { return nil }

func optional(s *StatusInfo) []Attribute {
	if s == nil {
		return nil
	}
	return []Attribute{s.attribute()}
}

// NewControlMessage returns m laid out as specified.
func NewControlMessage(m Message) ControlMessage {
	attributes := m.attributes()
	return ControlMessage{
		Type:          m.Type(),
		NumAttributes: uint16(len(attributes)),
		Attributes:    attributes,
	}
}

// AppendMessage appends m to b as a whole packet. It panics if m is a
// CallConnectNak longer than MaxPacketLen.
func AppendMessage(b []byte, m Message) []byte { return NewControlMessage(m).Append(b) }
