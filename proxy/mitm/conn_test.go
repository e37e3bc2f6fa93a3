package mitm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tcpPair is a connection's two ends.
func tcpPair(t *testing.T) (accepted, dialled *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there := dialRaw(t, l.Addr().String())
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close() })
	here.SetDeadline(time.Now().Add(20 * time.Second))
	return here.(*net.TCPConn), there.(*net.TCPConn)
}

// opened shakes hands over a pair, both ends ours.
func opened(t *testing.T, server, client net.Conn, version uint16) (*Conn, *Conn) {
	t.Helper()
	leaf := chain(goodChain()...)
	config := ServerConfig(&leaf, "")
	config.MaxVersion = version
	var here *Conn
	var failed error
	var shaking sync.WaitGroup
	shaking.Go(func() { here, failed = Accept(context.Background(), server, config) })
	there, _, err := Handshake(t.Context(), client, UpstreamOptions{ServerName: host, Roots: pool(testPKI().root.cert)})
	shaking.Wait()
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	return here, there
}

func openedTCP(t *testing.T, version uint16) (*Conn, *Conn) {
	t.Helper()
	server, client := tcpPair(t)
	return opened(t, server, client, version)
}

// noise is bytes of which no two stretches are alike.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// TestConnCarries has both directions carry much at the same time, written and read
// in pieces of all sizes.
func TestConnCarries(t *testing.T) {
	data := noise(3 << 20)
	pipe := func(t *testing.T) (*Conn, *Conn) {
		server, client := net.Pipe()
		t.Cleanup(func() { server.Close(); client.Close() })
		return opened(t, server, client, tls.VersionTLS13)
	}
	for name, open := range map[string]func(t *testing.T) (*Conn, *Conn){
		"TLS 1.2":   func(t *testing.T) (*Conn, *Conn) { return openedTCP(t, tls.VersionTLS12) },
		"TLS 1.3":   func(t *testing.T) (*Conn, *Conn) { return openedTCP(t, tls.VersionTLS13) },
		"no socket": pipe,
	} {
		t.Run(name, func(t *testing.T) {
			here, there := open(t)
			var all sync.WaitGroup
			for _, way := range []struct{ from, to *Conn }{{here, there}, {there, here}} {
				all.Go(func() {
					left := data
					for i := 0; len(left) > 0; i++ {
						n := min([]int{1, recordLen, recordLen + 1, 100_000, 3*recordLen - 1, 600_000, 8 * recordLen}[i%7], len(left))
						if wrote, err := way.from.Write(left[:n]); wrote != n || err != nil {
							t.Errorf("wrote %d of %d: %v", wrote, n, err)
							return
						}
						left = left[n:]
					}
					if err := way.from.CloseWrite(); err != nil {
						t.Error(err)
					}
				})
				all.Go(func() {
					var got []byte
					for i := 0; ; i++ {
						b := make([]byte, []int{128 << 10, 7, 64 << 10, recordLen, 2 * recordLen, 1 << 20}[i%6])
						n, err := way.to.Read(b)
						got = append(got, b[:n]...)
						if errors.Is(err, io.EOF) {
							break
						}
						if err != nil || n == 0 {
							t.Errorf("read %d: %v", n, err)
							return
						}
					}
					if !bytes.Equal(got, data) {
						t.Errorf("%d bytes arrived, which differ from the %d that were sent", len(got), len(data))
					}
					if n, err := way.to.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
						t.Errorf("behind the end: %d, %v", n, err)
					}
				})
			}
			all.Wait()
		})
	}
}

// TestConnReadsAll has one read take all records that have come, and not wait for more.
func TestConnReadsAll(t *testing.T) {
	here, there := openedTCP(t, tls.VersionTLS13)
	data := noise(400 << 10)
	if _, err := here.Write(data[:256<<10]); err != nil { // beyond the small records of the beginning
		t.Fatal(err)
	}
	b := make([]byte, len(data))
	if _, err := io.ReadFull(there, b[:256<<10]); err != nil {
		t.Fatal(err)
	}
	// All of it is in the socket before the first read begins.
	if _, err := here.Write(data[:8*recordLen]); err != nil {
		t.Fatal(err)
	}
	if err := waitReadable(there, 8*(recordLen+22)); err != nil {
		t.Fatal(err)
	}
	if n, err := there.Read(b); n != 8*recordLen || err != nil || !bytes.Equal(b[:n], data[:n]) {
		t.Errorf("read %d of %d at once: %v", n, 8*recordLen, err)
	}
}

