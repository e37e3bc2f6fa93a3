package guard

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"sstpwarden/inspect/httphead"
)

// A body is what is still to come of a request's body.
type body struct {
	chunked bool
	chunks  chunks
	left    uint64 // if not chunked
	// credit is how long the client may let us wait.
	credit time.Duration
}

func newBody(head *httphead.Request, length uint64, o *Options) body {
	return body{
		// A head that was not refused has no other coding behind which it ends.
		chunked: head.Fields.Get("Transfer-Encoding") != "",
		left:    length,
		credit:  o.Grace,
	}
}

func (b *body) expected() bool { return b.chunked || b.left > 0 }

// advance takes note of received bytes and returns how many of them belong to the
// body and whether it ends with them.
func (b *body) advance(p []byte) (n int, done bool, err error) {
	if b.chunked {
		return b.chunks.scan(p)
	}
	n = int(min(uint64(len(p)), b.left))
	b.left -= uint64(n)
	return n, b.left == 0, nil
}

// earn gives the credit of a client that has sent n bytes of a body.
func (o *Options) earn(credit time.Duration, n int) time.Duration {
	if o.MinRate < 0 || n <= 0 {
		return credit
	}
	earned := time.Duration(float64(n) / float64(o.MinRate) * float64(time.Second))
	return min(credit+earned, 2*o.Grace)
}

func (o *Options) tooSlow() string {
	return fmt.Sprintf("the request's body came slower than %d bytes a second", o.MinRate)
}

// A handlerBody is a request's body for its handler, who may have others read it
// that go on when the handler is done.
type handlerBody struct {
	io.ReadCloser
	mu   sync.Mutex
	over bool
}

// Read implements [io.Reader].
func (b *handlerBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.ReadCloser.Read(p)
}

// Close implements [io.Closer].
func (b *handlerBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return nil
	}
	return b.ReadCloser.Close()
}

// finish is called when a handler is done with a request. What it has left of the
// body is read here, if it is little and has come already. Otherwise the connection
// ends with the response. Net/http does not do either right for handlers that
// answer before they have read all: it may read on after the end that it has set
// out to watch for, and take the rest of a body for a request.
func (c *conn) finish(b *handlerBody) {
	const most, patience = 256 << 10, 100 * time.Millisecond
	if c.phase.Load() == phaseBody {
		_ = c.SetReadDeadline(time.Now().Add(patience)) // never fails
		defer func() { _ = c.SetReadDeadline(time.Time{}) }()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	_, _ = io.CopyN(io.Discard, b.ReadCloser, most) // what came of it is in the phase
	if !c.phase.CompareAndSwap(phaseBody, phaseLeft) {
		_, _ = io.Copy(io.Discard, b.ReadCloser) // net/http has the rest
	}
}

// readBody delivers the next bytes of a body.
func (c *conn) readBody(p []byte) (int, error) {
	if b := &c.body; !b.chunked && uint64(len(p)) > b.left {
		p = p[:b.left]
	}
	early := len(c.in.b) > 0
	n := copy(p, c.in.b)
	if !early {
		var err error
		if n, err = c.waitBody(p); err != nil {
			return 0, err
		}
	}
	c.body.credit = c.o.earn(c.body.credit, n)
	used, done, err := c.body.advance(p[:n])
	if err != nil {
		if c.tell(p[:n]) == nil {
			_ = c.refuse(c.current, http.StatusBadRequest, err.Error())
		}
		c.phase.Store(phaseEnd)
		return 0, err
	}
	if early {
		c.in.drop(used)
	} else {
		c.in.add(p[used:n])
	}
	if err := c.tell(p[:used]); err != nil {
		c.phase.Store(phaseEnd)
		return 0, err
	}
	if done {
		c.phase.Store(phaseHeld)
	}
	return used, nil
}

// waitBody reads some of a body from the connection, as long as the client keeps
// up the rate.
func (c *conn) waitBody(p []byte) (int, error) {
	credit := &c.body.credit
	for {
		start := time.Now()
		c.wakeBy(start.Add(*credit))
		n, err := c.raw.Read(p)
		*credit -= time.Since(start)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
		case !isTimeout(err):
			c.note(err)
			c.phase.Store(phaseEnd)
			return 0, err
		case c.theirsPassed():
			return 0, err
		case *credit <= 0:
			_ = c.refuse(c.current, http.StatusRequestTimeout, c.o.tooSlow())
			c.phase.Store(phaseEnd)
			return 0, os.ErrDeadlineExceeded
		}
	}
}
