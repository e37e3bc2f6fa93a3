package guard

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sstpwarden/inspect/httphead"
)

// A conn is what net/http's server takes for the client's connection.
type conn struct {
	raw  net.Conn
	o    Options
	done chan struct{} // closed when net/http or the hijacker is done

	phase atomic.Uint32

	// What belongs to reading. net/http reads from one goroutine at a time; a
	// hijacker may not care.
	rd       sync.Mutex
	in       pending
	scan     httphead.Scanner
	out      string // what is left to deliver of a head
	body     body
	current  *httphead.Request // the last that was delivered
	taken    *Taken
	sawEOF   time.Time // when the client stopped sending; zero before
	headFrom time.Time // when the wait for the head, or since its first byte the head, began
	begun    bool      // the first head has come

	// What belongs to writing.
	wr      sync.Mutex
	written bool        // something of the response to the last head
	shut    atomic.Bool // nothing more may be written

	lastWrite atomic.Int64 // Unix time in ns
	wake      chan struct{}

	mu    sync.Mutex
	head  *httphead.Request // delivered, and not yet seen by the handler
	err   error             // the first that counts
	read  deadline
	write deadline
	// With idle and stopping both true, reading ends by stopBy.
	idle, stopping bool
	stopBy         time.Time
	closed         bool
	lingers        bool // what the client still sends is read before closing

	// released is set when a handler has hijacked the connection.
	released atomic.Bool
}

// The phases of a connection, from the reader's side:
//
//	       +---------------- StateIdle ---------------+
//	       v                                          |
//	 +-> head ---> body (if there is one) ---> held --+
//	 |     |         |                          |
//	start  +---------+---------> end            +---> raw
//	                  refusal, taken, error       StateHijacked
const (
	phaseHead uint32 = iota // a head comes next
	phaseBody               // the rest of a body comes next
	phaseHeld               // nothing comes before the response is finished
	phaseRaw                // a handler has hijacked the connection
	phaseLeft               // the rest of a body is not read any more
	phaseEnd                // nothing comes any more
)

func newConn(raw net.Conn, early []byte, o Options) *conn {
	now := time.Now()
	c := &conn{
		raw:      raw,
		o:        o,
		done:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
		headFrom: now,
		stopBy:   now.Add(firstTime),
	}
	c.in.add(early)
	return c
}

// headSpace is what heads are read to.
var headSpace = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// first reads the first head, and says whether there is one to deliver. Otherwise
// the connection has ended or is taken: most connections of a proxy begin with the
// CONNECT that they are for, and net/http need not know of those.
func (c *conn) first() bool {
	space := headSpace.Get().(*[4 << 10]byte)
	c.rd.Lock()
	err := c.readHead(space[:])
	if err != nil {
		c.phase.Store(phaseEnd)
	}
	c.rd.Unlock()
	headSpace.Put(space)
	if err == nil {
		return true
	}
	_ = c.Close() // why it ends is told by other means
	if c.taken != nil {
		_ = c.raw.SetDeadline(time.Time{}) // fails when closed, as whatever is done next
	}
	return false
}

// tlsConn tells net/http about TLS, which makes the requests' TLS field.
type tlsConn struct {
	*conn
	connectionStater
}

// LocalAddr implements [net.Conn].
func (c *conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr implements [net.Conn].
func (c *conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// Read implements [net.Conn]. It delivers what net/http may see now.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.rd.Lock()
	defer c.rd.Unlock()
	switch c.phase.Load() {
	case phaseHead:
		if c.out == "" {
			if err := c.readHead(p); err != nil {
				c.phase.Store(phaseEnd)
				return 0, err
			}
		}
		return c.deliverHead(p), nil
	case phaseBody:
		return c.readBody(p)
	case phaseHeld:
		return 0, c.hold(p)
	case phaseRaw:
		return c.readRaw(p)
	case phaseLeft:
		return 0, io.ErrUnexpectedEOF // of io.EOF net/http believes that the body ends
	}
	return 0, io.EOF
}

// deliverHead delivers what p has space for of a head that was found good.
func (c *conn) deliverHead(p []byte) int {
	n := copy(p, c.out)
	c.out = c.out[n:]
	if c.out == "" {
		c.phase.Store(phaseHeld)
		if c.body.expected() {
			c.phase.Store(phaseBody)
		}
	}
	return n
}

// readRaw reads for a hijacker.
func (c *conn) readRaw(p []byte) (n int, err error) {
	if n = c.in.take(p); n == 0 {
		n, err = c.raw.Read(p)
	}
	if n > 0 {
		if told := c.tell(p[:n]); told != nil {
			return 0, told
		}
	}
	return n, err
}

// tell tells the function Read about bytes that are about to be delivered.
func (c *conn) tell(b []byte) error {
	if c.o.Read == nil || len(b) == 0 {
		return nil
	}
	err := c.o.Read(b)
	if err != nil {
		c.fail(err)
	}
	return err
}

// answered is called when a response is finished and the connection is to serve
// another request.
func (c *conn) answered() {
	c.rd.Lock()
	defer c.rd.Unlock()
	switch c.phase.Load() {
	case phaseHeld:
		c.headFrom = time.Now()
		c.wr.Lock()
		c.written = false
		c.wr.Unlock()
		c.phase.Store(phaseHead)
	case phaseHead, phaseBody: // net/http believes that it has seen the end
		c.fail(errDisagreed)
	}
}

// hijacked is called when a handler takes over the connection.
func (c *conn) hijacked() {
	c.rd.Lock()
	defer c.rd.Unlock()
	c.released.Store(true)
	if c.phase.Load() != phaseEnd {
		c.wakeBy(time.Time{})
		c.phase.Store(phaseRaw)
	}
}

// claim returns the head that was delivered and not seen yet by the handler, if
// there is one, which it then is.
func (c *conn) claim() *httphead.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	head := c.head
	c.head = nil
	return head
}

// fail ends the connection at once. The first error is what Serve returns.
func (c *conn) fail(err error) {
	c.note(err)
	c.shut.Store(true)
	_ = c.raw.Close() // its end is what counts
}

// note keeps an error for Serve to return. That the client is gone is none; TLS
// says so in two ways.
func (c *conn) note(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && !c.closed {
		c.err = err
	}
}

func (c *conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// firstTime is what a connection has for its first head although Serve's context is
// done: who has just connected cannot know that, and is about to send one.
const firstTime = time.Second

// stop is called when Serve's context is done.
func (c *conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	c.read.apply(c)
}

// begin says that the first head has come.
func (c *conn) begin() {
	c.begun = true
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopBy = longAgo
}

func (c *conn) mustStop() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping && !time.Now().Before(c.stopBy)
}
