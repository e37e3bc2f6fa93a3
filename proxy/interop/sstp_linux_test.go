package interop

import (
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"sstpwarden/pcaps/netlab/labtest"
	"sstpwarden/pcaps/sstpref/profile"
)

// A sstpWay is how a client of SSTP comes to the proxy.
type sstpWay struct {
	name  string
	flags []string
	// to and more say how sstplab dials the server.
	to   func(*vpn) string
	more []string
}

var sstpWays = []sstpWay{
	{"redirect", transparent("redirect"), direct, nil},
	{"tproxy", transparent("tproxy"), direct, nil},
	{"explicit", explicit(), (*vpn).relayed, nil},
	{"explicit_header", explicit(), direct, []string{"--proxy", "http://" + proxy4}},
}

func direct(v *vpn) string { return net.JoinHostPort(v.Host, v.Port) }

// tells says whether the client says in its CONNECT that it is SSTP.
func (w sstpWay) tells(client string) bool {
	return w.more != nil && client != "mikrotik" && client != "mihomo"
}

// Under the default policies no IP packet comes out of a tunnel: the connection ends
// while SSTP is negotiated, before the client has authenticated, or what else is said of it
// by labtest.Reach. A client that says what it is comes nowhere near the server.
func TestSSTPIsDropped(t *testing.T) {
	t.Parallel()
	for _, w := range sstpWays {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := newSSTPLab(newLab(t), w)
			for _, v := range s.vpns(vpns...) {
				for _, client := range profile.ClientNames() {
					if v.Serves(client) {
						s.dropped(v, client)
					}
				}
			}
			t.Logf("where calls end:\n%s", s.drawn())
			if n := s.web.connections(); n != 0 {
				t.Errorf("%d connections came through tunnels", n)
			}
		})
	}
}

// An sstpLab has a proxy that clients of SSTP go through.
type sstpLab struct {
	*lab
	sstpWay
	warden *warden
	web    *web // that tunnels lead to
	table  []string
	roots  *x509.CertPool // of clients, where TLS is opened
}

func tableHead() []string {
	return []string{"client\tserver\tTLS\tended in\tauthenticated\tIP packets\tverdict\tscore"}
}

func newSSTPLab(l *lab, w sstpWay, flags ...string) *sstpLab {
	l.T.Helper()
	s := &sstpLab{lab: l, sstpWay: w, table: tableHead()}
	s.web = s.plainWeb()
	s.warden = s.lab.warden(slices.Concat(w.flags, s.Forgetful(), flags)...)
	return s
}

// drawn is the table of all calls.
func (s *sstpLab) drawn() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(s.table, "\n"))
	_ = w.Flush()
	return b.String()
}

// called dials and gives the outcome, and the event.
func (s *sstpLab) called(v *vpn, client string) (outcome, labtest.Entry) {
	s.T.Helper()
	told := s.warden.Told()
	o := v.call(client, s.to(v), s.more...)
	var e labtest.Entry
	if v.Reach(client) == labtest.Unseen && o.Step == "check" { // and not recognised, so that there is no event
		s.Eventually("the tunnel has ended", func() bool { return s.warden.metric("tunnels") == 0 })
		e.Detection.Verdict = "none told"
	} else {
		e = s.warden.closed(told)
	}
	s.table = append(s.table, fmt.Sprintf("%s\t%s\t%s\t%s\t%v\t%d\t%s %s\t%d", client, v, o.TLS, o.Step, o.authenticated, o.packets,
		e.Detection.Verdict, e.Detection.Kind, e.Detection.Score))
	return o, e
}

// steps are those that a call may fail in, by how far it may come.
var steps = map[labtest.Reach][]string{
	labtest.BeforeLogin: {"http", "sstp", "lcp"},
	labtest.BeforeIP:    {"http", "sstp", "lcp", "authentication", "ipcp"},
	labtest.Unseen:      {"http", "sstp", "lcp", "authentication", "ipcp", "data", "check"},
}

// dropped calls, and checks that it does not come to a tunnel.
func (s *sstpLab) dropped(v *vpn, client string) {
	s.T.Helper()
	what := fmt.Sprintf("%s to %s", client, v)
	o, e := s.called(v, client)
	d, reach := e.Decision, v.Reach(client)
	if o.packets != 0 {
		s.T.Errorf("%s: %d IP packets came out of the tunnel", what, o.packets)
	}
	if reach == labtest.Unseen && o.Step == "check" {
		return
	}
	if d == nil || d.Action != "drop" || !d.Enforced || e.Proxy.End != "dropped" {
		s.T.Errorf("%s: event %+v, decision %+v", what, e, d)
	}
	switch {
	case s.tells(client):
		if o.Step != "proxy" || !strings.Contains(o.Words, "403") || o.reached || e.Connect == nil || e.Connect.Status != 403 || e.Detection.Verdict != "confirmed" {
			s.T.Errorf("%s: %+v, event %+v", what, o, e)
		}
	case !slices.Contains(steps[reach], o.Step) || reach == labtest.BeforeLogin && o.authenticated:
		s.T.Errorf("%s: ended at %q: %+v", what, o.Step, o)
	}
}

// What the policy lets be works, and is told of.
func TestSSTPIsLet(t *testing.T) {
	t.Parallel()
	for _, l := range []struct {
		name  string
		flags func(*lab) []string
		ok    func(labtest.Entry) bool
	}{
		{"sanctioned", func(l *lab) []string { return []string{"--data", l.sanctioned(vpns[0].Host, vpns[1].Host)} }, func(e labtest.Entry) bool {
			return e.Decision.Action == "log" && e.Decision.Rule == "sstp.sanctioned"
		}},
		{"log_only", func(l *lab) []string { return l.LogOnly() }, func(e labtest.Entry) bool {
			return e.Decision.Action == "log" && e.Decision.Rule == "log_only.would_drop"
		}},
		{"dry_run", func(*lab) []string { return []string{"--dry-run"} }, func(e labtest.Entry) bool {
			return e.Decision.Action == "drop" && !e.Decision.Enforced && e.Decision.DryRun
		}},
	} {
		for _, w := range sstpWays[1:] {
			t.Run(l.name+"/"+w.name, func(t *testing.T) {
				t.Parallel()
				lab := newLab(t)
				s := newSSTPLab(lab, w, l.flags(lab)...)
				for _, v := range s.vpns(vpns[:2]...) {
					for _, client := range profile.ClientNames() {
						if !v.Serves(client) {
							continue
						}
						o, e := s.called(v, client)
						if o.Status != 0 || !o.Checked || o.packets == 0 || e.Decision == nil || !l.ok(e) || !e.Proxy.Spliced {
							t.Errorf("%s to %s: %+v, event %+v, decision %+v", client, v, o, e, e.Decision)
						}
					}
				}
			})
		}
	}
}

// sanctioned is a file of data that sanctions these servers.
func (l *lab) sanctioned(hosts ...string) string {
	l.T.Helper()
	text := "sanctioned:\n  servers:\n"
	for _, h := range hosts {
		text += fmt.Sprintf("    - {addresses: [%s], note: a lab's}\n", h)
	}
	return l.File("sanctioned.yaml", text)
}
