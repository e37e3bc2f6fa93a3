// Package carve writes connections out of a capture, each into a capture of
// its own.
//
// An audit reads a capture once and knows its connections only at their end;
// carving reads the same file a second time. [Look] notes what file it is
// before the audit, [Capture.Carve] then copies the packets of the connections
// that are wanted:
//
//	file, err := carve.Look(path)
//	...audit it, noting a Tunnel for each connection that is wanted...
//	files, err := file.Carve(ctx, tunnels, dir, carve.Options{Limits: limits})
//
// A carved file is a pcapng. It holds the packets that the audit counted to
// the connection, in the capture's order and as they stand there: link layer
// with all tags and tunnels, time stamp in the capture's own resolution, both
// lengths. Of a fragmented datagram it holds all fragments. In front stand a
// comment and, where given, the secrets that open the connection. An audit of
// the carved file finds what the first one found, as far as that rests on the
// connection itself.
//
// # Which packets
//
// A connection is told by its two ends, the number of its first packet in the
// capture and how many packets were counted to it: so the same ports may be
// used again, also within the same microsecond, and what came after the
// connection's end belongs to it exactly where the audit said so. Fragments are
// found by reading the capture once more, if there are any.
//
// Left out are fragments that the audit could not read either, because the
// capture cut them short, and copies of a fragment that come after its
// datagram was complete.
//
// # Files
//
// Names are made of the connection's start and ends, and never of text from
// the capture. Files can be read by their owner only. One appears under its
// name when it is complete, and never in place of another; until then it
// stands in a folder of its own, ".partial-...", within the folder named. All
// of a capture's connections are carved or, where reading or writing fails,
// none.
//
// Memory is that of the list of tunnels, MaxBuffered of packets, and 16 bytes
// for each fragment of a wanted connection. One file is open for writing at a
// time, however many tunnels there are.
//
// # What it does not do
//
// Of pcapng, names of interfaces and hosts, comments and statistics are not
// carried over, nor are a packet's options. What is wanted is the caller's to
// say: the package knows no verdict and no policy.
package carve
