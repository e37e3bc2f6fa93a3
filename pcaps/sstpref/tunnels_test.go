package sstpref

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// tunnelCount is how many tunnels are up at once.
const tunnelCount = 200

// A fleet is a server and its clients, over loopback TCP and TLS 1.3.
type fleet struct {
	server   *Server
	served   chan error
	port     uint16
	sessions []*Session
	clients  []*inner
	mu       sync.Mutex
	servers  map[string]*inner
	leased   int
}

func newFleet(tb testing.TB) *fleet {
	tb.Helper()
	f := &fleet{served: make(chan error, 1), servers: map[string]*inner{}}
	var err error
	if f.server, err = NewServer(ServerConfig{
		TLS: ServerTLS(rigRSA(), tls.VersionTLS13, 0), Authenticator: newRigAuthenticator(), Assign: f.assign,
	}); err != nil {
		tb.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	f.port = uint16(ln.Addr().(*net.TCPAddr).Port)
	go func() { f.served <- f.server.Serve(ln) }()
	return f
}

func (f *fleet) assign(string) (*Lease, error) {
	lease, err := (&rig{}).assign("")
	lease.Carry = func(up Up, t Tunnel) (Port, error) {
		i := &inner{Tunnel: t, up: up}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.servers[up.User] = i
		return i, nil
	}
	f.mu.Lock()
	f.leased++
	f.mu.Unlock()
	lease.Release = func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.leased--
	}
	return lease, err
}

// dial opens so many tunnels, a few at a time as the machine allows.
func (f *fleet) dial(tb testing.TB, count int) {
	tb.Helper()
	f.sessions, f.clients = make([]*Session, count), make([]*inner, count)
	var dialling sync.WaitGroup
	for i := range count {
		dialling.Go(func() {
			credentials := newRigCredentials()
			credentials.Name = fmt.Sprint(rigUser, i)
			s, err := Dial(tb.Context(), ClientConfig{
				Host: "127.0.0.1", Port: f.port, Insecure: true, Credentials: credentials,
				Carry: func(up Up, t Tunnel) (Port, error) {
					f.clients[i] = &inner{Tunnel: t, up: up}
					return f.clients[i], nil
				},
			})
			if err != nil {
				tb.Error(err)
				return
			}
			f.sessions[i] = s
		})
	}
	dialling.Wait()
	// A client is up a moment before the server is.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		f.mu.Lock()
		up := len(f.servers)
		f.mu.Unlock()
		if up == count {
			return
		}
		if tb.Failed() || time.Now().After(deadline) {
			tb.Fatalf("%d tunnels are up, want %d", up, count)
		}
	}
}

func (f *fleet) disconnect(tb testing.TB) {
	tb.Helper()
	var ending sync.WaitGroup
	for _, s := range f.sessions {
		ending.Go(func() {
			if err := s.Disconnect(tb.Context(), "user request"); err != nil || s.Err() != nil {
				tb.Errorf("disconnecting: %v, %v", err, s.Err())
			}
		})
	}
	ending.Wait()
}

func (f *fleet) stop(tb testing.TB) {
	tb.Helper()
	if err := f.server.Shutdown(tb.Context()); err != nil {
		tb.Error(err)
	}
	if err := <-f.served; err != nil {
		tb.Error(err)
	}
	if f.leased != 0 {
		tb.Errorf("%d addresses were not given back", f.leased)
	}
}

// Two hundred tunnels at once, each of which carries 100 kB each way.
func TestTunnels(t *testing.T) {
	f := newFleet(t)
	defer f.stop(t)
	f.dial(t, tunnelCount)
	const size, count = 1250, 80
	var sending sync.WaitGroup
	send := func(from *inner) {
		sending.Go(func() {
			for n := range count {
				if err := from.WritePacket(packet(4, size, n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range f.clients {
		send(f.clients[i])
		send(f.servers[fmt.Sprint(rigUser, i)])
	}
	sending.Wait()
	const all = size * count * tunnelCount
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if up, down := f.received(); up == all && down == all {
			break
		}
	}
	f.disconnect(t)
	f.server.serving.Wait()
	if up, down := f.received(); up != all || down != all {
		t.Errorf("%d and %d bytes came, want %d", up, down, all)
	}
	for i, client := range f.clients {
		for _, to := range []*inner{client, f.servers[fmt.Sprint(rigUser, i)]} {
			if to.bytes != size*count || !to.closed {
				t.Errorf("tunnel %d: %d bytes came, want %d; closed: %v", i, to.bytes, size*count, to.closed)
			}
		}
	}
}

// received is how many bytes have come out of all tunnels, at the server and at the
// clients.
func (f *fleet) received() (up, down int) {
	count := func(i *inner) int {
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.bytes
	}
	for i, client := range f.clients {
		down += count(client)
		up += count(f.servers[fmt.Sprint(rigUser, i)])
	}
	return up, down
}

// BenchmarkTunnels opens 200 tunnels, and tells the memory that each takes while it
// is idle: heap and stacks of both ends, which are in this one process.
func BenchmarkTunnels(b *testing.B) {
	memory := func() uint64 {
		runtime.GC()
		runtime.GC() // pools are empty after the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	var each float64
	for b.Loop() {
		f := newFleet(b)
		before := memory()
		f.dial(b, tunnelCount)
		b.StopTimer()
		time.Sleep(100 * time.Millisecond) // what made them has ended
		each = float64(memory()-before) / tunnelCount
		f.disconnect(b)
		f.stop(b)
		b.StartTimer()
	}
	b.ReportMetric(each, "B/tunnel")
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/tunnelCount, "ms/tunnel")
}
