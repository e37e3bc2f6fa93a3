package nft

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// InspectTableName is the name of the inspector's table, whose family is inet.
const InspectTableName = "sstpwarden"

// A HookName is where in the kernel packets are inspected.
type HookName string

// The hooks. A packet comes through one of them, unless it goes over the loopback
// interface: that comes through output, then input.
const (
	HookForward HookName = "forward" // between others, through this host
	HookInput   HookName = "input"   // to this host
	HookOutput  HookName = "output"  // from this host
)

// HookNames are all there are, in the order in which they are installed.
func HookNames() []HookName { return []HookName{HookForward, HookInput, HookOutput} }

// A Midstream is what becomes of a connection whose first packet the table has not seen:
// one that was up before it, or that the kernel's connection tracking had lost.
type Midstream string

// The choices. A client whose connection is let once can have that by design: it makes
// connection tracking forget the connection, with a reset that does not reach the server,
// say. So the default is to watch.
const (
	MidstreamWatch Midstream = "watch" // queued like any other
	MidstreamLet   Midstream = "let"   // settled unseen
	MidstreamCut   Midstream = "cut"   // reset at both ends
)

// A QueueStatement is the way in which a rule sends packets to a queue.
type QueueStatement uint8

const (
	// QueueNative is nft's own statement.
	QueueNative QueueStatement = iota + 1
	// QueueCompat is the target NFQUEUE of iptables, which nftables can use. nft
	// cannot write it.
	QueueCompat
)

// String is for people.
func (q QueueStatement) String() string {
	switch q {
	case QueueNative:
		return "nft queue"
	case QueueCompat:
		return "xt NFQUEUE"
	}
	return fmt.Sprintf("QueueStatement(%d)", uint8(q))
}

// Defaults of InspectOptions. The bits of the mask are neither those of the proxy's table
// (DefaultMask) nor those that DefaultMask keeps away from, so that both tables can be on
// one host beside the others.
const (
	DefaultInspectMask uint32 = 0x0e00_0000
	DefaultQueue       uint16 = 21332
	DefaultBanMax      uint32 = 65536
)

// InspectOptions say what the inspector's table does. The zero value inspects all TCP of
// all hooks with one queue, fail-closed.
type InspectOptions struct {
	Hooks []HookName // none for all
	// Queue is the number of the first queue, 0 for DefaultQueue, and Queues how
	// many there are from there on, 0 for one. All packets between two addresses
	// go to the same one, whichever way they go and whatever hook sees them.
	Queue, Queues uint16
	// Statement is 0 for what the kernel has; for InspectTable, which does not
	// ask, that is QueueNative.
	Statement QueueStatement
	// Scope has clients and servers, whichever of them this host is. Its
	// interface is the one towards the client in the hook forward, and the one
	// that the packet goes by in input and output.
	Scope Scope
	// Loopback inspects the host's connections to itself, too, in the hook output.
	Loopback bool
	// Mask says which bits of marks are ours, at least three, 0 for
	// DefaultInspectMask. See Marks.
	Mask      uint32
	Midstream Midstream // "" for MidstreamWatch
	BanMax    uint32    // how many bans of each kind there may be, 0 for DefaultBanMax
	// IgnoreBans keeps those that there are, and refuses nobody for them.
	IgnoreBans bool
	// FailOpen lets packets past while nobody reads their queue, and binds the
	// table to the life of the process: the kernel removes it when that is gone
	// in whatever way. Without it such packets are dropped, and the table stays
	// after a crash: what is in its scope and not settled is stopped then.
	FailOpen bool
	// Keep leaves the table in the kernel when it is closed, and does not bind
	// it to the process.
	Keep bool
}

// Marks are the values, under a mask, by which the table and those who read its queues
// tell each other about a connection. No other bits are looked at or changed.
//
// A verdict comes with the first three as packet mark. Settled, Blocked, Dropped and
// Watched are what the connection's mark keeps.
type Marks struct {
	Mask    uint32
	Settled uint32 // no more to be inspected
	Blocked uint32 // to be reset at both ends
	Dropped uint32 // to be left to time out
	Watched uint32 // in scope, and being inspected
}

