package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// logInterval is how often a cause is logged by each queue at most.
const logInterval = 10 * time.Second

// checkCause checks that a cause was counted, and logged once in a while.
func (w *warden) checkCause(cause string, least float64, since time.Time) {
	w.T.Helper()
	lines := 0
	w.lab.Eventually(cause+" is counted and logged", func() bool {
		lines = w.lines("msg=exception", "cause="+cause)
		return w.exceptions(cause) >= least && lines >= 1
	})
	const queues = 2 // at most, of these labs
	if most := queues * (1 + int(time.Since(since)/logInterval)); lines > most {
		w.T.Errorf("%s came up %v times and was logged in %d lines; want 1 to %d", cause, w.exceptions(cause), lines, most)
	}
}

// requests counts those of once. Each comes from a port that nobody had, below those that
// the kernel gives: a port whose connection was cut is refused for a while, see
// TestSamePortAgain.
var requests atomic.Int32

// once makes a request of its own connection.
func (l *lab) once(from, address string) error {
	transport := l.transport(from, 10_000+int(requests.Add(1)))
	transport.DisableKeepAlives = true
	ctx, cancel := context.WithTimeout(l.T.Context(), labtest.Patience)
	defer cancel()
	return get(ctx, &http.Client{Transport: transport}, address)
}

// What is done where something stands in the way is what was configured.
func TestExceptions(t *testing.T) {
	for _, x := range []struct {
		cause, choice string
		web, tunnel   bool // they come through
		rule          string
	}{
		{"midstream", "let", true, true, ""},
		{"midstream", "watch", true, false, ""},
		{"midstream", "cut", false, false, "nfq.midstream"},
		{"memory", "let", true, true, ""},
		{"memory", "watch", true, false, ""},
		{"memory", "cut", false, false, "nfq.memory"},
		{"undecided", "let", true, true, ""},
		{"undecided", "watch", true, false, ""},
		{"undecided", "cut", false, false, "nfq.undecided"},
		{"unreadable", "let", true, true, ""},
		{"unreadable", "cut", false, false, ""},
		{"conflict", "let", true, true, ""},
		{"conflict", "cut", false, false, ""},
	} {
		t.Run(x.cause+"_"+x.choice, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.web()
			config := l.File("config.yaml", fmt.Sprintf("nfq:\n  queues: {count: 2}\n  exceptions: {%s: %s}\n", x.cause, x.choice))
			begin := time.Now()
			w := l.warden(append(l.Forgetful(), "--config", config, "--simulate", x.cause)...)
			if x.rule == "" && !x.web {
				if l.passes(netlab.Server4, "443", false) {
					t.Error("its packets are let")
				}
				w.checkCause(x.cause, 1, begin)
				return
			}
			const times = 20
			for n := range times {
				from, address := netlab.Client4, http2v4
				if n%2 > 0 {
					from, address = netlab.Client6, http1v6
				}
				if err := l.once(from, address+"/1000"); x.web != (err == nil) || !x.web && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("a request comes to %v", err)
				}
			}
			v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4, Port: "4443"})
			if c := v.call("windows", 1000); c.Checked != x.tunnel {
				t.Errorf("a tunnel comes to %+v", c)
			}
			w.checkCause(x.cause, times, begin)
			if x.rule == "" {
				return
			}
			l.Eventually("events tell of all that were cut", func() bool { return len(w.Events()) == times+1 })
			for _, e := range w.Events() {
				if e.Decided() != "drop by "+x.rule+", enforced" {
					t.Errorf("event %+v: %s", e, e.Decided())
				}
			}
		})
	}
}

