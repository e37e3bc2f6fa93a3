package tlskeys

import "encoding/hex"

// KeyLogFor gives the lines of a key log (RFC 9850) that open the connection
// with that client random, each with its line feed; nil where nothing is known.
// They can be handed on along with the connection: of others they open only
// those that resumed the same session, up to TLS 1.2.
//
// Besides the lines that were added, it has the master secret of a connection
// that an [Opener] of these Keys opened with an RSA key, with a pre-master
// secret or as a resumed session: of the last few thousand. Labels that
// [Keys.AddKeyLog] passes over are missing.
func (k *Keys) KeyLogFor(clientRandom [32]byte) []byte {
	var lines []byte
	for l := labelMaster; l <= labelServerApplication; l++ {
		s, ok := k.secret(clientRandom, l)
		if !ok && l == labelMaster {
			s, ok = k.derivedSecret(clientRandom)
		}
		if !ok {
			continue
		}
		lines = append(lines, l.String()...)
		lines = append(lines, ' ')
		lines = hex.AppendEncode(lines, clientRandom[:])
		lines = append(lines, ' ')
		lines = hex.AppendEncode(lines, s.bytes())
		lines = append(lines, '\n')
	}
	return lines
}

// maxHandshakes bounds the handshakes of a connection that KeyLog tells of:
// the first one, and renegotiations.
const maxHandshakes = 4

// KeyLog gives the lines of a key log that open the connection, as
// [Keys.KeyLogFor] has them; nil where nothing is known, or the ClientHello was
// not seen.
func (o *Opener) KeyLog() []byte {
	var lines []byte
	for _, random := range o.randoms {
		lines = append(lines, o.keys.KeyLogFor(random)...)
	}
	return lines
}

// derivedSecret returns a master secret that stood in no line.
func (k *Keys) derivedSecret(random [32]byte) (s secret, ok bool) {
	k.mu.RLock()
	s.b, ok = k.derived.masters[random]
	k.mu.RUnlock()
	s.n = masterSecretLength
	if !ok && k.under != nil {
		return k.under.derivedSecret(random)
	}
	return s, ok
}
