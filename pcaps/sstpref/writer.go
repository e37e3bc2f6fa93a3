package sstpref

import (
	"errors"
	"io"
	"sync"
	"time"

	"sstpwarden/inspect/sstp"
)

// The bounds of what waits to be written.
const (
	// maxPending is from when on data waits until the peer has read some.
	maxPending = 128 << 10
	// maxControl is when a peer that asks and does not read is given up: control
	// packets cannot wait, for whoever handles them also reads.
	maxControl = 512 << 10
)

var (
	errNotReading = errors.New("the peer asks for more than it reads")
	errClosed     = errors.New("the connection is closed")
)

// A writer puts packets into writes. Whoever comes first writes, and takes along
// what others add meanwhile; control packets are written by run, so that who adds
// them never waits.
type writer struct {
	to     io.Writer
	giveUp func() // breaks a write that does not end; called with the lock held
	join   int    // packets are joined up to so many bytes, 0: one write each
	faults Faults // of writing

	mu     sync.Mutex
	room   sync.Cond // for data: less is pending, or it is over
	work   sync.Cond // for run: something is pending that nobody writes, or it is over
	buf    []byte
	ends   []packetEnd // of the packets in buf
	spare  []byte
	spareE []packetEnd
	busy   bool          // someone writes
	held   bool          // nobody is to write yet
	closed bool          // nothing more is taken
	over   chan struct{} // closed when closed or err is set
	err    error
	cuts   int // pieces cut so far
}

// A packetEnd is where a packet ends in the buffer, how long it is delayed, and
// whether what comes behind it may be joined to it.
type packetEnd struct {
	at    int
	delay time.Duration
	last  bool
}

func newWriter(to io.Writer, join int, faults Faults) *writer {
	switch {
	case faults.SplitHeader:
		join = 0
	case faults.Join > 0:
		join = faults.Join
	}
	w := &writer{to: to, join: join, faults: faults, giveUp: func() {}, over: make(chan struct{})}
	w.room.L, w.work.L = &w.mu, &w.mu
	return w
}

// hold keeps back what is written until release.
func (w *writer) hold() {
	w.mu.Lock()
	w.held = true
	w.mu.Unlock()
}

func (w *writer) release() {
	w.mu.Lock()
	w.held = false
	w.work.Signal()
	w.mu.Unlock()
}

// raw adds bytes that are no packet, to be written by run.
func (w *writer) raw(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, b...)
	w.added(0)
	w.work.Signal()
}

// response adds a server's answer. Real servers write it before they look at what
// a client sent along, so nothing is joined to it.
func (w *writer) response(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, b...)
	w.ends = append(w.ends, packetEnd{at: len(w.buf), last: w.faults.Join == 0})
	w.work.Signal()
}

// control adds a control packet, or a PPP frame that is not data.
func (w *writer) control(p sstp.Packet, fault packetFault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || w.closed || fault.drop {
		return
	}
	at := len(w.buf)
	w.buf = p.Append(w.buf)
	fault.corrupt(w.buf[at:])
	w.added(fault.delay)
	w.work.Signal()
	if len(w.buf) > maxControl {
		w.fail(errNotReading)
		w.giveUp()
	}
}

// data sends one data packet: header, then body. It waits while too much is
// pending.
func (w *writer) data(header, body []byte, fault packetFault) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.buf) >= maxPending && w.err == nil && !w.closed {
		w.room.Wait()
	}
	switch {
	case w.err != nil:
		return w.err
	case w.closed:
		return errClosed
	case fault.drop:
		return nil
	}
	at := len(w.buf)
	w.buf = append(append(w.buf, header...), body...)
	fault.corrupt(w.buf[at:])
	w.added(fault.delay)
	if !w.busy && !w.held {
		w.drain()
	}
	return nil // an error of writing is told to the next one, and to run
}

func (w *writer) added(delay time.Duration) {
	w.ends = append(w.ends, packetEnd{at: len(w.buf), delay: delay})
}

// run writes until close and all is written, or an error.
func (w *writer) run() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for w.err == nil && (w.busy || w.held || len(w.buf) == 0 && !w.closed) {
			w.work.Wait()
		}
		if w.err != nil || len(w.buf) == 0 {
			return w.err
		}
		w.drain()
	}
}

// close lets run end when all is written.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	w.held = false
	w.end()
	w.mu.Unlock()
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
	w.end()
}

// end tells everybody that it is over.
func (w *writer) end() {
	select {
	case <-w.over:
	default:
		close(w.over)
	}
	w.work.Signal()
	w.room.Broadcast()
}

// gaveUp says that the peer was given up because it does not read.
func (w *writer) gaveUp() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err == errNotReading //nolint:errorlint // it is never wrapped
}

// abandon ends it at once.
func (w *writer) abandon(err error) {
	w.mu.Lock()
	w.fail(err)
	w.mu.Unlock()
}

// drain writes all that is pending. The lock is held when it is called and when it
// returns, and not while it writes.
func (w *writer) drain() {
	w.busy = true
	for len(w.buf) > 0 && w.err == nil {
		if len(w.buf) < w.faults.Join {
			w.mu.Unlock()
			w.pause(w.faults.JoinTime) // what comes meanwhile goes along
			w.mu.Lock()
		}
		buf, ends := w.buf, w.ends
		w.buf, w.ends = w.spare[:0], w.spareE[:0]
		w.room.Broadcast()
		w.mu.Unlock()
		err := w.write(buf, ends)
		w.mu.Lock()
		w.spare, w.spareE = buf, ends
		if err != nil {
			w.fail(err)
		}
	}
	w.busy = false
	if w.closed || len(w.buf) > 0 {
		w.work.Signal()
	}
}

// write writes packets, those joined that may be.
func (w *writer) write(buf []byte, ends []packetEnd) error {
	from := 0
	for i, e := range ends {
		if e.delay > 0 {
			w.pause(e.delay)
		}
		if !e.last && i+1 < len(ends) && ends[i+1].delay == 0 && ends[i+1].at-from <= w.join {
			continue
		}
		if err := w.pieces(buf[from:e.at]); err != nil {
			return err
		}
		from = e.at
	}
	return nil
}

// pause waits, but not when it is over.
func (w *writer) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-w.over:
	}
}

// pieces writes b in one piece, or in those that the faults want.
func (w *writer) pieces(b []byte) error {
	if w.faults.SplitHeader && len(b) > sstp.HeaderLen && b[0] == sstp.Version {
		if _, err := w.to.Write(b[:sstp.HeaderLen]); err != nil {
			return err
		}
		b = b[sstp.HeaderLen:]
	}
	for n := len(w.faults.Split); n > 0 && len(b) > 0; {
		size := w.faults.Split[w.cuts%n]
		if size >= len(b) {
			break
		}
		w.cuts++
		if _, err := w.to.Write(b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	_, err := w.to.Write(b)
	return err
}
