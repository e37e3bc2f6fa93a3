package interop

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
	"sstpwarden/pcaps/sstpref/profile"
)

// A path is a server, and how its clients' packets come to it.
type path struct {
	name string
	vpn  labtest.VPN
	// way makes the way what it is; nil for links as they are made.
	way func(*lab) (check func())
	// dial are flags of the client.
	dial []string
}

var paths = []path{
	{name: "softether_1.3", vpn: labtest.VPN{Profile: "softether", TLS: "1.3", Host: netlab.Server4, Port: "443"}},
	{name: "softether_1.2", vpn: labtest.VPN{Profile: "softether", TLS: "1.2", Host: netlab.Server4, Port: "4443"}},
	{name: "rras_1.3", vpn: labtest.VPN{Profile: "rras", TLS: "1.3", Host: netlab.Server4, Port: "8443"}},
	{name: "rras_1.2", vpn: labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server6, Port: "443"}},
	{name: "accel_1.3", vpn: labtest.VPN{Profile: "accel", TLS: "1.3", Host: netlab.Server6, Port: "992"}},
	{name: "mikrotik_1.2", vpn: labtest.VPN{Profile: "mikrotik", TLS: "1.2", Host: netlab.Server4, Port: "443"}},
	{name: "reference_1.3", vpn: labtest.VPN{Profile: "reference", TLS: "1.3", Host: netlab.Server6, Port: "443"}},
	{
		name: "hello_in_segments", vpn: labtest.VPN{Profile: "softether", TLS: "1.2", Host: netlab.Server6, Port: "8080"},
		dial: []string{"--fault", "fragment-hello=60"},
	},
	{
		name: "hello_in_records", vpn: labtest.VPN{Profile: "rras", TLS: "1.3", Host: netlab.Server4, Port: "443"},
		dial: []string{"--fault", "fragment-hello-records=60"},
	},
	{
		name: "mtu_576", vpn: labtest.VPN{Profile: "softether", TLS: "1.2", Host: netlab.Server4, Port: "443"},
		way: func(l *lab) func() { return l.mtu(576) },
	},
	{
		name: "mtu_1280", vpn: labtest.VPN{Profile: "accel", TLS: "1.2", Host: netlab.Server6, Port: "443"},
		way: func(l *lab) func() { return l.mtu(1280) },
	},
	{name: "loss", vpn: labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4, Port: "443"}, way: (*lab).lossy},
	{
		name: "reordering", vpn: labtest.VPN{Profile: "rras", TLS: "1.3", Host: netlab.Server6, Port: "443"}, way: (*lab).reordering,
		dial: []string{"--fault", "fragment-hello=60"},
	},
	{name: "no_gso", vpn: labtest.VPN{Profile: "softether", TLS: "1.3", Host: netlab.Server6, Port: "443"}, way: (*lab).noOffload},
}

// Under the default policies every client's connection ends before its user has
// authenticated, or what else is said of it by labtest.Reach, and no IP packet comes out
// of a tunnel.
func TestSSTPIsDropped(t *testing.T) {
	for _, p := range paths {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			web := l.plainWeb()
			check := func() {}
			if p.way != nil {
				check = p.way(l)
			}
			w := l.warden(l.Forgetful()...)
			v := l.vpn(p.vpn)
			var calls []labtest.Call
			var clients []string
			for _, client := range profile.ClientNames() {
				if v.Serves(client) {
					clients, calls = append(clients, client), append(calls, v.call(client, 1000, p.dial...))
				}
			}
			check()
			visits := v.visits()
			table := []string{"client\tTLS\tended in\tafter packets\tbytes\tms\tauthenticated\tdetection"}
			for i, client := range clients {
				table = append(table, v.checkDropped(w, client, calls[i], visits[calls[i].Port]))
			}
			var b strings.Builder
			tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
			fmt.Fprintln(tw, strings.Join(table, "\n"))
			_ = tw.Flush() // into memory
			t.Logf("where calls to %s end:\n%s", p.name, &b)
			if n := web.taken.Load(); n != 0 {
				t.Errorf("%d connections came through tunnels", n)
			}
		})
	}
}

// steps are those that a call may fail in, by how far it may come.
var steps = map[labtest.Reach][]string{
	labtest.BeforeLogin: {"http", "sstp", "lcp"},
	labtest.BeforeIP:    {"http", "sstp", "lcp", "authentication", "ipcp"},
	labtest.Unseen:      {"http", "sstp", "lcp", "authentication", "ipcp", "data", "check"},
}

