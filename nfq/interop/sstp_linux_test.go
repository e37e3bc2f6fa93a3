package interop

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/sstpref/profile"
)

// A path is a server, and how its clients' packets come to it.
type path struct {
	name string
	vpn  vpn
	// way makes the way what it is; nil for links as they are made.
	way func(*lab) (check func())
	// dial are flags of the client.
	dial []string
	// late are clients that may authenticate before they are recognised, or are never
	// recognised: they write what opens a tunnel in one piece, so that there are no
	// records of messages, and this server answers likewise if it is quick.
	late []string
}

var paths = []path{
	{name: "softether_1.3", vpn: vpn{profile: "softether", tls: "1.3", host: netlab.Server4, port: "443"}, late: []string{"mihomo"}},
	{name: "softether_1.2", vpn: vpn{profile: "softether", tls: "1.2", host: netlab.Server4, port: "4443"}, late: []string{"mihomo"}},
	{name: "rras_1.3", vpn: vpn{profile: "rras", tls: "1.3", host: netlab.Server4, port: "8443"}},
	{name: "rras_1.2", vpn: vpn{profile: "rras", tls: "1.2", host: netlab.Server6, port: "443"}},
	{name: "accel_1.3", vpn: vpn{profile: "accel", tls: "1.3", host: netlab.Server6, port: "992"}},
	{name: "mikrotik_1.2", vpn: vpn{profile: "mikrotik", tls: "1.2", host: netlab.Server4, port: "443"}},
	{name: "reference_1.3", vpn: vpn{profile: "reference", tls: "1.3", host: netlab.Server6, port: "443"}},
	{
		name: "hello_in_segments", vpn: vpn{profile: "softether", tls: "1.2", host: netlab.Server6, port: "8080"},
		dial: []string{"--fault", "fragment-hello=60"}, late: []string{"mihomo"},
	},
	{
		name: "hello_in_records", vpn: vpn{profile: "rras", tls: "1.3", host: netlab.Server4, port: "443"},
		dial: []string{"--fault", "fragment-hello-records=60"},
	},
	{
		name: "mtu_576", vpn: vpn{profile: "softether", tls: "1.2", host: netlab.Server4, port: "443"},
		way: func(l *lab) func() { return l.mtu(576) }, late: []string{"mihomo"},
	},
	{
		name: "mtu_1280", vpn: vpn{profile: "accel", tls: "1.2", host: netlab.Server6, port: "443"},
		way: func(l *lab) func() { return l.mtu(1280) },
	},
	{name: "loss", vpn: vpn{profile: "rras", tls: "1.2", host: netlab.Server4, port: "443"}, way: (*lab).lossy},
	{
		name: "reordering", vpn: vpn{profile: "rras", tls: "1.3", host: netlab.Server6, port: "443"}, way: (*lab).reordering,
		dial: []string{"--fault", "fragment-hello=60"},
	},
	{name: "no_gso", vpn: vpn{profile: "softether", tls: "1.3", host: netlab.Server6, port: "443"}, way: (*lab).noOffload, late: []string{"mihomo"}},
}

// Under the default policies every client's connection ends before its user has
// authenticated, and no IP packet comes out of a tunnel.
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
			w := l.warden(l.forgetful()...)
			v := l.vpn(p.vpn)
			var calls []call
			var clients []string
			for _, client := range profile.ClientNames() {
				if v.serves(client) {
					clients, calls = append(clients, client), append(calls, v.call(client, 1000, p.dial...))
				}
			}
			check()
			visits := v.visits()
			table := []string{"client\tTLS\tended in\tafter packets\tbytes\tms\tauthenticated\tIP packets\tdetection"}
			for i, client := range clients {
				table = append(table, p.checkDropped(w, client, calls[i], visits))
			}
			var b strings.Builder
			tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
			fmt.Fprintln(tw, strings.Join(table, "\n"))
			_ = tw.Flush() // into memory
			t.Logf("where calls to %s end:\n%s", p.name, &b)
			if n := web.taken.Load(); n != 0 && p.late == nil {
				t.Errorf("%d connections came through tunnels", n)
			}
		})
	}
}

