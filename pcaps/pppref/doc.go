// Package pppref is a PPP implementation of both ends, client and server, as SSTP
// needs it: LCP, authentication, IPCP, IPV6CP, and refusals of the rest.
//
// A [Link] is one end of one link. It is a machine without goroutines, sockets or
// clock: time comes in as an argument, frames go out through [Config.Send], news
// through [Config.Event]. It goes through the phases of RFC 1661, Section 3.2:
//
//	+------+        +-----------+           +--------------+
//	|      | Open   |           | LCP up    |              |
//	| Dead |------->| Establish |---------->| Authenticate |
//	|      |        |           |<-+        |              |
//	+------+        +-----------+  |        +--------------+
//	   ^                  |        |          |          |
//	   |                  |  Configure-Request,          | success: Authenticated
//	   |                  |  again                       |
//	   |                  |        |        +---------+  |
//	   |                  |        +--------| Network |<-+
//	   |                  | fails           +---------+  IPv4Up, IPv6Up
//	   |                  v                   |
//	   |            +-----------+             |
//	   +------------| Terminate |<------------+ Close, Terminate-Request, a failure
//	    Down        +-----------+  Terminating
//
// LCP, IPCP, IPV6CP and CCP share the automaton of RFC 1661, Section 4, which is a
// table here, and differ in what options they ask for and take. A peer that is silent,
// that refuses for ever, that asks for what it was refused, and a wire that sends back
// what it gets: all end in a [Down] whose [Error] names the step.
//
// What differs between implementations, options and their order above all, is
// [Config]; what an implementation does against or beside the specifications is
// [Quirks].
//
// It does not compress or encrypt: it rejects VJ compression, and CCP is offered only
// as one that Windows servers offer and their clients refuse. It does not call back,
// bundle links, or report on link quality. It carries no data: whoever holds the Link
// sorts IP packets out, asks [Link.Ready] whether they may pass and [Link.DataForm]
// what header they get.
package pppref
