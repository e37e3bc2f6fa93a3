package sstpref

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref/call"
	"sstpwarden/pcaps/sstpref/profile"
	"sstpwarden/pcaps/sstpref/record"
)

// A ClientConfig says whom to dial, and how. What is left zero is as its comment
// says, or as the profile has it.
type ClientConfig struct {
	Host string // a name, or an address without brackets
	Port uint16 // 0 for 443
	// Path is where the server has SSTP, "" for [sstp.URIPath].
	Path string
	// Proxy is the way there, nil for none.
	Proxy *Proxy

	// Roots are trusted, nil for those of the system. Insecure trusts all.
	Roots    *x509.CertPool
	Insecure bool
	// SNI is told in place of Host, and NoSNI tells none. The certificate must be
	// for Host in any case.
	SNI   string
	NoSNI bool
	// MinTLS and MaxTLS bound the version, 0 for TLS 1.2 and the newest. What the
	// profile's ClientHello offers is bounded by MaxTLS alone.
	MinTLS, MaxTLS uint16
	// ALPN are protocols that the ClientHello offers, nil for the profile's: none.
	ALPN []string
	// TLS does the handshake in place of the profile's, nil for that; then the
	// fields above but Roots and Insecure are its own matter. The certificate is
	// checked behind it.
	TLS func(ctx context.Context, c net.Conn) (net.Conn, *TLSInfo, error)
	// Inside returns the connection that SSTP runs on, given that in TLS, nil for
	// that itself: for what is to come before SSTP, or around it. It has to end when
	// its connection is closed.
	Inside func(c net.Conn) (net.Conn, error)
	// KeyLog gets the secrets of TLS, in NSS key log format.
	KeyLog io.Writer
	// Record gets the connections as a capture.
	Record *record.Capture

	// User and Password are for PPP; Methods are those that are done, nil for the
	// profile's.
	Credentials pppauth.Credentials
	Methods     []pppauth.Method

	// MTU bounds the packets that the server is sent, 0 for what it takes.
	MTU int

	Profile profile.Client
	Faults  Faults
	Timers  call.Timers
	// DialTimeout is for the TCP connection and HandshakeTimeout for that of TLS;
	// 0 for 30 seconds.
	DialTimeout, HandshakeTimeout time.Duration

	// Dial opens the TCP connection, nil for this host's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Carry says where the packets go.
	Carry Carrier
	// Log gets a line for each change of state, nil for none.
	Log *slog.Logger
}

// A dialer is one attempt to get a tunnel.
type dialer struct {
	ClientConfig
	correlation [16]byte
	began       time.Time
}

// Dial opens a tunnel, and returns when IP may pass in it. The error is a
// [*StepError], which wraps ctx's if ctx is done. When ctx is done later, nothing
// happens.
func Dial(ctx context.Context, config ClientConfig) (*Session, error) {
	d := &dialer{ClientConfig: config, began: time.Now()}
	if err := d.prepare(); err != nil {
		return nil, err
	}
	return d.dial(ctx)
}

