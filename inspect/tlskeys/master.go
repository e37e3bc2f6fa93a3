package tlskeys

import (
	"encoding/binary"
	"fmt"

	"sstpwarden/inspect/tlswire"
)

// protection returns what opens one side's records up to TLS 1.2, or nil and
// the reason.
func (hs *handshake) protection(keys *Keys, client bool) (p protection, reason string) {
	if hs.client == nil || hs.server == nil {
		return nil, hs.uncaptured()
	}
	s := hs.server
	if reason := s.unsupported(); reason != "" {
		return nil, reason
	}
	if hs.block == nil {
		if reason := hs.findMaster(keys); reason != "" {
			return nil, reason
		}
		block := newKeyBlock(s.version, s.suite, hs.master[:], hs.client.random, s.random)
		hs.block = &block
		keys.rememberSession(s.sessionID, hs.master)
		hs.messages, hs.keyExchange = nil, nil
	}
	p, err := newTLS12Protection(s.version, s.suite, s.encryptThenMAC, hs.block.of(client))
	if err != nil {
		return nil, err.Error()
	}
	return p, ""
}

// unsupported says what of the negotiated parameters cannot be opened.
func (s *serverHello) unsupported() string {
	switch {
	case s.version < tlswire.VersionTLS10 || s.version > tlswire.VersionTLS13:
		return fmt.Sprintf("%v is not supported", s.version)
	case s.compressed:
		return "TLS compression is not supported"
	case s.suite.ID != s.id || s.id == 0:
		return fmt.Sprintf("cipher suite %v is not known", s.id)
	case (s.suite.KeyExchange == tlswire.KeyExchangeTLS13) != (s.version == tlswire.VersionTLS13):
		return fmt.Sprintf("%v does not go with %v", s.id, s.version)
	}
	return ""
}

// findMaster finds the master secret: in the key log, with an RSA key, or as
// that of a session which is resumed. Otherwise it returns the reason.
func (hs *handshake) findMaster(keys *Keys) (reason string) {
	if s, ok := keys.secret(hs.client.random, labelMaster); ok {
		hs.master = s.b
		return ""
	}
	reason = hs.client.noSecrets()
	kx := hs.server.suite.KeyExchange
	var ok bool
	switch {
	case hs.keyExchange == nil:
		if hs.master, ok = keys.resumeSession(hs.server.sessionID); !ok {
			hs.master, ok = keys.resumeSession(hs.client.ticket)
		}
		if ok {
			keys.rememberDerived(hs.client.random, hs.master)
			return ""
		}
		return reason + " (a session was resumed, or the key exchange was not captured)"
	case !keys.hasRSA():
		return reason
	case kx != tlswire.KeyExchangeRSA:
		return fmt.Sprintf("%s, and an RSA key cannot open the key exchange %v", reason, kx)
	case hs.server.extendedMasterSecret && hs.messages == nil:
		return reason + ", and the handshake was not captured whole"
	}
	// EncryptedPreMasterSecret has a length in front (RFC 5246, Section
	// 7.4.7.1).
	encrypted := hs.keyExchange
	if len(encrypted) < 2 || int(binary.BigEndian.Uint16(encrypted)) != len(encrypted)-2 {
		return "the ClientKeyExchange cannot be read"
	}
	premaster, ok := keys.premaster(encrypted[2:])
	if !ok {
		return "the server key does not match: the connection's secret was encrypted to another RSA key"
	}
	hs.deriveMaster(premaster)
	keys.rememberDerived(hs.client.random, hs.master)
	return ""
}

// deriveMaster makes the master secret: RFC 5246, Section 8.1, and RFC 7627,
// Section 4.
func (hs *handshake) deriveMaster(premaster masterSecret) {
	s := hs.server
	p := newPRF(s.version, s.suite)
	if s.extendedMasterSecret {
		p.expand(hs.master[:], premaster[:], "extended master secret", p.digest(hs.messages))
		return
	}
	p.expand(hs.master[:], premaster[:], "master secret", hs.client.random[:], s.random[:])
}

// rememberTicket notes that the ticket of a NewSessionTicket message (RFC
// 5077, Section 3.3) stands for this session.
//
//	| lifetime_hint (4) | length (2) | ticket |
func (hs *handshake) rememberTicket(keys *Keys, body []byte) {
	if hs.block == nil || len(body) < 6 {
		return
	}
	keys.rememberSession(body[6:], hs.master)
}
