package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/httphead"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/access"
	"sstpwarden/proxy/guard"
)

// explicit serves a client that knows it speaks to a proxy. Every head is read
// by guard; ordinary requests go through goproxy, and what turns the connection
// into a tunnel comes back here.
func (s *Server) explicit(ctx context.Context, conn *net.TCPConn, client netip.AddrPort) {
	k := s.open(event.ModeExplicit, client, local(conn))
	defer k.flush()
	k.closes(closer(conn))
	requests := &requests{session: k}
	defer requests.close()
	taken, err := guard.Serve(s.stopping, conn, guard.Options{
		Handler:     requests,
		Judge:       requests.judgeHead,
		Read:        func(b []byte) error { return requests.passing(inspect.ClientToServer, b) },
		Written:     func(b []byte) error { return requests.passing(inspect.ServerToClient, b) },
		Refused:     k.headRefused,
		ErrorLog:    s.httpLog,
		HeadTimeout: s.config.Timeouts.Head,
		IdleTimeout: s.config.Timeouts.Keep,
	})
	switch {
	case err != nil:
		k.broke(err)
	case taken == nil && k.askNoted() != nil:
		k.end(event.EndDropped, nil)
	case taken == nil:
		k.end(event.EndClient, nil)
	case taken.Head.Method == http.MethodConnect:
		k.connectTo(ctx, conn, taken)
	default:
		k.duplexTo(ctx, conn, taken)
	}
}

// judgeHead says what becomes of a request whose head was read. Its bytes were
// seen before.
func (r *requests) judgeHead(head *httphead.Request) guard.Verdict {
	if r.cleared() {
		r.restart(head)
	}
	r.asksFor(head)
	if head.Method == http.MethodConnect || endless(head) {
		return guard.Take() // judged when it is known who asks, and where it goes
	}
	if r.ask() != nil {
		return guard.Refuse(http.StatusForbidden, event.Printable(deniedBy(r.verdict()).text))
	}
	r.serving.Store(true)
	return guard.Pass()
}

// asksFor keeps whom a request is for.
func (k *session) asksFor(head *httphead.Request) {
	var asked event.Target
	if head.Method != http.MethodConnect {
		asked = targetOf(head.Target)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.info.Target, k.info.Resolved = asked, netip.Addr{}
}

// targetOf gives the host and the port of a URL, if it has them.
func targetOf(rawURL string) (t event.Target) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return t
	}
	port, err := portOf(u)
	if err != nil {
		return t
	}
	return event.Target{Host: u.Hostname(), Port: port}
}

// endless says that a request never ends, as SSTP's does not: net/http has no
// number for that (MS-SSTP 3.2.4.1).
func endless(head *httphead.Request) bool {
	n, _, err := head.Fields.ContentLength()
	return err == nil && n > 1<<63-1
}

var errNoLogin = errors.New("no login")

// login checks the client's credentials and keeps its name.
func (k *session) login(ctx context.Context, value string) error {
	users := k.srv.config.Users
	if users == nil {
		return nil
	}
	name, password, ok := httphead.ParseBasic(value)
	if !ok {
		return errNoLogin // as clients do that wait to be asked
	}
	if err := users.Login(ctx, k.info.Key.Client.Addr(), name, password); err != nil {
		k.srv.counts.refusedLogin.Add(1)
		k.srv.log.refuse("login", err.Error(), "client", k.info.Key.Client, "user", event.Printable(shortened(name)))
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.info.User = name
	return nil
}

// challenge asks for a login, or says why that does not help now.
func (s *Server) challenge(err error) answer {
	if limit, ok := errors.AsType[*access.LoginLimitError](err); ok {
		wait := strconv.Itoa(int(limit.Wait/time.Second) + 1)
		return answer{status: http.StatusTooManyRequests, text: limit.Error(), header: httphead.Fields{{Name: "Retry-After", Value: wait}}}
	}
	if errors.Is(err, access.ErrBusy) {
		return answer{status: http.StatusServiceUnavailable, text: err.Error(), header: httphead.Fields{{Name: "Retry-After", Value: "1"}}}
	}
	realm := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s.config.Realm)
	return answer{
		status: http.StatusProxyAuthRequired, text: "this proxy asks for a name and a password",
		header: httphead.Fields{{Name: "Proxy-Authenticate", Value: `Basic realm="` + realm + `"`}},
	}
}

