package interop

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// A relay is between an SSTP client and the router, or the router and the server, and
// says how its side of the connection that is cut ended.
type relay struct {
	cut chan time.Time // when a reset came
	err chan error     // what came instead
}

// pipe copies both ways, and takes note of how far ends.
func (r *relay) pipe(near, far net.Conn) {
	go func() {
		_, _ = copyAll(far, near) // ends with the other direction
	}()
	_, err := copyAll(near, far)
	at := time.Now()
	_ = near.Close()
	_ = far.Close() // before anybody uses its port again
	if errors.Is(err, syscall.ECONNRESET) {
		r.cut <- at
	} else {
		r.err <- err
	}
}

func copyAll(to, from net.Conn) (n int64, err error) {
	b := make([]byte, 1<<16)
	for {
		got, err := from.Read(b)
		if got > 0 {
			if _, err := to.Write(b[:got]); err != nil {
				return n, err
			}
			n += int64(got)
		}
		if err != nil {
			return n, err
		}
	}
}

// relayTo accepts one connection on a host and carries it on to an address, from there.
// Far says that the far side is the one that is cut.
func (l *lab) relayTo(h *netlab.Host, at, to string, far bool, d net.Dialer) *relay {
	l.T.Helper()
	ln, err := h.Listen(l.T.Context(), at, net.ListenConfig{})
	if err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(func() { _ = ln.Close() })
	r := &relay{cut: make(chan time.Time, 1), err: make(chan error, 1)}
	go func() {
		near, err := ln.Accept()
		_ = ln.Close() // one is enough
		if err != nil {
			return
		}
		there, err := h.Dial(l.T.Context(), to, d)
		switch {
		case err != nil:
			r.err <- err
		case far:
			r.pipe(near, there)
		default:
			r.pipe(there, near)
		}
	}()
	return r
}

// at waits for the reset.
func (r *relay) at(t *testing.T, who string) time.Time {
	t.Helper()
	select {
	case at := <-r.cut:
		return at
	case err := <-r.err:
		t.Errorf("the %s sees %v and no reset", who, err)
	case <-time.After(labtest.Patience):
		t.Errorf("the %s sees no reset in %v", who, labtest.Patience)
	}
	return time.Time{}
}

// Both ends of a connection that is dropped see a reset, whoever sent the packet that it
// was dropped for.
func TestResetReachesBothEnds(t *testing.T) {
	for _, f := range []struct{ name, client, server string }{
		{"ipv4", "127.0.0.1", netlab.Server4},
		{"ipv6", "::1", netlab.Server6},
	} {
		for _, client := range []string{"windows", "sstpc", "mikrotik"} {
			t.Run(f.name+"_"+client, func(t *testing.T) {
				t.Parallel()
				l := newLab(t)
				w := l.warden(l.Forgetful()...)
				v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: f.client, Port: "4443"})
				near := l.relayTo(l.Client, net.JoinHostPort(f.client, "4443"), net.JoinHostPort(f.server, "443"), true, net.Dialer{})
				there := l.relayTo(l.Server, net.JoinHostPort(f.server, "443"), net.JoinHostPort(f.client, "4443"), false, net.Dialer{})
				c := v.call(client, 1000)
				if c.Status != 1 || c.Checked {
					t.Errorf("the call: %+v", c)
				}
				first, second := near.at(t, "client"), there.at(t, "server")
				e := w.Events()
				if len(e) != 1 || e[0].Decided() != "drop by sstp.suspected, enforced" {
					t.Fatalf("events: %+v", e)
				}
				last := e[0].Timestamp.Add(time.Duration(e[0].Duration * float64(time.Second)))
				t.Logf("the client sees a reset %.1f ms after the packet that it was cut for, the server %.1f ms",
					first.Sub(last).Seconds()*1000, second.Sub(last).Seconds()*1000)
			})
		}
	}
}
