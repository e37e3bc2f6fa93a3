package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

// pair gives both ends of a TCP connection.
func pair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	one, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	two, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = one.Close(), two.Close() })
	return one.(*net.TCPConn), two.(*net.TCPConn)
}

func legOf(t testing.TB, conn *net.TCPConn, early []byte) *leg {
	t.Helper()
	l, err := newLeg(conn, early)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// descriptors counts what this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// freePipes counts the pipes that wait for use, of which none may be there twice.
func freePipes(t testing.TB) int {
	t.Helper()
	pipes.Lock()
	defer pipes.Unlock()
	seen := map[pipe]bool{}
	for _, p := range slices.Concat(pipes.free, pipes.freeBig) {
		if seen[p] {
			t.Fatalf("pipe %v is free twice", p)
		}
		seen[p] = true
	}
	return len(seen)
}

// discardPipes closes the pipes that wait for use.
func discardPipes() {
	pipes.Lock()
	list := slices.Concat(pipes.free, pipes.freeBig)
	pipes.free, pipes.freeBig = nil, nil
	pipes.Unlock()
	for _, p := range list {
		p.discard()
	}
}

// talk sends b in random pieces with random stalls, ends its direction, and reads
// all that comes, at a random pace.
func talk(rng *rand.Rand, conn *net.TCPConn, b []byte) ([]byte, error) {
	pace := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
	got := make(chan []byte, 1)
	var failed error
	go func() {
		var all []byte
		piece := make([]byte, 1+pace.IntN(1<<17))
		for {
			n, err := conn.Read(piece)
			all = append(all, piece[:n]...)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					failed = err
				}
				got <- all
				return
			}
			if pace.IntN(8) == 0 {
				time.Sleep(time.Duration(pace.IntN(2000)) * time.Microsecond)
			}
		}
	}()
	for len(b) > 0 {
		n := min(len(b), 1+rng.IntN(1<<(1+rng.IntN(18))))
		if _, err := conn.Write(b[:n]); err != nil {
			return nil, err
		}
		b = b[n:]
		if rng.IntN(8) == 0 {
			time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
		}
	}
	if err := conn.CloseWrite(); err != nil {
		return nil, err
	}
	return <-got, failed
}

