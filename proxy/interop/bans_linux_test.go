package interop

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// Whoever tried a tunnel by way of a transparent proxy is refused next time, until the
// command takes the ban back.
func TestBansCommand(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"redirect", "tproxy"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.web()
			args := append(l.Forgetful(), "--data", l.File("ban.yaml", "enforcement: {ban: 10m}\n"))
			w := l.warden(transparent(mode, args...)...)
			bans := func(args ...string) string {
				t.Helper()
				return l.Run(l.Router, append([]string{labtest.Sstpwarden, "bans", "--admin", "unix:" + w.Admin}, args...)...)
			}
			refused := func() float64 { return w.metric(`refused_total{cause="ban"}`) }
			if got := bans(); got != "nobody is banned\n" {
				t.Errorf("at first %q", got)
			}
			v := l.vpns(labtest.VPN{Profile: "rras", TLS: "1.2", Host: "10.2.0.14", Port: "4443"})[0]
			if o := v.call("windows", direct(v)); o.Status != 1 || !o.reached || o.Checked {
				t.Fatalf("a call: %+v", o)
			}
			l.Eventually("a ban is made", func() bool { return strings.Contains(bans(), direct(v)) })
			if list := bans("list"); !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(netlab.Client4) + ` +` + regexp.QuoteMeta(direct(v)) + ` +(10m0s|9m\d+s)$`).MatchString(list) {
				t.Errorf("the bans are\n%s", list)
			}
			if o := v.call("windows", direct(v)); o.Status != 1 || o.reached || refused() != 1 {
				t.Errorf("%v were refused; a second call: %+v", refused(), o)
			}
			if got := bans("clear", net.JoinHostPort("10.2.0.14", "443")); got != "bans removed: 0\n" {
				t.Errorf("clearing another port: %q", got)
			}
			if got := bans("clear", netlab.Client4); got != "bans removed: 1\n" {
				t.Errorf("clearing: %q", got)
			}
			if o := v.call("windows", direct(v)); !o.reached || refused() != 1 {
				t.Errorf("%v were refused; a call without a ban: %+v", refused(), o)
			}
		})
	}
}

// A second proxy that sets up the firewall is refused, and so is --teardown, and the first
// comes to no harm. One that does not set up anything may run.
func TestSetupIsClaimed(t *testing.T) {
	t.Parallel()
	for _, fail := range []string{"open", "closed"} {
		t.Run(fail, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, "redirect", fail)
			w := s.warden(s.args...)
			before := s.firewall()
			want := fmt.Sprintf("table inet sstpwarden_proxy belongs to process %d (sstpwarden), which is running: stop that one first", w.Pid())
			for _, args := range [][]string{
				{"--transparent", ":3130", "--setup", "--fail", "closed"},
				{"--transparent", ":3130", "--setup", "--mode", "tproxy"},
				{"--teardown"},
			} {
				_, stderr, err := s.Try(s.Router, append([]string{labtest.Sstpwarden, "proxy"}, args...)...)
				if labtest.Status(err) != 1 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
					t.Errorf("%v: %v, %q", args, err, stderr)
				}
			}
			if now := s.firewall(); len(now.ours) != len(before.ours) || now.routing != before.routing {
				t.Errorf("now there are\n%s\n%s", now.ours, now.routing)
			}
			s.checkTaken("after others tried,", w)
			s.wardenOn(s.Router, "sstpwarden-explicit", explicit()...).Stop()
			s.checkTaken("after another ran,", w)
			w.Stop()
			s.checkClean("stopped,")
		})
	}
}