// checkDropped checks one call, and gives its line of the table.
func (v *vpn) checkDropped(w *warden, client string, c labtest.Call, o visit) string {
	w.T.Helper()
	reach := v.Reach(client)
	if c.Status != 1 || !slices.Contains(steps[reach], c.Step) || c.Packets+o.packets > 0 || reach == labtest.BeforeLogin && o.authenticated {
		w.T.Errorf("%s: %+v; the server: %+v", client, c, o)
	}
	if reach == labtest.Unseen && c.Step == "check" {
		return fmt.Sprintf("%s\t%s\t%s\t\t\t\t%v\tnone told", client, c.TLS, c.Step, o.authenticated)
	}
	e := w.of(c.Port)
	if e.Decided() != "drop by sstp.suspected, enforced" || e.State != "closed" {
		w.T.Errorf("%s: %s; event %+v", client, e.Decided(), e)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%d+%d\t%d+%d\t%.1f\t%v\t%s %s %d", client, c.TLS, c.Step, e.PacketsToServer, e.PacketsToClient,
		e.BytesToServer, e.BytesToClient, e.Duration*1000, o.authenticated, e.Detection.Verdict, e.Detection.Kind, e.Detection.Score)
}

// What the policies let be works, is told of, and leaves the queue.
func TestSSTPIsLet(t *testing.T) {
	const page = 1 << 20
	for _, l := range []struct {
		name    string
		flags   func(*lab) []string
		decided string
	}{
		{"sanctioned", sanctioned, "log by sstp.sanctioned, enforced"},
		{"log_only", func(l *lab) []string { return l.LogOnly() }, "log by log_only.would_drop, enforced"},
		{"dry_run", func(*lab) []string { return []string{"--dry-run"} }, "drop by sstp.suspected"},
	} {
		for family, host := range map[string]string{"4": netlab.Server4, "6": netlab.Server6} {
			t.Run(l.name+"_ipv"+family, func(t *testing.T) {
				t.Parallel()
				lab := newLab(t)
				lab.plainWeb()
				w := lab.warden(append(lab.Forgetful(), l.flags(lab)...)...)
				v := lab.softether(host, "443")
				for _, client := range profile.ClientNames() {
					if !v.Serves(client) {
						continue
					}
					lab.checkLet(w, v, client, l.decided, page)
				}
				if settled, queued := w.Metric(`nfq_firewall_packets_total{rule="settled"}`), w.Metric(`nfq_firewall_packets_total{rule="queued"}`); settled < 2*queued {
					t.Errorf("%v packets of tunnels were queued and %v were not", queued, settled)
				}
				if n := w.Metric(`nfq_dropped_total{enforced="true"}`); n != 0 {
					t.Errorf("%v connections were dropped", n)
				}
			})
		}
	}
}

func (l *lab) checkLet(w *warden, v *vpn, client, decided string, page int) {
	l.T.Helper()
	let := w.Metric("nfq_settled_total")
	c := v.call(client, page, "--sni", labtest.WebName)
	if c.Status != 0 || !c.Checked || c.Packets < page/1500 {
		l.T.Errorf("%s: %+v", client, c)
		return
	}
	w.decided(c.Port, decided)
	if now := w.Metric("nfq_settled_total"); now < let+1 {
		l.T.Errorf("%s: the tunnel stayed in the queue", client)
	}
}

// sanctioned are flags that sanction the servers by address and name.
func sanctioned(l *lab) []string {
	return []string{"--data", l.File("sanctioned.yaml", fmt.Sprintf(`sanctioned:
  servers:
    - {name: %s, addresses: [%s, %s], note: a lab's}
`, labtest.WebName, netlab.Server4, netlab.Server6))}
}

// The name that is sanctioned alone is not enough, nor is the address where a name is
// asked for as well.
func TestSanctionNeedsBoth(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	w := l.warden(append(l.Forgetful(), sanctioned(l)...)...)
	for host, name := range map[string]string{netlab.Server4: "other.example", netlab.Server4b: labtest.WebName} {
		v := l.softether(host, "443")
		c := v.call("windows", 1000, "--sni", name)
		if c.Status != 1 || c.Checked {
			t.Errorf("%s by the name %s: %+v", v.Address(), name, c)
		}
		if e := w.of(c.Port); e.Decided() != "drop by sstp.suspected, enforced" {
			t.Errorf("%s by the name %s: %s", net.JoinHostPort(e.DestIP, "443"), name, e.Decided())
		}
	}
}
