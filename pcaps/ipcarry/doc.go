// Package ipcarry is where the IP packets of SSTP tunnels go.
//
// An SSTP session has a [Tunnel], to which packets for its other end are written, and hands
// what comes out of it to a [Port]. There are four kinds of Port:
//
//	            server                      client
//	root        Device: a TUN device        ClientDevice: a TUN device
//	no root     Forwarder: TCP, UDP, ping   Stack: dials and listens
//
// [Pool] gives out addresses, [WithRouter] gives clients IPv6 by Router Advertisements, as
// PPP negotiates none but link-local addresses. [ServeProxy] offers a Stack to other
// programs as SOCKS5 and HTTP proxy, [Check] proves with one URL that a tunnel carries.
//
// The package knows nothing of SSTP and PPP: packets are whole IP packets.
//
// # Who waits for whom
//
// Deliver never waits for the Tunnel that its Port writes to; else two ends, each waiting
// for the other to read, would stand still for ever. What a Port sends waits in a queue of
// its own, and a goroutine writes it to the Tunnel, which may block:
//
//   - The stacks (Forwarder, Stack) let TCP data and UDP wait for room in the queue, so that
//     nothing is lost and the senders slow down. Packets that are made while one is taken
//     in, such as ACKs, resets and ICMP, are dropped if a reserve is full as well.
//   - A Device drops what does not fit into the client's queue, as a router does.
//   - A ClientDevice has no queue: the kernel's is the queue.
//
// A Forwarder has a stack for each client rather than one for all, because the goroutines
// of a stack, one for each processor, wait for the tunnel of the packet that they send. On
// a machine with two processors an idle client costs 50 KiB and three goroutines; each
// further processor adds one goroutine.
//
// # Bounds
//
//	packets waiting for a tunnel             384 KiB, 64 KiB more for what cannot wait
//	packets taken in, without data, unread   4096 a stack
//	fragments waiting for the rest           4 MiB a stack and family, 30 s
//	TCP connections of a Forwarder           256 a client, 4096 in all; opening: 64 a client, 15 s
//	their buffers                            1 MiB each way; from the 17th of a client on 64 KiB
//	closed ones that are not read to the end 30 s, then a RST
//	clients that are gone                    2 minutes (TCP keep-alive)
//	UDP flows of a Forwarder                 512 a client, 8192 in all, 2 minutes idle
//	pings without an answer                  64 a client, 4096 in all, 10 s
//	proxy                                    512 connections, 20 s to say what they want, 30 s to dial
//
// With everything at its bound a client holds about 100 MiB, most of it buffers that its
// connections' other ends have filled.
//
// # Pings
//
// A Forwarder pings through the kernel's ping sockets if the sysctl
// net.ipv4.ping_group_range allows it, else through raw sockets if it has CAP_NET_RAW.
// Both are opened by NewForwarder, before privileges are given up. Without either, pings
// beyond the gateway get no answer; they are counted, and the log says so once.
// The time to live of pings and all else is this host's: traceroute sees one hop.
package ipcarry