// Settle is the mark to give, with NF_REPEAT, to a packet that has this one.
func (m Marks) Settle(mark uint32) uint32 { return mark&^m.Mask | m.Settled }

// Block is Settle for a connection to be reset.
func (m Marks) Block(mark uint32) uint32 { return mark&^m.Mask | m.Blocked }

// Drop is Settle for a connection to be left to time out.
func (m Marks) Drop(mark uint32) uint32 { return mark&^m.Mask | m.Dropped }

// Marks are made of the lowest three bits of the mask.
func (o InspectOptions) Marks() Marks {
	o = o.withDefaults()
	first := o.Mask & -o.Mask
	rest := o.Mask &^ first
	second := rest & -rest
	rest &^= second
	return Marks{Mask: o.Mask, Settled: first, Blocked: second, Dropped: first | second, Watched: rest & -rest}
}

func (o InspectOptions) withDefaults() InspectOptions {
	if len(o.Hooks) == 0 {
		o.Hooks = HookNames()
	}
	if o.Queue == 0 {
		o.Queue = DefaultQueue
	}
	if o.Queues == 0 {
		o.Queues = 1
	}
	if o.Mask == 0 {
		o.Mask = DefaultInspectMask
	}
	if o.Midstream == "" {
		o.Midstream = MidstreamWatch
	}
	if o.BanMax == 0 {
		o.BanMax = DefaultBanMax
	}
	return o
}

// Validate says what is wrong with the options.
func (o InspectOptions) Validate() error {
	o = o.withDefaults()
	for _, h := range o.Hooks {
		if !slices.Contains(HookNames(), h) {
			return fmt.Errorf("hook %q is not forward, input or output", h)
		}
	}
	switch {
	case int(o.Queue)+int(o.Queues) > 1<<16:
		return fmt.Errorf("%d queues from number %d on: the last one there can be is 65535", o.Queues, o.Queue)
	case o.Statement > QueueCompat:
		return fmt.Errorf("%v is not a way to queue", o.Statement)
	case bits.OnesCount32(o.Mask) < 3:
		return fmt.Errorf("mask %#x has to have three bits at least", o.Mask)
	case !slices.Contains([]Midstream{MidstreamWatch, MidstreamLet, MidstreamCut}, o.Midstream):
		return fmt.Errorf("midstream %q is not watch, let or cut", o.Midstream)
	case o.Loopback && !slices.Contains(o.Hooks, HookOutput):
		return errors.New("the host's connections to itself are inspected in the hook output, which is not among the hooks")
	}
	return o.Scope.Validate()
}

// Names of the inspector's rules, as Counters gives them; CountNotTCP, CountNotInterface,
// CountNotClient, CountNotPort and CountExcluded beside them. All count packets, which
// are large ones where the network interface joins them. A packet that is queued counts
// again in the rule that its verdict leads to.
const (
	CountSettled        = "settled"         // of settled connections
	CountQueued         = "queued"          // to the queues
	CountNew            = "new"             // first ones of connections, queued too unless banned
	CountMidstream      = "midstream"       // of connections whose first packet was not seen
	CountUntracked      = "untracked"       // that connection tracking does not follow or finds invalid
	CountDecidedSettled = "decided_settled" // came back to settle their connection
	CountDecidedBlocked = "decided_blocked" // came back to block their connection
	CountDecidedDropped = "decided_dropped" // came back to drop their connection
	CountResetReceiver  = "reset_receiver"  // turned into resets of their receiver
	CountResetSender    = "reset_sender"    // of blocked connections, answered by a reset of their sender
	CountResetPassed    = "reset_passed"    // resets of blocked connections
	CountResetUnwatched = "reset_unwatched" // resets of connections that are not inspected
	CountDropped        = "dropped"         // of dropped connections
	CountBanned         = "banned"          // to banned servers, answered by a reset
	CountLoopback       = "loopback"        // over the loopback interface
)
