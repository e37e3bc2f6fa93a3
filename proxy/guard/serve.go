package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"sstpwarden/inspect/httphead"
)

// Serve serves the requests that come in on conn until the connection ends or
// is taken. Conn may come from [Prepend] or be the Conn of a [Taken], which is
// how to go on after a CONNECT that was answered with an error.
//
// A connection whose ConnectionState method says that it negotiated "h2" is
// served HTTP/2; its TLS handshake must be complete.
//
// Serve closes conn unless it returns a Taken. The error is nil for every end
// that is ordinary: the client's, the handler's, idleness, the context's, a
// refusal. Else it is an error of Read or Written or what went wrong on the
// connection.
func Serve(ctx context.Context, conn net.Conn, o Options) (*Taken, error) {
	o.setDefaults()
	raw, early := Unwrap(conn)
	state, secure := raw.(connectionStater)
	if secure && state.ConnectionState().NegotiatedProtocol == "h2" {
		return nil, serveHTTP2(ctx, Prepend(raw, early), state, &o)
	}
	c := newConn(raw, early, o)
	defer context.AfterFunc(ctx, c.stop)()

	if !c.first() {
		return c.taken, c.failure()
	}
	l := &listener{ctx: context.WithValue(context.WithoutCancel(ctx), connKey{}, c), conn: c}
	if secure {
		l.conn = tlsConn{c, state}
	}
	if err := server.Serve(l); !errors.Is(err, errAccepted) {
		_ = raw.Close() // the error at hand says more
		return nil, err
	}
	<-c.done
	if c.taken == nil {
		return nil, c.failure()
	}
	_ = raw.SetDeadline(time.Time{}) // fails when closed, as whatever is done next
	return c.taken, nil
}

// server serves all connections. It has a listener for each of them, because its
// Serve method returns as soon as the listener has no more.
var server = &http.Server{
	Handler:                      http.HandlerFunc(dispatch),
	BaseContext:                  func(l net.Listener) context.Context { return l.(*listener).ctx },
	ConnState:                    changeState,
	DisableGeneralOptionsHandler: true, // OPTIONS * is the handler's, too
	Protocols:                    onlyHTTP1(),
	TLSNextProto:                 map[string]func(*http.Server, *tls.Conn, http.Handler){},
}

func onlyHTTP1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// A listener accepts the one connection that it was made with.
type listener struct {
	ctx  context.Context
	conn net.Conn // nil once accepted
}

// errAccepted is what Accept returns the second time.
var errAccepted = errors.New("guard: the connection is accepted")

func (l *listener) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, errAccepted
	}
	conn := l.conn
	l.conn = nil
	return conn, nil
}

func (l *listener) Close() error   { return nil }
func (l *listener) Addr() net.Addr { return nil }

// connKey is the key of the *conn in its requests' contexts.
type connKey struct{}

// changeState is told by net/http what a connection is doing.
func changeState(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		c = nc.(tlsConn).conn
	}
	switch state {
	case http.StateIdle:
		c.answered()
	case http.StateHijacked:
		c.hijacked()
	case http.StateClosed:
		close(c.done)
	case http.StateNew, http.StateActive:
	}
}

// dispatch gives a request to its connection's handler, if it is the one whose
// head was delivered last.
func dispatch(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*conn)
	head := c.claim()
	if head == nil || head.Method != r.Method || parseable(head.Target) != r.RequestURI {
		c.fail(errDisagreed)
		panic(http.ErrAbortHandler)
	}
	r.RequestURI = head.Target
	defer func() {
		v := recover()
		if c.released.Load() {
			_ = c.raw.Close() // the handler may have closed it
			close(c.done)
		}
		if v == nil {
			return
		}
		if v != any(http.ErrAbortHandler) {
			c.o.ErrorLog.Printf("guard: panic serving %v: %v\n%s", r.RemoteAddr, v, debug.Stack())
		}
		panic(http.ErrAbortHandler)
	}()
	if r.ContentLength == 0 {
		c.o.Handler.ServeHTTP(w, r)
		return
	}
	b := &handlerBody{ReadCloser: r.Body}
	served := *r
	served.Body = b
	c.o.Handler.ServeHTTP(w, &served)
	if !c.released.Load() {
		c.finish(b)
	}
}

// errDisagreed says that net/http found another request than the one delivered.
var errDisagreed = errors.New("guard: net/http reads the client's bytes as other requests than the head reader")

// A Taken is a connection that Serve has let go of. All responses to earlier
// requests have been written, and no deadline is set.
type Taken struct {
	// Head is the one that the connection was taken for.
	Head httphead.Request
	// Conn is the connection. It reads what is in Buffered first; see [Unwrap].
	Conn net.Conn
	// Buffered is what had been read behind the head, often nothing.
	Buffered []byte
}
