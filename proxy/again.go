package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
)

// maxKept bounds what is kept of a request's body, to send it again.
const maxKept = 64 << 10

// maxAttempts bounds how many connections are asked for one request. Net/http goes
// on for as long as servers answer in a way that calls for another one.
const maxAttempts = 16

var errAttempts = fmt.Errorf("the server did not take the request in %d attempts", maxAttempts)

// againable prepares a request for a server that turns out to be gone, or to go,
// just as it comes, as those do that keep connections for a while: of one that the
// server says it did not look at, net/http makes another attempt by itself if it
// can have the body again.
func (x *roundTrip) againable(req *http.Request) *http.Request {
	if req.Body != nil && req.Body != http.NoBody && req.ContentLength != 0 && req.ContentLength <= maxKept {
		k := keep(req.Body)
		req.GetBody = k.again
		req.Body = &attempt{keptBody: k}
	}
	return req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) {
			x.used.Store(false)
			if x.attempts.Add(1) > maxAttempts {
				x.giveUp(errAttempts)
			}
		},
		GotConn:              func(info httptrace.GotConnInfo) { x.used.Store(info.Reused) },
		GotFirstResponseByte: func() { x.used.Store(false) },
	}))
}

// A streamError is net/http's for a stream of HTTP/2 that was reset.
type streamError struct {
	StreamID uint32
	Code     uint32 // RFC 9113, Section 7
	Cause    error
}

func (e streamError) Error() string { return fmt.Sprintf("stream reset with code %d", e.Code) }

// wantsHTTP1 says that a server will have a request by HTTP/1.1, as those do that
// authenticate connections (HTTP_1_1_REQUIRED).
func wantsHTTP1(err error) bool {
	const required = 0xd
	e, ok := errors.AsType[streamError](err)
	return ok && e.Code == required
}

// byHTTP1 makes another attempt at a request by HTTP/1.1, if its body can be had
// again.
func (x *roundTrip) byHTTP1(req *http.Request, cause error) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody {
		if req.GetBody == nil {
			return nil, cause
		}
		body, err := req.GetBody()
		if err != nil {
			return nil, errors.Join(cause, err)
		}
		again := *req
		again.Body = body
		req = &again
	}
	return x.http1.RoundTrip(req)
}

// lost says that a request met the end of a connection that had served another
// one, without a word of an answer. Whether the server has seen it is not known, so
// it is not for a proxy to send it again (RFC 9110, Section 9.2.2), but the client
// may: it does where its own connection just ends, not where it gets an answer. A
// client that speaks HTTP/2 has no such rule.
func (x *roundTrip) lost(req *http.Request) bool {
	return x.used.Load() && req.ProtoMajor == 1 && req.Context().Err() == nil
}

// A keptBody is a request's body that can be had again, while there is not too
// much of it. Of several attempts at it only one goes on.
type keptBody struct {
	src io.ReadCloser

	mu      sync.Mutex
	came    sync.Cond // something did, or an attempt was closed
	kept    []byte
	err     error // what src ended with
	reading bool
	over    bool // no more is kept: what comes is for the attempt that is there
}

var (
	errTooLong = errors.New("the request is too long to be sent again")
	errPast    = errors.New("the request is not sent any more")
)

func keep(src io.ReadCloser) *keptBody {
	k := &keptBody{src: src}
	k.came.L = &k.mu
	return k
}

func (k *keptBody) again() (io.ReadCloser, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return nil, errTooLong
	}
	return &attempt{keptBody: k}, nil
}

// fetch reads on. Who waits for it may give up, and what comes is kept for the next.
func (k *keptBody) fetch(n int) {
	b := make([]byte, n)
	n, err := k.src.Read(b)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept, k.err, k.reading = append(k.kept, b[:n]...), err, false
	k.came.Broadcast()
}

// fetchSize is how much is read at a time of what is kept.
const fetchSize = 8 << 10

// An attempt reads a keptBody from its beginning.
type attempt struct {
	*keptBody
	at     int
	closed bool
}

// Read implements io.Reader.
func (a *attempt) Read(p []byte) (int, error) {
	if n, done, err := a.readKept(p); done {
		return n, err
	}
	return a.src.Read(p)
}

// readKept reads what is kept, and does not return before there is something. It
// is not done where the rest comes from the source.
func (a *attempt) readKept(p []byte) (n int, done bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		switch {
		case a.closed:
			return 0, true, errPast
		case a.at < len(a.kept):
			n := copy(p, a.kept[a.at:])
			a.at += n
			return n, true, nil
		case a.err != nil:
			return 0, true, a.err
		case len(a.kept) >= maxKept || a.over:
			a.over, a.kept, a.at = true, nil, 0
			return 0, false, nil
		case !a.reading:
			a.reading = true
			go a.fetch(min(fetchSize, maxKept-len(a.kept)))
		}
		a.came.Wait()
	}
}

// Close implements io.Closer. While there may be another attempt the source is the
// server's to close, which it came from.
func (a *attempt) Close() error {
	a.mu.Lock()
	a.closed = true
	a.came.Broadcast()
	over := a.over
	a.mu.Unlock()
	if over {
		return a.src.Close()
	}
	return nil
}
