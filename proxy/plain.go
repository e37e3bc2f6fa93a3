package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/elazarl/goproxy"

	"sstpwarden/policies/event"
	"sstpwarden/proxy/access"
)

// plainHTTP serves ordinary requests through goproxy. Each client connection
// has upstream connections of its own: servers that authenticate a connection
// (NTLM) must not take one client for another.
type plainHTTP struct {
	srv   *Server
	proxy *goproxy.ProxyHttpServer
}

// A roundTrip is one request on its way through goproxy.
type roundTrip struct {
	transport *http.Transport
	http1     *http.Transport     // for a server that wants it; nil for none
	http2     bool                // the client speaks it
	client    http.ResponseWriter // nil for one that takes nothing before its response
	connected atomic.Bool         // there was a connection to send it on
	used      atomic.Bool         // it goes by a connection that served another, and is not answered
	attempts  atomic.Int32        // to have a connection for it
	giveUp    context.CancelCauseFunc
	cut       bool // the server did not finish its response
	headOnly  bool // the response is a head, and by HTTP/2 on both sides

	mu   sync.Mutex
	done bool // the response is there, and the client's writer for that alone
}

type roundTripKey struct{}

func newPlainHTTP(s *Server) *plainHTTP {
	p := &plainHTTP{srv: s, proxy: goproxy.NewProxyHttpServer()}
	p.proxy.KeepAcceptEncoding = true
	p.proxy.KeepHeader = false // of Proxy-Authorization and the like
	p.proxy.AllowHTTP2 = false // CONNECT is not its matter
	p.proxy.Logger = goproxyLog{s.log}
	p.proxy.NonproxyHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer{status: http.StatusBadRequest, text: "this is a proxy: ask it for whole URLs, or with CONNECT"}.serve(w)
	})
	p.proxy.Tr = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no transport") // there is one for each client
	}}
	p.proxy.OnRequest().DoFunc(func(req *http.Request, ctx *goproxy.ProxyCtx) (*http.Request, *http.Response) {
		x, _ := req.Context().Value(roundTripKey{}).(*roundTrip)
		var upgrade []string // goproxy takes it out of all requests but WebSocket's
		if asksForUpgrade(req.Header) {
			upgrade = req.Header["Connection"]
		} else {
			endToEnd(req.Header)
		}
		ctx.RoundTripper = goproxy.RoundTripperFunc(func(req *http.Request, _ *goproxy.ProxyCtx) (*http.Response, error) {
			if _, ok := req.Header["User-Agent"]; !ok {
				req.Header["User-Agent"] = []string{""} // or net/http would add its own
			}
			if upgrade != nil {
				req.Header["Connection"] = upgrade
			}
			return x.do(req)
		})
		return req, nil
	})
	p.proxy.OnResponse().DoFunc(func(resp *http.Response, ctx *goproxy.ProxyCtx) *http.Response {
		x, _ := ctx.Req.Context().Value(roundTripKey{}).(*roundTrip)
		if resp != nil && x.asksUs(resp) {
			_ = resp.Body.Close() // it is not passed on
			a := unreachable(ctx.Req.URL.Host, &upstreamError{upstreamAddr(s), resp.StatusCode, http.StatusText(resp.StatusCode)})
			return goproxy.NewResponse(ctx.Req, goproxy.ContentTypeText, a.status, a.body())
		}
		if resp != nil || ctx.Error == nil {
			return withUpgrade(resp)
		}
		if x.lost(ctx.Req) {
			panic(http.ErrAbortHandler)
		}
		a := unreachable(ctx.Req.URL.Host, ctx.Error)
		switch _, refused := errors.AsType[*access.RefusedError](ctx.Error); {
		case refused:
			s.counts.refusedDestination.Add(1)
		case x.connected.Load():
			what := ctx.Req.URL.Host
			if x.transport.Proxy != nil {
				what = "the next proxy"
			}
			a = unanswered(what, ctx.Error)
		default:
			s.counts.dialFailures.Add(1)
		}
		return goproxy.NewResponse(ctx.Req, goproxy.ContentTypeText, a.status, a.body())
	})
	return p
}

// asksUs says that the upstream proxy wants a login of this one: clients, which have
// none there, would be asked for theirs for ever (RFC 9110, Section 11.7.1).
func (x *roundTrip) asksUs(resp *http.Response) bool {
	return resp.StatusCode == http.StatusProxyAuthRequired && x.transport.Proxy != nil
}

// serve serves a request through goproxy, by the client's transport, and by http1,
// if there is one, where the server wants that.
func (p *plainHTTP) serve(w http.ResponseWriter, req *http.Request, t, http1 *http.Transport) {
	// Servers may answer before they have read all. Of HTTP/2 that is said anyway.
	_ = http.NewResponseController(w).EnableFullDuplex()
	keepSpelling(req, t.Proxy != nil)
	if req.ContentLength == 0 { // of HTTP/2 there is one that is empty
		req.Body = http.NoBody
	}
	x := &roundTrip{transport: t, http1: http1, http2: req.ProtoMajor == 2}
	if req.ProtoAtLeast(1, 1) {
		x.client = w
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(req.Context(), roundTripKey{}, x))
	defer cancel(nil)
	x.giveUp = cancel
	p.proxy.ServeHTTP(prompt{w, x}, req.WithContext(ctx))
	if x.cut { // or net/http would end the response as if this were all of it
		_ = http.NewResponseController(w).Flush() // what there is of it
		panic(http.ErrAbortHandler)
	}
}

