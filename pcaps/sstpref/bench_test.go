package sstpref

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"sstpwarden/pcaps/ipcarry"
	"sstpwarden/pcaps/sstpref/profile"
)

// benchPacket is the size of the packets that are sent: what fits into Ethernet
// frames behind the headers of IP, TCP, TLS, SSTP and PPP.
const benchPacket = 1400

// BenchmarkThroughput sends packets one way, over TLS 1.3 and loopback TCP: as
// plain TLS in writes of a frame's size, as frames of SSTP one write each and
// joined, and as TCP in the tunnel with the user stack at both ends.
func BenchmarkThroughput(b *testing.B) {
	b.Run("tls", benchTLS)
	b.Run("frames", func(b *testing.B) { benchFrames(b, 0) })
	b.Run("joined", func(b *testing.B) { benchFrames(b, 16<<10) })
	b.Run("user-stack", benchUserStack)
}

func benchTLS(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	ended := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer c.Close()
		from := tls.Server(c, ServerTLS(rigRSA(), tls.VersionTLS13, 0))
		buf := make([]byte, 32<<10)
		for err == nil {
			_, err = from.Read(buf)
		}
		ended <- err
	}()
	c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, benchPacket+5)
	b.SetBytes(benchPacket)
	for b.Loop() {
		if _, err := c.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	_ = c.Close()
	if err := <-ended; !errors.Is(err, io.EOF) {
		b.Error(err)
	}
}

// A counting port counts the packets that come.
type counting struct{ packets atomic.Uint64 }

func (c *counting) Deliver([]byte) error {
	c.packets.Add(1)
	return nil
}

func (c *counting) Close() error { return nil }

func benchFrames(b *testing.B, join int) {
	var got counting
	s, stop := overTCP(b, join,
		func(Up, Tunnel) (Port, error) { return &inner{}, nil },
		func(Up, Tunnel) (Port, error) { return &got, nil })
	p := packet(4, benchPacket, 1)
	b.SetBytes(benchPacket)
	for b.Loop() {
		if err := s.WritePacket(p); err != nil {
			b.Fatal(err)
		}
	}
	for got.packets.Load() < s.Counts().PacketsOut {
		time.Sleep(10 * time.Microsecond)
	}
	b.StopTimer()
	stop()
}

func benchUserStack(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	received := make(chan int64, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			received <- 0
			return
		}
		n, _ := io.Copy(io.Discard, c) // what is missing shows
		received <- n
	}()
	forwarder, err := ipcarry.NewForwarder(ipcarry.ForwarderConfig{
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", ln.Addr().String())
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer forwarder.Close()
	var stack *ipcarry.Stack
	_, stop := overTCP(b, 0,
		func(up Up, t Tunnel) (_ Port, err error) {
			stack, err = ipcarry.NewStack(ipcarry.StackConfig{Addrs: []netip.Addr{up.Addresses.Local}, MTU: benchPacket}, t)
			return stack, err
		},
		func(up Up, t Tunnel) (Port, error) {
			return forwarder.Attach(ipcarry.Own(up.Addresses.Peer), benchPacket, t)
		})
	defer stop()
	c, err := stack.DialContext(b.Context(), "tcp", "192.0.2.1:80")
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 32<<10)
	b.SetBytes(int64(len(p)))
	sent := int64(0)
	for b.Loop() {
		n, err := c.Write(p)
		if err != nil {
			b.Fatal(err)
		}
		sent += int64(n)
	}
	_ = c.Close()
	if got := <-received; got != sent {
		b.Errorf("%d bytes came of %d", got, sent)
	}
}

// overTCP opens a tunnel over loopback TCP.
func overTCP(tb testing.TB, join int, client, server Carrier) (*Session, func()) {
	tb.Helper()
	sp := profile.ReferenceServer()
	sp.Coalesce = join
	srv, err := NewServer(ServerConfig{
		TLS:           ServerTLS(rigRSA(), tls.VersionTLS13, 0),
		Authenticator: newRigAuthenticator(),
		Profile:       sp,
		Assign: func(string) (*Lease, error) {
			lease, err := (&rig{}).assign("")
			lease.Carry, lease.Release = server, nil
			return lease, err
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	cp := profile.ReferenceClient()
	cp.Coalesce = join
	s, err := Dial(tb.Context(), ClientConfig{
		Host: "127.0.0.1", Port: uint16(ln.Addr().(*net.TCPAddr).Port), Insecure: true,
		Credentials: newRigCredentials(), Profile: cp, Carry: client,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s, func() {
		s.Close()
		if err := srv.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
		if err := <-served; err != nil {
			tb.Error(err)
		}
	}
}
