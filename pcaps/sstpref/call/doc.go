// Package call is the call automaton of MS-SSTP: what the client and the server
// say to each other once the HTTP exchange is done, in which order, and how long
// they wait (MS-SSTP 3.1 to 3.3).
//
// A [Call] does no I/O, reads no clock and starts no goroutine. It is told what
// happens and when: [Call.Open], [Call.Receive], [Call.Data],
// [Call.Authenticated], [Call.Disconnect], [Call.Abort], [Call.TransportClosed].
// It answers through two callbacks, Config.Send for control packets and
// Config.Event for everything else. [Call.Deadline] says when [Call.Expire] is
// due.
//
// It neither cuts the stream into packets nor carries them: [sstp.ParsePacket]
// does the former, and PPP frames pass by the call, which only says whether they
// may ([Call.Data], [Call.MaySend]).
//
// # Client
//
//	 ClientCallDisconnected
//	           | Open: Call Connect Request, Negotiation timer
//	           v                          Call Connect Nak, up to RetryLimit:
//	ClientConnectRequestSent <----------. Call Connect Request,
//	           |        |               | Negotiation timer
//	           |        '---------------'
//	           | Call Connect Ack: PPP starts, Negotiation timer
//	           v
//	ClientConnectAckReceived              PPP control frames pass
//	           | Authenticated: Call Connected, Hello timer
//	           v
//	   ClientCallConnected <------------. all PPP frames pass
//	           |         |              | any packet: Hello timer
//	           |         |              | Echo Request: Echo Response
//	           |         '--------------' Hello timer expired: Echo Request, Hello timer
//	           | Hello timer expired again
//	           v
//	 ClientCallDisconnected               without a message
//
// # Server
//
//	  ServerCallDisconnected
//	            | Open: Negotiation timer
//	            v                          unacceptable Call Connect Request,
//	ServerConnectRequestPending <--------. up to RetryLimit: Call Connect Nak
//	            |    |     |             |
//	            |    |     '-------------'
//	            |    | Negotiation timer expired
//	            |    '--> ServerCallDisconnected, without a message
//	            | Call Connect Request: Call Connect Ack, PPP starts,
//	            | Negotiation timer
//	            v
//	ServerCallConnectedPending             PPP control frames pass
//	            | valid Call Connected, and Authenticated: Hello timer
//	            v
//	    ServerCallConnected                as ClientCallConnected
//
// # Both
//
// In all the states above but the first of each:
//
//	an invalid message, one that the state does not know, Negotiation timer
//	expired, retry count exceeded, crypto binding refused, or Abort
//	  CallAbortInProgress1: Call Abort
//	  CallAbortPending: Abort timer 1
//	    | Call Abort received             | expired
//	    v                                 v
//	  CallAbortTimeoutPending           (Client or Server) CallDisconnected
//
//	Call Abort received
//	  CallAbortInProgress2: Call Abort
//	  CallAbortTimeoutPending: Abort timer 2
//	    | expired
//	    v
//	  CallDisconnected
//
//	Disconnect
//	  CallDisconnectInProgress1: Call Disconnect
//	  CallDisconnectAckPending: Disconnect timer 1
//	    | Call Disconnect Ack received, or expired: CallDisconnected
//	    | Call Disconnect received: CallDisconnectInProgress2
//	    | Call Abort received: CallAbortInProgress2
//
//	Call Disconnect received
//	  CallDisconnectInProgress2: Call Disconnect Ack
//	  CallDisconnectTimeoutPending: Disconnect timer 2
//	    | expired
//	    v
//	  CallDisconnected
//
// Whatever else is received in CallAbortPending, CallAbortTimeoutPending,
// CallDisconnectAckPending and CallDisconnectTimeoutPending is ignored, and no
// PPP frame passes. The end of the connection ends the call in every state. The
// InProgress states are left in the step that enters them: events name them,
// [Call.State] never returns them.
//
// # Where the specification leaves room
//
//   - Nothing comes in time in ServerConnectRequestPending: 3.3.2.1 and figure 5
//     have the call fail, 3.3.6.1 has every Negotiation timer end in a Call
//     Abort. The former speak of that very state and are followed.
//   - A silent peer: 3.1.2.3 forbids a Call Abort, figures 4 and 5 have one. The
//     text is followed.
//   - A Call Disconnect has to be acknowledged in every state by 3.2.4.2, and
//     ignored by 3.2.5.3.5 and 3.3.5.2.5 where the call is being aborted or was
//     disconnected before. The latter are followed; 3.1.2.1 agrees with them.
//   - Call Abort, Call Disconnect and Call Disconnect Ack count whatever their
//     attributes are: they end the call in any case, and some servers send a
//     Status Info that is too short.
//   - A Call Connected that comes before PPP authentication is done on the
//     server: 3.3.5.2.3 checks the Compound MAC with a key that 3.3.1 makes exist
//     when authentication is done. All else is checked at once; the message is
//     held, for no longer than the Negotiation timer, and a second one is
//     unexpected. Nothing is ever checked against a key that is not there.
//   - Where no status is given for a Call Abort, it is the one that 2.2.8
//     describes: unaccepted_frame_received for a message that may not come now,
//     invalid_frame_received for one that cannot be read,
//     attrib_not_supported_in_msg, negotiation_timeout, retry_count_exceeded, all
//     about the attribute status_info; value_not_supported about
//     crypto_binding_req where no offered hash protocol can be done. A Call Abort
//     that answers one has the peer's status.
package call
