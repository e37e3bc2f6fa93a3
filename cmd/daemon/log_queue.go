package daemon

import (
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// logQueueLines is how many lines may wait: a burst of all that is logged at once, and
	// less than a MiB.
	logQueueLines = 2048
	// logQueuePatience is how long the end waits for lines that wait.
	logQueuePatience = time.Second
)

// A logQueue writes lines beside those who log them. The log is a pipe to somebody else as a rule:
// where that one is stuck, packets and connections must not wait for it. Lines that do not fit are
// lost, and another tells how many.
type logQueue struct {
	to    io.Writer
	log   *slog.Logger // tells of lines that were lost
	lines chan []byte
	lost  atomic.Uint64
	ended chan struct{} // closed when nothing waits any more

	mu     sync.Mutex
	closed bool // lines are written at once
	stuck  bool // lines are not written at all
}

// newLogQueue begins to write. The queue must be closed.
func newLogQueue(to io.Writer, c Log) *logQueue {
	q := &logQueue{to: to, log: newLogger(to, c), lines: make(chan []byte, logQueueLines), ended: make(chan struct{})}
	go q.run()
	return q
}

func (q *logQueue) run() {
	defer close(q.ended)
	for line := range q.lines {
		_, _ = q.to.Write(line) // there is nobody else to tell
		if n := q.lost.Swap(0); n > 0 {
			q.log.Error("lines of the log were lost: whoever reads it does not keep up", "lines", n)
		}
	}
}

// Write takes a line, which is not kept.
func (q *logQueue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.stuck:
	case q.closed:
		return q.to.Write(line)
	default:
		select {
		case q.lines <- slices.Clone(line):
		default:
			q.lost.Add(1)
		}
	}
	return len(line), nil
}

// close writes what waits, or gives it up after a while. What is logged later is written at
// once, or not at all.
func (q *logQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	close(q.lines)
	select {
	case <-q.ended:
	case <-time.After(logQueuePatience):
		q.stuck = true
	}
}
