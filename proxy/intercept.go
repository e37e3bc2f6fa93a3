package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/mitm"
)

// An Intercept is what TLS is opened with.
type Intercept struct {
	Cache *mitm.Cache
	// Roots gives those that servers are verified by; nil stands for the system's.
	Roots func() *x509.CertPool
	// FailClosed ends connections that cannot be opened, because the server
	// wants the client's certificate, or because either side does not take our
	// handshake. Otherwise they go on unopened, and are inspected as such.
	FailClosed bool

	trust    mitm.Trust
	sessions mitm.Sessions
}

func (i *Intercept) roots() *x509.CertPool {
	if i.Roots == nil {
		return nil
	}
	return i.Roots()
}

// An interception is a tunnel whose TLS is open.
type interception struct {
	*tunnel
	name     string // the client's for the server; "" if it has none
	offered  []string
	upstream mitm.Upstream
}

// intercept opens the tunnel's TLS. The server's handshake comes first: what it
// shows is mirrored to the client. First are the client's bytes so far.
func (t *tunnel) intercept(ctx context.Context, first []byte) {
	i := &interception{tunnel: t}
	t.mu.Lock()
	i.name = t.serverName()
	if tlsFacts := t.flow.Observation().TLS; tlsFacts != nil {
		i.offered = tlsFacts.Offered
	}
	t.mu.Unlock()
	server, up, err := i.handshake(ctx, mitm.Replay(t.server.conn, t.server.early), mitm.MirrorALPN(i.offered))
	if err == nil && up.WantsClientCertificate {
		err = errors.New("the server asks for the client's certificate")
	}
	var leaf *tls.Certificate
	if err == nil {
		leaf, err = t.srv.config.Intercept.Cache.Leaf(up, i.name)
	}
	if err != nil {
		i.notOpened(ctx, first, err)
		return
	}
	i.upstream = up
	state := server.ConnectionState()
	shake, cancel := context.WithTimeout(ctx, t.srv.config.Timeouts.Handshake)
	client, err := mitm.Accept(shake, mitm.Replay(t.client.conn, slices.Concat(first, t.client.early)), mitm.ServerConfig(leaf, state.NegotiatedProtocol))
	cancel()
	switch {
	case errors.Is(err, mitm.ErrUnanswered):
		i.notOpened(ctx, first, err)
		return
	case err != nil:
		i.clientFailed(err)
		return
	}
	if i.open(&state) != nil {
		i.end(event.EndDropped, nil)
		return
	}
	i.serve(ctx, client, server)
}

// handshake speaks TLS with the server. A certificate that does not verify is no
// error the first time; later ones must verify, or be the one that the client
// was shown.
func (i *interception) handshake(ctx context.Context, raw net.Conn, alpn []string) (*mitm.Conn, mitm.Upstream, error) {
	o := mitm.UpstreamOptions{
		ServerName: i.name, OmitServerName: i.name == "", ALPN: alpn,
		Roots: i.srv.config.Intercept.roots(), Trust: &i.srv.config.Intercept.trust, Sessions: &i.srv.config.Intercept.sessions,
		Classical: i.classical, Timeout: i.srv.config.Timeouts.Handshake,
	}
	if i.name == "" {
		o.ServerName = i.addr().String()
	}
	if i.upstream.Chain != nil {
		o.Verify = mitm.Pin(i.upstream)
	}
	return mitm.Handshake(ctx, raw, o)
}

// addr is the server's address; invalid where only an upstream proxy knows it.
func (i *interception) addr() netip.Addr {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.serverAddr().Addr()
}

// open tells the inspector that what comes is the plaintext. The error is why the
// connection may not go on.
func (i *interception) open(state *tls.ConnectionState) error {
	i.srv.counts.opened.Add(1)
	i.mu.Lock()
	defer i.unlock()
	o := inspect.OpenedTLS{
		Version: tlswire.Version(state.Version), Suite: tlswire.CipherSuite(state.CipherSuite), ALPN: state.NegotiatedProtocol,
	}
	for _, c := range i.upstream.Chain {
		o.Chain = append(o.Chain, c.Raw)
	}
	i.opened, i.proxy.Opened = true, true
	return i.judge(i.flow.OpenTLS(o))
}

// notOpened goes on with a connection that cannot be opened. What was spoken with
// the server is spent, so there is another connection to it.
func (i *interception) notOpened(ctx context.Context, first []byte, why error) {
	if !i.goesUnopened(why) {
		return
	}
	_ = i.server.conn.Close()
	server, err := i.redial(ctx)
	if err != nil {
		i.end(event.EndError, err)
		return
	}
	i.closes(closer(server.conn))
	next := &tunnel{session: i.session, client: i.client, server: server}
	next.carry(first)
}

// redial connects to the server once more.
func (i *interception) redial(ctx context.Context) (*leg, error) {
	i.mu.Lock()
	to := i.serverAddr()
	t := target{host: to.Addr().String(), port: to.Port()}
	if to.Addr().IsValid() {
		t.addrs = append(t.addrs, to.Addr())
	} else if c := i.flow.Observation().Connect; c != nil {
		t.host = c.Host
	}
	i.mu.Unlock()
	return i.srv.dial(ctx, t, nil)
}

// clientFailed ends a connection whose client did not come through the handshake
// with us. One that says that it will not take the certificate is left alone in
// future, but for where it would not take the server's own either. One that merely
// goes away is not: browsers open connections in advance, and give up in the middle
// of the handshake those that they do not need.
func (i *interception) clientFailed(err error) {
	reason, ok := mitm.Rejected(err)
	if !ok || reason == mitm.ReasonClosed {
		i.broke(fmt.Errorf("shaking hands with the client: %w", err))
		return
	}
	i.srv.counts.rejected.Add(1)
	if i.upstream.VerifyErr == nil {
		i.mu.Lock()
		server := i.serverAddr()
		i.mu.Unlock()
		i.srv.config.Bypass.Rejected(i.info.Key.Client.Addr(), i.name, server)
	}
	i.end(event.EndClient, fmt.Errorf("the client rejects the certificate: %s", reason))
}

// remember ends a tunnel that was found in opened TLS and that the policy lets
// be: the client cannot complete it, because the hash of the certificate that it
// saw is not the server's (MS-SSTP 3.2.5.2.2). Its next attempt is not opened.
func (i *interception) remember() {
	i.mu.Lock()
	client, server, revision := i.info.Key.Client.Addr(), i.serverAddr(), i.decision.Revision
	i.proxy.Remembered = server.Addr().IsValid()
	i.mu.Unlock()
	if !server.Addr().IsValid() {
		i.end(event.EndRefused, errUnknownServer)
		return
	}
	i.srv.counts.remembered.Add(1)
	i.srv.config.Bypass.Tunnel(client, server, i.name, revision)
	i.end(event.EndRefused, errRemembered)
}

var errUnknownServer = errors.New("an SSTP tunnel that the policy lets be does not survive opening, and only the upstream proxy knows its server: exempt its name from opening")

var errRemembered = errors.New("an SSTP tunnel that the policy lets be does not survive opening; the client's next attempt is not opened")

// dialTLS connects to the server again, for more than one request at once.
func (i *interception) dialTLS(ctx context.Context, alpn []string) (*mitm.Conn, error) {
	l, err := i.redial(ctx)
	if err != nil {
		return nil, err
	}
	conn, _, err := i.handshake(ctx, mitm.Replay(l.conn, l.early), alpn)
	if err != nil {
		_ = l.conn.Close()
		return nil, err
	}
	return conn, nil
}
