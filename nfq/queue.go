package nfq

import (
	"errors"

	"sstpwarden/nfq/nft"
)

// A QueueConfig says how a queue of the kernel is to be.
type QueueConfig struct {
	Number uint16
	// Marks are those of the table that sends packets here. Of a packet's mark only the
	// bits of its mask are changed.
	Marks nft.Marks
	// FailOpen lets packets pass for which the queue has no room, instead of dropping
	// them. What is done where nobody reads the queue is up to the firewall's rule.
	FailOpen bool
	// Buffer is the size of the socket's receive buffer in bytes, 0 for DefaultBuffer.
	// The limits that the system sets do not hold for who has CAP_NET_ADMIN.
	Buffer int
	// Length is how many packets may wait, 0 for DefaultLength.
	Length uint32
	// CopyRange is how much of each packet is looked at, 0 for all. With less, records in
	// large packets are missed.
	CopyRange uint32
	// NoGSO has the kernel cut large packets to the size that the network carries before
	// they are queued. That costs a multiple.
	NoGSO bool
	// ReportOverruns has the kernel tell of an overrun of the buffer. It then takes no
	// more packets until all that wait were read, so that more is lost; packets that did
	// not fit are counted either way.
	ReportOverruns bool
}

// Defaults of a QueueConfig.
const (
	DefaultBuffer = 8 << 20
	// DefaultLength is more than the default buffer holds, so that it is always the
	// buffer that overflows: the kernel does not tell how many packets it passed because
	// of the length.
	DefaultLength = 1 << 16
)

func (c QueueConfig) withDefaults() QueueConfig {
	if c.Buffer == 0 {
		c.Buffer = DefaultBuffer
	}
	if c.Length == 0 {
		c.Length = DefaultLength
	}
	return c
}

// mark gives the mark of a packet that has another one and is settled or blocked.
func (c *QueueConfig) mark(mark uint32, v Verdict) uint32 {
	switch {
	case v.Action == Settle:
		return c.Marks.Settle(mark)
	case v.Reset:
		return c.Marks.Block(mark)
	}
	return c.Marks.Drop(mark)
}

// ErrQueueTaken means that a process listens to the queue already.
var ErrQueueTaken = errors.New("another process listens to this queue: stop that one, or choose other queue numbers")

// QueueCounts say how a Queue fares.
type QueueCounts struct {
	Number uint16
	// Overflow counts packets that did not fit into the buffer: with FailOpen they
	// passed unseen, otherwise they were dropped. So does it those that were dropped
	// because of the length, a while later.
	Overflow uint64
	// Overruns counts reports of that, with ReportOverruns.
	Overruns uint64
	// Malformed messages could not be read.
	Malformed uint64
	// Refused verdicts were not taken by the kernel: the packet was gone, with its
	// interface for instance.
	Refused uint64
	// Reads and Writes are system calls that got packets and gave verdicts.
	Reads, Writes uint64

	// Kernel is what the kernel says, and KernelErr why it does not: fs.ErrPermission where
	// the queue was not opened by root.
	Kernel    KernelCounts
	KernelErr error
}

// KernelCounts are a queue's line in /proc/net/netfilter/nfnetlink_queue.
type KernelCounts struct {
	Waiting     uint64 // for a verdict, now
	Dropped     uint64 // for the queue's length; with FailOpen 0
	UserDropped uint64 // for want of room in the buffer; with FailOpen 0
	Sequence    uint64 // packets so far
}
