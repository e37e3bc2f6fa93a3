// Package tcpflow turns packets into ordered segments, one [Stream] per TCP
// connection.
//
//	packet -> decoder (link, IP, fragments, TCP) -> Conn -> Stream.Feed
//
// A [Table] takes packets from a capture ([Table.Packet]) or from a packet
// queue ([Table.IPPacket]), finds the [Conn] each belongs to, and feeds its
// Stream the bytes of both directions in order. In-order bytes are passed
// without a copy. Bytes that come early are held, within limits, until what
// is missing between comes too, or until it is clear that it never will:
//
//   - the receiver acknowledged it, so the capture lost it;
//   - nobody acknowledged anything for [Config.HoleTimeout] (captures that
//     hold one direction only);
//   - a limit is reached, or the connection ends.
//
// Then they are delivered with [inspect.Segment.Missing] saying how much was
// lost. A receiver that acknowledges up to the gap and no farther is waiting
// for it as well; then the table waits, however long it takes, and rather
// drops early bytes than skip the gap: else one stray packet would part its
// view of the stream from the receiver's.
//
// Where copies of the same bytes differ, those already delivered win, then
// the copy that came first. The same packets give the same calls in the same
// order. Time is the packets' own; no clock is read. Where it jumps back by
// more than a minute the table goes on from there; small steps back make it
// stand still.
//
// All state is bounded: connections by number ([Config.MaxFlows],
// [Config.MaxHalfOpen]), held bytes per connection and in all, fragments. What
// falls out is counted in [Stats].
//
// # What it does not do
//
//   - Checksums are not verified: captures from a host with offloading hold
//     packets whose checksums were never filled in.
//   - Connections are told apart by addresses and ports alone. VLAN tags, MPLS
//     labels and tunnel headers are looked through, because taps often see the
//     two directions with different ones; the same addresses in two VLANs are
//     one connection.
//   - IP in IP, VXLAN, Geneve and the like are not looked into; GRE is.
//   - The urgent pointer is ignored: urgent bytes stay in line.
package tcpflow
