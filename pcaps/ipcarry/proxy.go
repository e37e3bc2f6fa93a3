package ipcarry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/elazarl/goproxy"
)

// A DialFunc connects to an address through a tunnel.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

const (
	// proxyConns bounds the connections to a proxy. Those beyond wait until one ends.
	proxyConns = 512
	// proxyHello is how long a client may take to say what it wants, a dial how long to
	// reach it.
	proxyHello = 20 * time.Second
	proxyDial  = 30 * time.Second
	// proxyIdle ends an HTTP connection between two requests.
	proxyIdle = 2 * time.Minute

	socks5Version = 5
)

// ServeProxy serves a SOCKS5 proxy (RFC 1928: CONNECT and UDP ASSOCIATE, no
// authentication) and an HTTP proxy (CONNECT and absolute URLs) on one listener, told
// apart by a connection's first byte. Names go to dial as they are, so that the tunnel
// resolves them. It ends with ctx, which is no error, and closes the listener and all
// connections.
//
// Nothing asks for a password: the listener had better be on the loopback.
func ServeProxy(ctx context.Context, l net.Listener, dial DialFunc, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &proxy{ctx: ctx, dial: dial, log: log, conns: map[net.Conn]bool{}, slots: make(chan struct{}, proxyConns)}
	p.web = &webListener{conns: make(chan net.Conn), done: ctx.Done(), addr: l.Addr()}
	server := p.newHTTP()
	p.tasks.Go(func() { _ = server.Serve(p.web) })

	stop := context.AfterFunc(ctx, func() { hangUp(l) })
	err := p.accept(l)
	stop()
	if ctx.Err() != nil {
		err = nil
	}
	cancel()
	hangUp(l)
	hangUp(server)
	p.closeAll()
	p.tasks.Wait()
	return err
}

type proxy struct {
	ctx   context.Context
	dial  DialFunc
	log   *slog.Logger
	web   *webListener
	slots chan struct{}
	tasks sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool // to clients and to where they go
	closed bool
}

func (p *proxy) accept(l net.Listener) error {
	for {
		select {
		case p.slots <- struct{}{}:
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
		c, err := l.Accept()
		if err != nil {
			<-p.slots
			var temporary interface{ Timeout() bool }
			if errors.As(err, &temporary) && temporary.Timeout() {
				continue
			}
			return fmt.Errorf("accepting proxy connections on %v: %w", l.Addr(), err)
		}
		client := p.track(c, func() { <-p.slots })
		client.reader = bufio.NewReader(c)
		p.tasks.Go(func() { p.serve(client) })
	}
}

// serve finds out what a client speaks.
func (p *proxy) serve(c *proxyConn) {
	_ = c.SetReadDeadline(time.Now().Add(proxyHello))
	first, err := c.reader.Peek(1)
	if err != nil {
		hangUp(c)
		return
	}
	if first[0] != socks5Version {
		_ = c.SetReadDeadline(time.Time{}) // the HTTP server has its own
		p.web.hand(c)
		return
	}
	if err := p.socksFor(c).ServeConn(c); err != nil {
		p.log.Debug("SOCKS5", "client", c.RemoteAddr(), "error", err)
	}
}

// dialTracked connects to where a client wants to go.
func (p *proxy) dialTracked(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, proxyDial)
	defer cancel()
	stop := context.AfterFunc(p.ctx, cancel)
	defer stop()
	c, err := p.dial(ctx, network, address)
	if err != nil {
		p.log.Debug("proxy", "to", address, "error", err)
		return nil, err
	}
	return p.track(c, nil), nil
}

// track closes c when the proxy ends. gone is called when c is closed.
func (p *proxy) track(c net.Conn, gone func()) *proxyConn {
	pc := &proxyConn{Conn: c}
	pc.gone = func() {
		p.mu.Lock()
		delete(p.conns, pc)
		p.mu.Unlock()
		if gone != nil {
			gone()
		}
	}
	p.mu.Lock()
	closed := p.closed
	p.conns[pc] = true
	p.mu.Unlock()
	if closed {
		hangUp(pc)
	}
	return pc
}

func (p *proxy) closeAll() {
	p.mu.Lock()
	p.closed = true
	var all []net.Conn
	for c := range p.conns {
		all = append(all, c)
	}
	p.mu.Unlock()
	for _, c := range all {
		hangUp(c)
	}
}

// A proxyConn is a connection whose first bytes may have been looked at.
type proxyConn struct {
	net.Conn
	reader *bufio.Reader // nil: nothing was looked at
	once   sync.Once
	gone   func()
}

func (c *proxyConn) Read(b []byte) (int, error) {
	if c.reader != nil {
		return c.reader.Read(b)
	}
	return c.Conn.Read(b)
}

func (c *proxyConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.gone)
	return err
}

// CloseWrite passes the end of one direction on, where there are directions.
func (c *proxyConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// newHTTP makes the HTTP half: goproxy for requests, connect for CONNECT.
func (p *proxy) newHTTP() *http.Server {
	h := goproxy.NewProxyHttpServer()
	h.Logger = quiet{p.log}
	h.KeepAcceptEncoding = true
	h.Tr = &http.Transport{
		DialContext: p.dialTracked, DisableCompression: true,
		IdleConnTimeout: proxyIdle, MaxIdleConnsPerHost: 2,
	}
	h.NonproxyHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "This is a proxy: set it as one (HTTP or SOCKS5) instead of opening it.", http.StatusBadRequest)
	})
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !p.begin() {
				return
			}
			defer p.tasks.Done()
			if r.Method == http.MethodConnect {
				p.connect(w, r)
				return
			}
			h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: proxyHello, IdleTimeout: proxyIdle, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

// begin counts a task unless the proxy has ended.
func (p *proxy) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.tasks.Add(1)
	return true
}

// connect serves a CONNECT. It is not goproxy's matter because that loses what a client
// sends right behind its request.
func (p *proxy) connect(w http.ResponseWriter, r *http.Request) {
	// Not the request's context, which ends when the client has sent all it wants to.
	target, err := p.dialTracked(p.ctx, "tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer hangUp(target)
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer hangUp(client)
	_ = client.SetDeadline(time.Time{}) // the server's own
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	join(client, buffered.Reader, target)
}

// join copies both ways between client and target until both have ended; in is what the
// client sends.
func join(client net.Conn, in io.Reader, target net.Conn) {
	one := func(dst net.Conn, src io.Reader) {
		if copyStream(dst, src) != nil {
			hangUp(client)
			hangUp(target)
		} else if w, ok := dst.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite()
		}
	}
	var both sync.WaitGroup
	both.Go(func() { one(target, in) })
	one(client, target)
	both.Wait()
}

// quiet logs what goproxy has to say for those who want details.
type quiet struct{ log *slog.Logger }

// Printf implements goproxy.Logger.
func (q quiet) Printf(format string, v ...any) {
	q.log.Debug(strings.TrimSpace(fmt.Sprintf(format, v...)))
}

// A webListener hands the connections that speak HTTP to the HTTP server.
type webListener struct {
	conns chan net.Conn
	done  <-chan struct{}
	addr  net.Addr
}

func (l *webListener) hand(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		hangUp(c)
	}
}

// Accept implements net.Listener.
func (l *webListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener: the proxy's end closes it.
func (l *webListener) Close() error { return nil }

// Addr implements net.Listener.
func (l *webListener) Addr() net.Addr { return l.addr }