// connectTo serves a CONNECT: it is judged by its head and by where it goes,
// before any connection is made.
func (k *session) connectTo(ctx context.Context, conn *net.TCPConn, taken *guard.Taken) {
	head := &taken.Head
	if err := k.login(ctx, head.Fields.Get("Proxy-Authorization")); err != nil {
		k.refuse(conn, k.srv.challenge(err), err)
		return
	}
	t, err := parseTarget(head.Target)
	if err != nil {
		k.srv.counts.refusedHead.Add(1)
		k.refuse(conn, answer{status: http.StatusBadRequest, text: "CONNECT wants host:port: " + err.Error()}, err)
		return
	}
	var more httphead.Fields // the upstream proxy shall see what we saw
	if f, ok := head.Fields.Lookup("SSTPVERSION"); ok {
		more = httphead.Fields{f}
	}
	server, ok := k.reach(ctx, conn, t, more)
	if !ok {
		return
	}
	agreed := []byte("HTTP/1.1 200 Connection established\r\n\r\n")
	k.note(inspect.ServerToClient, agreed)
	if _, err := conn.Write(agreed); err != nil {
		_ = server.conn.Close()
		k.end(blame(inspect.ServerToClient, err), err)
		return
	}
	k.tunnel(ctx, conn, taken.Buffered, server)
}

// reach finds out where a tunnel goes, asks the policy, and connects. Where it
// does not come to that the client was told.
func (k *session) reach(ctx context.Context, conn *net.TCPConn, t target, more httphead.Fields) (*leg, bool) {
	s := k.srv
	var failed error
	if _, err := netip.ParseAddr(t.host); err == nil || s.config.Upstream == nil {
		t.addrs, failed = s.resolve(ctx, t.host)
	}
	if len(t.addrs) > 0 {
		k.goesTo(t.addrs[0])
	}
	if k.ask() != nil {
		k.deny(conn, deniedBy(k.verdict()), event.EndDropped, nil)
		return nil, false
	}
	if k.suspicious() && len(t.addrs) > 1 {
		t.addrs = t.addrs[:1] // the policy was asked about this one
	}
	var server *leg
	if failed == nil {
		server, failed = s.dial(ctx, t, more)
	}
	if failed != nil {
		k.notReached(conn, t.String(), failed)
		return nil, false
	}
	if s.config.Upstream == nil && k.movesTo(remote(server.conn).Addr()) && k.ask() != nil {
		_ = server.conn.Close()
		k.deny(conn, deniedBy(k.verdict()), event.EndDropped, nil)
		return nil, false
	}
	return server, true
}

// notReached tells the client why there is no connection.
func (k *session) notReached(conn net.Conn, what string, err error) {
	k.deny(conn, unreachable(what, err), k.unreached(what, err), err)
}

// unreached counts a server that was not reached, and says how that ends the
// session.
func (k *session) unreached(what string, err error) string {
	if refused, ok := errors.AsType[*access.RefusedError](err); ok {
		k.srv.counts.refusedDestination.Add(1)
		k.srv.log.refuse("destination", refused.Error(), "client", k.info.Key.Client, "target", event.Printable(what))
		return event.EndRefused
	}
	k.srv.counts.dialFailures.Add(1)
	return event.EndError
}

// goesTo keeps the address that a name stands for.
func (k *session) goesTo(a netip.Addr) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.info.Resolved = a.Unmap()
}

// movesTo keeps the address that was connected to. Where the policy was asked
// about another, it is to be asked anew.
func (k *session) movesTo(a netip.Addr) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a = a.Unmap(); a == k.info.Resolved {
		return false
	}
	k.info.Resolved = a
	k.gate, k.connect = policies.State{}, false
	return true
}

// suspicious says that there is something about the connection already.
func (k *session) suspicious() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.flow.Detection().Verdict.Strength() >= inspect.VerdictSuspected.Strength()
}

// refuse ends a connection by the proxy's own rules.
func (k *session) refuse(conn net.Conn, a answer, err error) {
	k.deny(conn, a, event.EndRefused, err)
}

// deny answers the client and ends the session.
func (k *session) deny(conn net.Conn, a answer, how string, err error) {
	b := a.append(nil)
	k.note(inspect.ServerToClient, b)
	lastWords(conn, b, k.srv.config.Timeouts.Dial)
	k.end(how, err)
}

// tunnel carries bytes between the client and a server.
func (k *session) tunnel(ctx context.Context, conn *net.TCPConn, early []byte, server *leg) {
	client, err := newLeg(conn, early)
	if err != nil {
		_ = server.conn.Close()
		k.end(event.EndError, err)
		return
	}
	t := &tunnel{session: k, client: client, server: server}
	t.run(ctx)
}
