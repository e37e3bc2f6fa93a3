//go:build interop

package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The addresses of a lab. The office is reached through the server only, and
// only tunnels lead from the client's side to it.
const (
	clientIPv4    = "10.9.0.2"
	serverIPv4    = "10.9.0.1"
	clientIPv6    = "2001:db8:9::2"
	serverIPv6    = "2001:db8:9::1"
	officeNet     = "192.0.2.0/24"
	officeIPv4    = "192.0.2.80"
	officeNetIPv6 = "2001:db8:80::/64"
	officeIPv6    = "2001:db8:80::80"
	pool          = "10.99.0.0/24" // tunnels' inner addresses
	poolServer    = "10.99.0.1"
	poolIPv6      = "fd99::/64"
)

// oneWay is the delay that packets between client and server have each way.
// sstpc loses a race if the server's answers come at once.
const oneWay = "6ms"

// patience is how long anything may take that is going to happen.
var patience = 30 * time.Second

// A lab is what one test uses: namespaces, programs in them, a folder for what
// they leave behind.
type lab struct {
	t      *testing.T
	dir    string
	client *namespace
	server *namespace
	office *namespace
	certs  certificates
}

// newLab makes client and server, which see each other, and an office behind the
// server with a web server in it.
func newLab(t *testing.T) *lab {
	t.Helper()
	l := emptyLab(t)
	l.client, l.server = l.namespace("client"), l.namespace("server")
	l.link(l.client, "out", []string{clientIPv4 + "/24", clientIPv6 + "/64"}, l.server, "out", []string{serverIPv4 + "/24", serverIPv6 + "/64"}, oneWay)
	l.openOffice()
	return l
}

// setUp makes what a booted system would have: sstpc keeps its socket for pppd in
// a folder of its own.
var setUp = sync.OnceValue(func() error {
	if out, err := exec.Command("install", "-d", "-o", "sstpc", "-g", "sstpc", "/run/sstpc").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
})

// emptyLab makes a lab without namespaces.
func emptyLab(t *testing.T) *lab {
	t.Helper()
	if err := setUp(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(guestDir, t.Name())
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // squid is a user of its own
		t.Fatal(err)
	}
	l := &lab{t: t, dir: dir}
	// Registered first, so it runs last: by then all programs have ended.
	t.Cleanup(func() {
		if t.Failed() {
			l.printLogs()
		}
	})
	l.certs = makeCertificates(t, dir)
	return l
}

// openOffice makes the office behind the server.
func (l *lab) openOffice() {
	l.t.Helper()
	l.office = l.namespace("office")
	l.link(l.server, "office", []string{"192.0.2.1/24", "2001:db8:80::1/64"}, l.office, "out", []string{officeIPv4 + "/24", officeIPv6 + "/64"}, "")
	l.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	l.office.run("ip", "route", "add", pool, "via", "192.0.2.1")
	l.office.run("ip", "route", "add", poolIPv6, "via", "2001:db8:80::1")
	web := l.office.startEnv("web", []string{roleVariable + "=" + roleWeb}, filepath.Join(guestDir, "interop.test"), ":80")
	web.waitFor("serving")
}

// A namespace is a host of its own.
type namespace struct {
	lab  *lab
	name string
}

// namespace makes a network namespace that is removed with all that runs in it
// when the test is over.
func (l *lab) namespace(name string) *namespace {
	l.t.Helper()
	n := &namespace{lab: l, name: name}
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		l.t.Fatalf("making the namespace %s: %v\n%s", name, err, out)
	}
	l.t.Cleanup(func() {
		if pids, err := exec.Command("ip", "netns", "pids", name).Output(); err == nil && len(pids) > 0 {
			_ = exec.Command("kill", append([]string{"-KILL"}, strings.Fields(string(pids))...)...).Run()
		}
		if out, err := exec.Command("ip", "netns", "delete", name).CombinedOutput(); err != nil {
			l.t.Errorf("removing the namespace %s: %v\n%s", name, err, out)
		}
	})
	n.run("ip", "link", "set", "lo", "up")
	return n
}

// link joins two namespaces by interfaces with these names and addresses, with
// that delay each way, "" for none.
func (l *lab) link(a *namespace, aDev string, aAddrs []string, b *namespace, bDev string, bAddrs []string, delay string) {
	l.t.Helper()
	a.run("ip", "link", "add", aDev, "type", "veth", "peer", "name", bDev, "netns", b.name)
	for _, end := range []struct {
		n     *namespace
		dev   string
		addrs []string
	}{{a, aDev, aAddrs}, {b, bDev, bAddrs}} {
		for _, addr := range end.addrs {
			args := []string{"ip", "address", "add", addr, "dev", end.dev}
			if strings.Contains(addr, ":") {
				args = append(args, "nodad")
			}
			end.n.run(args...)
		}
		end.n.run("ip", "link", "set", end.dev, "up")
		if delay != "" {
			end.n.run("tc", "qdisc", "add", "dev", end.dev, "root", "netem", "delay", delay, "limit", "10000")
		}
	}
}

// command makes a command that runs in the namespace.
func (n *namespace) command(ctx context.Context, args ...string) *exec.Cmd {
	switch args[0] {
	case "ip", "tc": // they go there by themselves, which is faster
		return exec.CommandContext(ctx, args[0], append([]string{"-n", n.name}, args[1:]...)...)
	}
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", n.name}, args...)...)
}

// try runs a command to its end and returns what it prints.
func (n *namespace) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(n.lab.t.Context(), 2*patience)
	defer cancel()
	out, err := n.command(ctx, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %s: %w\n%s", n.name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// run runs a command that has to succeed and returns what it prints.
func (n *namespace) run(args ...string) string {
	n.lab.t.Helper()
	out, err := n.try(args...)
	if err != nil {
		n.lab.t.Fatal(err)
	}
	return out
}

// awaitIPv6 waits until the interface has an address that is not just its link's.
func (n *namespace) awaitIPv6(dev string) {
	n.lab.t.Helper()
	deadline := time.Now().Add(patience)
	for !strings.Contains(n.run("ip", "-6", "address", "show", "dev", dev, "scope", "global", "-tentative"), "inet6 ") {
		if time.Now().After(deadline) {
			n.lab.t.Fatalf("%s: %s has no IPv6 address in %v", n.name, dev, patience)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// ping sends three echo requests of which all have to be answered.
func (n *namespace) ping(address string) {
	n.lab.t.Helper()
	n.run("ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", address)
}

// capture records what passes the interface, until the test is over.
func (n *namespace) capture(dev string) {
	n.lab.t.Helper()
	p := n.start("tcpdump", "tcpdump", "-U", "--immediate-mode", "-s", "0", "-i", dev, "-w", filepath.Join(n.lab.dir, n.name+".pcap"))
	p.waitFor("listening on")
}
