package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/elazarl/goproxy"

	"sstpwarden/policies/event"
)

// plainHTTP serves ordinary requests through goproxy. Each client connection
// has upstream connections of its own: servers that authenticate a connection
// (NTLM) must not take one client for another.
type plainHTTP struct {
	srv   *Server
	proxy *goproxy.ProxyHttpServer
}

type transportKey struct{}

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
		t, _ := req.Context().Value(transportKey{}).(*http.Transport)
		ctx.RoundTripper = goproxy.RoundTripperFunc(func(req *http.Request, _ *goproxy.ProxyCtx) (*http.Response, error) {
			if _, ok := req.Header["User-Agent"]; !ok {
				req.Header["User-Agent"] = []string{""} // or net/http would add its own
			}
			return t.RoundTrip(req)
		})
		return req, nil
	})
	p.proxy.OnResponse().DoFunc(func(resp *http.Response, ctx *goproxy.ProxyCtx) *http.Response {
		if resp != nil || ctx.Error == nil {
			return resp
		}
		s.counts.dialFailures.Add(1)
		a := unreachable(ctx.Req.URL.Host, ctx.Error)
		return goproxy.NewResponse(ctx.Req, goproxy.ContentTypeText, a.status, a.body())
	})
	return p
}

// serve serves a request through goproxy, by the client's transport.
func (p *plainHTTP) serve(w http.ResponseWriter, req *http.Request, t *http.Transport) {
	p.proxy.ServeHTTP(prompt{w}, req.WithContext(context.WithValue(req.Context(), transportKey{}, t)))
}

// A prompt writer keeps nothing back: what a server sends bit by bit reaches the
// client bit by bit.
type prompt struct{ http.ResponseWriter }

// Write implements http.ResponseWriter.
func (p prompt) Write(b []byte) (int, error) {
	n, err := p.ResponseWriter.Write(b)
	if err == nil {
		err = http.NewResponseController(p.ResponseWriter).Flush()
	}
	return n, err
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
}

// ServeHTTP implements http.Handler.
func (r *requests) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if err := r.login(req.Context(), req.Header.Get("Proxy-Authorization")); err != nil {
		r.srv.challenge(err).serve(w)
		return
	}
	r.once.Do(func() { r.transport = r.srv.newTransport() })
	r.srv.plain.serve(w, req, r.transport)
}

func (r *requests) close() {
	r.once.Do(func() {})
	if r.transport != nil {
		r.transport.CloseIdleConnections()
	}
}

// newTransport makes what connects to servers for one client.
func (s *Server) newTransport() *http.Transport {
	t := &http.Transport{
		DialContext:           s.dialHost,
		DisableCompression:    true, // what the server sends is the client's
		MaxIdleConnsPerHost:   2,
		IdleConnTimeout:       s.config.Timeouts.Keep,
		TLSHandshakeTimeout:   s.config.Timeouts.Handshake,
		ExpectContinueTimeout: s.config.Timeouts.Keep,
		WriteBufferSize:       16 << 10,
		ReadBufferSize:        16 << 10,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if u := s.config.Upstream; u != nil {
		t.Proxy = func(*http.Request) (*url.URL, error) { return u, nil }
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dialProxy(ctx) }
	}
	return t
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
