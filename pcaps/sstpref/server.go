package sstpref

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref/call"
	"sstpwarden/pcaps/sstpref/login"
	"sstpwarden/pcaps/sstpref/profile"
	"sstpwarden/pcaps/sstpref/record"
)

// A ServerConfig says whom to serve, and how. What is left zero is as its comment
// says, or as the profile has it.
type ServerConfig struct {
	// TLS has one certificate. Its KeyLogWriter gets the secrets.
	TLS *tls.Config
	// Path is where SSTP is, "" for [sstp.URIPath].
	Path string
	// Lenient: any method and Content-Length will do on that path.
	Lenient bool
	// Inside returns the connection that SSTP runs on, given that in TLS, nil for
	// that itself; see [ClientConfig].
	Inside func(c net.Conn) (net.Conn, error)

	// Authenticator says who may log in, and Methods how, nil for the profile's.
	Authenticator pppauth.Authenticator
	Methods       []pppauth.Method
	// Limiter limits failed logins, and Admission connections that have not logged
	// in; nil for no limits.
	Limiter   *login.Limiter
	Admission *login.Admission

	// Assign gives a user the addresses of one session, and says where its packets
	// go.
	Assign func(name string) (*Lease, error)
	// Record gets the connections as a capture, nil for none.
	Record *record.Capture

	// MTU bounds the packets that clients are sent, 0 for what they take.
	MTU int

	Profile profile.Server
	Faults  Faults
	Timers  call.Timers
	// Log gets a line for each change of state, nil for none.
	Log *slog.Logger
}

// A Server takes SSTP connections. Its methods may be called concurrently.
type Server struct {
	ServerConfig
	leaf []byte // the certificate in DER

	mu       sync.Mutex
	sessions map[*Session]struct{}
	fresh    map[net.Conn]struct{} // not yet sessions
	lns      map[net.Listener]struct{}
	closing  bool
	serving  sync.WaitGroup
}

// openingTimeout is how long TLS and the request may take together. The timers of
// the specification begin behind them.
const openingTimeout = 20 * time.Second

// NewServer returns a server, which [Server.Serve] runs.
func NewServer(c ServerConfig) (*Server, error) {
	switch {
	case c.TLS == nil || len(c.TLS.Certificates) == 0:
		return nil, errors.New("serving: no certificate")
	case c.Assign == nil:
		return nil, errors.New("serving: no addresses for clients")
	}
	if c.Path == "" {
		c.Path = sstp.URIPath
	}
	if c.Profile.Response == nil {
		c.Profile = profile.ReferenceServer()
	}
	if c.Methods == nil {
		c.Methods = c.Profile.Methods
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.TLS = narrowed(c.TLS, c.Profile.TLS)
	return &Server{
		ServerConfig: c, leaf: c.TLS.Certificates[0].Certificate[0],
		sessions: map[*Session]struct{}{}, fresh: map[net.Conn]struct{}{}, lns: map[net.Listener]struct{}{},
	}, nil
}

// Serve takes connections from ln, which it closes, until Shutdown, then it returns
// nil, or an error. It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error {
	defer func() { _ = ln.Close() }() // it is not used again
	if !s.listen(ln) {
		return net.ErrClosed
	}
	for {
		c, err := ln.Accept()
		switch {
		case err == nil:
			s.admit(c)
		case s.isClosing():
			return nil
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			s.Log.Warn("accept", "error", err.Error())
			time.Sleep(100 * time.Millisecond) // some connections may end
		default:
			return fmt.Errorf("accepting connections: %w", err)
		}
	}
}

