// Package sstpref is a whole SSTP endpoint, client and server: TLS, HTTP, the call
// of MS-SSTP, PPP, and IP packets in and out.
//
// [Dial] opens a tunnel to a server, a [Server] takes those of clients; both give a
// [Session]. What a session consists of stands in packages of its own, which know
// neither sockets nor a clock: call has the state machines of MS-SSTP 3.1 to 3.3,
// drawn there, and pppref those of PPP. The session is what runs them:
//
//	          Carrier's Port                Tunnel: WritePacket
//	                ^                              |
//	                | IP packets                   v
//	+---------------|----------------------------- | ------+
//	| Session   frames of data                     |       |
//	|               ^                              |       |
//	|               |        +------+  frames      |       |
//	|               +------->| pppref.Link |----+  |       |
//	|               |  other +-------------+    |  |       |
//	|               |  frames    ^ keys, starts |  |       |
//	|               |            v              v  v       |
//	|               |        +------+ packets +--------+   |
//	|            packets --->| call |-------->| writer |   |
//	|               ^        +------+         +--------+   |
//	+---------------|------------------------------|-------+
//	                |          TLS                 v
//
// A goroutine reads: it cuts what comes into packets, hands IP packets to the Port,
// and runs the automata, under a lock, with the rest. A second one writes what must
// not wait. Whoever sends an IP packet writes it, and waits while the connection
// takes no more; a Port that waits keeps the connection from being read. So it is
// the ends of the inner connections that are slowed down, and nothing is lost.
//
// How real clients and servers differ from the specification and from each other is
// data, in package profile; what is done wrong on purpose is [Faults].
//
// It is made to test others with. It shares the codecs with the detector (inspect/sstp,
// inspect/ppp, inspect/httphead) and no judgement. It resumes no TLS
// sessions, and does not let HTTP's authentication stand in for PPP's
// (ClientBypassHLAuth in MS-SSTP).
package sstpref