// checkDropped checks one call, and gives its line of the table.
func (p *path) checkDropped(w *warden, client string, c call, visits map[int]visit) string {
	w.t.Helper()
	o := visits[c.port]
	early := !c.checked && !o.authenticated && c.packets+o.packets == 0
	if slices.Contains(p.late, client) && !early {
		if c.checked {
			return fmt.Sprintf("%s\t%s\t-\t\t\t\t%v\t%d\t", client, c.tls, o.authenticated, c.packets+o.packets)
		}
	} else if !early || c.status != 1 || !slices.Contains([]string{"http", "sstp", "lcp"}, c.step) {
		w.t.Errorf("%s: %+v; the server: %+v", client, c, o)
		if c.checked {
			return client
		}
	}
	e := w.of(c.port)
	if e.decided() != "drop by sstp.suspected, enforced" || e.State != "closed" {
		w.t.Errorf("%s: %s; event %+v", client, e.decided(), e)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%d+%d\t%d+%d\t%.1f\t%v\t%d\t%s %s %d", client, c.tls, c.step, e.Packets1, e.Packets2, e.Bytes1, e.Bytes2,
		e.Duration*1000, o.authenticated, c.packets+o.packets, e.Detection.Verdict, e.Detection.Kind, e.Detection.Score)
}

// memory is what the rules say of remembering servers.
var memory = regexp.MustCompile(`(?m)^  memory:\n(    .*\n)+`)

// forgetful has each connection judged by itself, whatever others to the same server
// were.
func (l *lab) forgetful() []string {
	l.t.Helper()
	b, err := os.ReadFile("../../rules/sstp.yaml")
	if err != nil {
		l.t.Fatal(err)
	}
	text := memory.ReplaceAllString(string(b), "")
	if text == string(b) {
		l.t.Fatal("the rules say nothing of memory")
	}
	return []string{"--rules", l.file("rules.yaml", text)}
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
		{"log_only", logOnly, "log by log_only.would_drop, enforced"},
		{"dry_run", func(*lab) []string { return []string{"--dry-run"} }, "drop by sstp.suspected"},
	} {
		for family, host := range map[string]string{"4": netlab.Server4, "6": netlab.Server6} {
			t.Run(l.name+"_ipv"+family, func(t *testing.T) {
				t.Parallel()
				lab := newLab(t)
				lab.plainWeb()
				w := lab.warden(append(lab.forgetful(), l.flags(lab)...)...)
				v := lab.softether(host, "443")
				for _, client := range profile.ClientNames() {
					if !v.serves(client) {
						continue
					}
					lab.checkLet(w, v, client, l.decided, page)
				}
				if settled, queued := w.metric(`nfq_firewall_packets_total{rule="settled"}`), w.metric(`nfq_firewall_packets_total{rule="queued"}`); settled < 2*queued {
					t.Errorf("%v packets of tunnels were queued and %v were not", queued, settled)
				}
				if n := w.metric(`nfq_dropped_total{enforced="true"}`); n != 0 {
					t.Errorf("%v connections were dropped", n)
				}
			})
		}
	}
}

func (l *lab) checkLet(w *warden, v *vpn, client, decided string, page int) {
	l.t.Helper()
	let := w.metric("nfq_settled_total")
	c := v.call(client, page, "--sni", webName)
	if c.status != 0 || !c.checked || c.packets < page/1500 {
		l.t.Errorf("%s: %+v", client, c)
		return
	}
	if client != "mihomo" { // it is not recognised with this server
		w.decided(c.port, decided)
	}
	if now := w.metric("nfq_settled_total"); now < let+1 {
		l.t.Errorf("%s: the tunnel stayed in the queue", client)
	}
}

// sanctioned are flags that sanction the servers by address and name.
func sanctioned(l *lab) []string {
	return []string{"--data", l.file("sanctioned.yaml", fmt.Sprintf(`sanctioned:
  servers:
    - {name: %s, addresses: [%s, %s], note: a lab's}
`, webName, netlab.Server4, netlab.Server6))}
}

// logOnly are flags for that worked example of a policy.
func logOnly(l *lab) []string {
	set := l.dir + "/log-only"
	l.run(l.Router, sstpwarden, "policy", "init", "--example", "log-only", set)
	return []string{"--policy", set}
}

// The name that is sanctioned alone is not enough, nor is the address where a name is
// asked for as well.
func TestSanctionNeedsBoth(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	w := l.warden(append(l.forgetful(), sanctioned(l)...)...)
	for host, name := range map[string]string{netlab.Server4: "other.example", netlab.Server4b: webName} {
		v := l.softether(host, "443")
		c := v.call("windows", 1000, "--sni", name)
		if c.status != 1 || c.checked {
			t.Errorf("%s by the name %s: %+v", v.address(), name, c)
		}
		if e := w.of(c.port); e.decided() != "drop by sstp.suspected, enforced" {
			t.Errorf("%s by the name %s: %s", net.JoinHostPort(e.DestIP, "443"), name, e.decided())
		}
	}
}
