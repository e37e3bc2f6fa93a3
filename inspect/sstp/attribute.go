package sstp

import "encoding/binary"

// Sizes of attributes in bytes, header included.
const (
	EncapsulatedProtocolIDLen = 6   // MS-SSTP 2.2.5
	CryptoBindingRequestLen   = 40  // MS-SSTP 2.2.6
	CryptoBindingLen          = 104 // MS-SSTP 2.2.7
	StatusInfoLen             = 12  // MS-SSTP 2.2.8, without AttribValue
)

// Sizes of fields in bytes.
const (
	NonceLen          = 32
	MaxAttribValueLen = 64 // of StatusInfo.AttribValue
	digestLen         = 32 // Cert Hash or Compound MAC with its padding
)

// An EncapsulatedProtocolID is the value of the Encapsulated Protocol ID
// attribute: what data packets carry (MS-SSTP 2.2.5).
type EncapsulatedProtocolID uint16

// EncapsulatedProtocolPPP is the only protocol that SSTP knows.
const EncapsulatedProtocolPPP EncapsulatedProtocolID = 0x0001

func parseEncapsulatedProtocolID(value []byte) (EncapsulatedProtocolID, bool) {
	if len(value) != EncapsulatedProtocolIDLen-AttributeHeaderLen {
		return 0, false
	}
	return EncapsulatedProtocolID(binary.BigEndian.Uint16(value)), true
}

func (id EncapsulatedProtocolID) attribute() Attribute {
	return Attribute{
		ID:    AttributeEncapsulatedProtocolID,
		Value: binary.BigEndian.AppendUint16(nil, uint16(id)),
	}
}

// A CryptoBindingRequest is the value of the Crypto Binding Request attribute
// (MS-SSTP 2.2.6).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-----------------------------------------------+---------------+
//	|                   Reserved1                   | Hash Bitmask  |
//	+-----------------------------------------------+---------------+
//	|                           Nonce (32)                        ...
//	+---------------------------------------------------------------+
type CryptoBindingRequest struct {
	HashProtocolBitmask HashProtocol // those that the server allows
	Nonce               [NonceLen]byte
}

func parseCryptoBindingRequest(value []byte) (CryptoBindingRequest, bool) {
	if len(value) != CryptoBindingRequestLen-AttributeHeaderLen {
		return CryptoBindingRequest{}, false
	}
	return CryptoBindingRequest{
		HashProtocolBitmask: HashProtocol(value[hashProtocolOffset]),
		Nonce:               [NonceLen]byte(value[nonceOffset:]),
	}, true
}

func (c CryptoBindingRequest) attribute() Attribute {
	value := make([]byte, CryptoBindingRequestLen-AttributeHeaderLen)
	value[hashProtocolOffset] = byte(c.HashProtocolBitmask)
	copy(value[nonceOffset:], c.Nonce[:])
	return Attribute{ID: AttributeCryptoBindingReq, Value: value}
}

// A CryptoBinding is the value of the Crypto Binding attribute
// (MS-SSTP 2.2.7).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-----------------------------------------------+---------------+
//	|                   Reserved1                   | Hash Protocol |
//	+-----------------------------------------------+---------------+
//	|                           Nonce (32)                        ...
//	+---------------------------------------------------------------+
//	|                 Cert Hash and Padding (20+12 or 32)         ...
//	+---------------------------------------------------------------+
//	|               Compound MAC and Padding1 (20+12 or 32)       ...
//	+---------------------------------------------------------------+
type CryptoBinding struct {
	HashProtocol HashProtocol
	Nonce        [NonceLen]byte // the server's, from CryptoBindingRequest
	// CertHash is the hash of the server's certificate as the client saw it,
	// CompoundMAC what [HLAK.CompoundMAC] computes. Both have
	// HashProtocol.Size() bytes, or 32 from a sender whose HashProtocol is
	// unknown. When written, they are cut or padded with zeros to 32 bytes.
	CertHash, CompoundMAC []byte
}

// Offsets in the values of the Crypto Binding attribute and, the first two,
// of the Crypto Binding Request attribute.
const (
	hashProtocolOffset = 3
	nonceOffset        = 4
	certHashOffset     = nonceOffset + NonceLen
	compoundMACOffset  = certHashOffset + digestLen
)

func parseCryptoBinding(value []byte) (CryptoBinding, bool) {
	if len(value) != CryptoBindingLen-AttributeHeaderLen {
		return CryptoBinding{}, false
	}
	h := HashProtocol(value[hashProtocolOffset])
	size := h.Size()
	if size == 0 {
		size = digestLen
	}
	return CryptoBinding{
		HashProtocol: h,
		Nonce:        [NonceLen]byte(value[nonceOffset:]),
		CertHash:     value[certHashOffset:][:size:size],
		CompoundMAC:  value[compoundMACOffset:][:size:size],
	}, true
}

func (c CryptoBinding) attribute() Attribute {
	value := make([]byte, CryptoBindingLen-AttributeHeaderLen)
	value[hashProtocolOffset] = byte(c.HashProtocol)
	copy(value[nonceOffset:], c.Nonce[:])
	copy(value[certHashOffset:compoundMACOffset], c.CertHash)
	copy(value[compoundMACOffset:], c.CompoundMAC)
	return Attribute{ID: AttributeCryptoBinding, Value: value}
}

// A StatusInfo is the value of the Status Info attribute (MS-SSTP 2.2.8).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-----------------------------------------------+---------------+
//	|                   Reserved1                   |   AttribID    |
//	+-----------------------------------------------+---------------+
//	|                            Status                             |
//	+---------------------------------------------------------------+
//	|                    AttribValue (0 to 64)                    ...
//	+---------------------------------------------------------------+
type StatusInfo struct {
	AttribID AttributeID // the attribute that Status speaks of
	Status   Status
	// AttribValue is the first up to MaxAttribValueLen bytes of the refused
	// attribute's value, in a Call Connect Nak only.
	AttribValue []byte
}

func parseStatusInfo(value []byte) (StatusInfo, bool) {
	const fixed = StatusInfoLen - AttributeHeaderLen
	if len(value) < fixed {
		return StatusInfo{}, false
	}
	s := StatusInfo{
		AttribID: AttributeID(value[3]),
		Status:   Status(binary.BigEndian.Uint32(value[4:])),
	}
	if len(value) > fixed {
		s.AttribValue = value[fixed:]
	}
	return s, true
}

func (s StatusInfo) attribute() Attribute {
	value := make([]byte, 0, StatusInfoLen-AttributeHeaderLen+len(s.AttribValue))
	value = append(value, 0, 0, 0, byte(s.AttribID))
	value = binary.BigEndian.AppendUint32(value, uint32(s.Status))
	return Attribute{ID: AttributeStatusInfo, Value: append(value, s.AttribValue...)}
}
