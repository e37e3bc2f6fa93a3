// Package ppp reads and writes the Point-to-Point Protocol (RFC 1661) as SSTP carries it: one frame in each SSTP data
// packet, without the flags, the escaping and the frame check sequence of HDLC.
//
// There are three layers, and a caller stops at the one that it needs:
//
//   - A [Frame] is the address, control and protocol fields and what follows them. [ParseFrame] does not allocate, so
//     that it can look at every data packet; [Protocol.IsControl] parts control from data.
//   - A [Packet] is the header that LCP, the network control protocols, CBCP, PAP, CHAP and EAP share: a code, an
//     identifier and data. The automaton of RFC 1661, Section 4 works on packets.
//   - A [Message] is what a packet says under its protocol, as one of a closed set of types: [Configure], [Echo],
//     [PAPRequest], [CHAPResponse], [EAP] and so on. [ParseMessage] gives it in one step from a frame's payload.
//
// A message's configuration options stand in the order of the wire, each as a Go type of its own ([MRU], [MagicNumber],
// [IPCPAddress], ...) and where the type is unknown or the length is not that type's as a [RawOption].
//
// Parsing has three outcomes: no error; a bare [io.ErrUnexpectedEOF] where the bytes may be a prefix of something valid;
// a [*SyntaxError] where no continuation can be. Byte slices in a parsed value alias the input and are valid as long as
// it is; strings are copies. Text is the peer's, unchecked and unescaped: escape it before showing it.
//
// Passwords and the responses that stand for them are held in a [Secret], which does not print.
//
// All functions may be called concurrently. The package holds no state: it does not negotiate, authenticate, compress or
// encrypt, and it does not read the multilink protocol (RFC 1990) or link quality reports (RFC 1989).
package ppp
