package interop

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// On a host that is no router, tunnels from it, to it and within it are dropped, where the
// hooks and flags say so.
func TestHost(t *testing.T) {
	ways := []struct {
		name string
		from func(*lab) *netlab.Host
		on   func(*lab) *netlab.Host
		at   string
		drop string // the flags, of those below, that have it dropped
	}{
		{"out", router, server, netlab.Server4, "all host"},
		{"out6", router, server, netlab.Server6, "all host"},
		{"in", client, router, netlab.Inside4, "all host"},
		{"in6", client, router, netlab.Inside6, "all host"},
		{"within", router, router, "127.0.0.1", "only with the flag"},
		{"within6", router, router, "::1", "only with the flag"},
		{"through", client, server, netlab.Server4, "all forward"},
	}
	for name, flags := range map[string][]string{
		"all": nil, "host": {"--hook", "input,output"}, "forward": {"--hook", "forward"}, "loopback": {"--loopback"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.plainWeb()
			w := l.warden(append(l.Forgetful(), flags...)...)
			for i, way := range ways {
				v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: way.at, Port: strconv.Itoa(4443 + i), On: way.on(l)})
				v.inside = netlab.Server4
				drop := name == "loopback" || strings.Contains(way.drop, name)
				c := v.callFrom(way.from(l), v.Address(), "windows", 1000)
				if c.Checked == drop || drop && c.Status != 1 {
					t.Errorf("%s: %+v", way.name, c)
				}
				visits := v.visits()
				if !drop {
					continue
				}
				w.decided(c.Port, "drop by sstp.suspected, enforced")
				for _, o := range visits {
					if o.authenticated || o.packets > 0 {
						t.Errorf("%s: the server: %+v", way.name, o)
					}
				}
			}
			if err := l.once(netlab.Client4, "http://"+net.JoinHostPort(netlab.Server4, "80")+"/100000"); err != nil {
				t.Error(err)
			}
		})
	}
}

func client(l *lab) *netlab.Host { return l.Client }
func router(l *lab) *netlab.Host { return l.Router }
func server(l *lab) *netlab.Host { return l.Server }

// One hook alone sees one direction of this machine's own connections, which it says.
func TestOneHook(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for hooks, warns := range map[string]int{"input": 1, "output": 1, "forward,output": 1, "forward": 0, "input,output": 0} {
		w := l.launch("sstpwarden-"+strings.ReplaceAll(hooks, ",", "-"), "--hook", hooks)
		w.Ready()
		w.Stop() // with all of its log written
		if n := w.lines("level=WARN", "one direction"); n != warns {
			t.Errorf("--hook %s: %d warnings", hooks, n)
		}
	}
}
