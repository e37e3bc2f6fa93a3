// Package sstp reads and writes the messages of the Secure Socket Tunneling
// Protocol, [MS-SSTP] revision 21.0: what flows in both directions after the
// HTTP exchange that opens an SSTP connection.
//
// There are two layers:
//
//   - A [Packet] is a unit of the stream, a data packet with one PPP frame or
//     a control packet. [ParsePacket] takes the next one from a buffer.
//   - A [ControlMessage] is what a control packet says, attribute by
//     attribute and exactly as sent. [ControlMessage.Message] gives it as one
//     of the nine typed messages ([CallConnectRequest], [CallConnectAck], ...),
//     [ControlMessage.Validate] lists what a strict receiver objects to.
//
// Reading is lenient, because implementations are not strict: reserved bits,
// unknown attributes, wrong lengths and surplus bytes are all kept, and
// appending what was read gives the same bytes. Only what leaves no way to go
// on is an error.
//
// Writing starts from a typed message, with [AppendMessage], or from a
// ControlMessage where reserved bits or faults are to be sent on purpose.
//
// An [HLAK] computes the crypto binding that ties PPP authentication to the
// TLS connection.
//
// The package holds no state of a call: which message may come when, timers
// and retries belong to an endpoint. It reads neither PPP nor HTTP; of the
// latter it only has the names.
//
// All functions are safe for concurrent use on separate buffers.
//
// [MS-SSTP]: https://learn.microsoft.com/openspecs/windows_protocols/ms-sstp
package sstp
