package guard

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// hold blocks while a response is under way. Net/http reads in the background
// then to learn whether the client is gone, so that is found out; what arrives
// is kept, as far as there is space. It returns an error and nothing else. Buf is
// space to read to.
//
// That the client has stopped sending is no reason to think it gone, unless
// nothing can be sent to it for a long time.
func (c *conn) hold(buf []byte) error {
	for {
		if len(c.in.b) > 0 {
			buf = c.in.space()
		}
		if !c.sawEOF.IsZero() || len(buf) == 0 {
			if err := c.waitHeld(); err != nil {
				return err
			}
			continue
		}
		n, err := c.raw.Read(buf)
		switch {
		case n > 0 && len(c.in.b) > 0:
			c.in.grow(n)
		case n > 0:
			c.in.add(buf[:n])
		case err == nil:
		case errors.Is(err, io.EOF):
			c.sawEOF = time.Now()
		case !isTimeout(err):
			c.note(err)
			return err
		case c.theirsPassed():
			return err
		default:
			c.wakeBy(time.Time{}) // what is left of another timeout
		}
	}
}

// heldCheck is how often a connection that is not being read is looked at.
const heldCheck = time.Second

// waitHeld waits for anything that may end hold when there is nothing to read,
// or no space.
func (c *conn) waitHeld() error {
	t := time.NewTimer(heldCheck)
	defer t.Stop()
	select {
	case <-c.wake:
	case <-t.C:
	}
	if c.theirsPassed() {
		return os.ErrDeadlineExceeded
	}
	if !c.sawEOF.IsZero() {
		since := max(c.sawEOF.UnixNano(), c.lastWrite.Load())
		if time.Since(time.Unix(0, since)) >= c.o.HalfClosed {
			return io.EOF
		}
	}
	// Only trying shows that the connection was closed.
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.raw.SetReadDeadline(c.read.set); err != nil {
		return net.ErrClosed
	}
	return nil
}
