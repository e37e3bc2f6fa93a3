// Package nft makes the nftables tables that send traffic to sstpwarden: those of the
// proxy and of the inspector.
//
// A [Table] is data: sets, chains, and rules made of statements, each of which knows
// how nft writes it and what the kernel is given. Its String is text for nft -f; put
// into the kernel it goes in one transaction, which replaces whatever table of that
// name was there. Other tables are not changed, and of a packet's or a connection's mark
// only the bits of our mask are touched.
//
// A process that uses a table claims it before ([ClaimTable]), so that a second one does not
// replace what is in use, and [Teardown] and [TeardownInspect] do not remove it.
//
// # The proxy
//
// [ProxyTable] makes the table inet sstpwarden_proxy, [Setup] installs it together
// with the routing that TPROXY takes, [Teardown] removes what a crash left.
// [OriginalDst] and the socket options of this package are the other half: what a
// listener needs for such connections, and what keeps the proxy's own ones out.
//
// The host's own packet filter sees connections on their way in, to the transparent
// port (REDIRECT) or to the server's address with [ProxyOptions.Divert] in the packet
// mark (TPROXY), and has to accept them there. With TPROXY reverse path filtering must
// not take the mark into account (net.ipv4.conf.*.src_valid_mark, which wg-quick
// sets); [Check] looks. The transparent port has to be closed to those who should not
// use the proxy like any other: a connection that was made straight to it is told by
// [ErrNotRedirected].
//
// Connections that were there before are left alone in both modes. What is not TCP is
// not looked at: a client that may speak QUIC goes past.
//
// A proxy that stops loses no connection if it does so in this order: [Installed.LetPast],
// accept what waits and close the listener, let end what runs, [Installed.Linger],
// [Installed.Close]. Only where SYN cookies stand for a connection is it lost whose handshake
// is under way when the listener closes.
//
// # The inspector
//
// [InspectTable] makes the table inet sstpwarden, [SetupInspect] installs it, and
// [TeardownInspect] removes what a crash left. It queues the packets of connections that
// are in its scope, in both directions and from the first on, until a verdict says what
// becomes of the connection; connection tracking keeps that as a mark. Packets over the
// loopback interface and what is not TCP are left alone. The proxy's own connections are
// not: they are inspected like those of others.
//
// Who reads the queues answers every packet:
//
//	it passes                      NF_ACCEPT, the packet's mark left alone
//	it passes, and so does         NF_REPEAT, with the mark that Marks.Settle makes of
//	the rest, not queued           the packet's
//	the connection is reset        NF_REPEAT, with that of Marks.Block
//	the connection is left         NF_REPEAT, with that of Marks.Drop
//	to time out
//	it alone does not pass         NF_DROP
//
// NF_REPEAT sends the packet to the head of the chain that it came from. There the mark
// is kept for the connection and taken off the packet, so that neither others' chains nor
// the routing of what leaves this host ever see it. With NF_ACCEPT it would go past.
//
// All packets between two addresses come by the same queue, both ways: the kernel hashes
// both IPv4 addresses, in order of their size, or of both IPv6 addresses the last and the
// second four bytes. Ports do not count, so two busy hosts share one queue.
//
// # How a connection is reset
//
// The packet that a connection is blocked for goes on to its receiver as a reset: with RST
// and ACK for flags, its own sequence number, and its content, which the receiver does not
// read. That takes effect at once. If something is missing before it, the receiver asks
// by an acknowledgement, and is answered. From then on every packet of the connection
// is answered by a reset of its sender and goes no further. The sender of the first one
// misses an acknowledgement: it sends again, after 0.2 seconds as a rule, and learns of it
// then, or before that by other data that it has on the way. A first packet, which has
// no one to be reset at, is answered like those; so is one of a banned server. An end that
// sends nothing more, after a bare acknowledgement or where [Inspection.MarkConnection]
// cut the connection, learns of it when it does. Of a connection that the kernel does not
// track only receivers are reset.
//
// Whoever wants an end reset earlier may send it a packet in the other's name: resets
// pass all chains of the table, but for those of connections that are still queued.
//
// The kernel forgets a connection ten seconds after it was reset
// (net.netfilter.nf_conntrack_tcp_timeout_close). Until then a new one that has the same
// addresses and both ports is refused. What an end sends later is of a connection whose
// beginning was not seen, and gets a reset of the other end.
//
// # What the rest of the host can break
//
// Others who save the whole packet mark to the connection mark, not only the bits that
// are theirs, erase ours: such connections look like ones whose beginning was not seen,
// and are inspected again. Others who use our bits have their connections settled or
// reset; choose another [InspectOptions.Mask]. What a flowtable carries, in whatever table,
// comes through no chain, settled or not: it should be given settled connections only.
// Connections on their way by rules for untracked packets, or that only one direction of
// is seen, cannot be settled, and all their packets are queued. [CheckInspect] looks for
// what can be looked for.
package nft