// failingPolicy decides two things at once about SSTP, which is an error, and slowPolicy
// takes long to.
const (
	failingPolicy = `package sstp

decision := {"action": "allow", "rule": "mine.rest", "reason": "Not SSTP."} if not suspected

decision := {"action": "allow", "rule": "mine.one", "reason": "One."} if suspected

decision := {"action": "log", "rule": "mine.other", "reason": "Another."} if suspected

suspected if input.detection.verdict == "suspected"
`
	slowPolicy = `package sstp

decision := {"action": "allow", "rule": "mine.rest", "reason": "Not SSTP."} if not suspected

decision := {"action": "allow", "rule": "mine.slow", "reason": "After much thought."} if {
	suspected
	count([x | some x in numbers.range(1, 3000); some y in numbers.range(1, 3000); x * y < 0]) == 0
}

suspected if input.detection.verdict == "suspected"
`
)

// policy makes a folder with a policy.
func (l *lab) policy(text string) []string {
	l.T.Helper()
	dir := filepath.Join(l.Dir, "policy")
	if err := os.Mkdir(dir, 0o755); err != nil {
		l.T.Fatal(err)
	}
	l.File("policy/decision.rego", text)
	return []string{"--policy", dir}
}

// What stands in for the policy's answer is what was configured.
func TestPolicyFails(t *testing.T) {
	simulate := func(cause string) func(*lab) []string {
		return func(*lab) []string { return []string{"--simulate", cause} }
	}
	for _, x := range []struct {
		name, config string
		flags        func(*lab) []string
		cause        string
		web, tunnel  bool // they come through
		decided      string
	}{
		{"error", "", simulate("policy_error"), "policy_error", true, false, "drop by gate.policy_error, enforced"},
		{"error_logged", "on_error: {sstp: log}", simulate("policy_error"), "policy_error", true, true, "log by gate.policy_error, enforced"},
		{"error_dropped", "on_error: {rest: drop}", simulate("policy_error"), "policy_error", false, false, "drop by gate.policy_error, enforced"},
		{"timeout", "", simulate("policy_timeout"), "policy_timeout", true, false, "drop by gate.policy_timeout, enforced"},
		{"timeout_logged", "on_timeout: {sstp: log}", simulate("policy_timeout"), "policy_timeout", true, true, "log by gate.policy_timeout, enforced"},
		{"really_fails", "", func(l *lab) []string { return l.policy(failingPolicy) }, "policy_error", true, false, "drop by gate.policy_error, enforced"},
		{"is_really_slow", "timeout: 100ms", func(l *lab) []string { return l.policy(slowPolicy) }, "policy_timeout", true, false, "drop by gate.policy_timeout, enforced"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.web()
			config := l.File("config.yaml", "nfq:\n  queues: {count: 2}\npolicy: {"+x.config+"}\n")
			begin := time.Now()
			w := l.warden(append(append(l.Forgetful(), "--config", config), x.flags(l)...)...)
			for range 20 {
				if err := l.once(netlab.Client6, http2v6+"/1000"); x.web != (err == nil) {
					t.Errorf("a request comes to %v", err)
				}
			}
			v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4, Port: "4443"})
			c := v.call("windows", 1000)
			if c.Checked != x.tunnel {
				t.Errorf("a tunnel comes to %+v", c)
			}
			w.decided(c.Port, x.decided)
			w.checkCause(x.cause, 1, begin)
		})
	}
}

// A reload that goes wrong leaves the policies that were in force.
func TestBrokenReload(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.web()
	set := filepath.Join(l.Dir, "set")
	l.Run(l.Router, labtest.Sstpwarden, "policy", "init", set)
	path := filepath.Join(set, "sstp", "decision.rego")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w := l.warden(append(l.Forgetful(), "--policy", set)...)
	v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4, Port: "4443"})
	tr := l.load(netlab.Client4b, plain4, http2v4)
	dropped := func(when string) {
		t.Helper()
		c := v.call("windows", 1000)
		if c.Status != 1 || c.Checked {
			t.Errorf("%s a tunnel comes to %+v", when, c)
		}
		w.decided(c.Port, "drop by sstp.suspected, enforced")
	}
	dropped("at first")
	failed := w.Metric(`reloads_total{component="policies",result="failure"}`)
	l.File("set/sstp/decision.rego", "package sstp\n\ndecision := {\n")
	w.Signal(syscall.SIGHUP)
	l.Eventually("the reload fails", func() bool {
		return w.Metric(`reloads_total{component="policies",result="failure"}`) > failed && w.lines("level=ERROR", "component=policies", "what was in force stays in force") > 0
	})
	dropped("after a broken reload")
	l.File("set/sstp/decision.rego", strings.ReplaceAll(string(good), `"sstp.suspected"`, `"mine.suspected"`))
	w.Signal(syscall.SIGHUP)
	l.Eventually("the policies are mended", func() bool { return w.Metric(`reload_last_successful{component="policies"}`) == 1 })
	c := v.call("windows", 1000)
	w.decided(c.Port, "drop by mine.suspected, enforced")
	tr.checkAll()
}

