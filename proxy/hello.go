package proxy

import (
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
)

// maxHello bounds what is held of a client's first bytes. A ClientHello has 2 KB
// today; no server takes one that is longer than this.
const maxHello = 64 << 10

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// A helloReader says whether a client's first bytes are a whole ClientHello,
// however they are cut into segments and records.
type helloReader struct {
	stream    tlswire.Stream
	handshake tlswire.Handshake
	began     bool
	read      int
	whole     bool // a handshake message was read, which is the first
	old       bool // it is a ClientHello that offers no version we could open
	classical bool // it is one that offers no post-quantum key exchange
	other     bool // these bytes are something else
}

// feed takes the next bytes, and says whether more are needed to tell.
func (h *helloReader) feed(b []byte) (more bool) {
	if !h.began && len(b) > 0 {
		h.began = true
		h.other = b[0] != byte(tlswire.ContentHandshake)
	}
	if h.other {
		return false
	}
	h.read += len(b)
	h.stream.Feed(b, 0, func(r tlswire.Record) {
		if r.Type != tlswire.ContentHandshake {
			h.other = h.other || !h.whole
			return
		}
		h.handshake.Feed(r.Fragment, func(m tlswire.Message) {
			if !h.whole {
				hello, err := tlswire.ParseClientHello(m.Body)
				h.old = err == nil && hello.MaxVersion() < tlswire.VersionTLS12
				h.classical = err == nil && !slices.ContainsFunc(hello.SupportedGroups, postQuantum)
			}
			h.whole = true
		})
	})
	h.other = h.other || h.stream.Broken() || h.read > maxHello
	return !h.whole && !h.other
}

// postQuantum says that a group is none of those that have been there since TLS
// 1.2: curves, and finite fields from 256 on (RFC 8446, Section 4.2.7). What is
// new counts, whatever it is.
func postQuantum(g tlswire.NamedGroup) bool { return g >= 512 && !tlswire.IsGREASE(g) }

var errOldTLS = errors.New("the client offers nothing newer than TLS 1.1")

// A start is how a tunnel begins.
type start struct {
	pass  bool   // the client's first bytes were written, the rest may follow
	open  bool   // TLS is to be opened, of which these are the first bytes
	first []byte // only with open
}

// holdHello reads the client's first bytes. What is no TLS is written at once; a
// ClientHello when it is whole. One that does not come to its end is written too
// when its time is over: whatever wants it may still work, but for opening.
func (t *tunnel) holdHello() start {
	var h helloReader
	var held []byte
	for {
		c, n, err := t.client.read()
		if n == 0 {
			return t.heldInVain(held, err)
		}
		err = t.see(inspect.ClientToServer, c[:n])
		more := err == nil && h.feed(c[:n])
		if more && held == nil {
			_ = t.client.conn.SetReadDeadline(time.Now().Add(t.srv.config.Timeouts.Hello))
		}
		if more || held != nil {
			held = append(held, c[:n]...)
		}
		switch {
		case err != nil:
			put(c)
			t.finish(inspect.ClientToServer, t.server, err)
			return start{}
		case more:
			put(c)
			continue
		}
		if held != nil {
			_ = t.client.conn.SetReadDeadline(time.Time{})
		}
		first := c[:n]
		if held != nil {
			first = held
		}
		open := t.begin()
		switch {
		case open && h.old && !t.goesUnopened(errOldTLS):
			put(c)
			return start{}
		case open && !h.old:
			first = slices.Clone(first)
			put(c)
			t.classical = h.classical
			return start{open: true, first: first}
		}
		err = t.write(inspect.ClientToServer, t.server, first)
		put(c)
		if err != nil {
			t.finish(inspect.ClientToServer, t.server, err)
		}
		return start{pass: err == nil}
	}
}

// begin says that the tunnel's TLS is to be opened. From then on its first bytes
// count as written, or as read by who opens it.
func (t *tunnel) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = true
	return t.opening
}

// heldInVain goes on with what never became a whole ClientHello.
func (t *tunnel) heldInVain(held []byte, cause error) start {
	late := errors.Is(cause, os.ErrDeadlineExceeded)
	if late {
		t.srv.counts.slow.Add(1)
		_ = t.client.conn.SetReadDeadline(time.Time{})
	}
	t.mu.Lock()
	t.began, t.late = true, late
	t.mu.Unlock()
	if len(held) > 0 {
		if err := t.write(inspect.ClientToServer, t.server, held); err != nil {
			t.finish(inspect.ClientToServer, t.server, err)
			return start{}
		}
	}
	if !late {
		t.finish(inspect.ClientToServer, t.server, cause)
	}
	return start{pass: late}
}

func isPast(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func isEnd(err error) bool { return err == nil || errors.Is(err, io.EOF) }
