package interop

import (
	"net"
	"regexp"
	"testing"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// The kernel's bans are shown and taken back by the command.
func TestBansCommand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.plainWeb()
	w := l.warden(banning(l)...)
	bans := func(args ...string) string {
		t.Helper()
		return l.Run(l.Router, append([]string{labtest.Sstpwarden, "bans", "--admin", "unix:" + w.Admin}, args...)...)
	}
	if got := bans(); got != "nobody is banned\n" {
		t.Errorf("at first %q", got)
	}
	v4 := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4, Port: "4443"})
	v6 := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server6, Port: "4444"})
	for _, v := range []*vpn{v4, v6} {
		if c := v.call("windows", 1000); c.Status != 1 || c.Step != "sstp" {
			t.Fatalf("a call: %+v", c)
		}
	}
	l.Eventually("bans are made", func() bool { return w.Metric(`nfq_bans_total{result="made"}`) == 2 })
	list := bans("list")
	for _, v := range []struct{ client, server string }{{netlab.Client4, v4.Address()}, {netlab.Client6, v6.Address()}} {
		if !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(v.client)+` +`+regexp.QuoteMeta(v.server)+` +(10m0s|9m\d+s)$`).MatchString(list) || !l.refused(v.client, v.server) {
			t.Errorf("%s is not banned from %s:\n%s", v.client, v.server, list)
		}
	}
	for _, x := range []struct {
		addr, want string
	}{
		{net.JoinHostPort(netlab.Server4, "4444"), "bans removed: 0\n"},
		{net.JoinHostPort(netlab.Server6, "4444"), "bans removed: 1\n"},
		{netlab.Client4, "bans removed: 1\n"},
	} {
		if got := bans("clear", x.addr); got != x.want {
			t.Errorf("clear %s: %q, want %q", x.addr, got, x.want)
		}
	}
	if l.refused(netlab.Client4, v4.Address()) || l.refused(netlab.Client6, v6.Address()) {
		t.Errorf("what was taken back is refused:\n%s", bans())
	}
}
