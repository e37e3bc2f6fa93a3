package nfq

import (
	"log/slog"
	"net/netip"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// A Config is what a [Worker] works with. Inspector and Gate are required. Its functions
// are called by the goroutine that runs the worker, and hold up its packets. Where several
// workers have the same ones, these have to be safe for concurrent use.
type Config struct {
	// Inspector gives the one that a new connection is inspected by. Following
	// confirmed tunnels (inspect.Options.Follow) would keep them in the queue.
	Inspector func() *inspect.Inspector
	// Gate asks the policy; its point is policies.PointNFQ.
	Gate *policies.Gate
	// Emit takes the events, which are not kept by the worker; nil for nobody.
	Emit func(*event.Event)
	Log  *slog.Logger

	// Ban refuses a client's next attempts at a server for so long. It is never called
	// for a connection that holds a CONNECT: that one's server is a proxy, which others
	// use as well. Nil where there are no bans.
	Ban func(client, server netip.AddrPort, d time.Duration)
	// Probe asks a server whether it speaks SSTP, and answers later. It must return at
	// once. Nil where nobody is asked.
	Probe func(Question)

	// Reset has both ends of a stopped connection told, where the policy does not say
	// so, too. Without it they are left to time out there.
	Reset bool

	Exceptions Exceptions
	// Simulate lists causes that are taken to be there for every packet or connection,
	// to see in a test what a configuration makes of them.
	Simulate []Cause

	// Budget is how many bytes of payload are looked at of one connection, both
	// directions together, before it counts as undecided; 0 for DefaultBudget.
	Budget uint64
	// Limits bound the connections; Open, Changed and Closed are the worker's.
	// MaxFlows is 0 for DefaultMaxFlows, and MaxHalfOpen for as many, but
	// MinHalfOpen at least. Of connections without payload the one that was longest
	// without a packet is given up for another, and taken for midstream when it goes on.
	Limits tcpflow.Config
}

const (
	// DefaultBudget is many times what the rules look at in TLS. It is reached by large
	// transfers of plain HTTP, which could become SSTP afterwards.
	DefaultBudget = 1 << 20
	// DefaultMaxFlows is for each worker. Watched connections take some 4 KiB each.
	DefaultMaxFlows = 1 << 16
	// MinHalfOpen are more than begin at once where few are watched, and take some 300
	// KiB.
	MinHalfOpen = 1 << 10
)

func (c Config) withDefaults() Config {
	if c.Emit == nil {
		c.Emit = func(*event.Event) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Budget == 0 {
		c.Budget = DefaultBudget
	}
	if c.Limits.MaxFlows <= 0 {
		c.Limits.MaxFlows = DefaultMaxFlows
	}
	if c.Limits.MaxHalfOpen <= 0 {
		c.Limits.MaxHalfOpen = max(c.Limits.MaxFlows, MinHalfOpen)
	}
	c.Exceptions = c.Exceptions.withDefaults()
	return c
}
