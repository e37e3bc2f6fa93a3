package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"sstpwarden/policies/event"
)

// A heldListener does not accept before it may, as on a machine that is busy.
type heldListener struct {
	*net.TCPListener
	may chan struct{}
}

// Accept implements net.Listener.
func (h *heldListener) Accept() (net.Conn, error) {
	<-h.may
	return h.TCPListener.Accept()
}

// Connections that the kernel has accepted when the proxy is told to stop are served,
// and no later ones.
func TestStopTakesWaiting(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &heldListener{ln.(*net.TCPListener), make(chan struct{})}
	l := run(t, dropping, nil, Listener{h, event.ModeExplicit})
	server := echo(t)
	var waiting []net.Conn
	for range 20 {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		waiting = append(waiting, conn)
	}
	l.stop()
	close(h.may)
	for i, conn := range waiting {
		if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", server); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	for i, conn := range waiting {
		resp, r := ask(t, conn, "hello")
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%d: answered %s", i, resp.Status)
		}
		b := make([]byte, len("hello"))
		if _, err := io.ReadFull(r, b); err != nil || string(b) != "hello" {
			t.Errorf("%d: got %q, %v", i, b, err)
		}
	}
	refused := func() bool {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	for deadline := time.Now().Add(10 * time.Second); !refused(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it takes new connections")
		}
	}
}

// A listener that others have, too, is left to them when they take what waits.
func TestStopSharesListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	other, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	took := make(chan error, 1)
	h := &thief{TCPListener: ln.(*net.TCPListener), other: other, took: took, woken: make(chan struct{}, 1)}
	l := run(t, dropping, nil, Listener{h, event.ModeExplicit})
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	l.stop()
	if err := <-took; err != nil {
		t.Error(err)
	}
}

// A thief takes what waits in the moment in which it is to be accepted.
type thief struct {
	*net.TCPListener
	other net.Listener
	took  chan error
	woken chan struct{} // by the first deadline
	n     int
}

// SetDeadline is that of *net.TCPListener.
func (h *thief) SetDeadline(t time.Time) error {
	err := h.TCPListener.SetDeadline(t)
	select {
	case h.woken <- struct{}{}:
	default:
	}
	return err
}

// Accept implements net.Listener.
func (h *thief) Accept() (net.Conn, error) {
	switch h.n++; h.n {
	case 1:
		<-h.woken
	case 2:
		conn, err := h.other.Accept()
		if err == nil {
			_ = conn.Close()
		}
		h.took <- err
	}
	return h.TCPListener.Accept()
}