// An open connection that both ends know.
type open struct{ client, server *net.TCPConn }

// open makes one, and says something.
func (l *lab) open(from, address string, accepted <-chan *net.TCPConn) open {
	l.T.Helper()
	o := open{client: l.connect(from, address)}
	o.server = <-accepted
	_ = o.server.SetDeadline(time.Now().Add(labtest.Patience))
	if err := o.talk(); err != nil {
		l.T.Fatal(err)
	}
	return o
}

// talk says something both ways.
func (o open) talk() error {
	for range 3 {
		for _, way := range [][2]net.Conn{{o.client, o.server}, {o.server, o.client}} {
			text := []byte("something to say\n")
			if _, err := way[0].Write(text); err != nil {
				return err
			}
			b := make([]byte, len(text))
			if _, err := io.ReadFull(way[1], b); err != nil {
				return err
			}
			if !bytes.Equal(b, text) {
				return fmt.Errorf("%q arrives as %q", text, b)
			}
		}
	}
	return nil
}

// Connections that were up before are let, watched or cut, and so are tunnels.
func TestMidstream(t *testing.T) {
	for _, choice := range []string{"let", "watch", "cut"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.plainWeb()
			accepted := l.accept(":7")
			v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4, Port: "443"})
			conns := []open{
				l.open(netlab.Client4, net.JoinHostPort(netlab.Server4, "7"), accepted),
				l.open(netlab.Client6, net.JoinHostPort(netlab.Server6, "7"), accepted),
			}
			tunnel := l.Start(l.Client, "tunnel", labtest.Sstplab, "dial", "sstp://alice:secret@"+v.Address(), "--json", "--net", "user", "--insecure",
				"--socks", "127.0.0.1:1080")
			tunnel.WaitFor(`"event":"proxy_listening"`)
			inside := l.download("", "http://"+netlab.Server4b, "http://127.0.0.1:1080")
			begin := time.Now()
			w := l.warden("--midstream", choice)
			for _, o := range conns {
				err := o.talk()
				if choice == "cut" && !errors.Is(err, syscall.ECONNRESET) || choice != "cut" && err != nil {
					t.Errorf("a connection comes to %v", err)
				}
			}
			if n := w.Metric(`nfq_firewall_packets_total{rule="midstream"}`); n < 2 {
				t.Errorf("the firewall's table counts %v packets", n)
			}
			switch choice {
			case "cut":
				if _, err := io.Copy(io.Discard, inside.body); err == nil {
					t.Error("a page that came through the tunnel came to its end")
				}
				if s := tunnel.Wait(); s != 1 {
					t.Errorf("the tunnel ended with status %d", s)
				}
				// The other ends learn of it, too.
				for _, o := range conns {
					for _, conn := range []net.Conn{o.client, o.server} {
						if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
							t.Errorf("an end sees %v", err)
						}
					}
				}
				l.Eventually("the server notices", func() bool { return strings.Contains(v.Text(), "connection reset by peer") })
				return
			case "watch":
				w.checkCause("midstream", 3, begin)
			}
			inside.checkGoesOn("inspected, a tunnel's")
			if tunnel.Ended() {
				t.Errorf("the tunnel ended:\n%s", labtest.Tail(tunnel.Text()))
			}
			if c := v.call("windows", 1000); c.Status != 1 || c.Checked {
				t.Errorf("a new tunnel comes to %+v", c)
			}
		})
	}
}

