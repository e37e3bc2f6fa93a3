package sink

import (
	"slices"
	"sync"
	"time"
)

// A queue holds records until they are settled: until it is known that the
// destination took them, or that they are lost.
type queue struct {
	maxRecords, maxBytes int
	block                bool
	limits               limits

	mu      sync.Mutex
	room    sync.Cond // waited for with block
	wake    chan struct{}
	batches []*batch // not taken yet; the last one is being filled
	free    []*batch // to be used again
	records int      // not settled yet
	bytes   int      // of those
	pressed bool     // somebody found no room
	closed  bool

	written, lost uint64
	full, told    uint64 // lost for want of room; what of it was told
	abandoned     bool   // all was settled as lost, whatever is still said
}

// limits say when a batch is full, and how long it waits to become so.
type limits struct {
	records, bytes int
	interval       time.Duration
}

// A batch is records, each with a newline at its end.
type batch struct {
	data []byte
	ends []int // of each record in data, behind its newline
	// times are when the records were written.
	times []time.Time
}

func newQueue(o *Options, l limits) *queue {
	q := &queue{
		maxRecords: o.Queue,
		maxBytes:   o.QueueBytes,
		block:      o.Block,
		limits:     l,
		wake:       make(chan struct{}, 1),
	}
	q.room.L = &q.mu
	return q
}

// put adds a record, or counts it as lost. It returns false if the queue is
// closed.
func (q *queue) put(line []byte, now time.Time) bool {
	size := len(line) + 1
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && !q.fits(size) {
		q.pressed = true
		q.rouse()
		if !q.block || size > q.maxBytes {
			q.lost++
			q.full++
			return true
		}
		q.room.Wait()
	}
	if q.closed {
		q.lost++
		return false
	}
	q.records++
	q.bytes += size
	b := q.last(size)
	b.data = append(append(b.data, line...), '\n')
	b.ends = append(b.ends, len(b.data))
	b.times = append(b.times, now)
	if q.ready() || len(q.batches) == 1 && len(b.ends) == 1 {
		q.rouse()
	}
	return true
}

func (q *queue) fits(size int) bool {
	return q.records < q.maxRecords && q.bytes+size <= q.maxBytes
}

// last gives the batch that takes a record of that size.
func (q *queue) last(size int) *batch {
	if n := len(q.batches); n > 0 {
		if b := q.batches[n-1]; len(b.ends) < q.limits.records && len(b.data)+size <= q.limits.bytes {
			return b
		}
	}
	b := &batch{}
	if n := len(q.free); n > 0 {
		b, q.free = q.free[n-1], q.free[:n-1]
	}
	q.batches = append(q.batches, b)
	return b
}

// ready says that there is a batch that need not wait any longer.
func (q *queue) ready() bool {
	switch len(q.batches) {
	case 0:
		return false
	case 1:
		b := q.batches[0]
		return q.limits.interval == 0 || q.pressed || q.closed || len(b.ends) >= q.limits.records || len(b.data) >= q.limits.bytes
	}
	return true
}

// rouse has take look again.
func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for a batch. It returns nil when the queue is closed and empty.
func (q *queue) take() *batch {
	for {
		b, wait := q.tryTake()
		switch {
		case b != nil:
			return b
		case wait < 0:
			return nil
		case wait == 0:
			<-q.wake
		default:
			timer := time.NewTimer(wait)
			select {
			case <-q.wake:
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}

// tryTake takes a batch. If there is none, it says how long the first one still
// waits: 0 until something happens, -1 for ever.
func (q *queue) tryTake() (*batch, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.ready() {
		if len(q.batches) == 0 {
			if q.closed {
				return nil, -1
			}
			return nil, 0
		}
		if wait := q.limits.interval - time.Since(q.batches[0].times[0]); wait > 0 {
			return nil, wait
		}
	}
	b := q.batches[0]
	q.batches = slices.Delete(q.batches, 0, 1)
	q.pressed = q.pressed && len(q.batches) > 0
	return b, 0
}

// keptBatches is how many empty batches keep their memory.
const keptBatches = 4

// giveBack takes the memory of a batch that is settled.
func (q *queue) giveBack(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.free) < keptBatches && cap(b.data) <= 2*q.limits.bytes {
		q.free = append(q.free, &batch{data: b.data[:0], ends: b.ends[:0], times: b.times[:0]})
	}
}

// settle says that n records of so many bytes were written, or lost.
func (q *queue) settle(n, bytes int, written bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.abandoned {
		return
	}
	q.records -= n
	q.bytes -= bytes
	if written {
		q.written += uint64(n)
	} else {
		q.lost += uint64(n)
	}
	if q.block {
		q.room.Broadcast()
	}
}

func (q *queue) counts() (written, lost uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.written, q.lost
}

// overflowed says that records were lost for want of room since it was last
// asked.
func (q *queue) overflowed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	more := q.full > q.told
	q.told = q.full
	return more
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.room.Broadcast()
	q.rouse()
}

// abandon settles all that is left as lost.
func (q *queue) abandon() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost += uint64(q.records)
	q.records, q.bytes = 0, 0
	q.abandoned = true
}

func (b *batch) len() int { return len(b.ends) }

func (b *batch) start(i int) int {
	if i == 0 {
		return 0
	}
	return b.ends[i-1]
}

// line gives a record without its newline.
func (b *batch) line(i int) []byte { return b.data[b.start(i) : b.ends[i]-1] }

// size of the records from i to before j.
func (b *batch) size(i, j int) int { return b.start(j) - b.start(i) }

// clean makes spaces of ASCII's control characters within records, but for DEL,
// which JSON may have in its strings and no framing stumbles over.
func (b *batch) clean() {
	for i := range b.ends {
		line := b.line(i)
		for k, c := range line {
			if c < ' ' {
				line[k] = ' '
			}
		}
	}
}

// settle says that the records from i to before j were written, or lost.
func (s *Sink) settle(b *batch, i, j int, written bool) {
	if i < j {
		s.queue.settle(j-i, b.size(i, j), written)
	}
}
