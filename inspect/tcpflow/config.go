package tcpflow

import (
	"cmp"
	"time"

	"sstpwarden/inspect"
)

// A Stream takes one connection's bytes. [inspect.Flow] is one.
type Stream interface {
	// Feed takes the next bytes of one direction, and says whether what is
	// known of the connection changed. Segment.Data is valid only during the
	// call. Segment.Time is the capture time of the packet that brought the
	// bytes; it can step back where packets came out of order. Data is empty
	// where bytes are missing at the very end.
	Feed(inspect.Segment) (changed bool)
	// Settled says that nothing more can change: no bytes are fed any more.
	Settled() bool
}

// Config limits a [Table] and names who is told. Zero values stand for the
// defaults; Open is required.
type Config struct {
	// MaxFlows bounds connections that carried payload, those that linger
	// after their end included. The table evicts ended ones first, then the
	// least recently active. Default 262,144.
	MaxFlows int
	// MaxHalfOpen bounds connections without payload yet, where a SYN flood
	// ends up. The least recently active is evicted. Default 65,536; about
	// 300 bytes each.
	MaxHalfOpen int

	// MaxBufferedPerFlow and MaxBuffered bound the bytes held out of order,
	// bookkeeping included, per connection and in all. Defaults 256 KiB and
	// 64 MiB.
	MaxBufferedPerFlow int
	MaxBuffered        int

	// Recall is how many bytes that were fed are remembered of each end until its peer
	// acknowledges them, MaxBuffered in all. A segment that has others in their place is
	// OutcomeConflict, and nothing of it is taken: for those who can keep it from its
	// receiver. Default 0: nothing is remembered, and the first copy counts.
	Recall int

	// IdleTimeout closes connections with payload, HalfOpenTimeout those
	// without, CloseTimeout those that saw FIN both ways or RST, when nothing
	// came for so long. Defaults 10 min, 1 min, 10 s.
	IdleTimeout     time.Duration
	HalfOpenTimeout time.Duration
	CloseTimeout    time.Duration
	// HoleTimeout is how long early bytes wait for those before them where
	// the receiver's acknowledgements are not seen. Default 5 s.
	HoleTimeout time.Duration

	// MaxDatagrams and MaxFragmentBytes bound fragmented datagrams that are
	// being put together; the oldest is given up. FragmentTimeout is how long
	// one may take. Defaults 1,024, 4 MiB, 30 s.
	MaxDatagrams     int
	MaxFragmentBytes int
	FragmentTimeout  time.Duration

	// Open gives the Stream of a connection, at its first payload. Key is
	// final by then. A nil Stream means that nobody wants its bytes.
	Open func(*Conn) Stream
	// Changed, if set, is called after each Feed that returned true. That
	// can be a connection other than the packet's: time passing and limits
	// deliver held bytes too.
	Changed func(*Conn)
	// Closed, if set, is called once for every connection, half-open ones
	// included, when the table forgets it. The Conn must not be used after
	// Closed returns: the table recycles it.
	Closed func(*Conn)
}

func (c Config) withDefaults() Config {
	c.MaxFlows = positive(c.MaxFlows, 1<<18)
	c.MaxHalfOpen = positive(c.MaxHalfOpen, 1<<16)
	c.MaxBufferedPerFlow = positive(c.MaxBufferedPerFlow, 256<<10)
	c.MaxBuffered = positive(c.MaxBuffered, 64<<20)
	c.IdleTimeout = positive(c.IdleTimeout, 10*time.Minute)
	c.HalfOpenTimeout = positive(c.HalfOpenTimeout, time.Minute)
	c.CloseTimeout = positive(c.CloseTimeout, 10*time.Second)
	c.HoleTimeout = positive(c.HoleTimeout, 5*time.Second)
	c.MaxDatagrams = positive(c.MaxDatagrams, 1024)
	c.MaxFragmentBytes = positive(c.MaxFragmentBytes, 4<<20)
	c.FragmentTimeout = positive(c.FragmentTimeout, 30*time.Second)
	return c
}

// positive replaces what no limit can be, 0 and below, by the default.
func positive[T cmp.Ordered](v, byDefault T) T {
	var zero T
	if v <= zero {
		return byDefault
	}
	return v
}
