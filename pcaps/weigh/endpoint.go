package weigh

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/inspect/tlswire"
	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/profile"
)

// EndpointName is what results call the sessions of the reference endpoint.
const EndpointName = "reference endpoint, every client profile with every server profile, TLS 1.2 and 1.3 or what they have"

// dialTime bounds a session that is to be recorded.
const dialTime = 30 * time.Second

// Endpoint has every client profile of the reference endpoint dial every server
// profile on the loopback, with TLS 1.2 at most and with 1.3, and counts the
// connections. The error is the first of a session that did not come up.
func (r *Reader) Endpoint(ctx context.Context) (Corpus, error) {
	out := Corpus{Name: EndpointName}
	cert, err := sstpref.SelfSigned(time.Now(), false, "vpn.example")
	if err != nil {
		return out, err
	}
	for _, client := range profile.ClientNames() {
		for _, server := range profile.ServerNames() {
			var had tlswire.Version // that was agreed on
			for _, highest := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				s, err := record(ctx, cert, client, server, highest)
				if err != nil {
					return out, fmt.Errorf("recording %s with %s: %w", client, server, err)
				}
				c := r.session(s, "endpoint, "+client+", "+server)
				if version := c.Closed.Observation().TLS.Version; version != had { // else one of them has no higher one
					had = version
					out.Captures++
					out.Positives++
					r.Tally.Add(c)
				}
			}
		}
	}
	return out, nil
}

// A session of the endpoint as a tap saw it.
type session struct {
	segments []inspect.Segment
	keys     *tlskeys.Keys
}

// session inspects a recorded one.
func (r *Reader) session(s *session, kind string) *Connection {
	key := inspect.FlowKey{Client: netip.MustParseAddrPort("192.0.2.1:50000"), Server: netip.MustParseAddrPort("198.51.100.1:443")}
	start, last := s.segments[0].Time, s.segments[len(s.segments)-1].Time
	p := r.open(key, start, false, s.keys)
	for _, segment := range s.segments {
		p.Feed(segment)
	}
	return &Connection{SSTP: true, Kind: kind, Lasted: last.Sub(start), Closed: p.closed, Opened: p.opened}
}

func (r *Reader) open(key inspect.FlowKey, start time.Time, midstream bool, keys *tlskeys.Keys) *pair {
	flow := func(keys *tlskeys.Keys) *inspect.Flow {
		f := inspect.NewInspector(inspect.Options{Rules: r.Rules, Keys: keys, Follow: true}).Open(key, start)
		if midstream {
			f.SetMidstream()
		}
		return f
	}
	p := &pair{closed: flow(nil)}
	if p.opened = p.closed; keys != nil {
		p.opened = flow(keys)
	}
	return p
}

// A tap stands between a client and a server, as a proxy does, and keeps what it
// carries.
type tap struct {
	mu       sync.Mutex
	segments []inspect.Segment
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

// record has a client open a tunnel to a server and close it.
func record(ctx context.Context, cert tls.Certificate, client, server string, highest uint16) (*session, error) {
	cp, err := profile.ClientByName(client)
	if err != nil {
		return nil, err
	}
	sp, err := profile.ServerByName(server)
	if err != nil {
		return nil, err
	}
	srv, err := sstpref.NewServer(sstpref.ServerConfig{
		TLS: sstpref.ServerTLS(cert, tls.VersionTLS10, highest), Profile: sp,
		Authenticator: pppauth.Authenticator{Password: func(string) (string, bool) { return "secret", true }},
		Assign: func(string) (*sstpref.Lease, error) {
			a := pppref.Addresses{Local: netip.MustParseAddr("10.99.0.1"), Peer: netip.MustParseAddr("10.99.0.2")}
			return &sstpref.Lease{Addresses: a, Carry: toNowhere}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() { _ = srv.Serve(ln) }) // until Shutdown
	defer func() { _ = srv.Shutdown(ctx) }()
	var log bytes.Buffer
	x := &tap{}
	tunnel, err := sstpref.Dial(ctx, sstpref.ClientConfig{
		Host: "vpn.example", Insecure: true, KeyLog: &log,
		Credentials: pppauth.Credentials{Name: "user", Password: "secret"},
		Profile:     cp, Carry: toNowhere,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return x.dial(ctx, ln.Addr().String(), &wait)
		},
	})
	if err != nil {
		return nil, err
	}
	tunnel.Close()
	<-tunnel.Done()
	_ = srv.Shutdown(ctx) // the sessions end with it
	wait.Wait()
	s := &session{segments: x.segments, keys: &tlskeys.Keys{}}
	if _, err := s.keys.AddKeyLog(&log); err != nil {
		return nil, err
	}
	return s, nil
}
