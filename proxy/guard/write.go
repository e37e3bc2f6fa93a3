package guard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"sstpwarden/inspect/httphead"
)

// Write implements [net.Conn].
func (c *conn) Write(b []byte) (int, error) {
	c.wr.Lock()
	defer c.wr.Unlock()
	if c.shut.Load() {
		return 0, net.ErrClosed
	}
	if head := c.claimRefused(); head != nil {
		status, why := answer(b)
		c.o.refused(head, status, why)
		c.setLingers()
	}
	if !bytes.HasPrefix(b, []byte("HTTP/1.1 100 ")) {
		c.written = true
	}
	return c.send(b)
}

// send writes to the client. The caller holds wr.
func (c *conn) send(b []byte) (int, error) {
	if c.o.Written != nil {
		if err := c.o.Written(b); err != nil {
			c.fail(err)
			return 0, err
		}
	}
	now := time.Now()
	c.lastWrite.Store(now.UnixNano())
	c.mayWrite(now, len(b))
	n, err := c.raw.Write(b)
	if err != nil {
		if isTimeout(err) {
			err = fmt.Errorf("guard: the client does not read: %w", err)
		}
		c.fail(err)
	}
	return n, err
}

// claimRefused returns the head that net/http answers before any handler has
// seen it. Only its own refusals are such answers.
func (c *conn) claimRefused() *httphead.Request {
	if c.phase.Load() == phaseRaw {
		return nil
	}
	return c.claim()
}

// answer reads the status line of what net/http writes.
func answer(b []byte) (status int, why string) {
	line, _, _ := bytes.Cut(b, []byte("\r\n"))
	_, line, _ = bytes.Cut(line, []byte(" "))
	code, text, _ := bytes.Cut(line, []byte(" "))
	status, _ = strconv.Atoi(string(code)) // 0 would be said as such
	return status, "net/http says " + string(text)
}

// refuse answers the client and ends the connection. If a response is under way
// there is no answer. It returns what net/http may know.
func (c *conn) refuse(head *httphead.Request, status int, why string, fields ...httphead.Field) error {
	c.claim()
	c.o.refused(head, status, why)
	c.setLingers()
	if c.wr.TryLock() { // else a response is being written
		if !c.written && !c.shut.Load() {
			_, _ = c.send(refusal(head, status, why, fields)) // ends the connection itself
		}
		c.wr.Unlock()
	}
	c.shut.Store(true)
	return io.EOF
}

// refusal writes a response. The text goes into a body of plain text.
func refusal(head *httphead.Request, status int, why string, fields httphead.Fields) []byte {
	text := http.StatusText(status)
	content := fmt.Sprintf("%d %s: %s\n", status, text, why)
	r := httphead.Response{Status: status, Reason: text, Fields: append(httphead.Fields{
		{Name: "Date", Value: time.Now().UTC().Format(http.TimeFormat)},
		{Name: "Content-Type", Value: "text/plain; charset=utf-8"},
		{Name: "X-Content-Type-Options", Value: "nosniff"},
		{Name: "Content-Length", Value: strconv.Itoa(len(content))},
		{Name: "Connection", Value: "close"},
	}, fields...)}
	b := r.Append(nil)
	if head != nil && head.Method == http.MethodHead {
		return b
	}
	return append(b, content...)
}

func (c *conn) setLingers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lingers = true
}

// lingerTime is how long a client has to read its answer after it was sent more
// than was wanted of it.
const lingerTime = 2 * time.Second

// Close implements [net.Conn]. A connection that is taken stays open.
//
// Closing with unread bytes makes the kernel send a reset, which may overtake
// the answer (RFC 9112, Section 9.6). So what the client still sends is read for
// a while, where it was not let finish.
func (c *conn) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	phase := c.phase.Load()
	linger := first && c.err == nil && (c.lingers || phase == phaseBody || phase == phaseLeft)
	c.mu.Unlock()
	if c.taken != nil {
		return nil
	}
	c.shut.Store(true)
	defer c.rouse()
	if linger && c.CloseWrite() == nil && c.raw.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, c.raw) // whatever ends it
	}
	if err := c.raw.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// CloseWrite closes the sending side, if the connection below can do that.
func (c *conn) CloseWrite() error { return closeWrite(c.raw) }
