package proxy

import "sync/atomic"

// Counts says what a Server did since it was made, but for Active and Tunnels,
// which say how many there are now.
type Counts struct {
	Explicit, Transparent uint64 // connections of clients, that were taken
	Active, Tunnels       int64
	// Refused counts connections and requests that the proxy's own rules
	// refused, by cause.
	RefusedClient, RefusedLimit, RefusedLogin, RefusedDestination, RefusedHead, RefusedBan uint64
	// Dropped counts connections that the policy ended, and WouldDrop those
	// of a dry run.
	Dropped, WouldDrop uint64
	// DialFailures counts servers that were not reached.
	DialFailures uint64
	// Idle, Stalled and Slow count connections that ended by a timeout: nothing
	// came, nothing was taken, or a head, a body or a hello came too slowly.
	Idle, Stalled, Slow uint64
	// Spliced counts tunnels that the kernel carries, or did.
	Spliced uint64
	// Opened counts connections whose TLS was opened, Bypassed those that were
	// exempt, Rejected those whose client did not accept the certificate,
	// Remembered tunnels that were found there and let be, and NotOpened those
	// that should have been opened and could not.
	Opened, Bypassed, Rejected, Remembered, NotOpened uint64
	// BytesToServer and BytesToClient count what went through tunnels.
	BytesToServer, BytesToClient uint64
}

type counters struct {
	explicit, transparent                                                                  atomic.Uint64
	active, tunnels                                                                        atomic.Int64
	refusedClient, refusedLimit, refusedLogin, refusedDestination, refusedHead, refusedBan atomic.Uint64
	dropped, wouldDrop                                                                     atomic.Uint64
	dialFailures                                                                           atomic.Uint64
	idle, stalled, slow                                                                    atomic.Uint64
	spliced                                                                                atomic.Uint64
	opened, bypassed, rejected, remembered, notOpened                                      atomic.Uint64
	bytesToServer, bytesToClient                                                           atomic.Uint64
}

// Counts gives the counts of now.
func (s *Server) Counts() Counts {
	c := &s.counts
	return Counts{
		Explicit: c.explicit.Load(), Transparent: c.transparent.Load(),
		Active: c.active.Load(), Tunnels: c.tunnels.Load(),
		RefusedClient: c.refusedClient.Load(), RefusedLimit: c.refusedLimit.Load(), RefusedLogin: c.refusedLogin.Load(),
		RefusedDestination: c.refusedDestination.Load(), RefusedHead: c.refusedHead.Load(), RefusedBan: c.refusedBan.Load(),
		Dropped: c.dropped.Load(), WouldDrop: c.wouldDrop.Load(),
		DialFailures: c.dialFailures.Load(),
		Idle:         c.idle.Load(), Stalled: c.stalled.Load(), Slow: c.slow.Load(),
		Spliced: c.spliced.Load(),
		Opened:  c.opened.Load(), Bypassed: c.bypassed.Load(), Rejected: c.rejected.Load(),
		Remembered: c.remembered.Load(), NotOpened: c.notOpened.Load(),
		BytesToServer: c.bytesToServer.Load(), BytesToClient: c.bytesToClient.Load(),
	}
}
