package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// foreign is what others have in the firewall.
const foreign = `
table inet other {
	set known {
		type ipv4_addr
		elements = { 192.0.2.1, 192.0.2.2 }
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		ip saddr @known drop
		tcp dport 25 ct mark set ct mark or 0x00000001
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 2222 redirect to :22
	}
}
table ip6 mine {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 9999 drop
	}
}
`

// ourTable is the proxy's in what nft lists.
var ourTable = regexp.MustCompile(`(?ms)^table inet sstpwarden_proxy \{.*?^\}\n`)

// A firewall is what there is on the router.
type firewall struct{ others, ours, routing string }

func (l *lab) firewall() firewall {
	l.T.Helper()
	rules := l.Run(l.Router, "nft", "list", "ruleset")
	f := firewall{others: ourTable.ReplaceAllString(rules, ""), ours: ourTable.FindString(rules)}
	for _, family := range []string{"-4", "-6"} {
		f.routing += l.Run(l.Router, "ip", family, "rule")
		for line := range strings.Lines(l.Run(l.Router, "ip", family, "route", "show", "table", "all")) {
			if !strings.Contains(line, "proto kernel") { // those come when a link is up
				f.routing += line
			}
		}
	}
	return f
}

// A setup is a lab in which the firewall sends port 80 to the proxy.
type setup struct {
	*lab
	mode, fail string
	before     firewall
	args       []string
}

func newSetup(t *testing.T, mode, fail string) *setup {
	t.Helper()
	s := &setup{lab: newLab(t, "nft", "ip"), mode: mode, fail: fail}
	s.Run(s.Router, "nft", "-f", s.File("foreign.nft", foreign))
	s.Run(s.Router, "ip", "rule", "add", "fwmark", "0x1", "lookup", "77", "priority", "1000")
	s.Run(s.Router, "ip", "route", "add", "192.0.2.0/24", "via", netlab.Server4, "table", "77")
	s.web()
	s.before = s.firewall()
	s.args = transparent(mode, "--scope", "port=80", "--fail", fail, "--config", s.File("stop.yaml", "stop_timeout: 5s\n"))
	return s
}

// checkOthers checks that what others have is as it was.
func (s *setup) checkOthers(when string) firewall {
	s.T.Helper()
	now := s.firewall()
	if now.others != s.before.others {
		s.T.Errorf("%s other tables are\n%s\nand were\n%s", when, now.others, s.before.others)
	}
	return now
}

// checkClean checks that all is as it was before.
func (s *setup) checkClean(when string) {
	s.T.Helper()
	if now := s.checkOthers(when); now.ours != "" || now.routing != s.before.routing {
		s.T.Errorf("%s there are\n%s\n%s\nand the routing was\n%s", when, now.ours, now.routing, s.before.routing)
	}
}

// seen requests a page on a new connection, and gives who the server sees.
func (s *setup) seen(server string, limit time.Duration) (string, error) {
	client := &http.Client{Timeout: limit, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return s.Client.Dial(ctx, address, net.Dialer{Timeout: limit}) // ctx goes on when the request is given up
		},
	}}
	resp, err := client.Get("http://" + net.JoinHostPort(server, "80") + "/whoami")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var who seer
	err = json.NewDecoder(resp.Body).Decode(&who)
	host, _, _ := net.SplitHostPort(who.Remote)
	return host, err
}

// checkPast checks that connections go past the proxy, and those out of its scope
// always do.
func (s *setup) checkPast(when string, past bool) {
	s.T.Helper()
	limit := labtest.Patience
	if !past { // packets are dropped
		limit = 300 * time.Millisecond
	}
	for _, f := range families {
		from, err := s.seen(f.server, limit)
		if past && (err != nil || from != f.client) || !past && err == nil {
			s.T.Errorf("%s %s:80 sees %q, %v", when, f.server, from, err)
		}
		if conn, err := s.dial(net.JoinHostPort(f.server, "443")); err != nil {
			s.T.Errorf("%s, out of the scope: %v", when, err)
		} else {
			_ = conn.Close()
		}
	}
}

