// Package nfq judges packets that the kernel queues (NFQUEUE), and tells it what becomes
// of their connections.
//
// A [Worker] is the judge. Its one method that matters takes a packet and gives a
// [Verdict]: no kernel is needed, so that it replays a capture as well.
//
//	packet -> tcpflow -> inspect.Flow -> policies.Gate -> Verdict
//
// Packets are let through while their connection is undecided, never held. When nothing
// more can change what is done with the connection, the next packet's verdict is [Settle]
// or [Block], and the worker lets go of it: from there on the kernel does what the mark
// says, which the rules of package nft save to the connection. The packet that completes
// the case against a connection is itself stopped.
//
// A [Queue] (Linux) feeds a Worker from the kernel, one goroutine for each queue. The
// kernel spreads connections over queues so that all packets of one come to the same; so
// workers share nothing, and no lock is taken for a packet.
//
// # When something stands in the way
//
// What happens to connections and packets that cannot be judged is chosen for each
// [Cause], counted for each, and logged once in a while. [Config.Simulate] has a cause at
// will, for tests of a configuration. Where an event tells of it, its rule is "nfq." and
// the cause's name.
//
//	cause                            by default   choices
//	midstream  it ran before us      Watch        Let, Watch, Cut
//	memory     too many connections  Watch        Let, Watch, Cut
//	undecided  looked at for long    Let          Let, Watch, Cut
//	unreadable headers, checksum     Let          Let, Cut
//	conflict   other bytes, same place   Cut      Let, Cut
//	policy_error, policy_timeout     policies.Gate.OnError and OnTimeout
//	overflow   the queue is full     pass or drop, QueueConfig.FailOpen
//
// In a dry run ([policies.Gate.DryRun]) nothing is stopped, for no cause.
//
// # Events
//
// A connection that the policy stops is told of when that happens, as closed; one that it
// logs, at once and as open, and again as closed if it ends while it is looked at. One
// that is let go is told of as open, as it is then: of its end nothing is seen.
package nfq
