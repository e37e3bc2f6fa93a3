package sstp

// Message returns m as the typed message that it is. Its slices alias those
// of m.
//
// It is as lenient as can be: of each attribute that the message has, the
// first readable one counts, and all else is passed over. The error is a
// *SyntaxError if the type is unknown or a required attribute is missing or
// not of its size. [ControlMessage.Validate] is the strict view.
func (m ControlMessage) Message() (Message, error) {
	switch m.Type {
	case MessageCallConnectRequest:
		id, err := first(m, AttributeEncapsulatedProtocolID, parseEncapsulatedProtocolID)
		return orError(CallConnectRequest{id}, err)
	case MessageCallConnectAck:
		req, err := first(m, AttributeCryptoBindingReq, parseCryptoBindingRequest)
		return orError(CallConnectAck{req}, err)
	case MessageCallConnectNak:
		_, err := first(m, AttributeStatusInfo, parseStatusInfo)
		return orError(CallConnectNak{m.statusInfos()}, err)
	case MessageCallConnected:
		binding, err := first(m, AttributeCryptoBinding, parseCryptoBinding)
		return orError(CallConnected{binding}, err)
	case MessageCallAbort:
		return CallAbort{m.statusInfo()}, nil
	case MessageCallDisconnect:
		return CallDisconnect{m.statusInfo()}, nil
	case MessageCallDisconnectAck:
		return CallDisconnectAck{}, nil
	case MessageEchoRequest:
		return EchoRequest{}, nil
	case MessageEchoResponse:
		return EchoResponse{}, nil
	}
	return nil, &SyntaxError{"MS-SSTP 2.2.2", "Message Type", HeaderLen, uint16(m.Type)}
}

// orError keeps a half-read message from leaving with an error.
func orError(m Message, err error) (Message, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

// first reads the first attribute with this id that parse accepts.
func first[T any](m ControlMessage, id AttributeID, parse func([]byte) (T, bool)) (T, error) {
	err := &SyntaxError{"MS-SSTP 2.2.4", "Attribute ID " + id.String(), ControlHeaderLen, nil}
	offset := ControlHeaderLen
	for _, a := range m.Attributes {
		if a.ID == id {
			if v, ok := parse(a.Value); ok {
				return v, nil
			}
			err = &SyntaxError{"MS-SSTP 2.2.4", "Length", offset + 2, AttributeHeaderLen + len(a.Value)}
		}
		offset += AttributeHeaderLen + len(a.Value)
	}
	var none T
	return none, err
}

// statusInfos returns every readable Status Info, in order.
func (m ControlMessage) statusInfos() []StatusInfo {
	var infos []StatusInfo
	for _, a := range m.Attributes {
		if a.ID != AttributeStatusInfo {
			continue
		}
		if s, ok := parseStatusInfo(a.Value); ok {
			infos = append(infos, s)
		}
	}
	return infos
}

// statusInfo returns the first readable Status Info, or nil.
func (m ControlMessage) statusInfo() *StatusInfo {
	infos := m.statusInfos()
	if len(infos) == 0 {
		return nil
	}
	return &infos[0]
}
