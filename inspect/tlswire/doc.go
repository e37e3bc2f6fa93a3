// Package tlswire reads TLS as somebody sees it who stands beside the
// connection and has no keys: records, the handshake messages that travel in
// clear, and how many bytes of plaintext a protected record can hold.
//
// A [Stream] splits one direction's bytes into records, however they are cut,
// and finds the records again after a loss or in the middle of a connection. A
// [Handshake] puts the fragments of its handshake records together to
// messages. [ParseClientHello], [ParseServerHello], [ParseCertificate] and
// [ParseEncryptedExtensions] read those messages' bodies. [PlaintextRange]
// turns a record's length into the sizes that its content can have.
//
//	bytes -> Stream.Feed -> Record -> Handshake.Feed -> Message -> ParseX
//	                          \-> PlaintextRange
//
// Parsing functions have three outcomes: nil; [io.ErrUnexpectedEOF] itself
// where the bytes may be the beginning of something valid; and a
// [*SyntaxError] where no continuation can be valid. Input never panics, and
// memory grows with the bytes that came, never with a length that was claimed.
//
// Covered are SSL 3.0 to TLS 1.3 over a stream (RFC 6101, 2246, 4346, 5246,
// 8446). The SSLv2-compatible hello of RFC 5246, Appendix E.2 is refused as
// not being a record. The package neither decrypts nor verifies anything, and
// compressed certificates (RFC 8879) stay closed: they occur only where the
// handshake is encrypted.
package tlswire
