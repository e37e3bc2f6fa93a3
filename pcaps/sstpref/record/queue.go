package record

import "time"

// An event is something that happened on a connection.
type event struct {
	conn *conn
	at   time.Duration // since the capture began
	kind kind
	from side
	data []byte
	lost [2]int // bytes of either side that found no room since the event before
}

type kind uint8

const (
	opened   kind = iota
	sent          // data
	finished      // FIN
	aborted       // RST
)

// eventSize is what an event takes besides its data, in bytes.
const eventSize = 128

func (e *event) size() int { return len(e.data) + eventSize }

// add puts an event into the queue, c.mu being held. What finds no room there
// leaves a gap.
func (c *Capture) add(e event) {
	if c.closed {
		return
	}
	limit := hardLimit
	if e.kind != sent {
		limit *= 2
	}
	if c.waiting+c.writing+e.size() > limit {
		e.conn.lost[e.from] += len(e.data)
		c.lost += int64(len(e.data))
		return
	}
	e.lost, e.conn.lost = e.conn.lost, [2]int{}
	c.queue = append(c.queue, e)
	c.waiting += e.size()
	if len(c.queue) == 1 || c.waiting > holdBytes {
		c.nudge()
	}
}

// nudge has the writing goroutine look at the queue.
func (c *Capture) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// A batch is what is to be written now.
type batch struct {
	secrets []byte
	events  []event
	rest    time.Duration // without events: how long it stays so, negative if until a nudge
	last    bool          // nothing follows
}

// take takes a batch from the queue.
func (c *Capture) take() (b batch) {
	now := c.time()
	c.mu.Lock()
	defer c.mu.Unlock()
	n, size, crowded := 0, 0, c.waiting > holdBytes
	for n < len(c.queue) && size < stepBytes && (c.closed || crowded || now-c.queue[n].at >= holdTime) {
		size += c.queue[n].size()
		n++
	}
	b.last = c.closed && n == len(c.queue)
	if n > 0 || b.last {
		b.secrets, c.secrets = c.secrets, nil
	}
	switch {
	case n > 0:
		b.events = append(b.events, c.queue[:n]...)
		left := copy(c.queue, c.queue[n:])
		clear(c.queue[left:])
		c.queue = c.queue[:left]
		c.waiting -= size
		c.writing = size
	case len(c.queue) > 0:
		b.rest = max(holdTime-(now-c.queue[0].at), pause)
	default:
		b.rest = -1
	}
	return b
}

// written says that a batch is written, or why not.
func (c *Capture) written(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing > 0 || err != nil {
		c.writing, c.stuck = 0, false
		if c.progress != nil {
			close(c.progress)
			c.progress = nil
		}
	}
	if err != nil {
		c.err, c.closed = err, true
		c.queue, c.waiting, c.secrets = nil, 0, nil
	}
}

// room waits for a file that is behind, c.mu being held, but not for one that
// makes no progress.
func (c *Capture) room() {
	for c.waiting+c.writing > softLimit && !c.stuck && !c.closed {
		if c.progress == nil {
			c.progress = make(chan struct{})
		}
		progress := c.progress
		c.mu.Unlock()
		timer := time.NewTimer(patience)
		select {
		case <-progress:
		case <-timer.C:
		}
		timer.Stop()
		c.mu.Lock()
		if c.progress == progress {
			c.stuck = true
		}
	}
}
