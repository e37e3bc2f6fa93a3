package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"sstpwarden/inspect/httphead"
)

const (
	maxStreams    = 250      // at a time; net/http's limit, too
	maxHeaderList = 64 << 10 // as long as a head of HTTP/1.x may be
	// maxStreamUpload and maxUpload are how much of a stream's body, and of all of
	// a connection's, may wait for its handler. Those of a few streams that nobody
	// reads do not hold up the others.
	maxStreamUpload = 256 << 10
	maxUpload       = 16 * maxStreamUpload
	// pingAfter is when clients that are gone are told from those that wait, by a
	// ping, which may be answered as late as a write may be accepted.
	pingAfter = 30 * time.Second
)

// serveHTTP2 serves a connection that speaks HTTP/2 until it ends.
func serveHTTP2(ctx context.Context, raw net.Conn, state connectionStater, o *Options) error {
	tlsState := state.ConnectionState()
	c := &http2Conn{Conn: raw, state: &tlsState, o: o}
	done := make(chan struct{})
	// A server of its own is what lets a single connection be stopped. It does
	// not know of the TLS, which is where the bytes are read and written for it.
	s := &http.Server{
		Handler:     http.HandlerFunc(c.serveHTTP),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(done)
			}
		},
		Protocols:         new(http.Protocols),
		ReadHeaderTimeout: o.HeadTimeout, // for the preface
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    maxHeaderList,
		ErrorLog:          o.ErrorLog,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     maxStreamUpload,
			MaxReceiveBufferPerConnection: maxUpload,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   o.WriteTimeout,
			WriteByteTimeout:              o.WriteTimeout,
		},
	}
	s.Protocols.SetUnencryptedHTTP2(true)
	c.started = sync.OnceFunc(func() {
		c.unstop = context.AfterFunc(ctx, func() { _ = s.Shutdown(context.Background()) }) // cannot fail
	})
	// A stop may come before Serve has asked for the next connection.
	if err := s.Serve(&listener{conn: c}); !errors.Is(err, errAccepted) && !errors.Is(err, http.ErrServerClosed) {
		_ = raw.Close() // the error at hand says more
		return err
	}
	<-done
	return c.end()
}

// An http2Conn is what the HTTP/2 server takes for the connection.
type http2Conn struct {
	net.Conn
	state    *tls.ConnectionState
	o        *Options
	handlers sync.WaitGroup
	// started is called when the server writes, from when on it can be stopped.
	started func()

	mu     sync.Mutex
	err    error
	unstop func() bool // nil before started
	ended  bool
}

// serveHTTP is the handler. The server reads the heads itself; what is judged is
// made up from what it read.
func (c *http2Conn) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if !c.begin() {
		panic(http.ErrAbortHandler)
	}
	defer c.handlers.Done()
	r.TLS = c.state
	head := &httphead.Request{Method: r.Method, Target: r.RequestURI, Version: httphead.Version{Major: 2}}
	if c.o.Judge != nil {
		head.Fields = append(head.Fields, httphead.Field{Name: "Host", Value: r.Host})
		for name, values := range r.Header {
			for _, value := range values {
				head.Fields = append(head.Fields, httphead.Field{Name: name, Value: value})
			}
		}
	}
	v := c.o.judge(head)
	switch {
	case v.action == actionRefuse:
		c.o.refused(head, v.status, v.text)
		for _, f := range v.fields {
			w.Header().Add(f.Name, f.Value)
		}
		http.Error(w, v.text, v.status)
	case v.action == actionClose:
		c.o.refused(head, 0, "closed")
		panic(http.ErrAbortHandler) // resets the stream
	case v.action == actionTake, r.Method == http.MethodConnect:
		const why = "a stream of HTTP/2 cannot be taken"
		c.o.refused(head, http.StatusNotImplemented, why)
		http.Error(w, why, http.StatusNotImplemented)
	default:
		lw := c.limit(r, w, head)
		defer lw.finish()
		c.o.Handler.ServeHTTP(lw, r)
	}
}

// Read implements [net.Conn].
func (c *http2Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.o.Read != nil {
		if told := c.o.Read(p[:n]); told != nil {
			c.fail(told)
			return 0, told
		}
	}
	return n, err
}

// Write implements [net.Conn].
func (c *http2Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.started()
	c.mu.Unlock()
	if c.o.Written != nil {
		if err := c.o.Written(p); err != nil {
			c.fail(err)
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

// fail ends the connection at once.
func (c *http2Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	_ = c.Close() // its end is what counts
}

// begin counts a request in, unless it comes too late.
func (c *http2Conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.handlers.Add(1)
	return true
}

// end is for when the server is done. It waits for the handlers, whose requests
// are cancelled.
func (c *http2Conn) end() error {
	c.mu.Lock()
	c.ended = true
	if c.unstop != nil {
		c.unstop()
	}
	err := c.err
	c.mu.Unlock()
	c.handlers.Wait()
	return err
}
