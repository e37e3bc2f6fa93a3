package nfq

import (
	"sync/atomic"
	"time"

	"sstpwarden/inspect/tcpflow"
)

// Counts say what a Worker did since it was made, but for Watched.
type Counts struct {
	// Packets and Bytes were judged; Verdicts counts the packets by their Action.
	Packets, Bytes uint64
	Verdicts       [numActions]uint64
	// Flows carried payload. Settled of them were let go, Blocked stopped, and of
	// WouldBlock a dry run told that they would be stopped.
	Flows, Settled, Blocked, WouldBlock uint64
	// Watched connections are being looked at.
	Watched int64
	// Bans and Probes were asked for.
	Bans, Probes uint64
	// Exceptions by Cause: connections of the first ones, packets of CauseUnreadable,
	// CauseConflict and CauseOverflow, questions of those of the policy.
	Exceptions [numCauses]uint64
	// Ticked is when the last Tick was, by its own word; zero before.
	Ticked time.Time
	// Table counts what the packets were, as of the last Tick.
	Table tcpflow.Stats
}

// Add adds those of another Worker; Ticked is then the earlier one.
func (c *Counts) Add(o Counts) {
	c.Packets += o.Packets
	c.Bytes += o.Bytes
	for i, n := range o.Verdicts {
		c.Verdicts[i] += n
	}
	c.Flows += o.Flows
	c.Settled += o.Settled
	c.Blocked += o.Blocked
	c.WouldBlock += o.WouldBlock
	c.Watched += o.Watched
	c.Bans += o.Bans
	c.Probes += o.Probes
	for i, n := range o.Exceptions {
		c.Exceptions[i] += n
	}
	if c.Ticked.IsZero() || o.Ticked.Before(c.Ticked) {
		c.Ticked = o.Ticked
	}
	c.Table.Add(o.Table)
}

// counters are written by the worker's goroutine alone.
type counters struct {
	packets, bytes                      atomic.Uint64
	verdicts                            [numActions]atomic.Uint64
	flows, settled, blocked, wouldBlock atomic.Uint64
	watched                             atomic.Int64
	bans, probes                        atomic.Uint64
	exceptions                          [numCauses]atomic.Uint64
	ticked                              atomic.Int64 // nanoseconds since 1970, 0 for never
	table                               atomic.Pointer[tcpflow.Stats]
}

// Counts gives those of now. It may be called from any goroutine.
func (w *Worker) Counts() Counts {
	k := &w.counts
	c := Counts{
		Packets: k.packets.Load(), Bytes: k.bytes.Load(),
		Flows: k.flows.Load(), Settled: k.settled.Load(), Blocked: k.blocked.Load(), WouldBlock: k.wouldBlock.Load(),
		Watched: k.watched.Load(),
		Bans:    k.bans.Load(), Probes: k.probes.Load(),
		Table: *k.table.Load(),
	}
	if t := k.ticked.Load(); t != 0 {
		c.Ticked = time.Unix(0, t)
	}
	for i := range c.Verdicts {
		c.Verdicts[i] = k.verdicts[i].Load()
	}
	for i := range c.Exceptions {
		c.Exceptions[i] = k.exceptions[i].Load()
	}
	return c
}