// waitReadable waits until a connection's socket has so many bytes to read.
func waitReadable(c *Conn, n int) error {
	b := make([]byte, n)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		var got int
		var failed error
		err := c.wire.raw.Read(func(fd uintptr) bool {
			got, _, failed = syscall.Recvfrom(int(fd), b, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			return true
		})
		if err != nil || got >= n {
			return err
		}
		if failed != nil && failed != syscall.EAGAIN {
			return failed
		}
	}
	return errors.New("it has fewer")
}

// TestConnEarly has what was read before come first.
func TestConnEarly(t *testing.T) {
	server, client := tcpPair(t)
	data := noise(1 << 20)
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		leaf := chain(goodChain()...)
		first := make([]byte, 100)
		if _, err := io.ReadFull(server, first); err != nil {
			t.Error(err)
			return
		}
		conn, err := Accept(context.Background(), Replay(server, first), ServerConfig(&leaf, ""))
		if err != nil {
			t.Error(err)
			return
		}
		conn.Write(data)
		conn.CloseWrite()
	})
	conn, _, err := Handshake(t.Context(), client, UpstreamOptions{ServerName: host})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(conn); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// readAll reads to the end, as much at once as there is.
func readAll(c net.Conn) ([]byte, error) {
	var all bytes.Buffer
	_, err := io.CopyBuffer(struct{ io.Writer }{&all}, struct{ io.Reader }{c}, make([]byte, 128<<10))
	return all.Bytes(), err
}

// TestConnReadDeadline interrupts reading, with records and parts of one still to
// come, and goes on.
func TestConnReadDeadline(t *testing.T) {
	server, client := tcpPair(t)
	slow := &slowWriter{Conn: server}
	here, there := opened(t, slow, client, tls.VersionTLS13)
	data := noise(300 << 10)
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		slow.slow.Store(true)
		if _, err := here.Write(data); err != nil {
			t.Error(err)
		}
	})
	var got []byte
	late := 0
	b := make([]byte, 128<<10)
	for len(got) < len(data) {
		there.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, err := there.Read(b)
		got = append(got, b[:n]...)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			late++
		case err != nil:
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, data) {
		t.Error("what came is not what was sent")
	}
	there.SetReadDeadline(time.Unix(1, 0))
	if n, err := there.Read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %d, %v", n, err)
	}
	t.Logf("interrupted %d times", late)
}

// TestConnWriteDeadline has a write end that nobody takes.
func TestConnWriteDeadline(t *testing.T) {
	here, _ := openedTCP(t, tls.VersionTLS13)
	here.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := here.Write(make([]byte, 64<<20))
	var op *net.OpError
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || op.Op != "write" || n >= 64<<20 {
		t.Errorf("wrote %d: %v", n, err)
	}
}

// TestConnClose has closing end a write and a read that wait.
func TestConnClose(t *testing.T) {
	for name, wait := range map[string]func(c *Conn) error{
		"read":  func(c *Conn) error { _, err := c.Read(make([]byte, 128<<10)); return err },
		"write": func(c *Conn) error { _, err := c.Write(make([]byte, 64<<20)); return err },
	} {
		here, _ := openedTCP(t, tls.VersionTLS13)
		done := make(chan error, 1)
		go func() { done <- wait(here) }()
		time.Sleep(10 * time.Millisecond)
		here.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConnReset tells whose end was reset, as package net does.
func TestConnReset(t *testing.T) {
	here, there := openedTCP(t, tls.VersionTLS13)
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := here.Write(make([]byte, 64<<20))
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "write" || op.Addr == nil || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write: %v", err)
		}
	})
	io.ReadFull(there, make([]byte, 1<<20))
	tcp := there.NetConn().(*wire).NetConn().(*net.TCPConn)
	tcp.SetLinger(0)
	tcp.Close()
	wg.Wait()
	if _, err := here.Read(make([]byte, 128<<10)); err == nil {
		t.Error("read from a connection that was reset")
	}
}

// TestConnHalfClosed answers behind the end of what was asked.
func TestConnHalfClosed(t *testing.T) {
	here, there := openedTCP(t, tls.VersionTLS13)
	data := noise(500_000)
	var wg sync.WaitGroup
	wg.Go(func() {
		asked, err := readAll(here)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(here, "%d bytes", len(asked))
		here.Close()
	})
	there.Write(data)
	there.CloseWrite()
	if got, err := io.ReadAll(there); err != nil || string(got) != "500000 bytes" {
		t.Errorf("%q, %v", got, err)
	}
	wg.Wait()
}
