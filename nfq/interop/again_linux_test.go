package interop

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// Who was reset and comes again from the same port is refused, until the kernel has
// forgotten the connection. Other ports are not concerned.
func TestSamePortAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if err := l.Router.Sysctl("netfilter/nf_conntrack_tcp_timeout_close", "2"); err != nil {
		t.Fatal(err)
	}
	w := l.warden(l.Forgetful()...)
	for _, f := range []struct {
		client, server, near string
		port                 int // none that the kernel gives to others
	}{
		{netlab.Client4, netlab.Server4, "127.0.0.1", 20_004},
		{netlab.Client6, netlab.Server6, "::1", 20_006},
	} {
		v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: f.server, Port: "443"})
		again := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(f.client), Port: f.port}}
		via := net.JoinHostPort(f.near, "4443")
		near := l.relayTo(l.Client, via, v.Address(), true, again)
		v.callFrom(l.Client, via, "windows", 1000)
		near.at(t, "client")
		w.of(f.port)
		if l.refused(f.client, v.Address()) {
			t.Error("another port is refused")
		}
		l.Eventually("the port can be used again", func() bool {
			conn, err := l.Client.Dial(t.Context(), v.Address(), again)
			// In use it is until the relay has closed what was reset.
			if err != nil && !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatal(err)
			}
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
	}
}
