package nft

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// at is the host whose hook a connection from client to server first comes through.
func (l *lab) at(h HookName) *host {
	return map[HookName]*host{HookForward: l.router, HookInput: l.server, HookOutput: l.client}[h]
}

// everywhere runs a test with the inspector on the router, on the server's and on the
// client's host, for IPv4 and IPv6. All hooks are installed, as by default.
func everywhere(t *testing.T, test func(t *testing.T, l *lab, inspector *host, server string)) {
	for _, where := range HookNames() {
		for _, server := range []string{server4, server6} {
			family := "IPv4"
			if strings.Contains(server, ":") {
				family = "IPv6"
			}
			t.Run(fmt.Sprintf("%s/%s", where, family), func(t *testing.T) {
				l := newLab(t)
				test(t, l, l.at(where), server)
			})
		}
	}
}

// Of a settled connection few packets are queued, however much it carries.
func TestSettledLeavesQueue(t *testing.T) {
	everywhere(t, func(t *testing.T, l *lab, inspector *host, server string) {
		o := InspectOptions{}
		r := inspector.read(o, func(p packet) decision {
			if p.payload > 0 && p.fromClient() {
				return settle
			}
			return pass
		})
		in := inspector.inspect(o)
		c, err := l.client.dial("", server, 443, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := line(c); err != nil {
			t.Fatal(err)
		}
		const size = 4 << 20
		go func() {
			c.Write(make([]byte, size))
			c.CloseWrite()
		}()
		if n, err := io.Copy(io.Discard, c); n != size || err != nil {
			t.Errorf("%d bytes came back, %v; want %d", n, err, size)
		}
		// The handshake, the server's line, its acknowledgement, the first data; what
		// was sent before that came back is queued too.
		if n := len(r.seen()); n < 4 || n > 40 {
			t.Errorf("%d packets were queued: %+v", n, r.seen())
		}
		t.Logf("%d packets were queued", len(r.seen()))
		got := counters(t, in)
		if got[CountNew].Packets != 1 || got[CountDecidedSettled].Packets == 0 || got[CountSettled].Packets < 10 || got[CountMidstream].Packets != 0 {
			t.Errorf("counters: %v", got)
		}
	})
}

// ends makes a connection and returns both ends of it.
func (l *lab) ends(server string, port uint16) (client, far *net.TCPConn) {
	l.t.Helper()
	ln := l.server.listen(port, nil)
	accepted := make(chan *net.TCPConn, 1)
	go func() {
		if c, err := ln.AcceptTCP(); err == nil {
			c.SetDeadline(time.Now().Add(patience))
			accepted <- c
		}
	}()
	client, err := l.client.dial("", server, port, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { client.Close() })
	select {
	case far = <-accepted:
		l.t.Cleanup(func() { far.Close() })
	case <-time.After(patience):
		l.t.Fatal("the connection was not accepted")
	}
	return client, far
}

func addrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// wantReset waits until a connection ends by a reset.
func wantReset(t *testing.T, who string, c *net.TCPConn) {
	t.Helper()
	start := time.Now()
	_, err := io.Copy(io.Discard, c)
	if !wasReset(err) {
		t.Errorf("%s: %v; want a reset", who, err)
	}
	t.Logf("%s learnt of it after %v", who, time.Since(start).Round(time.Millisecond))
}

// wantResetOnWrite is wantReset for who has to send something. That may have happened: an
// acknowledgement that was due is something, too, and then the reset is the answer to the
// write, and told once.
func wantResetOnWrite(t *testing.T, who string, c *net.TCPConn) {
	t.Helper()
	if _, err := io.WriteString(c, "hello\n"); !wasReset(err) {
		wantReset(t, who, c)
	}
}

// eventually waits for something that is going to happen.
func eventually(t *testing.T, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
	}
}
