package interop

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

const tableName = "table inet sstpwarden"

// hasTable says whether the firewall has our table.
func (l *lab) hasTable() bool {
	l.T.Helper()
	return strings.Contains(l.Run(l.Router, "nft", "list", "tables"), tableName+"\n")
}

// checkTable checks that the firewall has our table, or not.
func (l *lab) checkTable(when string, want bool) {
	l.T.Helper()
	if got := l.hasTable(); got != want {
		l.T.Errorf("%s it is %v that there is a table of ours", when, got)
	}
}

// passes says whether new connections come through. Where they do not, their packets are
// dropped.
func (l *lab) passes(server, port string, want bool) bool {
	l.T.Helper()
	d := net.Dialer{Timeout: labtest.Patience}
	if !want {
		d.Timeout = 300 * time.Millisecond
	}
	from := netlab.Client4
	if strings.Contains(server, ":") {
		from = netlab.Client6
	}
	conn, err := l.dial(from, net.JoinHostPort(server, port), d)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// checkPasses checks new connections to port 443, which is in the scope of these tests.
// All others always come through.
func (l *lab) checkPasses(when string, want bool) {
	l.T.Helper()
	for _, server := range []string{netlab.Server4, netlab.Server6} {
		if l.passes(server, "443", want) != want {
			l.T.Errorf("%s it is %v that connections to %s in the scope pass", when, !want, server)
		}
		for _, port := range []string{"80", "8443"} {
			if !l.passes(server, port, true) {
				l.T.Errorf("%s connections to %s do not pass, out of the scope", when, net.JoinHostPort(server, port))
			}
		}
	}
}

// A download is a large page that is read when asked for.
type download struct {
	*lab
	body io.Reader
}

// download begins to load a page, by way of a proxy on the client where there is one.
func (l *lab) download(from, origin string, via ...string) *download {
	l.T.Helper()
	transport := l.transport(from, 0)
	for _, v := range via {
		transport.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(v) }
	}
	client := &http.Client{Transport: transport}
	resp, err := client.Get(origin + "/1000000000")
	if err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(func() { _ = resp.Body.Close() })
	d := &download{l, resp.Body}
	d.checkGoesOn("at first")
	return d
}

// checkGoesOn reads on, more than was under way already.
func (d *download) checkGoesOn(when string) {
	d.T.Helper()
	if n, err := io.CopyN(io.Discard, d.body, 20<<20); err != nil {
		d.T.Errorf("%s a download that was up ends after %d bytes: %v", when, n, err)
	}
}

// A program that is killed under load leaves traffic flowing at once.
func TestKillFailOpen(t *testing.T) {
	t.Parallel()
	l := newLab(t, "nft")
	l.web()
	best := time.Hour
	loads := []*traffic{l.load(netlab.Client4, plain4, http2v4), l.load(netlab.Client6, plain6, http2v6), l.load(netlab.Client4b, http1v4)}
	for range 3 {
		w := l.warden()
		d := l.download(netlab.Client4, http2v4)
		for _, tr := range loads {
			tr.some()
			tr.longest()
		}
		killed := time.Now()
		w.Signal(syscall.SIGKILL)
		first := l.flows().Sub(killed)
		w.Wait()
		l.checkTable("killed,", false)
		for _, tr := range loads {
			tr.some()
		}
		d.checkGoesOn("killed,")
		longest := time.Duration(0)
		for _, tr := range loads {
			longest = max(longest, tr.longest())
		}
		best = min(best, first)
		// A packet that waits in a queue goes with that; a first one is sent again after a second.
		t.Logf("killed, new connections pass after %v; who had to wait for longest waited %v", first.Round(time.Millisecond), longest.Round(time.Millisecond))
	}
	for _, tr := range loads {
		tr.checkAll()
	}
	// A machine that is busy with other tests may have it take longer, but not each time.
	if best > time.Second {
		t.Errorf("it took %v at least until new connections passed", best)
	}
}

// flows begins new connections until one passes, and says when that was.
func (l *lab) flows() time.Time {
	l.T.Helper()
	passed := make(chan time.Time, 1)
	var dialing sync.WaitGroup
	defer dialing.Wait()
	for deadline := time.Now().Add(labtest.Patience); time.Now().Before(deadline); {
		dialing.Go(func() {
			if l.passes(netlab.Server4b, "443", true) {
				select {
				case passed <- time.Now():
				default:
				}
			}
		})
		select {
		case at := <-passed:
			return at
		case <-time.After(pause):
		}
	}
	l.T.Errorf("no connection passed in %v", labtest.Patience)
	return time.Now()
}

// With --fail closed, what is in the scope stops when the program is killed, and nothing
// else, until it runs again or its table is removed.
func TestKillFailClosed(t *testing.T) {
	t.Parallel()
	l := newLab(t, "nft")
	l.web()
	args := []string{"--fail", "closed", "--scope", "port=443"}
	others := []*traffic{l.load(netlab.Client4b, plain4, http1v4), l.load(netlab.Client6b, plain6, http1v6)}
	for range 2 {
		w := l.warden(args...)
		l.checkPasses("inspected,", true)
		d := l.download(netlab.Client4, http2v4)
		w.Kill()
		l.checkTable("killed,", true)
		l.checkPasses("killed,", false)
		d.checkGoesOn("killed,")
	}
	w := l.warden(args...)
	l.checkPasses("taken over,", true)
	w.Kill()
	l.checkPasses("killed again,", false)
	if out := l.Run(l.Router, labtest.Sstpwarden, "nfq", "--remove"); out != "removed "+tableName+"\n" {
		t.Errorf("--remove says %q", out)
	}
	l.checkTable("removed,", false)
	l.checkPasses("removed,", true)
	if out := l.Run(l.Router, labtest.Sstpwarden, "nfq", "--remove"); !strings.Contains(out, "nothing to remove") {
		t.Errorf("--remove once more says %q", out)
	}
	for _, tr := range others {
		tr.checkAll()
	}
}

