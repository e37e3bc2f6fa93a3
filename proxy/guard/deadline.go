package guard

import (
	"errors"
	"net"
	"os"
	"time"
)

// A deadline is when reading, or writing, is interrupted: by what net/http or a
// hijacker asked for, or by one of our own timeouts, whichever is first. It is
// guarded by the conn's mu.
type deadline struct {
	theirs, ours time.Time // zero for none
	set          time.Time // what the connection below has
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// apply hands the read deadline down.
func (d *deadline) apply(c *conn) {
	t := earlier(d.theirs, d.ours)
	if c.stopping && c.idle {
		t = earlier(t, c.stopBy)
	}
	if !t.Equal(d.set) {
		d.set = t
		_ = c.raw.SetReadDeadline(t) // fails when closed, and so will reading
	}
}

// earlier gives the earlier of two deadlines.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// wakeBy makes sure that reading is interrupted at t, or a little before, which
// saves setting the deadline anew every time. A zero t is never.
func (c *conn) wakeBy(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ours := c.read.ours; !t.IsZero() && ours.Before(t) && ours.After(time.Now()) {
		return
	}
	c.read.ours = t
	c.read.apply(c)
}

// setIdle says whether stop may interrupt reading.
func (c *conn) setIdle(idle bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle != idle {
		c.idle = idle
		c.read.apply(c)
	}
}

// theirsPassed reports whether the read deadline set from outside has passed.
func (c *conn) theirsPassed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.read.theirs.IsZero() && !time.Now().Before(c.read.theirs)
}

// SetReadDeadline implements [net.Conn].
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.read.theirs = t
	c.read.apply(c)
	c.mu.Unlock()
	c.rouse()
	return nil
}

// rouse wakes hold.
func (c *conn) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// SetWriteDeadline implements [net.Conn].
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write.theirs = t
	return c.setWrite()
}

// setWrite hands the write deadline down.
func (c *conn) setWrite() error {
	t := earlier(c.write.theirs, c.write.ours)
	if t.Equal(c.write.set) {
		return nil
	}
	c.write.set = t
	return c.raw.SetWriteDeadline(t)
}

// SetDeadline implements [net.Conn].
func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t) // never fails
	return c.SetWriteDeadline(t)
}

// mayWrite gives the write of n bytes that begins now its time. What is left of an
// earlier write's will do if it is most of it, and no more.
func (c *conn) mayWrite(now time.Time, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.o.WriteTimeout
	if units := time.Duration((n + writeUnit - 1) / writeUnit); units > 1 && limit < forever/units {
		limit *= units
	}
	if left := c.write.ours.Sub(now); left < limit/4*3 || left > limit {
		c.write.ours = now.Add(limit)
		_ = c.setWrite() // fails when closed, and so will writing
	}
}

func isTimeout(err error) bool {
	if ne, ok := err.(net.Error); ok { //nolint:errorlint // the common case needs no unwrapping
		return ne.Timeout()
	}
	return errors.Is(err, os.ErrDeadlineExceeded)
}
