package nft

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lose has a host lose packets of TCP that come in and match, until the result is called.
func (h *host) lose(match string) (stop func()) {
	h.t.Helper()
	h.nft("table inet lose { chain in { type filter hook input priority 0; meta l4proto tcp "+match+" drop; }; }", "-f", "-")
	return func() {
		h.t.Helper()
		h.nft("", "delete", "table", "inet", "lose")
	}
}

// When the proxy is about to stop, new connections go past it, and those that it has go on:
// for as long as they run, and to their last words.
func TestLetPast(t *testing.T) {
	nftTool(t)
	modes(t, func(t *testing.T, o ProxyOptions) {
		l := newLab(t)
		listener := l.router.proxy(o)
		in := l.router.setup(o)
		var running []*net.TCPConn
		for server, want := range map[string]string{
			server4: throughProxy(o.Mode, client4, outside4, server4, 443),
			server6: throughProxy(o.Mode, client6, outside6, server6, 443),
		} {
			conn, err := l.client.dial("", server, 443, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if got, err := line(conn); err != nil || got != want {
				t.Fatalf("got %q, %v", got, err)
			}
			running = append(running, conn)
		}
		if err := in.LetPast(t.Context()); err != nil {
			t.Fatal(err)
		}
		listener.Close()
		l.client.wantAnswer("", server4, 443, "server "+client4)
		l.client.wantAnswer("", server6, 443, "server "+client6)
		// What the kernel undoes behind a change of rules it does later, so once is not enough.
		for n := range 20 {
			for _, conn := range running {
				fmt.Fprintln(conn, n)
				if got, err := line(conn); err != nil || got != fmt.Sprint(n) {
					t.Fatalf("a running connection got %q, %v", got, err)
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		if counters, err := in.Counters(); err != nil || counters[CountPast].Packets != 2 || counters[CountProxied].Packets != 2 {
			t.Errorf("counters: %v, %v", counters, err)
		}
		for _, conn := range running {
			conn.CloseWrite()
			if b, err := io.ReadAll(conn); err != nil || len(b) > 0 {
				t.Errorf("the end of a running connection is %q, %v", b, err)
			}
		}
		if err := in.Linger(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		l.client.wantAnswer("", server4, 443, "server "+client4)
	})
}

// LetPast waits for a connection whose handshake is under way.
func TestLetPastWaits(t *testing.T) {
	nftTool(t)
	modes(t, func(t *testing.T, o ProxyOptions) {
		l := newLab(t)
		control := Control(nil)
		if o.Mode == TPROXY {
			control = TransparentListenControl(DefaultMark)
		}
		listener := l.router.listen(o.Port, control)
		in := l.router.setup(o)
		found := l.client.lose("tcp flags & (syn | ack) == syn | ack")
		dialled := make(chan error, 1)
		go func() {
			conn, err := l.client.dial("", server4, 443, nil)
			if err == nil {
				conn.Close()
			}
			dialled <- err
		}()
		l.wantSockets(in, statesOpening, 1)
		past := make(chan error, 1)
		go func() { past <- in.LetPast(t.Context()) }()
		found()
		if err := <-past; err != nil {
			t.Fatal(err)
		}
		raw, err := listener.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			var conn int
			if conn, _, err = unix.Accept4(int(fd), unix.SOCK_NONBLOCK); err == nil {
				unix.Close(conn)
			}
		})
		if err != nil {
			t.Errorf("the connection has not come: %v", err)
		}
		if err := <-dialled; err != nil {
			t.Error(err)
		}
	})
}

// wantSockets waits until there are so many of the proxy's in these states.
func (l *lab) wantSockets(in *Installed, states uint32, want int) {
	l.t.Helper()
	eventually(l.t, func() bool {
		got, err := in.diag.count(states)
		if err != nil {
			l.t.Fatal(err)
		}
		return got.sockets == want
	})
}

// Linger keeps the table until what was written last has arrived, unless that is hopeless
// or takes too long.
func TestLinger(t *testing.T) {
	nftTool(t)
	modes(t, func(t *testing.T, o ProxyOptions) {
		l := newLab(t)
		control := Control(nil)
		if o.Mode == TPROXY {
			control = TransparentListenControl(DefaultMark)
		}
		listener := l.router.listen(o.Port, control)
		in := l.router.setup(o)
		client, err := l.client.dial("", server4, 443, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		conn, err := listener.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		client.CloseWrite()
		if b, err := io.ReadAll(conn); err != nil || len(b) > 0 {
			t.Fatalf("the proxy got %q, %v", b, err)
		}
		found := l.client.lose("tcp sport 443")
		io.WriteString(conn, "last words")
		conn.Close()
		l.wantSockets(in, statesClosing, 1)

		hopeless, cancel := context.WithCancel(t.Context())
		cancel()
		if err := in.Linger(hopeless); err != nil {
			t.Error(err)
		}
		if err := in.LetPast(t.Context()); err != nil {
			t.Error(err)
		}
		closed := make(chan error, 1)
		go func() {
			if err := in.Linger(t.Context()); err != nil {
				t.Error(err)
			}
			closed <- in.Close()
		}()
		found()
		if b, err := io.ReadAll(client); err != nil || string(b) != "last words" {
			t.Errorf("the client got %q, %v", b, err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// A client that is gone holds nobody up for long.
func TestLingerGivesUp(t *testing.T) {
	nftTool(t)
	l := newLab(t)
	o := ProxyOptions{Mode: Redirect, Port: proxyPort, FailOpen: true}
	listener := l.router.listen(o.Port, nil)
	in := l.router.setup(o)
	client, err := l.client.dial("", server4, 443, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := listener.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer l.client.lose("tcp sport 443")()
	conn.Close()
	if err := in.Linger(t.Context()); err != nil {
		t.Error(err)
	}
	l.wantSockets(in, statesClosing, 1)
}