func (s *Server) listen(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.lns[ln] = struct{}{}
	}
	return !s.closing
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// admit handles a connection on a goroutine of its own, if there is room.
func (s *Server) admit(c net.Conn) {
	release := func() {}
	if s.Admission != nil {
		var err error
		if release, err = s.Admission.Enter(addrOf(c).Addr()); err != nil {
			s.Log.Warn("refused", "client", c.RemoteAddr().String(), "reason", err.Error())
			_ = c.Close() // it was not used
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		release()
		_ = c.Close() // it was not used
		return
	}
	s.fresh[c] = struct{}{}
	s.serving.Go(func() {
		once := sync.OnceFunc(release)
		defer once()
		s.handle(c, once)
	})
}

func addrOf(c net.Conn) netip.AddrPort {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// handle serves one connection. Authenticated is to be called when it is no
// stranger's any more.
func (s *Server) handle(raw net.Conn, authenticated func()) {
	log := s.Log.With("client", raw.RemoteAddr().String())
	c, rest, err := s.opening(raw, log)
	s.mu.Lock()
	delete(s.fresh, raw)
	s.mu.Unlock()
	if err != nil {
		log.Info("failed", stepAttrs(err)...)
		_ = raw.Close() // err says more
		return
	}
	session, err := s.session(c, log, authenticated)
	if err != nil {
		log.Error("failed", "error", err.Error())
		_ = raw.Close() // err says more
		return
	}
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		_ = raw.Close() // as told
		return
	}
	s.sessions[session] = struct{}{}
	s.mu.Unlock()
	session.run(func() ([]byte, error) {
		session.out.response(s.Profile.Response(time.Now()).Append(nil))
		session.open()
		return rest, nil
	})
	s.mu.Lock()
	delete(s.sessions, session)
	s.mu.Unlock()
}

// opening does TLS and reads the request.
func (s *Server) opening(raw net.Conn, log *slog.Logger) (net.Conn, []byte, error) {
	log.Debug("tcp")
	if err := raw.SetDeadline(time.Now().Add(openingTimeout)); err != nil {
		return nil, nil, failed(StepTCP, err, "")
	}
	if s.Faults.SlowRead > 0 {
		raw = &slowReader{Conn: raw, rate: s.Faults.SlowRead}
	}
	if s.Record != nil {
		raw = s.Record.Conn(raw, true)
	}
	c := tls.Server(raw, s.TLS)
	if err := c.Handshake(); err != nil {
		return nil, nil, failed(StepTLS, err, "")
	}
	state := c.ConnectionState()
	log.Info("tls", "version", tls.VersionName(state.Version), "cipher", tls.CipherSuiteName(state.CipherSuite), "sni", state.ServerName)
	var inside net.Conn = c
	if s.Inside != nil {
		var err error
		if inside, err = s.Inside(c); err != nil {
			return nil, nil, failed(StepHTTP, err, "")
		}
	}
	r := &headReader{from: inside}
	h, status, err := readRequest(r, s.Path, s.Lenient)
	if err != nil {
		if status != 0 {
			_, _ = inside.Write(s.Profile.Refusal(h, status, time.Now())) // the connection ends anyway
			_ = c.CloseWrite()
		}
		return nil, nil, failed(StepHTTP, err, "")
	}
	log.Info("http", "correlation_id", h.Fields.Get(sstp.HeaderCorrelationID), "host", h.Fields.Get("Host"))
	if err := c.SetDeadline(time.Time{}); err != nil {
		return nil, nil, failed(StepHTTP, err, "")
	}
	return inside, r.buf, nil
}

// Shutdown takes no more connections, and disconnects all sessions. It returns when
// they are over; when ctx is done, it closes what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for ln := range s.lns {
		_ = ln.Close() // Serve sees it
	}
	for c := range s.fresh {
		_ = c.Close() // there is no session to end
	}
	var ending sync.WaitGroup
	for session := range s.sessions {
		ending.Go(func() { _ = session.Disconnect(ctx, "the server is shut down") }) // what fails is closed
	}
	s.mu.Unlock()
	ending.Wait()
	s.serving.Wait()
	return ctx.Err()
}

// stepAttrs are what a log line says of a failure.
func stepAttrs(err error) []any {
	if e, ok := errors.AsType[*StepError](err); ok {
		attrs := []any{"step", string(e.Step), "error", e.Err.Error()}
		if e.Look != "" {
			attrs = append(attrs, "look", e.Look)
		}
		return attrs
	}
	return []any{"error", err.Error()}
}