// checkTaken checks that connections come to the proxy.
func (s *setup) checkTaken(when string, w *warden) {
	s.T.Helper()
	before := w.metric(`connections_total{mode="transparent"}`)
	for _, f := range families {
		want := f.router
		if s.mode == "tproxy" {
			want = f.client
		}
		if from, err := s.seen(f.server, labtest.Patience); err != nil || from != want {
			s.T.Errorf("%s %s sees %q, %v", when, f.server, from, err)
		}
	}
	if n := w.metric(`connections_total{mode="transparent"}`) - before; n < 2 {
		s.T.Errorf("%s the proxy took %v connections of 2", when, n)
	}
}

// A proxy that is killed leaves nothing that black-holes beyond the fail mode, and
// nothing of others' is touched.
func TestSetup(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"redirect", "tproxy"} {
		for _, fail := range []string{"open", "closed"} {
			t.Run(mode+"_"+fail, func(t *testing.T) {
				t.Parallel()
				newSetup(t, mode, fail).lives()
			})
		}
	}
}

func (s *setup) lives() {
	t := s.T
	s.checkPast("before the proxy", true)
	w := s.warden(s.args...)
	s.checkOthers("with the proxy")
	s.checkTaken("at first", w)

	for round := range 3 {
		s.kill(w, fmt.Sprintf("killed for the %d. time,", round+1))
		w = s.warden(s.args...)
		s.checkTaken("started again", w)
		s.checkOthers("started again")
	}

	w.Stop()
	s.checkClean("stopped")
	s.checkPast("stopped", true)

	w = s.warden(s.args...)
	s.kill(w, "killed at last,")
	out := s.Run(s.Router, labtest.Sstpwarden, "proxy", "--teardown")
	if s.mode == "tproxy" && !strings.Contains(out, "removed IPv4 rule") || s.fail == "closed" && !strings.Contains(out, "removed table inet sstpwarden_proxy") {
		t.Errorf("--teardown says %q", out)
	}
	s.checkClean("after --teardown")
	s.checkPast("after --teardown", true)
	if out := s.Run(s.Router, labtest.Sstpwarden, "proxy", "--teardown"); !strings.Contains(out, "nothing to remove") {
		t.Errorf("--teardown once more says %q", out)
	}
}

// kill kills the proxy under load, and checks the fail mode.
func (s *setup) kill(w *warden, when string) {
	s.T.Helper()
	tr := s.load(netlab.Client4, nil, "http://"+netlab.Server4)
	s.Eventually("there is load", func() bool { return tr.done.Load() > 5 })
	w.Signal(syscall.SIGKILL)
	w.Wait()
	s.checkPast(when, s.fail == "open") // at once
	_ = tr.stop()                       // its connections may have died with the proxy
	s.checkOthers(when)
}

// A running proxy's rules are not removed by --teardown, and a second proxy does
// not take them over.
func TestSetupTwice(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "tproxy", "open")
	w := s.warden(s.args...)
	_, stderr, err := s.Try(s.Router, labtest.Sstpwarden, "proxy", "--teardown")
	if labtest.Status(err) != 1 || !strings.Contains(stderr, "running") {
		t.Errorf("--teardown: %v, %s", err, stderr)
	}
	s.checkTaken("after --teardown of a running proxy", w)
	_, stderr, err = s.Try(s.Router, labtest.Sstpwarden, "proxy", "--transparent", ":3130", "--mode", "tproxy", "--setup")
	if labtest.Status(err) != 1 || stderr == "" {
		t.Errorf("a second proxy: %v, %s", err, stderr)
	}
	s.checkTaken("after a second proxy has tried", w)
}

// --local takes the machine's own connections, and not the proxy's: there is no loop.
func TestSetupLocal(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "redirect", "open")
	w := s.warden(append(s.args, "--local")...)
	for _, f := range families {
		address := net.JoinHostPort(f.server, "80")
		if strings.Contains(s.Run(s.Router, "curl", "--silent", "--fail", "--max-time", "20", "--globoff", "http://"+address+"/whoami"), `"Remote":""`) {
			t.Error("nobody was seen")
		}
	}
	if n := w.metric(`connections_total{mode="transparent"}`); n != 2 {
		t.Errorf("the proxy took %v connections of its machine, which made 2", n)
	}
}
