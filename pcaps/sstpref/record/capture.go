package record

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"sstpwarden/pcaps/capfile"
)

const (
	// holdTime and holdBytes bound how long packets wait for secrets. Those come
	// as soon as an end has worked out the handshake's next step: a matter of
	// milliseconds, in which a gigabit a second brings 125 kB each.
	holdTime  = 2 * time.Second
	holdBytes = 4 << 20
	// softLimit is what may wait before Reads and Writes wait for the file, and
	// hardLimit what may wait at all, in bytes.
	softLimit = 16 << 20
	hardLimit = 32 << 20
	// patience is how long Reads and Writes wait for a file that takes nothing.
	patience = time.Second
	// stepBytes is what is taken to be written at a time.
	stepBytes = 1 << 20
	// pause is how long the writing goroutine rests at least where nothing is
	// urgent, so that it does not wake for every packet.
	pause = 50 * time.Millisecond
)

// madeUp follows the capture's comment.
const madeUp = "The bytes of the connections are real; Ethernet, IP and TCP headers were made up."

// A Capture is a capture file that is being written. It is safe for concurrent
// use.
type Capture struct {
	began time.Time
	now   func() time.Time
	out   *output       // the writing goroutine's
	wake  chan struct{} // of the writing goroutine
	done  chan struct{} // closed when it has ended

	mu       sync.Mutex
	queue    []event
	waiting  int // bytes in queue
	writing  int // bytes that were taken from it and are not written yet
	secrets  []byte
	budget   int           // bytes of secrets that the file may still have
	progress chan struct{} // closed when the file took something, nil while nobody waits
	stuck    bool          // it took nothing for as long as anybody waits
	closed   bool          // nothing more is recorded: Close was called, or the file failed
	err      error         // of the file

	conns    map[*conn]struct{} // those that are not closed
	live     map[ends]struct{}  // theirs
	opened   uint32             // connections so far
	madeUp   uint16             // the client's port that was made up last
	lost     int64              // bytes that found no room
	unlogged int                // lines of secrets that found none
}

// NewCapture begins a capture in w, with a comment for people, which may have up
// to 60,000 bytes. The error is w's. Until Close returns, a goroutine writes to w;
// w is not closed.
func NewCapture(w io.Writer, comment string) (*Capture, error) {
	return newCapture(w, comment, time.Now)
}

func newCapture(w io.Writer, comment string, now func() time.Time) (*Capture, error) {
	comment = strings.TrimPrefix(strings.ToValidUTF8(comment, "\uFFFD")+"\n"+madeUp, "\n")
	out := &output{buffer: bufio.NewWriterSize(w, 64<<10), framer: newFramer()}
	c := &Capture{
		began: now(), now: now, out: out,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		budget: capfile.MaxSecrets,
		conns:  map[*conn]struct{}{}, live: map[ends]struct{}{}, madeUp: firstMadeUp,
	}
	out.clock = clock{began: c.began}
	if err := out.begin(comment); err != nil {
		return nil, fmt.Errorf("beginning a capture: %w", err)
	}
	go c.write()
	return c, nil
}

// Conn returns inner as it is to be used from now on: what goes through it is
// recorded. IsServer says that inner is the end that was connected to.
//
// The packets' addresses are inner's. Ends that are not of TCP get addresses that
// are meant for documentation (RFC 5737, RFC 3849), and a port of its own is made
// up for a client whose addresses and ports another open connection of the
// capture has.
//
// The Conn has CloseWrite and SetLinger where inner has; SetLinger(0) makes a
// Close a reset. NetConn returns inner. What is done to inner itself is not seen.
func (c *Capture) Conn(inner net.Conn, isServer bool) net.Conn {
	k := &conn{Conn: inner, capture: c, local: client, remote: server}
	if isServer {
		k.local, k.remote = server, client
	}
	at := c.time()
	c.mu.Lock()
	defer c.mu.Unlock()
	k.ends = c.name(inner, isServer)
	c.opened++
	k.talk = newTalk(k.ends, c.opened)
	if !c.closed {
		c.conns[k] = struct{}{}
		c.live[k.ends] = struct{}{}
		c.add(event{conn: k, at: at, kind: opened, from: client})
	}
	return k.like(inner)
}

// KeyLog returns a writer for tls.Config.KeyLogWriter. Each complete line that is
// written to it becomes part of a secrets block in front of the packets that are
// not in the file yet; a Write may hold a part of a line. It may be shared, and
// never fails: else a broken file would break handshakes.
func (c *Capture) KeyLog() io.Writer { return &keyLog{capture: c} }

// Close writes what is left, and returns the first error of the file, or says
// what found no room in it. Connections that are still open have no end in the
// capture; they can be used further. Close may be called again and returns the
// same.
func (c *Capture) Close() error {
	c.mu.Lock()
	if !c.closed {
		for k := range c.conns {
			if k.closed { // but a Read or Write has not returned
				k.end()
			}
		}
		c.closed = true
	}
	c.mu.Unlock()
	c.nudge()
	<-c.done

	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return fmt.Errorf("writing the capture: %w", c.err)
	case c.lost > 0 || c.unlogged > 0:
		return fmt.Errorf("the capture is not complete: it could not be written fast enough, or grew too large: %d bytes and %d lines of TLS secrets are missing", c.lost, c.unlogged)
	}
	return nil
}

// time is how long the capture has run, by a clock that nobody sets.
func (c *Capture) time() time.Duration { return c.now().Sub(c.began) }

// write is the writing goroutine.
func (c *Capture) write() {
	defer close(c.done)
	for {
		b := c.take()
		err := c.out.write(&b)
		c.written(err)
		switch {
		case b.last || err != nil:
			return
		case len(b.events) > 0: // there may be more
		case b.rest < 0:
			<-c.wake
		default:
			timer := time.NewTimer(b.rest)
			select {
			case <-c.wake:
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}