// A prompt writer keeps nothing back: what a server sends bit by bit reaches the
// client bit by bit.
type prompt struct {
	http.ResponseWriter
	x *roundTrip
}

// WriteHeader implements http.ResponseWriter. A body without a length may be long
// in coming, and the client waits for the head. Where none can come (RFC 9110, Section
// 6.4.1), or the server said that none does, the head is all, which HTTP/2 says with it:
// gRPC takes what is in such a head for the trailers.
func (p prompt) WriteHeader(status int) {
	h := p.Header()
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // or net/http would guess one
	}
	if p.x.headOnly {
		h["Content-Length"] = nil // or net/http would add one
		p.ResponseWriter.WriteHeader(status)
		return
	}
	p.ResponseWriter.WriteHeader(status)
	if status >= http.StatusOK && status != http.StatusNoContent && status != http.StatusNotModified && p.Header().Get("Content-Length") == "" {
		_ = http.NewResponseController(p.ResponseWriter).Flush() // fails where writing will
	}
}

// Write implements http.ResponseWriter.
func (p prompt) Write(b []byte) (int, error) {
	n, err := p.ResponseWriter.Write(b)
	if err == nil {
		err = http.NewResponseController(p.ResponseWriter).Flush()
	}
	return n, err
}

// ReadFrom implements io.ReaderFrom: io.Copy would make a buffer for each response.
func (p prompt) ReadFrom(r io.Reader) (int64, error) {
	return carryAll(p, r)
}

// Hijack implements http.Hijacker, which goproxy asks for by type.
func (p prompt) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(p.ResponseWriter).Hijack()
}

// Unwrap is for http.ResponseController.
func (p prompt) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// goproxyLog has goproxy's own lines go where ours go, for who looks closely.
type goproxyLog struct{ log *limitedLog }

// Printf implements goproxy.Logger.
func (l goproxyLog) Printf(format string, args ...any) {
	if l.log.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.log.Debug("goproxy", "text", event.Printable(strings.TrimSpace(fmt.Sprintf(format, args...))))
	}
}

// requests serves the ordinary requests of one client connection.
type requests struct {
	*session
	once      sync.Once
	transport *http.Transport
	serving   atomic.Bool // a request's head was read, and is being served
}

// ServeHTTP implements http.Handler.
func (r *requests) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	defer r.serving.Store(false)
	if err := r.login(req.Context(), req.Header.Get("Proxy-Authorization")); err != nil {
		r.srv.challenge(err).serve(w)
		return
	}
	if s := req.URL.Scheme; s != "" && s != "http" && s != "https" {
		answer{status: http.StatusNotImplemented, text: s + " is not spoken here: ask this proxy for http and https, or for tunnels with CONNECT"}.serve(w)
		return
	}
	r.once.Do(func() { r.transport = r.srv.newTransport() })
	if r.srv.config.Upstream == nil {
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GotConn: func(info httptrace.GotConnInfo) { r.goesTo(remote(info.Conn).Addr()) },
		}))
	}
	r.srv.plain.serve(w, req, r.transport, nil)
}

func (r *requests) close() {
	r.once.Do(func() {})
	if r.transport != nil {
		r.transport.CloseIdleConnections()
	}
}

// maxIdleServers bounds the connections to servers that are kept for one of a
// client: who asks for many servers is not to have a descriptor for each.
const maxIdleServers = 8

// newTransport makes what connects to servers for one client.
func (s *Server) newTransport() *http.Transport {
	t := &http.Transport{
		DialContext:           s.dialHost,
		DisableCompression:    true, // what the server sends is the client's
		MaxIdleConns:          maxIdleServers,
		MaxIdleConnsPerHost:   2,
		IdleConnTimeout:       s.config.Timeouts.Keep,
		TLSHandshakeTimeout:   s.config.Timeouts.Handshake,
		ExpectContinueTimeout: s.config.Timeouts.Keep,
		WriteBufferSize:       16 << 10,
		ReadBufferSize:        16 << 10,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if u := s.config.Upstream; u != nil {
		t.Proxy = func(req *http.Request) (*url.URL, error) { return u, s.mayRequest(req.URL) }
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dialProxy(ctx) }
	}
	return t
}

// mayRequest is mayAsk for a URL.
func (s *Server) mayRequest(u *url.URL) error {
	port, err := portOf(u)
	if err != nil {
		return err
	}
	return s.mayAsk(target{host: u.Hostname(), port: port})
}

// portOf gives the port of a URL's server, also where the URL leaves it out.
func portOf(u *url.URL) (uint16, error) {
	switch {
	case u.Port() != "":
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		return uint16(port), err
	case u.Scheme == "https":
		return 443, nil
	}
	return 80, nil
}

// dialHost connects to a host that a request names.
func (s *Server) dialHost(ctx context.Context, _, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeouts.Dial)
	defer cancel()
	t, err := parseTarget(address)
	if err != nil {
		return nil, err
	}
	if t.addrs, err = s.resolve(ctx, t.host); err != nil {
		return nil, err
	}
	return s.dialAny(ctx, t.addrs, t.port)
}