// halfHello is the beginning of a ClientHello.
var halfHello = []byte{0x16, 3, 1, 0x02, 0, 1, 0, 1, 0xfc, 3, 3}

// When there are as many connections as may be, what becomes of others is what was
// configured.
func TestMemoryCap(t *testing.T) {
	for _, choice := range []string{"let", "watch", "cut"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.plainWeb()
			const most, more = 50, 30
			config := l.File("config.yaml", fmt.Sprintf("nfq:\n  queues: {count: 1}\n  limits: {connections: %d}\n  exceptions: {memory: %s}\n", most, choice))
			begin := time.Now()
			w := l.warden(append(l.Forgetful(), "--config", config)...)
			accepted := l.accept(":7")
			var cut int
			for range most + more {
				client := l.connect(netlab.Client6, net.JoinHostPort(netlab.Server6, "7"))
				server := <-accepted
				_ = server.SetDeadline(time.Now().Add(labtest.Patience))
				if _, err := client.Write(halfHello); err != nil {
					t.Fatal(err)
				}
				_, err := io.ReadFull(server, make([]byte, len(halfHello)))
				switch {
				case errors.Is(err, syscall.ECONNRESET):
					cut++
				case err != nil:
					t.Fatal(err)
				}
			}
			if want := map[string]int{"cut": more}[choice]; cut != want {
				t.Errorf("%d connections were cut, want %d", cut, want)
			}
			w.checkCause("memory", more, begin)
			if n := w.Metric("nfq_connections"); n > most {
				t.Errorf("%v connections are watched", n)
			}
			v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4, Port: "4443"})
			if c := v.call("windows", 1000); c.Checked != (choice == "let") {
				t.Errorf("a tunnel comes to %+v", c)
			}
			if err := l.once(netlab.Client4, plain4+"/1000"); (choice == "cut") != (err != nil) {
				t.Errorf("a request comes to %v", err)
			}
		})
	}
}

// Packets that do not fit into the queue are let or dropped, and all are counted.
func TestOverflow(t *testing.T) {
	for _, choice := range []string{"let", "cut"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "nft")
			config := l.File("config.yaml", "nfq:\n  queues: {count: 1, buffer: 64KiB}\n  exceptions: {overflow: "+choice+"}\n")
			begin := time.Now()
			w := l.warden("--config", config, "--simulate", "overflow")
			arrived := l.countStrangers()
			const packets = 600
			l.flood(packets, 0, nil)
			drained := func() bool { return w.Metric("nfq_queue_waiting") == 0 }
			l.Eventually("all are judged", drained)
			l.flood(1, 0, nil) // it shows the last gap
			l.Eventually("that one, too", func() bool { return w.Metric("nfq_firewall_packets_total{rule=\"queued\"}") > packets && drained() })
			overflow := w.Metric("nfq_queue_overflow_total")
			w.checkCause("overflow", overflow, begin)
			t.Logf("%v packets of %d did not fit", overflow, packets+1)
			n := arrived()
			want, dropped := packets+1, 0.0
			if choice == "cut" {
				want -= int(overflow)
				dropped = overflow
			}
			if n := w.Metric(`nfq_queue_dropped_total{queue="21332",reason="buffer"}`); n != dropped {
				t.Errorf("the kernel counts %v of %v", n, dropped)
			}
			if n := w.Metric(`nfq_queue_dropped_total{queue="21332",reason="length"}`); n != 0 {
				t.Errorf("the kernel counts %v for the queue's length", n)
			}
			if n != want || overflow == 0 {
				t.Errorf("%d packets arrived, %v did not fit", n, overflow)
			}
		})
	}
}
