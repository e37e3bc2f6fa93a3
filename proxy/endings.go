package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/httphead"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

var errBanned = errors.New("refused for a while, because of an earlier connection to this server")

// verdict gives the decision so far.
func (k *session) verdict() policies.Decision {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.decision
}

// passing shows what goes through a connection that is served as HTTP. About heads
// the policy is asked when they are whole, so that the client can be answered;
// about what belongs to a request that is served, at once.
func (r *requests) passing(d inspect.Direction, b []byte) error {
	r.count(d, len(b))
	r.taken(d)
	if r.serving.Load() {
		return r.see(d, b)
	}
	r.note(d, b)
	return nil
}

// headRefused logs a head that was not taken.
func (k *session) headRefused(head *httphead.Request, status int, why string) {
	if status == http.StatusRequestTimeout {
		k.srv.counts.slow.Add(1)
	}
	k.srv.counts.refusedHead.Add(1)
	args := []any{"client", k.info.Key.Client, "status", status}
	if head != nil {
		args = append(args, "method", event.Printable(head.Method), "target", event.Printable(shortened(head.Target)))
	}
	k.srv.log.refuse("head", event.Printable(why), args...)
}

func shortened(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// broke ends a session whose client connection ended by an error.
func (k *session) broke(err error) {
	switch {
	case errors.Is(err, errDropped):
		k.end(event.EndDropped, nil)
	case errors.Is(err, io.EOF), wasReset(err):
		k.end(event.EndClient, err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		k.srv.counts.slow.Add(1)
		k.end(event.EndIdle, err)
	default:
		k.end(event.EndError, err)
	}
}

// lastWords answers a client and waits until it has read the answer: closing at
// once, while more of it is on its way, would take the answer back (RFC 9112,
// Section 9.6).
func lastWords(conn net.Conn, b []byte, patience time.Duration) {
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(b); err != nil {
		return
	}
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	const most, linger = 1 << 20, time.Second
	_ = conn.SetReadDeadline(time.Now().Add(min(patience, linger)))
	_, _ = io.CopyN(io.Discard, conn, most)
}

// abort ends a client's connection as a server would that cannot be reached.
func abort(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
