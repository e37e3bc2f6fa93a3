package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/httphead"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/guard"
	"sstpwarden/proxy/mitm"
)

// serve carries what is inside the opened TLS. HTTP goes through goproxy; what is
// something else, or where the server speaks first, goes on as it is.
func (i *interception) serve(ctx context.Context, client, server *mitm.Conn) {
	i.closes(closer(client))
	i.closes(closer(server))
	if client.ConnectionState().NegotiatedProtocol == "h2" {
		i.http(ctx, client, server, nil)
		return
	}
	first, answer := firstWords(client, server)
	silent := len(first.b) == 0 && len(answer.b) == 0
	switch {
	case first.err != nil && saysRejected(first.err):
		i.clientFailed(first.err)
	case first.err != nil && silent:
		i.broke(first.err) // browsers open connections in advance that they never use
	case len(answer.b) == 0 && beginsRequest(first.b):
		if answer.err != nil { // it did not want to wait any longer
			_ = server.Close()
			server = nil
		}
		i.http(ctx, client, server, first.b)
	default:
		i.relay(mitm.Replay(client, first.b), mitm.Replay(server, answer.b))
	}
}

// saysRejected says that a client rejected the certificate in so many words, after
// the handshake.
func saysRejected(err error) bool {
	reason, ok := mitm.Rejected(err)
	return ok && reason != mitm.ReasonClosed
}

// beginsRequest says that b is, or may be, the beginning of an HTTP/1.x request.
func beginsRequest(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	_, _, err := httphead.ParseRequest(b)
	return err == nil || errors.Is(err, io.ErrUnexpectedEOF)
}

// closedInTLS is for how long a client that has said close_notify may be without
// bytes of its response: those of HTTP say it when they leave.
const closedInTLS = 5 * time.Second

// opened gives the limits of a connection whose TLS is open. Within a request they
// are the tunnel's: a stream of gRPC may say nothing for hours, and a download may
// pause.
func (t *Timeouts) opened() guard.Options {
	return guard.Options{
		HeadTimeout: t.Head, IdleTimeout: t.Keep, HalfClosed: closedInTLS,
		MinRate: -1, WriteTimeout: t.Stall,
	}
}

// http serves requests. They go to the server that the client wanted, whatever
// host they name.
func (i *interception) http(ctx context.Context, client, server *mitm.Conn, first []byte) {
	h := &openedRequests{interception: i, server: server}
	h.transport = i.transport(h.dial)
	h.transport.ForceAttemptHTTP2 = true
	h.transport.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerConnection: maxDownload}
	defer h.transport.CloseIdleConnections()
	if client.ConnectionState().NegotiatedProtocol == "h2" {
		h.http1 = i.transport(h.dialHTTP1)
		defer h.http1.CloseIdleConnections()
	}
	o := i.srv.config.Timeouts.opened()
	o.Handler, o.Judge, o.Refused, o.ErrorLog = h, i.judgeOpened, i.headRefused, i.srv.httpLog
	o.Read = func(b []byte) error { return i.passOpened(inspect.ClientToServer, b) }
	o.Written = func(b []byte) error { return i.passOpened(inspect.ServerToClient, b) }
	taken, err := guard.Serve(i.srv.stopping, guard.Prepend(client, first), o)
	switch {
	case errors.Is(err, errDropped):
		i.end(event.EndDropped, nil)
	case errors.Is(err, errTunnel):
		i.remember()
	case err != nil:
		i.broke(err)
	case taken != nil:
		i.duplex(ctx, taken)
	default:
		i.end(event.EndClient, nil)
	}
}

// maxDownload is how much of the responses of a connection of HTTP/2 may wait for
// a client that does not take them; of one stream it is 4 MiB by net/http. It is
// also what clients themselves let wait: Chromium has 15 MiB.
const maxDownload = 16 << 20

// transport makes what sends requests to the server.
func (i *interception) transport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	t := i.srv.newTransport()
	t.Proxy = nil
	t.DialTLSContext = dial
	// One server and mostly few requests: the buffers are made for each connection,
	// and large bodies go past them.
	t.ReadBufferSize, t.WriteBufferSize = 4<<10, 4<<10
	return t
}

// errTunnel says that the policy lets a tunnel be that was found in opened TLS.
var errTunnel = errors.New("an SSTP tunnel in opened TLS")

// passOpened has plaintext of a connection that is served as HTTP seen.
func (i *interception) passOpened(d inspect.Direction, b []byte) error {
	i.count(d, len(b))
	i.taken(d)
	return i.seeOpened(d, b)
}

