package sstp

import "slices"

// Validate returns what a strict receiver objects to in m, nil if nothing. It
// checks m alone: not whether the message may come now, and not the nonce,
// the certificate hash and the Compound MAC of a Call Connected. AttribValue
// aliases m.
//
// In a Call Connect Request there is one objection per faulty attribute, in
// order and none twice, ready for a Call Connect Nak (MS-SSTP 3.3.5.2.2). It
// always fits in one packet.
//
// In all other messages there is one objection, ready for a Call Abort
// (MS-SSTP 3.2.5.3.2, 3.3.5.2.3). The same goes for
// StatusInvalidFrameReceived in a Call Connect Request, which a Nak cannot
// carry and which stands alone.
func (m ControlMessage) Validate() []StatusInfo {
	known := m.Type >= MessageCallConnectRequest && m.Type <= MessageEchoResponse
	attributes, ok := m.announced()
	switch {
	case !known || !ok:
		return []StatusInfo{{AttributeStatusInfo, StatusInvalidFrameReceived, nil}}
	case m.Type == MessageCallConnectRequest:
		return validateRequest(attributes)
	}
	if s := validateOther(m.Type, attributes); s.Status != StatusNoError {
		return []StatusInfo{s}
	}
	return nil
}

// announced returns the attributes that m says it has. If the length of the
// last one does not fit, that one has no value, which is too short for any;
// ok is false if the fault is another.
func (m ControlMessage) announced() (attributes []Attribute, ok bool) {
	if len(m.Attributes) == int(m.NumAttributes) {
		return m.Attributes, len(m.Trailing) == 0
	}
	if len(m.Attributes) > int(m.NumAttributes) || len(m.Trailing) < AttributeHeaderLen {
		return nil, false
	}
	return append(slices.Clip(m.Attributes), Attribute{ID: AttributeID(m.Trailing[1])}), true
}

// validateRequest judges the attributes of a Call Connect Request.
//
// A missing attribute is reported under its own ID, as MS-SSTP 2.2.8 has it;
// MS-SSTP 3.3.5.2.2 says Status Info.
func validateRequest(attributes []Attribute) []StatusInfo {
	var faults []StatusInfo
	seen := false
	for _, a := range attributes {
		status := requestAttributeStatus(a, seen)
		seen = seen || a.ID == AttributeEncapsulatedProtocolID
		same := func(f StatusInfo) bool { return f.AttribID == a.ID && f.Status == status }
		if status == StatusNoError || slices.ContainsFunc(faults, same) {
			continue
		}
		value := a.Value[:min(len(a.Value), MaxAttribValueLen)]
		if status == StatusUnrecognizedAttribute {
			value = nil // MS-SSTP 2.2.12: only of attributes that are understood
		}
		faults = append(faults, StatusInfo{a.ID, status, value})
	}
	if !seen {
		faults = append(faults, StatusInfo{AttributeEncapsulatedProtocolID, StatusRequiredAttributeMissing, nil})
	}
	return faults
}

// requestAttributeStatus judges one attribute of a Call Connect Request; seen
// says that there was an Encapsulated Protocol ID before it.
//
// One that belongs in another message is StatusUnrecognizedAttribute here: the
// status made for it is not among those of a Nak (MS-SSTP 2.2.12).
func requestAttributeStatus(a Attribute, seen bool) Status {
	switch a.ID {
	case AttributeEncapsulatedProtocolID:
		id, ok := parseEncapsulatedProtocolID(a.Value)
		switch {
		case seen:
			return StatusDuplicateAttribute
		case !ok:
			return StatusInvalidAttribValueLength
		case id != EncapsulatedProtocolPPP:
			return StatusValueNotSupported
		}
	case AttributeStatusInfo:
		s, ok := parseStatusInfo(a.Value)
		switch {
		case !ok || len(s.AttribValue) > MaxAttribValueLen:
			return StatusInvalidAttribValueLength
		case s.Status != StatusNoError:
			return StatusStatusInfoNotSupportedInMsg
		}
	case AttributeNoError, AttributeCryptoBinding, AttributeCryptoBindingReq:
		fallthrough
	default:
		return StatusUnrecognizedAttribute
	}
	return StatusNoError
}

// A shape is what a message may hold: attributes of one ID, least to most of
// them, with values of minLen to maxLen bytes.
type shape struct {
	id             AttributeID
	minLen, maxLen int
	least, most    int
}

// shapeOf returns the shape of a message (MS-SSTP 2.2.10 to 2.2.15). A Call
// Connect Request has none: it takes more to judge it.
func shapeOf(t MessageType) shape {
	const (
		request = CryptoBindingRequestLen - AttributeHeaderLen
		binding = CryptoBindingLen - AttributeHeaderLen
		status  = StatusInfoLen - AttributeHeaderLen
	)
	switch t {
	case MessageCallConnectAck:
		return shape{AttributeCryptoBindingReq, request, request, 1, 1}
	case MessageCallConnected:
		return shape{AttributeCryptoBinding, binding, binding, 1, 1}
	case MessageCallConnectNak:
		return shape{AttributeStatusInfo, status, status + MaxAttribValueLen, 1, MaxPacketLen}
	case MessageCallAbort, MessageCallDisconnect:
		return shape{AttributeStatusInfo, status, status, 0, 1}
	case MessageCallConnectRequest, MessageCallDisconnectAck, MessageEchoRequest, MessageEchoResponse:
	}
	return shape{}
}

// validateOther judges the attributes of all messages but a Call Connect
// Request. Its Status is StatusNoError if there is no objection.
func validateOther(t MessageType, attributes []Attribute) StatusInfo {
	notSupported := StatusInfo{AttributeStatusInfo, StatusAttribNotSupportedInMsg, nil}
	want := shapeOf(t)
	count := 0
	for _, a := range attributes {
		if t == MessageCallConnected && isNoError(a) {
			continue // MS-SSTP 3.3.5.2.3 objects to other statuses only
		}
		if count == want.most || a.ID != want.id || len(a.Value) < want.minLen || len(a.Value) > want.maxLen {
			return notSupported
		}
		if !hashSupported(a) {
			return StatusInfo{a.ID, StatusValueNotSupported, nil}
		}
		count++
	}
	if count < want.least {
		return notSupported
	}
	return StatusInfo{}
}

// hashSupported tells whether an attribute of the right length names a known
// hash protocol, if it is one that names any.
func hashSupported(a Attribute) bool {
	if a.ID == AttributeCryptoBindingReq {
		return HashProtocol(a.Value[hashProtocolOffset]).Strongest() != 0
	}
	return a.ID != AttributeCryptoBinding || HashProtocol(a.Value[hashProtocolOffset]).Size() != 0
}

func isNoError(a Attribute) bool {
	s, ok := parseStatusInfo(a.Value)
	return a.ID == AttributeStatusInfo && ok && s.Status == StatusNoError
}
