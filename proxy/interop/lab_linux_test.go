package interop

import (
	"net"
	"testing"

	"sstpwarden/pcaps/netlab/labtest"
)

// A lab is one whose router has `sstpwarden proxy`.
type lab struct{ *labtest.Lab }

// newLab makes a lab, for which these programs must be there.
func newLab(t *testing.T, programs ...string) *lab {
	t.Helper()
	return &lab{labtest.New(t, programs...)}
}

// dial connects from the client.
func (l *lab) dial(address string) (*net.TCPConn, error) { return l.Dial(address, net.Dialer{}) }

// connect is dial for what must succeed. The connection's reads and writes end in
// time.
func (l *lab) connect(address string) *net.TCPConn {
	l.T.Helper()
	return l.Connect(address, net.Dialer{})
}
