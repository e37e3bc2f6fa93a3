package nfq

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"sstpwarden/nfq/nft"
	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/profile"
	"sstpwarden/policies"
)

// patience is how long anything may take that is going to happen.
const patience = 20 * time.Second

// A router forwards between a client and a server, and inspects.
type router struct {
	*netlab.Routed
	t      testing.TB
	table  *nft.Inspection
	queues []*Queue
	judges []*bench
	stop   func() // everything, once
}

// A setup is what differs between routers.
type setup struct {
	queues  uint16
	decider policies.Decider
	table   func(*nft.InspectOptions)
	queue   func(*QueueConfig)
	worker  func(*Config)
}

func newRouter(t testing.TB, s setup) *router {
	t.Helper()
	labtest.Need(t)
	l, err := netlab.NewRouted()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	r := &router{Routed: l, t: t}
	o := nft.InspectOptions{Hooks: []nft.HookName{nft.HookForward}, Queues: max(1, s.queues)}
	if s.table != nil {
		s.table(&o)
	}
	if s.decider == nil {
		s.decider = dropping
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, o.Queues)
	err = l.Router.Do(func() (err error) {
		for i := range o.Queues {
			c := QueueConfig{Number: nft.DefaultQueue + i, Marks: o.Marks()}
			if s.queue != nil {
				s.queue(&c)
			}
			b := newBench(t, s.decider, s.worker)
			q, err := Open(c, b.Worker)
			if err != nil {
				return err
			}
			r.queues, r.judges = append(r.queues, q), append(r.judges, b)
			go func() { ended <- q.Run(ctx) }()
		}
		r.table, err = nft.SetupInspect(o)
		return err
	})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := r.table.Close(); err != nil {
			t.Error(err)
		}
		cancel()
		for range o.Queues {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(r.stop)
	return r
}

// counts are those of all workers.
func (r *router) counts() (sum Counts) {
	for _, q := range r.queues {
		c := q.Worker().Counts()
		sum.Packets += c.Packets
		sum.Flows += c.Flows
		sum.Settled += c.Settled
		sum.Blocked += c.Blocked
		for i := range c.Exceptions {
			sum.Exceptions[i] += c.Exceptions[i]
		}
	}
	return sum
}

// A vpn is an SSTP server behind the router.
type vpn struct {
	packets atomic.Int64 // IP packets that came out of tunnels
}

func (r *router) vpn(t testing.TB, address string, version uint16) *vpn {
	t.Helper()
	p, err := profile.ServerByName("rras")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := sstpref.SelfSigned(time.Now(), false, "vpn.example")
	if err != nil {
		t.Fatal(err)
	}
	p.TLS.MaxVersion = 0
	v := &vpn{}
	server, err := sstpref.NewServer(sstpref.ServerConfig{
		TLS:           sstpref.ServerTLS(cert, version, version),
		Authenticator: pppauth.Authenticator{Password: func(string) (string, bool) { return "secret", true }},
		Profile:       p,
		Assign: func(string) (*sstpref.Lease, error) {
			return &sstpref.Lease{
				Addresses: pppref.Addresses{Local: netip.MustParseAddr("10.99.0.1"), Peer: netip.MustParseAddr("10.99.0.2")},
				Carry:     func(sstpref.Up, sstpref.Tunnel) (sstpref.Port, error) { return port{&v.packets}, nil },
			}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := r.Server.Listen(t.Context(), address, net.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = server.Shutdown(ctx)
	})
	return v
}

// A port counts the packets that come out of a tunnel.
type port struct{ n *atomic.Int64 }

func (p port) Deliver([]byte) error {
	p.n.Add(1)
	return nil
}

func (p port) Close() error { return nil }

// call dials as a profile does, and sends a packet where that came to a tunnel.
func (r *router) call(t testing.TB, client, address string) error {
	t.Helper()
	p, err := profile.ClientByName(client)
	if err != nil {
		t.Fatal(err)
	}
	host, portText, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(portText)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var received atomic.Int64
	s, err := sstpref.Dial(ctx, sstpref.ClientConfig{
		Host: host, Port: uint16(number), Insecure: true, Profile: p,
		Credentials: pppauth.Credentials{Name: "alice", Password: "secret"},
		Carry:       func(sstpref.Up, sstpref.Tunnel) (sstpref.Port, error) { return port{&received}, nil },
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			return r.Client.Dial(ctx, address, net.Dialer{})
		},
	})
	if err != nil {
		return err
	}
	defer s.Close()
	ip := make([]byte, 40)
	ip[0] = 0x45
	if err := s.WritePacket(ip); err != nil {
		return err
	}
	return s.Disconnect(ctx, "enough")
}

// web serves pages of any size, "/1000", over TLS.
func (r *router) web(t testing.TB, addresses ...string) {
	t.Helper()
	cert, err := sstpref.SelfSigned(time.Now(), true, "www.example")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			n, _ := strconv.Atoi(q.URL.Path[1:])
			w.Header().Set("Content-Length", strconv.Itoa(n))
			_, _ = io.CopyN(w, zeros{}, int64(n))
		}),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}},
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: patience,
	}
	for _, address := range addresses {
		ln, err := r.Server.Listen(t.Context(), address, net.ListenConfig{})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = server.ServeTLS(ln, "", "") }()
	}
	t.Cleanup(func() { _ = server.Close() })
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// get loads a page by a connection of its own.
func (r *router) get(ctx context.Context, from, address string, n int) error {
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return r.Client.Dial(ctx, address, net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}})
		},
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://%s/%d", address, n), nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.Copy(io.Discard, resp.Body)
	if err == nil && got != int64(n) {
		err = fmt.Errorf("%d of %d bytes", got, n)
	}
	return err
}
