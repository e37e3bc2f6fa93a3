package interop

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

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

func direct(v *vpn) string { return net.JoinHostPort(v.host, v.port) }

// tells says whether the client says in its CONNECT that it is SSTP.
func (w sstpWay) tells(client string) bool {
	return w.more != nil && client != "mikrotik" && client != "mihomo"
}

// late are clients that may not be recognised at all, or late: they write what opens
// a tunnel at once, so that there are no records of messages.
var late = []string{"mihomo"}

// Under the default policies no IP packet comes out of a tunnel: the connection
// ends while SSTP is negotiated, before the client has authenticated. A client that
// says what it is comes nowhere near the server.
func TestSSTPIsDropped(t *testing.T) {
	t.Parallel()
	for _, w := range sstpWays {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := newSSTPLab(t, w)
			for _, v := range s.vpns(vpns...) {
				for _, client := range profile.ClientNames() {
					if v.serves(client) {
						s.dropped(v, client)
					}
				}
			}
			t.Logf("where calls end:\n%s", s.drawn())
			if n := s.web.connections(); n > s.missed {
				t.Errorf("%d connections came through tunnels, of which %d were not recognised in time", n, s.missed)
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
	missed int            // calls of late clients that authenticated
	roots  *x509.CertPool // of clients, where TLS is opened
}

func tableHead() []string {
	return []string{"client\tserver\tTLS\tended in\tauthenticated\tIP packets\tverdict\tscore"}
}

func newSSTPLab(t *testing.T, w sstpWay, flags ...string) *sstpLab {
	t.Helper()
	s := &sstpLab{lab: newLab(t), sstpWay: w, table: tableHead()}
	s.web = s.plainWeb()
	s.warden = s.lab.warden(slices.Concat(w.flags, s.forgetful(), flags)...)
	return s
}

// memory is what the rules say of remembering servers.
var memory = regexp.MustCompile(`(?m)^  memory:\n(    .*\n)+`)

// forgetful has the proxy judge each connection by itself, whatever others to the same
// server were.
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

// drawn is the table of all calls.
func (s *sstpLab) drawn() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(s.table, "\n"))
	_ = w.Flush()
	return b.String()
}

// called dials and gives the outcome, and the event.
func (s *sstpLab) called(v *vpn, client string) (outcome, entry) {
	s.t.Helper()
	told := s.warden.told()
	o := v.call(client, s.to(v), s.more...)
	var e entry
	if o.checked && slices.Contains(late, client) { // there may be an event or not, and none may be left for the next call
		s.eventually("the tunnel has ended", func() bool { return s.warden.metric("tunnels") == 0 })
		e.Detection.Verdict = "none told"
		for _, told := range s.warden.eventsSince(told) {
			if told.State == "closed" {
				e = told
			}
		}
	} else {
		e = s.warden.closed(told)
	}
	s.table = append(s.table, fmt.Sprintf("%s\t%s\t%s\t%s\t%v\t%d\t%s %s\t%d", client, v, o.tls, o.step, o.authenticated, o.packets,
		e.Detection.Verdict, e.Detection.Kind, e.Detection.Score))
	return o, e
}

// dropped calls, and checks that it does not come to a tunnel.
func (s *sstpLab) dropped(v *vpn, client string) {
	s.t.Helper()
	what := fmt.Sprintf("%s to %s", client, v)
	o, e := s.called(v, client)
	d := e.Decision
	if slices.Contains(late, client) && (o.checked || o.authenticated) {
		s.missed++
		return
	}
	if d == nil || d.Action != "drop" || !d.Enforced || e.Proxy.End != "dropped" {
		s.t.Errorf("%s: event %+v, decision %+v", what, e, d)
	}
	switch {
	case s.tells(client):
		if o.step != "proxy" || !strings.Contains(o.words, "403") || o.reached || e.Connect == nil || e.Connect.Status != 403 || e.Detection.Verdict != "confirmed" {
			s.t.Errorf("%s: %+v, event %+v", what, o, e)
		}
	case !slices.Contains([]string{"http", "sstp", "lcp"}, o.step) || o.authenticated || o.packets != 0:
		s.t.Errorf("%s: ended at %q: %+v", what, o.step, o)
	}
}

// What the policy lets be works, and is told of.
func TestSSTPIsLet(t *testing.T) {
	t.Parallel()
	for _, l := range []struct {
		name  string
		flags func(*testing.T) []string
		ok    func(entry) bool
	}{
		{"sanctioned", func(t *testing.T) []string { return []string{"--data", sanctioned(t, vpns[0].host, vpns[1].host)} }, func(e entry) bool {
			return e.Decision.Action == "log" && e.Decision.Rule == "sstp.sanctioned"
		}},
		{"log_only", logOnly, func(e entry) bool {
			return e.Decision.Action == "log" && e.Decision.Rule == "log_only.would_drop"
		}},
		{"dry_run", func(*testing.T) []string { return []string{"--dry-run"} }, func(e entry) bool {
			return e.Decision.Action == "drop" && !e.Decision.Enforced && e.Decision.DryRun
		}},
	} {
		for _, w := range sstpWays[1:] {
			t.Run(l.name+"/"+w.name, func(t *testing.T) {
				t.Parallel()
				need(t)
				s := newSSTPLab(t, w, l.flags(t)...)
				for _, v := range s.vpns(vpns[:2]...) {
					for _, client := range profile.ClientNames() {
						if !v.serves(client) {
							continue
						}
						o, e := s.called(v, client)
						if o.checked && slices.Contains(late, client) {
							continue
						}
						if o.status != 0 || !o.checked || o.packets == 0 || e.Decision == nil || !l.ok(e) || !e.Proxy.Spliced {
							t.Errorf("%s to %s: %+v, event %+v, decision %+v", client, v, o, e, e.Decision)
						}
					}
				}
			})
		}
	}
}

// logOnly are flags for that worked example of a policy.
func logOnly(t *testing.T) []string {
	t.Helper()
	set := filepath.Join(t.TempDir(), "log-only")
	if out, err := exec.CommandContext(t.Context(), sstpwarden, "policy", "init", "--example", "log-only", set).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return []string{"--policy", set}
}

// sanctioned is a file of data that sanctions these servers.
func sanctioned(t *testing.T, hosts ...string) string {
	t.Helper()
	text := "sanctioned:\n  servers:\n"
	for _, h := range hosts {
		text += fmt.Sprintf("    - {addresses: [%s], note: a lab's}\n", h)
	}
	path := filepath.Join(t.TempDir(), "sanctioned.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
