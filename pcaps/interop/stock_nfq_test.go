//go:build interop

package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The router's addresses; the client has no way to the server but through it.
const (
	routerInside  = proxyIPv4
	routedClient  = proxyClientIPv4
	routerOutside = clientIPv4
	webPort       = "8080" // of a web server beside the SSTP server
)

// A routedLab has a router between client and server, which loses and reorders
// packets.
type routedLab struct {
	*lab
	router *namespace
}

func newRoutedLab(t *testing.T) *routedLab {
	t.Helper()
	l := &routedLab{lab: emptyLab(t)}
	l.client, l.server, l.router = l.namespace("client"), l.namespace("server"), l.namespace("router")
	l.link(l.client, "out", []string{routedClient + "/24"}, l.router, "in", []string{routerInside + "/24"}, oneWay)
	l.link(l.router, "out", []string{routerOutside + "/24"}, l.server, "out", []string{serverIPv4 + "/24"}, "")
	l.router.run("tc", "qdisc", "add", "dev", "out", "root", "netem", "delay", oneWay, "loss", "1%", "reorder", "95%", "limit", "10000")
	l.openOffice()
	l.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	l.client.run("ip", "route", "add", "default", "via", routerInside)
	l.server.run("ip", "route", "add", "10.8.0.0/24", "via", routerOutside)
	l.server.startEnv("server-web", []string{roleVariable + "=" + roleWeb}, filepath.Join(guestDir, "interop.test"), ":"+webPort).waitFor("serving")
	return l
}

// nfq starts the inspector on the router; events go to a file of its name. Policies may
// take their time: the machine is slow.
func (l *routedLab) nfq(name string, args ...string) (p *process, events string) {
	l.t.Helper()
	config := filepath.Join(l.dir, "patient.yaml")
	if err := os.WriteFile(config, []byte("policy: {timeout: 1m}\n"), 0o644); err != nil {
		l.t.Fatal(err)
	}
	events = filepath.Join(l.dir, name+".json")
	command := append([]string{filepath.Join(guestDir, "sstpwarden"), "nfq", "--hook", "forward", "--config", config, "--events", events}, args...)
	p = l.router.start(name, command...)
	p.waitFor("msg=serving")
	return p, events
}

// A judged is what an event says of a connection.
type judged struct {
	Destination string `json:"dest_ip"`
	Port        uint16 `json:"dest_port"`
	Detection   struct {
		Verdict string `json:"verdict"`
	} `json:"detection"`
	Decision struct {
		Action   string `json:"action"`
		Enforced bool   `json:"enforced"`
	} `json:"decision"`
	ToServer int64   `json:"pkts_toserver"`
	ToClient int64   `json:"pkts_toclient"`
	Duration float64 `json:"duration"`
}

func readEvents(t *testing.T, file string) []judged {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []judged
	for line := range bytes.Lines(b) {
		var e judged
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

// fetch gets bytes from the web server beside the SSTP server, some times at once.
func (l *routedLab) fetch(size, times int) chan error {
	done := make(chan error, times)
	for range times {
		go func() {
			out, err := l.client.try("curl", "-sS", "--fail", "-o", "/dev/null", "-w", "%{size_download}", fmt.Sprintf("http://%s:%s/%d", serverIPv4, webPort, size))
			if err == nil && strings.TrimSpace(out) != fmt.Sprint(size) {
				err = fmt.Errorf("%s bytes came of %d", out, size)
			}
			done <- err
		}()
	}
	return done
}

// On Debian's kernel packets are queued by nftables' own statement. A real sstp-client
// with pppd is cut before it has said its password, and not when its server is
// sanctioned; downloads beside it pass.
func TestStockNFQ(t *testing.T) {
	l := newRoutedLab(t)
	l.client.capture("out")

	serve := l.serve("--auth", "mschapv2")
	warden, file := l.nfq("nfq")
	table := l.router.run("nft", "list", "table", "inet", "sstpwarden")
	if !strings.Contains(table, "queue flags bypass to ") || strings.Contains(table, "xt target") {
		t.Errorf("packets are not queued by nftables' own statement:\n%s", table)
	}
	const downloads = 4
	fetched := l.fetch(1<<20, downloads)
	c := l.sstpc(sstpcConfig{ppp: only("mschap-v2")})
	c.wait()
	for range downloads {
		if err := <-fetched; err != nil {
			t.Errorf("a download beside a tunnel that was cut: %v", err)
		}
	}
	warden.signal(syscall.SIGTERM)
	if status := warden.wait(); status != 0 {
		t.Errorf("the inspector ended with status %d", status)
	}
	if left := l.router.run("nft", "list", "ruleset"); strings.TrimSpace(left) != "" {
		t.Errorf("the inspector left\n%s", left)
	}
	var drops int
	for _, e := range readEvents(t, file) {
		if e.Destination != serverIPv4 || e.Port != 443 || e.Detection.Verdict != "suspected" || e.Decision.Action != "drop" || !e.Decision.Enforced {
			t.Errorf("an event says %+v", e)
			continue
		}
		drops++
		t.Logf("cut after %d packets to the server, %d to the client, %.0f ms", e.ToServer, e.ToClient, e.Duration*1000)
	}
	if drops == 0 {
		t.Error("no event tells of the tunnel")
	}
	if log, err := os.ReadFile(serve.log); err != nil || bytes.Contains(log, []byte(`"event":"authenticated"`)) || bytes.Contains(log, []byte(`"event":"ip"`)) {
		t.Errorf("the tunnel got as far as that (%v):\n%s", err, log)
	}
	serve.stop()

	data := filepath.Join(l.dir, "sanctioned.yaml")
	if err := os.WriteFile(data, []byte("sanctioned: {servers: [{addresses: ["+serverIPv4+"]}]}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	serve = l.server.sstplab("serve2", "serve", "--listen", ":443", "--cert", l.certs.serverCert, "--key", l.certs.serverKey,
		"--user", user+":"+password, "--pool", pool, "--auth", "mschapv2")
	serve.await("listening")
	warden, file = l.nfq("nfq2", "--data", data)
	c = l.sstpc(sstpcConfig{ppp: only("mschap-v2")})
	serve.checkUp("", "mschapv2")
	c.awaitUp()
	l.client.ping(officeIPv4)
	l.exchange(officeIPv4)
	c.hangUp()
	serve.checkGone()
	warden.signal(syscall.SIGTERM)
	warden.wait()
	for _, e := range readEvents(t, file) {
		if e.Decision.Action == "drop" {
			t.Errorf("a sanctioned tunnel was dropped: %+v", e)
		}
	}
}
