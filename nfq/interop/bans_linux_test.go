package interop

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// banning are flags by which who is dropped is banned.
func banning(l *lab) []string {
	return append(l.Forgetful(), "--data", l.File("ban.yaml", "enforcement: {reset: true, ban: 10m}\n"))
}

// A ban as GET /bans lists it.
type ban struct {
	Client, Server string
	Left           float64 `json:"seconds_left"`
}

func (w *warden) bans() []ban {
	w.T.Helper()
	status, text := w.Ask(http.MethodGet, "/bans")
	var list []ban
	if err := json.Unmarshal([]byte(text), &list); err != nil || status != http.StatusOK {
		w.T.Fatalf("GET /bans: %d, %v, %s", status, err, text)
	}
	return list
}

// refused says how a connection attempt of a client's address ends.
func (l *lab) refused(from, to string) bool {
	l.T.Helper()
	conn, err := l.dial(from, to, net.Dialer{})
	if err == nil {
		_ = conn.Close()
	} else if !errors.Is(err, syscall.ECONNREFUSED) {
		l.T.Errorf("connecting from %s to %s: %v", from, to, err)
	}
	return err != nil
}

// Who was dropped is refused next time, until the ban is taken back, and so is after a
// restart of the program where the table outlived it.
func TestBans(t *testing.T) {
	for _, f := range []struct{ name, client, other, server string }{
		{"ipv4", netlab.Client4, netlab.Client4b, netlab.Server4},
		{"ipv6", netlab.Client6, netlab.Client6b, netlab.Server6},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.web()
			args := append(banning(l), "--fail", "closed", "--keep")
			w := l.warden(args...)
			v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: f.server, Port: "4443"})
			if c := v.call("windows", 1000); c.Status != 1 || c.Step != "sstp" {
				t.Fatalf("the first call: %+v", c)
			}
			l.Eventually("a ban is made", func() bool { return w.Metric(`nfq_bans_total{result="made"}`) == 1 })
			check := func(when string, banned bool) {
				t.Helper()
				list := w.bans()
				if want := map[bool]int{true: 1}[banned]; len(list) != want ||
					banned && (list[0].Client != f.client || list[0].Server != v.Address() || list[0].Left < 500 || list[0].Left > 600) {
					t.Errorf("%s there are the bans %+v", when, list)
				}
				for _, x := range []struct {
					from, to string
					want     bool
				}{
					{f.client, v.Address(), banned},
					{f.client, net.JoinHostPort(f.server, "443"), false},
					{f.other, v.Address(), false},
				} {
					if got := l.refused(x.from, x.to); got != x.want {
						t.Errorf("%s it is %v that %s is refused to come to %s", when, got, x.from, x.to)
					}
				}
			}
			check("dropped,", true)
			if c := v.call("windows", 1000); c.Status != 1 || c.Step != "tcp" || !strings.Contains(c.Words, "refused") {
				t.Errorf("the second call: %+v", c)
			}
			if n := w.Metric(`nfq_firewall_packets_total{rule="banned"}`); n < 2 {
				t.Errorf("%v packets met the ban", n)
			}
			w.Stop()
			w = l.warden(args...)
			check("started again,", true)
			w.Kill()
			w = l.warden(args...)
			check("started after a kill,", true)
			for _, x := range []struct{ query, want string }{
				{"client=192.0.2.1", `{"removed":0}`},
				{"client=nobody", "no address"},
				{"client=" + f.client + "&server=" + f.server, `{"removed":1}`},
				{"client=" + f.client, `{"removed":0}`},
			} {
				if _, text := w.Ask(http.MethodDelete, "/bans?"+x.query); !strings.Contains(text, x.want) {
					t.Errorf("DELETE /bans?%s: %s", x.query, text)
				}
			}
			check("taken back,", false)
			w.Stop()
		})
	}
}

// In a dry run nobody is dropped or banned, and all is told.
func TestDryRun(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.plainWeb()
	w := l.warden(append(banning(l), "--dry-run")...)
	v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4, Port: "443"})
	for range 2 {
		c := v.call("windows", 1000)
		if c.Status != 0 || !c.Checked {
			t.Errorf("a call: %+v", c)
		}
		e := w.decided(c.Port, "drop by sstp.suspected")
		if !e.Decision.DryRun || e.Decision.Ban != "10m0s" {
			t.Errorf("the decision is %+v", e.Decision)
		}
	}
	for name, want := range map[string]float64{
		`nfq_dropped_total{enforced="false"}`: 2, `nfq_dropped_total{enforced="true"}`: 0, "nfq_bans_total": 0,
		`nfq_packets_total{verdict="block"}`: 0, `nfq_packets_total{verdict="drop"}`: 0,
	} {
		if got := w.Metric(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if list := w.bans(); len(list) != 0 {
		t.Errorf("bans: %+v", list)
	}
}

// In a dry run the firewall stops nothing by itself either: connections that were up
// before, packets for which there is no room, those who were banned, or anybody once the
// program is gone.
func TestDryRunOfFirewall(t *testing.T) {
	t.Run("midstream", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		accepted := l.accept(":7")
		conns := []open{
			l.open(netlab.Client4, net.JoinHostPort(netlab.Server4, "7"), accepted),
			l.open(netlab.Client6, net.JoinHostPort(netlab.Server6, "7"), accepted),
		}
		begin := time.Now()
		w := l.warden("--dry-run", "--midstream", "cut")
		for _, o := range conns {
			if err := o.talk(); err != nil {
				t.Errorf("a connection comes to %v", err)
			}
		}
		w.checkCause("midstream", float64(len(conns)), begin)
		for _, o := range conns {
			port := o.client.LocalAddr().(*net.TCPAddr).Port
			if e := w.decided(port, "drop by nfq.midstream"); !e.Decision.DryRun {
				t.Errorf("the decision is %+v", e.Decision)
			}
		}
	})
	t.Run("bans", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.plainWeb()
		v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4, Port: "443"})
		w := l.warden(append(banning(l), "--keep")...)
		v.call("windows", 1000)
		l.Eventually("a ban is made", func() bool { return len(w.bans()) == 1 })
		w.Stop()
		w = l.warden(append(banning(l), "--dry-run")...)
		if c := v.call("windows", 1000); !c.Checked {
			t.Errorf("a call: %+v", c)
		}
		if list := w.bans(); len(list) != 1 {
			t.Errorf("bans that were there: %+v", list)
		}
	})
	t.Run("fail closed", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, "nft")
		l.web()
		config := l.File("config.yaml", "nfq:\n  queues: {count: 1, buffer: 64KiB}\n  exceptions: {overflow: cut}\n")
		w := l.warden("--dry-run", "--fail", "closed", "--config", config, "--simulate", "overflow")
		w.checkLines(1, "level=WARN", "dry run")
		arrived := l.countStrangers()
		const packets = 600
		l.flood(packets, 0, nil)
		l.Eventually("all are judged", func() bool { return w.Metric("nfq_queue_waiting") == 0 })
		if n := arrived(); n != packets {
			t.Errorf("%d of %d packets arrived", n, packets)
		}
		w.Kill()
		l.checkTable("killed,", false)
		l.checkPasses("killed,", true)
	})
}
