package nft

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// childVariable makes the test binary a child with these options.
const childVariable = "SSTPWARDEN_NFT_CHILD"

// childOptions are what a child does.
type childOptions struct {
	Proxy   ProxyOptions
	Drop    string          // "before" or "after" Setup: all capabilities
	Inspect *InspectOptions // instead of Proxy
	Claim   *claimOptions   // instead of both
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := child(text); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child listens, sets up and says so, and closes when its input ends.
func child(text string) error {
	var c childOptions
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	switch {
	case c.Inspect != nil:
		return inspectingChild(*c.Inspect)
	case c.Claim != nil:
		return claimingChild(*c.Claim)
	}
	var lc net.ListenConfig
	if c.Proxy.Mode == TPROXY {
		lc.Control = TransparentListenControl(DefaultMark)
	}
	l, err := lc.Listen(context.Background(), "tcp", fmt.Sprintf(":%d", c.Proxy.Port))
	if err != nil {
		return err
	}
	serve(l.(*net.TCPListener), func(c *net.TCPConn) {
		fmt.Fprintln(c, "child")
		c.Close()
	})
	if err := dropAll(c.Drop == "before"); err != nil {
		return err
	}
	in, err := Setup(c.Proxy)
	if err != nil {
		return fmt.Errorf("permission=%v: %w", errors.Is(err, fs.ErrPermission), err)
	}
	if err := dropAll(c.Drop == "after"); err != nil {
		return err
	}
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1))
	return in.Close()
}

// inspectingChild is child for the inspector, which settles every connection of port 443
// and blocks those of port 80 with their first data.
func inspectingChild(o InspectOptions) error {
	o = o.withDefaults()
	r := &reader{marks: o.Marks(), judge: func(p packet) decision {
		switch {
		case p.payload == 0:
			return pass
		case p.server().Port() == 80:
			return block
		}
		return settle
	}}
	for i := range o.Queues {
		q, err := openQueue(context.Background(), o.Queue+i, r)
		if err != nil {
			return err
		}
		defer q.Close()
	}
	in, err := SetupInspect(o)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1))
	return in.Close()
}

func dropAll(all bool) error {
	if !all {
		return nil
	}
	return cap.NewSet().SetProc()
}

// A process is a child in a host.
type process struct {
	*exec.Cmd
	out   *bufio.Scanner
	stdin *os.File
}

func (h *host) start(c childOptions) *process {
	h.t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		h.t.Fatal(err)
	}
	in, stdin, err := os.Pipe()
	if err != nil {
		h.t.Fatal(err)
	}
	defer in.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		h.t.Fatal(err)
	}
	defer stdout.Close()
	p := &process{Cmd: exec.Command("/proc/self/exe"), out: bufio.NewScanner(out), stdin: stdin}
	p.Env = append(os.Environ(), childVariable+"="+string(text))
	p.Stdin, p.Stdout, p.Stderr = in, stdout, os.Stderr
	if c.Claim != nil {
		p.SysProcAttr = c.Claim.attributes()
	}
	h.do(p.Start) // the child has the namespace of the thread that starts it
	h.t.Cleanup(func() {
		p.kill()
		stdin.Close()
		out.Close()
	})
	return p
}

func (p *process) line() string {
	p.out.Scan()
	return p.out.Text()
}

// kill returns when the process is gone, with all that the kernel held for it.
func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

// stopped is whether a connection does not come about. A packet that is dropped has no
// answer to wait for.
func (h *host) stopped(to string, port uint16) bool {
	return h.try(func() error {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(to, fmt.Sprint(port)), 300*time.Millisecond)
		if err == nil {
			c.Close()
		}
		return err
	}) != nil
}

func TestKill(t *testing.T) {
	modes(t, func(t *testing.T, o ProxyOptions) {
		l := newLab(t)
		o.Scope.Ports = []PortRange{{443, 443}}
		p := l.router.start(childOptions{Proxy: o})
		if got := p.line(); got != "ready" {
			t.Fatal(got)
		}
		for _, server := range []string{server4, server6} {
			l.client.wantAnswer("", server, 443, "child")
		}
		p.kill()
		if o.FailOpen {
			l.client.wantAnswer("", server4, 443, "server "+client4)
			l.client.wantAnswer("", server6, 443, "server "+client6)
		} else {
			for _, server := range []string{server4, server6} {
				if !l.client.stopped(server, 443) {
					t.Errorf("%s: the connection went past", server)
				}
			}
		}
		// Out of scope is out of scope.
		l.client.wantAnswer("", server4, 80, "server "+client4)
		l.client.wantAnswer("", server6, 80, "server "+client6)

		// The next start is like the first.
		p = l.router.start(childOptions{Proxy: o})
		if got := p.line(); got != "ready" {
			t.Fatal(got)
		}
		for _, server := range []string{server4, server6} {
			l.client.wantAnswer("", server, 443, "child")
		}
		p.kill()
		if removed, err := l.router.teardown(); err != nil || o.FailOpen != (len(removed) == 0) && o.Mode == Redirect {
			t.Errorf("teardown: %q, %v", removed, err)
		}
		if diff := cmp.Diff(l.router.dumpOthers(), l.router.dumpAll()); diff != "" {
			t.Errorf("teardown left:\n%s", diff)
		}
		l.client.wantAnswer("", server4, 443, "server "+client4)
	})
}

// Other programs that clear the ruleset, as a firewall does when it starts anew, do not
// take away a table that has an owner.
func TestOwnedTableSurvivesFlush(t *testing.T) {
	nftTool(t)
	h := newHost(t)
	in := h.setup(ProxyOptions{Mode: Redirect, Port: proxyPort, FailOpen: true})
	h.nft("", "flush", "ruleset")
	if _, err := in.Counters(); err != nil {
		t.Error(err)
	}
}

func TestWithoutCapabilities(t *testing.T) {
	h := newHost(t)
	o := ProxyOptions{Mode: Redirect, Port: proxyPort, FailOpen: true}
	p := h.start(childOptions{Proxy: o, Drop: "before"})
	if got, want := p.line(), "permission=true: setting up table inet sstpwarden_proxy: "; len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("without any: %q", got)
	}
	// An owned table goes away without them.
	before := h.dumpAll()
	p = h.start(childOptions{Proxy: o, Drop: "after"})
	if got := p.line(); got != "ready" {
		t.Fatal(got)
	}
	if cmp.Equal(before, h.dumpAll()) {
		t.Error("there is no table")
	}
	p.stdin.Close()
	if err := p.Wait(); err != nil {
		t.Error(p.line(), err)
	}
	if diff := cmp.Diff(before, h.dumpAll()); diff != "" {
		t.Errorf("it left:\n%s", diff)
	}
}
