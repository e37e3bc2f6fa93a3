package guard

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"sstpwarden/inspect/httphead"
)

// readHead reads and judges the next head. It returns nil when there is one to
// deliver. Any error is for net/http to go away quietly; why the connection ends
// is told by other means. Buf is space to read to.
func (c *conn) readHead(buf []byte) error {
	if c.mustStop() {
		return io.EOF
	}
	for {
		if len(c.in.b) > 0 {
			head, n, err := c.scan.Request(c.in.b)
			switch {
			case err == nil:
				if !c.begun {
					c.begin()
				}
				return c.judge(&head, n)
			case !errors.Is(err, io.ErrUnexpectedEOF):
				return c.refuseSyntax(err)
			}
		}
		if err := c.fillHead(buf); err != nil {
			return err
		}
	}
}

// fillHead adds to what is pending, within the time that there is for it.
func (c *conn) fillHead(buf []byte) error {
	waiting := c.in.blank()
	limit := c.o.HeadTimeout
	if waiting {
		limit = c.o.IdleTimeout
	}
	c.setIdle(waiting)
	for {
		end := c.headFrom.Add(limit)
		c.wakeBy(end)
		n, err := c.raw.Read(buf)
		switch {
		case n > 0:
			c.in.add(buf[:n])
			if waiting && !c.in.blank() {
				c.headFrom = time.Now()
				c.setIdle(false)
			}
			return nil
		case err == nil:
		case !isTimeout(err):
			return c.endHead(err)
		case c.theirsPassed():
			return err
		case waiting && c.mustStop():
			return io.EOF
		case time.Now().Before(end):
		case waiting:
			return io.EOF
		default:
			if c.tell(c.in.b) != nil {
				return io.EOF
			}
			return c.refuse(nil, http.StatusRequestTimeout, "the request's head took longer than "+limit.String())
		}
	}
}

// endHead is for a connection that ended before a head or inside it.
func (c *conn) endHead(err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		c.note(err)
	case !c.in.blank():
		if c.tell(c.in.b) != nil {
			return io.EOF
		}
		return c.refuse(nil, http.StatusBadRequest, "the connection ended inside the request's head")
	}
	return io.EOF
}

// refuseSyntax refuses what is no head, whatever might follow.
func (c *conn) refuseSyntax(err error) error {
	status := http.StatusBadRequest
	var syntax *httphead.SyntaxError
	switch {
	case errors.Is(err, httphead.ErrHTTP2Preface):
		status = http.StatusHTTPVersionNotSupported
	case !errors.As(err, &syntax):
	case syntax.Field == "head length", syntax.Field == "field lines":
		status = http.StatusRequestHeaderFieldsTooLarge
	case syntax.Field == "HTTP-version":
		if version, ok := syntax.Value.(string); ok && strings.HasPrefix(version, "HTTP/") {
			status = http.StatusHTTPVersionNotSupported
		}
	}
	if err := c.tell(c.in.b); err != nil {
		return io.EOF
	}
	return c.refuse(nil, status, err.Error())
}

// judge decides on a whole head, the first n bytes of what is pending.
func (c *conn) judge(head *httphead.Request, n int) error {
	if err := c.tell(c.in.b[:n]); err != nil {
		return io.EOF
	}
	if odd := head.MustRefuse(); odd != 0 {
		return c.refuse(head, http.StatusBadRequest, "the request's head has "+odd.String())
	}
	v := c.o.judge(head)
	switch {
	case v.action == actionRefuse:
		return c.refuse(head, v.status, v.text, v.fields...)
	case v.action == actionClose:
		c.o.refused(head, 0, "closed")
		return io.EOF
	case v.action == actionTake, head.Method == http.MethodConnect:
		c.take(head, n)
		return io.EOF
	}
	length, _, err := head.Fields.ContentLength()
	if err != nil || length > math.MaxInt64 {
		return c.refuse(head, http.StatusRequestEntityTooLarge, "the request's Content-Length is too large")
	}
	c.in.drop(n)
	c.body = newBody(head, length, &c.o)
	c.out = head.Raw
	sent := *head
	sent.Target = parseable(head.Target)
	if head.Oddities != 0 || sent.Target != head.Target {
		c.out = string(sent.Append(nil))
	}
	c.current = head
	c.mu.Lock()
	c.head = head
	c.mu.Unlock()
	return nil
}

// take keeps the connection for Serve to return.
func (c *conn) take(head *httphead.Request, n int) {
	c.in.drop(n)
	rest := bytes.Clone(c.in.b)
	c.in.drop(len(rest))
	c.taken = &Taken{Head: *head, Conn: Prepend(c.raw, rest), Buffered: rest}
	c.shut.Store(true)
}
