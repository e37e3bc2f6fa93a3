// Package tap keeps what a session of the reference endpoint puts on the wire.
package tap

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/profile"
)

// timeout bounds a session.
const timeout = 30 * time.Second

// A Session is one that is to be kept.
type Session struct {
	Client, Server string // profiles
	Certificate    tls.Certificate
	ClientTLS      Versions // shape the client's hello, too; zero for what the profile has
	ServerTLS      Versions
	Faults         sstpref.Faults // of the client
}

// Versions bound those of TLS.
type Versions struct{ Min, Max uint16 }

// Record has a client open a tunnel to a server on the loopback and close it. It gives
// the chunks that a proxy between them read, in the order in which it did, and the
// session's TLS keys.
func (s *Session) Record(ctx context.Context) ([]inspect.Segment, *tlskeys.Keys, error) {
	client, err := profile.ClientByName(s.Client)
	if err != nil {
		return nil, nil, err
	}
	server, err := profile.ServerByName(s.Server)
	if err != nil {
		return nil, nil, err
	}
	srv, err := sstpref.NewServer(sstpref.ServerConfig{
		TLS: sstpref.ServerTLS(s.Certificate, s.ServerTLS.Min, s.ServerTLS.Max), Profile: server,
		Authenticator: pppauth.Authenticator{Password: func(string) (string, bool) { return "secret", true }},
		Assign: func(string) (*sstpref.Lease, error) {
			a := pppref.Addresses{Local: netip.MustParseAddr("10.99.0.1"), Peer: netip.MustParseAddr("10.99.0.2")}
			return &sstpref.Lease{Addresses: a, Carry: toNowhere}, nil
		},
	})
	if err != nil {
		return nil, nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() { _ = srv.Serve(ln) }) // until Shutdown
	defer func() { _ = srv.Shutdown(ctx) }()
	var log bytes.Buffer
	var t tap
	tunnel, err := sstpref.Dial(ctx, sstpref.ClientConfig{
		Host: "vpn.example", Insecure: true, MinTLS: s.ClientTLS.Min, MaxTLS: s.ClientTLS.Max, KeyLog: &log,
		Credentials: pppauth.Credentials{Name: "user", Password: "secret"},
		Profile:     client, Faults: s.Faults, Carry: toNowhere,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return t.dial(ctx, ln.Addr().String(), &wait)
		},
	})
	if err != nil {
		return nil, nil, err
	}
	tunnel.Close()
	<-tunnel.Done()
	_ = srv.Shutdown(ctx) // the sessions end with it
	wait.Wait()
	keys := &tlskeys.Keys{}
	_, err = keys.AddKeyLog(&log)
	return t.segments, keys, err
}

// A tap stands between a client and a server, as a proxy does, and keeps what it
// carries.
type tap struct {
	mu       sync.Mutex
	segments []inspect.Segment
}

// dial opens a connection to addr through the tap.
func (t *tap) dial(ctx context.Context, addr string, wait *sync.WaitGroup) (net.Conn, error) {
	far, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	near, middle, err := linked()
	if err != nil {
		return nil, errors.Join(err, far.Close())
	}
	wait.Go(func() { t.carry(middle, far, inspect.ClientToServer) })
	wait.Go(func() { t.carry(far, middle, inspect.ServerToClient) })
	return near, nil
}

func (t *tap) carry(from, to net.Conn, d inspect.Direction) {
	defer func() { _, _ = from.Close(), to.Close() }() // the other direction ends with it
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		t.mu.Lock()
		t.segments = append(t.segments, inspect.Segment{Direction: d, Time: time.Now(), Data: bytes.Clone(b[:n])})
		t.mu.Unlock()
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

// linked gives the two ends of a connection on the loopback.
func linked() (near, middle net.Conn, err error) {
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = front.Close() }() // it was for one connection
	if near, err = net.Dial("tcp", front.Addr().String()); err != nil {
		return nil, nil, err
	}
	if middle, err = front.Accept(); err != nil {
		return nil, nil, errors.Join(err, near.Close())
	}
	return near, middle, nil
}

// nowhere takes packets.
type nowhere struct{}

func (nowhere) Deliver([]byte) error { return nil }
func (nowhere) Close() error         { return nil }

func toNowhere(sstpref.Up, sstpref.Tunnel) (sstpref.Port, error) { return nowhere{}, nil }
