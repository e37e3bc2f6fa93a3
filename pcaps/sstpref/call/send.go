package call

import "sstpwarden/inspect/sstp"

func (c *Call) send(m sstp.Message) { c.sendPacket(m.Type(), c.packet(m)) }

func (c *Call) sendPacket(t sstp.MessageType, p sstp.Packet) {
	c.out = append(c.out, output{message: t, packet: p})
}

// packet lays m out as quirks and faults have it.
func (c *Call) packet(m sstp.Message) sstp.Packet {
	cm := sstp.NewControlMessage(m)
	lengthReserved, inAttributes, reserved := c.cfg.Quirks.LengthReserved&0xf, uint8(0), uint8(0)
	if c.cfg.Faults.ReservedBits {
		lengthReserved, inAttributes, reserved = 0xf, 0xf, 0xff
	}
	for i := range cm.Attributes {
		a := &cm.Attributes[i]
		a.LengthReserved, a.Reserved = inAttributes, reserved
		if a.ID != sstp.AttributeEncapsulatedProtocolID {
			a.Value[0], a.Value[1], a.Value[2] = reserved, reserved, reserved // Reserved1
		}
	}
	if cm.Type == sstp.MessageCallConnectNak && c.cfg.Quirks.NakShortLength {
		cm.Trailing, cm.Attributes = shortLengths(cm.Attributes), nil
	}
	p := cm.Packet()
	p.LengthReserved, p.Reserved = lengthReserved, reserved>>1
	return p
}

// shortLengths lays out Status Infos whose lengths do not count the AttribValue.
func shortLengths(attributes []sstp.Attribute) []byte {
	const fixed = sstp.StatusInfoLen - sstp.AttributeHeaderLen
	var b []byte
	for _, a := range attributes {
		value := a.Value[fixed:]
		a.Value = a.Value[:fixed]
		whole := sstp.ControlMessage{Attributes: []sstp.Attribute{a}}.Packet().Data
		b = append(append(b, whole[sstp.ControlHeaderLen-sstp.HeaderLen:]...), value...)
	}
	return b
}
