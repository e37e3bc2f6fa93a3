package interop

import (
	"net"
	"regexp"
	"testing"

	"sstpwarden/pcaps/netlab"
)

// The kernel's bans are shown and taken back by the command.
func TestBansCommand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.plainWeb()
	w := l.warden(banning(l)...)
	bans := func(args ...string) string {
		t.Helper()
		return l.run(l.Router, append([]string{sstpwarden, "bans", "--admin", "unix:" + w.admin}, args...)...)
	}
	if got := bans(); got != "nobody is banned\n" {
		t.Errorf("at first %q", got)
	}
	v4 := l.vpn(vpn{profile: "rras", tls: "1.2", host: netlab.Server4, port: "4443"})
	v6 := l.vpn(vpn{profile: "rras", tls: "1.2", host: netlab.Server6, port: "4444"})
	for _, v := range []*vpn{v4, v6} {
		if c := v.call("windows", 1000); c.status != 1 || c.step != "sstp" {
			t.Fatalf("a call: %+v", c)
		}
	}
	l.eventually("bans are made", func() bool { return w.metric(`nfq_bans_total{result="made"}`) == 2 })
	list := bans("list")
	for _, v := range []struct{ client, server string }{{netlab.Client4, v4.address()}, {netlab.Client6, v6.address()}} {
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
	if l.refused(netlab.Client4, v4.address()) || l.refused(netlab.Client6, v6.address()) {
		t.Errorf("what was taken back is refused:\n%s", bans())
	}
}
