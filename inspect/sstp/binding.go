package sstp

import (
	"crypto/hmac"
	"encoding/binary"
)

// HLAKLen is the size of an HLAK in bytes.
const HLAKLen = 32

// An HLAK is a higher-layer authentication key: what PPP authentication
// leaves both ends with (MS-SSTP 3.2.5.2.2, 3.2.5.2.4).
//
//   - MS-CHAPv2: the client's MasterSendKey and MasterReceiveKey of RFC 3079,
//     Section 3, 16 bytes each; on the server, where those names change
//     places, MasterReceiveKey and MasterSendKey. Both are the same bytes.
//   - EAP-TLS: the client's MasterSendKey of RFC 3079, Section 4; other EAP
//     methods: the master session key.
//   - PAP, CHAP-MD5 and whatever else makes no keys: the zero value.
type HLAK [HLAKLen]byte

// NewHLAK returns key cut or padded with zeros to HLAKLen bytes.
func NewHLAK(key []byte) HLAK {
	var k HLAK
	copy(k[:], key)
	return k
}

// cmkSeed is the Compound MAC Key Seed (MS-SSTP 3.2.5.2.2).
const cmkSeed = "SSTP inner method derived CMK"

// CompoundMACKey returns the Compound MAC Key (CMK), h.Size() bytes long. The
// error says that h is not exactly one known protocol.
func (k HLAK) CompoundMACKey(h HashProtocol) ([]byte, error) {
	newHash, err := h.new()
	if err != nil {
		return nil, err
	}
	// PRF+ gives T1 | T2 | ..., each as long as the hash. The CMK is just as
	// long, so it is T1. LEN is little-endian, unlike all else in SSTP.
	t1 := hmac.New(newHash, k[:])
	t1.Write([]byte(cmkSeed))
	t1.Write(append(binary.LittleEndian.AppendUint16(nil, uint16(h.Size())), 1))
	return t1.Sum(nil), nil
}

// CompoundMAC returns the Compound MAC of a Call Connected message under the
// hash protocol that the message names; what the message holds in the place
// of the Compound MAC does not matter (MS-SSTP 3.2.5.2.1, 3.2.5.2.3). The
// error says that the hash protocol is not known.
//
// The message is the whole packet as sent: convert a slice of exactly that
// length with [CallConnectedLen]byte(slice). A server compares the result
// with hmac.Equal, and checks on its own that it had offered the protocol.
func (k HLAK) CompoundMAC(message [CallConnectedLen]byte) ([]byte, error) {
	value := message[ControlHeaderLen+AttributeHeaderLen:]
	h := HashProtocol(value[hashProtocolOffset])
	key, err := k.CompoundMACKey(h)
	if err != nil {
		return nil, err
	}
	// Compound MAC, Padding and Padding1 count as zeros.
	clear(value[certHashOffset+h.Size() : compoundMACOffset])
	clear(value[compoundMACOffset:])
	newHash, _ := h.new() // the key could be made, so there is one
	mac := hmac.New(newHash, key)
	mac.Write(message[:])
	return mac.Sum(nil), nil
}
