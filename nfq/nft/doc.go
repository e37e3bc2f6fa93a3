// Package nft makes the nftables tables that send traffic to sstpwarden.
//
// A [Table] is data: sets, chains, and rules made of statements, each of which knows
// how nft writes it and what the kernel is given. Its String is text for nft -f; put
// into the kernel it goes in one transaction, which replaces whatever table of that
// name was there. Other tables are neither read nor changed, and of a packet's or a
// connection's mark only the bits of our mask are touched.
//
// [ProxyTable] makes the table inet sstpwarden_proxy, [Setup] installs it together
// with the routing that TPROXY takes, [Teardown] removes what a crash left.
// [OriginalDst] and the socket options of this package are the other half: what a
// listener needs for such connections, and what keeps the proxy's own ones out.
//
// # What the rest of the host has to allow
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
package nft