func (d *dialer) prepare() error {
	switch {
	case d.Host == "":
		return errors.New("dialling: no host")
	case d.Carry == nil:
		return errors.New("dialling: nothing to carry packets")
	}
	if d.Port == 0 {
		d.Port = 443
	}
	if d.Path == "" {
		d.Path = sstp.URIPath
	}
	if d.Profile.Request == nil {
		d.Profile = profile.ReferenceClient()
	}
	if d.Methods == nil {
		d.Methods = d.Profile.Methods
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Dial == nil {
		d.Dial = new(net.Dialer).DialContext
	}
	for _, t := range []*time.Duration{&d.DialTimeout, &d.HandshakeTimeout} {
		if *t == 0 {
			*t = 30 * time.Second
		}
	}
	_, err := io.ReadFull(rand.Reader, d.correlation[:])
	return err
}

func (d *dialer) authority() string { return net.JoinHostPort(d.Host, strconv.Itoa(int(d.Port))) }

func (d *dialer) dial(ctx context.Context) (*Session, error) {
	c, rest, err := d.reach(ctx)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		_ = c.Close() // it is of no use
		return nil, failed(StepProxy, errors.New("bytes came before TLS began"), "is it an HTTP proxy?")
	}
	t, info, err := d.secure(ctx, c)
	if err != nil {
		_ = c.Close() // it is of no use
		return nil, err
	}
	d.Log.Info("tls", "version", info.Version, "cipher", info.Cipher, "sni", info.SNI,
		"certificate", info.Certificates[0].Subject.String(), "trusted", !d.Insecure)
	inside, err := d.inside(ctx, t)
	if err != nil {
		_ = t.Close() // it is of no use
		return nil, err
	}
	s, err := d.session(inside, info)
	if err != nil {
		_ = t.Close() // it is of no use
		return nil, err
	}
	go s.run(func() ([]byte, error) { return d.begin(s) })
	select {
	case <-s.Up():
		return s, nil
	case <-s.Done():
		return nil, cmp.Or(failed(StepSSTP, s.err, ""), errClosed)
	case <-ctx.Done():
		at := s.reached()
		s.Close()
		<-s.Done()
		return nil, failed(at, ctx.Err(), lookTimeout[at])
	}
}

// inside puts around the connection in TLS what the caller wants.
func (d *dialer) inside(ctx context.Context, t net.Conn) (net.Conn, error) {
	if d.Inside == nil {
		return t, nil
	}
	stop := closeOn(ctx, t)
	c, err := d.Inside(t)
	if !stop() {
		err = cmp.Or(ctx.Err(), err)
	}
	return c, failed(StepHTTP, err, "")
}

// lookTimeout is what to look at when nothing comes at a step.
var lookTimeout = map[Step]string{
	StepHTTP: "the server took the request and does not answer: is it an SSTP server?",
	StepSSTP: "the server does not answer the Call Connect Request",
	StepLCP:  "PPP does not come to an agreement: see --verbose and --pcap",
	StepIPCP: "the server gives no address: has it some left, for this user?",
}

// reach opens the connection that TLS runs on.
func (d *dialer) reach(ctx context.Context) (net.Conn, []byte, error) {
	if d.Proxy != nil {
		c, rest, err := d.throughProxy(ctx)
		if err == nil {
			d.Log.Info("proxy", "proxy", d.Proxy.Addr, "to", d.authority())
		}
		return c, rest, err
	}
	c, err := d.tcp(ctx, d.authority())
	if err != nil {
		return nil, nil, failed(StepTCP, err, lookTCP(err))
	}
	d.Log.Info("tcp", "to", c.RemoteAddr().String(), "from", c.LocalAddr().String())
	return c, nil, nil
}

func (d *dialer) tcp(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.DialTimeout)
	defer cancel()
	c, err := d.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if d.Faults.SlowRead > 0 {
		c = &slowReader{Conn: c, rate: d.Faults.SlowRead}
	}
	if d.Record != nil {
		c = d.Record.Conn(c, false)
	}
	return c, nil
}

func lookTCP(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return "is the name right?"
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return "nothing answers: is the address right, and does a firewall let it pass?"
	}
	return "does a server listen there?"
}

// begin does the HTTP exchange.
func (d *dialer) begin(s *Session) (early []byte, err error) {
	s.out.hold()
	s.out.raw(d.Profile.Request(d.Host, d.Port, d.correlation, d.Path).Append(nil))
	if d.Profile.Early {
		s.open()
	}
	s.out.release()
	if err := s.conn.SetReadDeadline(time.Now().Add(httpTimeout)); err != nil {
		return nil, failed(StepHTTP, err, "")
	}
	r := &headReader{from: s.conn}
	h, err := readResponse(r)
	if err == nil {
		err = s.conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return nil, failed(StepHTTP, err, "")
	}
	d.Log.Info("http", "status", h.Status, "server", h.Fields.Get("Server"))
	if !d.Profile.Early {
		s.open()
	}
	return r.buf, nil
}

// httpTimeout is how long the answer to the request may take (MS-SSTP 4.1).
const httpTimeout = 60 * time.Second
