package call

import (
	"bytes"
	"crypto/hmac"
	"fmt"
	"slices"

	"sstpwarden/inspect/sstp"
)

// compoundMACOffset is where the Compound MAC stands in the data of the packet
// that is a Call Connected (MS-SSTP 2.2.11).
const compoundMACOffset = sstp.CallConnectedLen - sstp.HeaderLen - 32

// notBound is what is said of a crypto binding that does not match
// (MS-SSTP 3.3.5.2.3).
var notBound = sstp.StatusInfo{AttribID: sstp.AttributeCryptoBinding, Status: sstp.StatusValueNotSupported}

// callConnected makes the client's Call Connected (MS-SSTP 3.2.5.2).
func (c *Call) callConnected(hlak sstp.HLAK) sstp.Packet {
	faults := c.cfg.Faults
	b := sstp.CryptoBinding{HashProtocol: c.hash, Nonce: c.nonce}
	if faults.HashProtocol != 0 {
		b.HashProtocol = faults.HashProtocol
	}
	hash, _ := c.certHash(b.HashProtocol) // none if a fault asks for an unknown one
	b.CertHash = bytes.Clone(hash)
	flip(b.Nonce[:], faults.WrongNonce)
	flip(b.CertHash, faults.WrongCertHash)

	p := c.packet(sstp.CallConnected{CryptoBinding: b})
	mac, _ := hlak.CompoundMAC([sstp.CallConnectedLen]byte(p.Append(nil))) // as above
	flip(mac, faults.WrongMAC)
	copy(p.Data[compoundMACOffset:], mac)
	return p
}

// flip makes b another value of the same size, if it is to.
func flip(b []byte, really bool) {
	for i := range b {
		if really {
			b[i] ^= 0xff
		}
	}
}

// A binding is what is left to check of a Call Connected once PPP is
// authenticated.
type binding struct {
	message [sstp.CallConnectedLen]byte // the packet as received
	mac     []byte
}

// boundTo tells whether the Compound MAC was made with hlak.
func (b *binding) boundTo(hlak sstp.HLAK) bool {
	want, err := hlak.CompoundMAC(b.message)
	return err == nil && hmac.Equal(want, b.mac)
}

// readBinding fills in c.held and checks all of it but the Compound MAC, in the
// order of MS-SSTP 3.3.5.2.3. The Status Info is for the Call Abort.
func (c *Call) readBinding(p sstp.Packet, m sstp.ControlMessage) (sstp.StatusInfo, error) {
	if faults := m.Validate(); len(faults) > 0 && faults[0].AttribID != sstp.AttributeCryptoBinding {
		return faults[0], fmt.Errorf("%w: %v", ErrInvalid, m.Type)
	}
	msg, _ := m.Message() // what is valid but for the hash protocol can be read
	connected, _ := msg.(sstp.CallConnected)
	b := connected.CryptoBinding
	if !hmac.Equal(b.Nonce[:], c.nonce[:]) {
		return notBound, ErrNonce
	}
	if want, err := c.certHash(b.HashProtocol); err == nil && !hmac.Equal(b.CertHash, want) {
		return notBound, ErrCertHash
	}
	if b.HashProtocol.Size() == 0 || b.HashProtocol&c.cfg.HashProtocols == 0 {
		return notBound, fmt.Errorf("%w: %v is used, %v was offered", ErrHashProtocol, b.HashProtocol, c.cfg.HashProtocols)
	}
	if p.Len() != sstp.CallConnectedLen {
		return notBound, fmt.Errorf("%w: the message has %d bytes, not %d", ErrCompoundMAC, p.Len(), sstp.CallConnectedLen)
	}
	c.held.message = [sstp.CallConnectedLen]byte(p.Append(nil))
	c.held.mac = slices.Clone(b.CompoundMAC)
	return sstp.StatusInfo{}, nil
}
