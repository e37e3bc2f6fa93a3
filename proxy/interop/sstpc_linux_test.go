package interop

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// A real sstp-client says in its CONNECT what it is. It is told 403, and the server
// sees no connection at all.
func TestSSTPC(t *testing.T) {
	t.Parallel()
	for _, target := range []string{netlab.Server4, netlab.Server4 + ":9443", labtest.VPNName, "[" + netlab.Server6 + "]:443"} {
		t.Run(strings.ReplaceAll(target, ":", "."), func(t *testing.T) {
			l := newLab(t, "sstpc")
			warden := l.warden(explicit()...)
			var came []net.Listener
			for _, port := range []string{":443", ":9443"} {
				came = append(came, l.Listen(l.Server, port))
			}
			stdout, stderr, err := l.Try(l.Client, "sstpc", "--nolaunchpppd", "--log-level", "4", "--log-stderr", "--cert-warn",
				"--user", "alice", "--password", "secret", "--proxy", "http://"+proxy4, target)
			if labtest.Status(err) == 0 {
				t.Error("sstpc is content")
			}
			e := warden.closed(0)
			if e.Connect == nil || e.Connect.Status != 403 || e.Decision.Action != "drop" || !e.Decision.Enforced || e.Detection.Verdict != "confirmed" {
				t.Errorf("event %+v\n%s%s", e, stdout, stderr)
			}
			for _, ln := range came {
				_ = ln.(*net.TCPListener).SetDeadline(past)
				if conn, err := ln.Accept(); err == nil {
					t.Errorf("the server got a connection from %s", conn.RemoteAddr())
				}
			}
		})
	}
}

// Where it does not know of the proxy it is recognised by its records.
func TestSSTPCTransparent(t *testing.T) {
	t.Parallel()
	for _, w := range sstpWays[:2] {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := newSSTPLab(newLab(t, "sstpc"), w)
			for _, v := range []*vpn{s.vpn(vpns[0]), s.vpn(vpns[3])} {
				told := s.warden.Told()
				var p *labtest.Process
				// Now and then its event loop ends by itself, with any server.
				s.Eventually("sstpc says something", func() bool {
					p = s.sstpc(direct(v))
					s.Eventually("it has come to an end", func() bool { return p.Ended() || s.warden.Told() > told })
					return s.warden.Told() > told
				})
				e := s.warden.closed(told)
				if e.Decision.Action != "drop" || !e.Decision.Enforced || e.Proxy.End != "dropped" || e.Detection.Client != "sstpc" {
					t.Errorf("%s: event %+v, decision %+v\n%s", v, e, e.Decision, labtest.Tail(p.Text()))
				}
				p.Signal(syscall.SIGTERM)
			}
		})
	}
}

// sstpc starts it without PPP, which would come from its standard input.
func (l *lab) sstpc(server string) *labtest.Process {
	l.T.Helper()
	const quiet = `[ -p "$0" ] || mkfifo "$0"; exec "$@" 0<>"$0"`
	return l.Start(l.Client, "sstpc", "sh", "-c", quiet, filepath.Join(l.Dir, "ppp"), "sstpc", "--nolaunchpppd", "--log-level", "4", "--log-stderr",
		"--cert-warn", "--user", "alice", "--password", "secret", server)
}
