package capfile

// SecretsTLSKeyLog is the kind of secrets that holds a TLS key log in the format
// of NSS (draft-ietf-opsawg-pcapng, Section 4.7): the letters TLSK.
const SecretsTLSKeyLog = 0x544c534b

// MaxSecrets bounds the decryption secrets of a file, in bytes of its blocks. It is room for
// some 80,000 TLS 1.3 connections.
const MaxSecrets = 64 << 20

// decryptionSecrets reads a Decryption Secrets Block (Section 4.7) and hands the
// secrets on, once the block has been seen whole.
//
//	 0                   1                   2                   3
//	+---------------------------------------------------------------+
//	|                         Secrets Type                          |
//	+---------------------------------------------------------------+
//	|                         Secrets Length                        |
//	+---------------------------------------------------------------+
//	/                  Secrets Data, padded to 32 bits              /
//	+---------------------------------------------------------------+
//	/                      Options (variable)                       /
//	+---------------------------------------------------------------+
func (r *Reader) decryptionSecrets(length uint32) error {
	if r.onSecrets == nil {
		return r.passBlock(blockDecryptionSecrets, length, r.win.skip)
	}
	if int64(length) > int64(MaxSecrets-r.ng.secrets) {
		return r.malformed("a decryption secrets block at %s, of %d bytes, brings the file's secrets to more than %d", r.where(), length, MaxSecrets)
	}
	r.ng.secrets += int(length)

	var body []byte
	err := r.passBlock(blockDecryptionSecrets, length, func(size int64) (err error) {
		body, err = r.win.take(int(size))
		return err
	})
	if err != nil {
		return err
	}
	if len(body) < 8 {
		return r.malformed("a decryption secrets block at %s is too short", r.where())
	}
	size, room := r.u32(body[4:]), len(body)-8
	if uint64(size) > uint64(room) {
		return r.malformed("a decryption secrets block at %s claims %d bytes of secrets and has room for %d", r.where(), size, room)
	}
	r.onSecrets(r.u32(body), body[8:8+size:8+size])
	return nil
}
