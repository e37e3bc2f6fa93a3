package ipcarry

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A pipe is a Tunnel in memory.
type pipe struct {
	mu   sync.Mutex
	to   Port
	hold func() // called before each packet

	once   sync.Once
	closed chan struct{}
}

func newPipe(to Port) *pipe { return &pipe{to: to, closed: make(chan struct{})} }

func (p *pipe) end() { p.once.Do(func() { close(p.closed) }) }

var errEnded = errors.New("the tunnel has ended")

func (p *pipe) WritePacket(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hold != nil {
		p.hold()
	}
	select {
	case <-p.closed:
		return errEnded
	default:
	}
	if p.to == nil {
		return nil
	}
	return p.to.Deliver(b)
}

// A recorder is a Tunnel that keeps what is written.
type recorder struct{ packets chan []byte }

func newRecorder() *recorder { return &recorder{make(chan []byte, 256)} }

func (r *recorder) WritePacket(p []byte) error {
	r.packets <- append([]byte(nil), p...)
	return nil
}

func (r *recorder) next(t *testing.T) []byte {
	t.Helper()
	select {
	case p := <-r.packets:
		return p
	case <-time.After(10 * time.Second):
		t.Fatal("no packet came")
		return nil
	}
}

const testMTU = 1400

// hosts dials addresses of documentation as listeners on the loopback.
type hosts map[string]string

func (h hosts) dial(ctx context.Context, network, address string) (net.Conn, error) {
	to, ok := h[network+" "+address]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("no route in this test")}
	}
	return (&net.Dialer{}).DialContext(ctx, network, to)
}

// connect joins a Stack with address to f. hold delays the packets both ways.
func connect(t testing.TB, f *Forwarder, hold func(), dns []netip.Addr, addrs ...netip.Addr) *Stack {
	t.Helper()
	up, down := newPipe(nil), newPipe(nil)
	up.hold, down.hold = hold, hold
	port, err := f.Attach(Own(addrs...), testMTU, down)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewStack(StackConfig{Addrs: addrs, DNS: dns, MTU: testMTU}, up)
	if err != nil {
		t.Fatal(err)
	}
	up.mu.Lock()
	up.to = port
	up.mu.Unlock()
	down.mu.Lock()
	down.to = s
	down.mu.Unlock()
	t.Cleanup(func() {
		up.end()
		down.end()
		s.Close()
		port.Close()
	})
	return s
}

func newForwarder(t testing.TB, cfg ForwarderConfig) *Forwarder {
	t.Helper()
	f, err := NewForwarder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// listen serves TCP connections on the loopback.
func listen(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	}()
	t.Cleanup(func() { l.Close(); conns.Wait() })
	return l.Addr().String()
}

func echoServer(c net.Conn) { _, _ = io.Copy(c, c) }

func randomBytes(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return b
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