func random(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// What goes in comes out, in both directions, however it is cut and whenever they
// end, with early bytes and without; and nothing of it is left.
func TestSpliceCarries(t *testing.T) {
	discardPipes()
	before := descriptors(t)
	var all sync.WaitGroup
	for i := range 24 {
		rng := rand.New(rand.NewPCG(7, uint64(i)))
		client, ours := pair(t)
		theirs, server := pair(t)
		up, down := random(rng, rng.IntN(1<<21)), random(rng, rng.IntN(1<<21))
		var early []byte
		if i%2 == 0 {
			early = random(rng, rng.IntN(3*chunkLen))
		}
		s := New(Config{})
		k := &session{srv: s}
		k.settled.Store(true)
		tu := &tunnel{session: k, client: legOf(t, ours, early), server: legOf(t, theirs, nil)}
		all.Go(func() {
			var both sync.WaitGroup
			both.Go(func() { tu.pump(inspect.ClientToServer, tu.client, tu.server) })
			both.Go(func() { tu.pump(inspect.ServerToClient, tu.server, tu.client) })
			both.Wait()
			_, _ = ours.Close(), theirs.Close() // as who pumps does
			if c := s.Counts(); c.BytesToServer != uint64(len(up)+len(early)) || c.BytesToClient != uint64(len(down)) || c.Spliced != 1 {
				t.Errorf("%d: counts %+v, want %d and %d", i, c, len(up)+len(early), len(down))
			}
			for d := range k.blocked {
				if k.blocked[d].Load() != 0 {
					t.Errorf("%d: still waiting in direction %d", i, d)
				}
			}
		})
		seed, other := rand.New(rand.NewPCG(1, uint64(i))), rand.New(rand.NewPCG(2, uint64(i)))
		all.Go(func() {
			if got, err := talk(seed, client, up); err != nil || !bytes.Equal(got, down) {
				t.Errorf("%d: the client got %d of %d bytes, %v", i, len(got), len(down), err)
			}
		})
		all.Go(func() {
			if got, err := talk(other, server, down); err != nil || !bytes.Equal(got, append(early, up...)) {
				t.Errorf("%d: the server got %d of %d bytes, %v", i, len(got), len(early)+len(up), err)
			}
		})
		t.Cleanup(func() {
			for _, c := range []*net.TCPConn{client, ours, theirs, server} {
				_ = c.Close()
			}
		})
	}
	all.Wait()
	if n := freePipes(t); n == 0 || n > maxPipes {
		t.Errorf("%d pipes are kept", n)
	}
	discardPipes()
	if after := descriptors(t); after > before+4*24 {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// A tunnel that ends while it waits gives its pipe back once, and one that ends
// while something is in its pipe does not give it back.
func TestSpliceEndsEarly(t *testing.T) {
	discardPipes()
	t.Run("waiting", func(t *testing.T) {
		for range 3 {
			_, ours := pair(t)
			theirs, _ := pair(t)
			done := make(chan error, 1)
			src, dst := legOf(t, ours, nil), legOf(t, theirs, nil)
			go func() { done <- splice(dst, src, func(int) {}, func() {}) }()
			until(t, "a pipe", func() bool { return freePipes(t) > 0 })
			_ = ours.Close()
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Errorf("ended by %v", err)
			}
			if n := freePipes(t); n != 1 {
				t.Errorf("%d pipes are kept", n)
			}
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		_, ours := pair(t)
		theirs, _ := pair(t)
		_ = ours.SetReadDeadline(past)
		if err := splice(legOf(t, theirs, nil), legOf(t, ours, nil), func(int) {}, func() {}); !isPast(err) {
			t.Errorf("ended by %v", err)
		}
		if n := freePipes(t); n != 1 {
			t.Errorf("%d pipes are kept", n)
		}
	})
	t.Run("with bytes left", func(t *testing.T) {
		before := descriptors(t)
		client, ours := pair(t)
		theirs, _ := pair(t)
		var blocked atomic.Int64
		done := make(chan error, 1)
		src, dst := legOf(t, ours, nil), legOf(t, theirs, nil)
		go func() { done <- splice(dst, src, func(n int) { blocked.Add(int64(n)) }, func() {}) }()
		go func() { _, _ = io.Copy(client, zeros{}) }()
		last := int64(-1)
		until(t, "the buffers to fill", func() bool {
			time.Sleep(100 * time.Millisecond)
			was := last
			last = blocked.Load()
			return last > 0 && last == was
		})
		_ = theirs.Close()
		if err := <-done; err == nil {
			t.Error("no error")
		}
		if n := freePipes(t); n != 0 {
			t.Errorf("%d pipes are kept, with what is not theirs", n)
		}
		_ = client.Close()
		_ = ours.Close()
		if after := descriptors(t); after > before+1 {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
}

// Without descriptors for pipes a tunnel goes on.
func TestSpliceWithoutPipes(t *testing.T) {
	discardPipes()
	client, ours := pair(t)
	theirs, server := pair(t)
	src, dst := legOf(t, ours, nil), legOf(t, theirs, nil)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := limit
	few.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) }()
	var n int
	done := make(chan error, 1)
	go func() {
		done <- splice(dst, src, func(m int) { n += m }, func() {})
		_ = theirs.CloseWrite()
	}()
	want := bytes.Repeat([]byte("sstp"), 1<<16)
	go func() {
		_, _ = client.Write(want)
		_ = client.CloseWrite()
	}()
	got, err := io.ReadAll(server)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d of %d bytes, %v", len(got), len(want), err)
	}
	if err := <-done; !isEnd(err) || n != len(want) {
		t.Errorf("ended by %v after %d bytes", err, n)
	}
	if n := freePipes(t); n != 0 {
		t.Errorf("%d pipes were made", n)
	}
}

// More pipes than are kept are closed.
func TestPipesAreBounded(t *testing.T) {
	discardPipes()
	before := descriptors(t)
	var list []pipe
	for range maxPipes + 3 {
		p, err := getPipe()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	for _, p := range list {
		p.free()
	}
	if n := freePipes(t); n != maxPipes {
		t.Errorf("%d pipes are kept", n)
	}
	discardPipes()
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// An idle tunnel that was handed over holds no descriptor but its sockets', and
// its event says who carries it.
func TestHandover(t *testing.T) {
	l := run(t, logging, nil)
	conn := connect(t, l, echo(t))
	for range 3 {
		if _, err := io.WriteString(conn, noTLS); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, len(noTLS))); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.Close()
	if e := l.told(t); !e.Proxy.Spliced || e.BytesToServer < uint64(3*len(noTLS)) || l.Counts().Spliced != 1 {
		t.Errorf("event %+v, %s", e.Proxy, fmt.Sprint(l.Counts()))
	}
	if e := l.told(t); e.Proxy.End != event.EndClient {
		t.Errorf("ended by %s", e.Proxy.End)
	}
}