// seeOpened has plaintext seen. The error is why it may not go on.
func (i *interception) seeOpened(d inspect.Direction, b []byte) error {
	if err := i.see(d, b); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.flow.Detection().Verdict.Strength() >= inspect.VerdictSuspected.Strength() && !i.decision.DryRun {
		return errTunnel
	}
	return nil
}

func (i *interception) judgeOpened(head *httphead.Request) guard.Verdict {
	if i.ask() != nil {
		return guard.Refuse(http.StatusForbidden, event.Printable(deniedBy(i.verdict()).text))
	}
	if endless(head) || head.Method == http.MethodConnect {
		return guard.Take()
	}
	return guard.Pass()
}

// duplex sends a request on that turns the connection into something else, and
// carries what comes. SSTP shows itself there by the server's answer at the
// latest, before the client has seen it.
func (i *interception) duplex(ctx context.Context, taken *guard.Taken) {
	server, err := i.dialTLS(ctx, onlyHTTP1(i.offered))
	if err == nil {
		i.closes(closer(server))
		_, err = server.Write([]byte(taken.Head.Raw))
	}
	if err != nil {
		lastWords(taken.Conn, unreachable(i.name, err).append(nil), i.srv.config.Timeouts.Dial)
		i.end(event.EndError, err)
		return
	}
	i.relay(taken.Conn, server)
}

func onlyHTTP1(offered []string) []string {
	for _, p := range offered {
		if p == "http/1.1" {
			return []string{p}
		}
	}
	return nil
}

// relay carries the plaintext of both directions as it is.
func (i *interception) relay(client, server net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { i.copy(inspect.ServerToClient, client, server) })
	both.Go(func() { i.copy(inspect.ClientToServer, server, client) })
	both.Wait()
	i.over()
}

func (i *interception) copy(d inspect.Direction, dst, src net.Conn) {
	s := newSpace()
	defer s.free()
	for {
		n, err := src.Read(s.b)
		if n > 0 {
			if failed := i.passOn(d, dst, s.b[:n]); failed != nil {
				err = failed
			}
			s.took(n)
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, errDropped):
			i.end(event.EndDropped, nil)
		case errors.Is(err, errTunnel):
			i.remember()
		case d == inspect.ClientToServer && i.traffic[0].Load() == 0 && saysRejected(err):
			i.clientFailed(err) // the server's first words came in between
		case errors.Is(err, io.EOF):
			i.first.CompareAndSwap(0, int32(d))
			i.half.Store(true)
			if half, ok := dst.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			return
		default:
			i.end(blame(d, err), err)
		}
		return
	}
}

// passOn has plaintext seen, and writes it if it may go on.
func (i *interception) passOn(d inspect.Direction, dst net.Conn, b []byte) error {
	if err := i.seeOpened(d, b); err != nil {
		return err
	}
	i.count(d, len(b))
	_, err := dst.Write(b)
	i.taken(d)
	return err
}

// openedRequests serves the requests of one opened connection.
type openedRequests struct {
	*interception
	transport *http.Transport
	http1     *http.Transport // for requests of HTTP/2 that the server wants by HTTP/1.1; nil without HTTP/2
	mu        sync.Mutex
	server    *mitm.Conn // the connection that there is already; nil once used
}

// ServeHTTP implements http.Handler.
func (h *openedRequests) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	req.URL.Scheme, req.URL.Host = "https", req.Host
	if req.Host == "" {
		req.URL.Host = h.host()
	}
	if before, path, _ := guard.SplitTarget(req.RequestURI); strings.Contains(before, "://") {
		req.URL.Opaque = before + path // the server is a proxy itself
	}
	if req.ProtoMajor == 2 {
		w, req = h.watch(w, req)
	}
	h.srv.plain.serve(w, req, h.transport, h.http1)
}

func (h *openedRequests) host() string {
	if h.name != "" {
		return h.name
	}
	return h.addr().String()
}

// dial gives the connection that the certificate was mirrored from, and further
// ones to the same server.
func (h *openedRequests) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	h.mu.Lock()
	server := h.server
	h.server = nil
	h.mu.Unlock()
	if server == nil {
		var err error
		if server, err = h.dialTLS(ctx, mitm.MirrorALPN(h.offered)); err != nil {
			return nil, err
		}
	}
	if server.ConnectionState().NegotiatedProtocol == "h2" {
		return server.Conn, nil // net/http knows by its type that it may speak HTTP/2
	}
	return server, nil
}

// dialHTTP1 gives connections to the same server that speak HTTP/1.1.
func (h *openedRequests) dialHTTP1(ctx context.Context, _, _ string) (net.Conn, error) {
	conn, err := h.dialTLS(ctx, onlyHTTP1(h.offered))
	if err != nil {
		return nil, err
	}
	return conn, nil
}
