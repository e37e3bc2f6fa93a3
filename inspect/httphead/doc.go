// Package httphead reads and writes the heads of HTTP/1.x messages: the start
// line and the field lines, up to and including the empty line (RFC 9112,
// Section 2.1). Bodies are not its business.
//
// It exists because net/http cannot read SSTP: an SSTP request announces a body
// of 2^64-1 bytes (MS-SSTP 3.2.4.1), which net/http refuses, and clients are told
// apart by the order and spelling of fields, which net/http does not keep.
//
// # Reading
//
// [ParseRequest] and [ParseResponse] have three outcomes: a head and its
// length, [io.ErrUnexpectedEOF] when the bytes may be the beginning of a head,
// and a [*SyntaxError] when no continuation can make them one. The last comes
// as early as the bytes allow: at the first byte for TLS, at the first byte
// that no method can hold for other protocols. A [Scanner] does the same for a
// buffer that grows, without searching all of it at each call.
//
// Parsing is lenient wherever only one meaning is possible, so that it reads
// what real clients send. What was wrong is kept as a set of [Oddity] flags. A
// passive observer may take note of them; a proxy asks [Request.MustRefuse]
// which of them are dangerous to pass on. Order and spelling are kept, and Raw
// holds the head byte for byte.
//
// # Writing
//
// [Request.Append] and [Response.Append] write a clean head: CRLF line ends, one
// space after each colon, no folds. Nothing in a value can start another line.
//
// All values are plain data and safe for concurrent reading; a Scanner serves
// one goroutine.
package httphead