// Who stops the program gets the firewall back as it was, or with --keep does not.
func TestStop(t *testing.T) {
	for _, fail := range []string{"open", "closed"} {
		t.Run(fail, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "nft")
			l.web()
			tr := l.load(netlab.Client6b, plain6, http1v6)
			args := []string{"--fail", fail, "--scope", "port=443"}
			w := l.warden(args...)
			d := l.download(netlab.Client6, http2v6)
			inside := l.load(netlab.Client4b, http2v4)
			inside.some()
			inside.longest()
			w.Stop()
			inside.some()
			t.Logf("when the program was stopped, a client had to wait for %v", inside.longest().Round(time.Millisecond))
			inside.checkAll()
			l.checkTable("stopped,", false)
			l.checkPasses("stopped,", true)

			args = append(args, "--keep")
			for range 2 { // again over what the one before left
				w = l.warden(args...)
				l.checkPasses("inspected,", true)
				w.Stop()
				l.checkTable("kept,", true)
				l.checkPasses("kept,", fail == "open")
				d.checkGoesOn("kept,")
			}
			w = l.warden(args[:len(args)-1]...)
			l.checkPasses("inspected,", true)
			w.Stop()
			l.checkTable("stopped for good,", false)
			tr.checkAll()
		})
	}
}

// A second program says what is wrong, and does the first no harm.
func TestSecond(t *testing.T) {
	for _, fail := range []string{"open", "closed"} {
		t.Run(fail, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "nft")
			l.web()
			w := l.warden("--fail", fail, "--scope", "port=443")
			queued := w.Metric(`nfq_firewall_packets_total{rule="queued"}`)
			want := fmt.Sprintf("belongs to process %d (sstpwarden), which is running: stop that one first", w.Pid())
			elsewhere := l.File("elsewhere.yaml", "nfq: {queues: {first: 30000}}\n")
			for _, more := range [][]string{nil, {"--fail", "closed"}, {"--queues", "1"}, {"--config", elsewhere, "--fail", fail}, {"--remove"}} {
				_, stderr, err := l.Try(l.Router, append([]string{labtest.Sstpwarden, "nfq"}, more...)...)
				if labtest.Status(err) != 1 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
					t.Errorf("a second one with %v says %v, %q", more, err, stderr)
				}
			}
			l.checkPasses("after others tried,", true)
			if now := w.Metric(`nfq_firewall_packets_total{rule="queued"}`); now <= queued {
				t.Error("nothing is queued any more")
			}
			w.Stop()
		})
	}
}

// A table that somebody removes is installed again.
func TestGuard(t *testing.T) {
	t.Parallel()
	l := newLab(t, "nft")
	l.web()
	w := l.warden("--fail", "closed")
	tr := l.load(netlab.Client4, plain4, http2v4)
	for n := 1; n <= 2; n++ {
		if n == 1 {
			l.Run(l.Router, "nft", "delete", "table", "inet", "sstpwarden")
		} else {
			l.Run(l.Router, "nft", "flush", "ruleset")
		}
		l.Eventually("the table is there again", l.hasTable)
		w.Ready()
		w.checkLines(n, "level=ERROR", "installing it again")
	}
	v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server6, Port: "4443"})
	if c := v.call("windows", 1000); c.Status != 1 || c.Checked {
		t.Errorf("then a tunnel is let: %+v", c)
	}
	tr.checkAll()
	w.Signal(syscall.SIGTERM)
	w.Wait()
	l.checkTable("stopped,", false)
}

// As a service it has a user of its own and no capability but that to change the firewall.
func TestAsService(t *testing.T) {
	l := newLab(t, "setpriv")
	l.Run(l.Router, "chown", "nobody", l.Dir)
	w := &warden{l.WardenBy([]string{
		"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
		"--inh-caps=-all,+net_admin", "--ambient-caps=-all,+net_admin", "--bounding-set=-all,+net_admin", "--",
	}, l.Router, "nfq", "sstpwarden"), l}
	w.Ready()
	w.WaitFor("how many packets wait in queues is not known")
	v := l.vpn(labtest.VPN{Profile: "softether", TLS: "1.3", Host: netlab.Server4, Port: "443"})
	c := v.call("windows", 1000)
	v.checkDropped(w, "windows", c, v.visits()[c.Port])
	w.Signal(syscall.SIGHUP)
	w.WaitFor("reason=SIGHUP")
	second := l.launch("second")
	if status := second.Wait(); status != 1 || !strings.Contains(second.Text(), tableName+" belongs to process "+strconv.Itoa(w.Pid())) {
		t.Errorf("a second one ends with status %d: %s", status, second.Text())
	}
	w.Signal(syscall.SIGTERM)
	if status := w.Wait(); status != 0 {
		t.Errorf("it ends with status %d", status)
	}
	l.checkTable("when it has ended", false)
}
