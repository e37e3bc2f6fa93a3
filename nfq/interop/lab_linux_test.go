package interop

import (
	"net"
	"testing"

	"sstpwarden/pcaps/netlab/labtest"
)

// A lab is one whose router has `sstpwarden nfq`.
type lab struct{ *labtest.Lab }

// newLab makes a lab, for which these programs must be there.
func newLab(t *testing.T, programs ...string) *lab {
	t.Helper()
	return &lab{labtest.New(t, programs...)}
}

// dial connects from an address of the client.
func (l *lab) dial(from, to string, d net.Dialer) (*net.TCPConn, error) {
	d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	return l.Dial(to, d)
}

// connect is dial for what must succeed. The connection's reads and writes end in time.
func (l *lab) connect(from, to string) *net.TCPConn {
	l.T.Helper()
	return l.Connect(to, net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}})
}

// accept gives each connection that comes, and closes it when the test is over.
func (l *lab) accept(address string) <-chan *net.TCPConn {
	ln := l.Listen(l.Server, address)
	conns := make(chan *net.TCPConn, 64)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			l.T.Cleanup(func() { _ = conn.Close() })
			conns <- conn.(*net.TCPConn)
		}
	}()
	return conns
}
