package sstpref

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref/profile"
)

const (
	rigUser     = "alice"
	rigPassword = "secret-Passw0rd"
)

var rigRSA = sync.OnceValue(func() tls.Certificate { return mustCert(false) })

func mustCert(ec bool) tls.Certificate {
	c, err := SelfSigned(time.Now(), ec, "vpn.example", "192.0.2.1")
	if err != nil {
		panic(err)
	}
	return c
}

// A rig is a server and what reaches it in memory.
type rig struct {
	t      *testing.T
	server *Server
	log    *logLines
	// inside are the tunnels' inner ends, the server's by the user's name.
	mu     sync.Mutex
	inside map[string]*inner
	taken  int // addresses that were not given back
}

// An inner is the inner end of a tunnel: it keeps the packets that came.
type inner struct {
	Tunnel
	up     Up
	mu     sync.Mutex
	got    [][]byte
	bytes  int
	wait   chan struct{} // nil, or what Deliver waits for
	closed bool
}

func (i *inner) Deliver(p []byte) error {
	if i.wait != nil {
		<-i.wait
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got = append(i.got, bytes.Clone(p))
	i.bytes += len(p)
	return nil
}

func (i *inner) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	return nil
}

// logLines keeps a log.
type logLines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newLog(l *logLines) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// newRig makes a server, which edit may change.
func newRig(t *testing.T, edit func(c *ServerConfig)) *rig {
	t.Helper()
	r := &rig{t: t, log: &logLines{}, inside: map[string]*inner{}}
	c := ServerConfig{
		TLS:           ServerTLS(rigRSA(), 0, 0),
		Authenticator: newRigAuthenticator(),
		Assign:        r.assign,
		Profile:       profile.ReferenceServer(),
		Log:           newLog(r.log),
	}
	if edit != nil {
		edit(&c)
	}
	s, err := NewServer(c)
	if err != nil {
		t.Fatal(err)
	}
	r.server = s
	return r
}

func newRigAuthenticator() pppauth.Authenticator {
	return pppauth.Authenticator{Password: func(name string) (string, bool) {
		return rigPassword, strings.HasPrefix(name, rigUser)
	}}
}

func newRigCredentials() pppauth.Credentials {
	return pppauth.Credentials{Name: rigUser, Password: rigPassword}
}

func (r *rig) assign(string) (*Lease, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken++
	return &Lease{
		Addresses: pppref.Addresses{
			Local: netip.MustParseAddr("10.99.0.1"), Peer: netip.AddrFrom4([4]byte{10, 99, byte(r.taken >> 8), byte(r.taken + 1)}),
			DNS: []netip.Addr{netip.MustParseAddr("10.99.0.53")},
		},
		Carry: r.carry,
		Release: func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.taken--
		},
	}, nil
}

func (r *rig) carry(up Up, t Tunnel) (Port, error) {
	i := &inner{Tunnel: t, up: up}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside[up.User] = i
	return i, nil
}

// dial opens a tunnel in memory.
func (r *rig) dial(ctx context.Context, edit func(c *ClientConfig)) (*Session, *inner, error) {
	var end *inner
	c := ClientConfig{
		Host: "vpn.example", Insecure: true,
		Credentials: newRigCredentials(),
		Profile:     profile.ReferenceClient(),
		Carry: func(up Up, t Tunnel) (Port, error) {
			end = &inner{Tunnel: t, up: up}
			return end, nil
		},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			r.server.admit(far)
			return near, nil
		},
	}
	if edit != nil {
		edit(&c)
	}
	s, err := Dial(ctx, c)
	return s, end, err
}

// packet is an IP packet of that size with a number in it.
func packet(version, size, number int) []byte {
	p := make([]byte, size)
	p[0] = byte(version<<4 | 5)
	binary.BigEndian.PutUint32(p[4:], uint32(number))
	for i := 8; i < size; i++ {
		p[i] = byte(i * number)
	}
	return p
}

// exchange sends a megabyte each way, and checks that all came in order.
func exchange(t *testing.T, a, b *inner, version int) {
	t.Helper()
	const size, count = 1300, 1<<20/1300 + 1
	var sending sync.WaitGroup
	for _, from := range []*inner{a, b} {
		sending.Go(func() {
			for n := range count {
				if err := from.WritePacket(packet(version, size, n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	sending.Wait()
	synctest.Wait()
	for name, to := range map[string]*inner{"client": a, "server": b} {
		to.mu.Lock()
		if len(to.got) != count {
			t.Errorf("%s: %d packets came, want %d", name, len(to.got), count)
		}
		for n, p := range to.got {
			if !bytes.Equal(p, packet(version, size, n)) {
				t.Errorf("%s: packet %d is another: % x", name, n, p[:8])
				break
			}
		}
		to.got = nil
		to.mu.Unlock()
	}
}

// idle says that nothing of the server is left.
func (r *rig) idle() error {
	r.server.serving.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.taken != 0:
		return fmt.Errorf("%d addresses were not given back", r.taken)
	case len(r.server.sessions) != 0 || len(r.server.fresh) != 0:
		return fmt.Errorf("%d sessions and %d connections are left", len(r.server.sessions), len(r.server.fresh))
	}
	for name, i := range r.inside {
		if !i.closed {
			return fmt.Errorf("the port of %s was not closed", name)
		}
	}
	return nil
}

// rigClient is a user's certificate, which vouches for itself.
var rigClient = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	draft := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: rigUser},
		NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, draft, draft, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func certPool(c tls.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Leaf)
	return pool
}
