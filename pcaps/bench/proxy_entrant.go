package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	proxyAdvice = "apt-get install squid-openssl haproxy tinyproxy mitmproxy"
	// What the entrants are compared with.
	bareName, directName = "bare Go splice", "direct"
)

// An entrant is a proxy that takes part, or the way without one.
type entrant struct {
	name    string
	opens   bool // opens TLS
	ours    bool // if it fails, so does the benchmark
	begin   func(ctx context.Context, a *arena, e *entrant) (*child, error)
	way     way
	client  *tls.Config
	admin   string // where profiles are; "" for nowhere
	process bool   // it is one, though begin does not start it
	child   *child // nil: no process
	missing string // why it does not take part, or no longer
	results map[string][]result
}

// cpu is what the entrant's processes have used.
func (e *entrant) cpu() (time.Duration, error) {
	if e.child == nil {
		return 0, nil
	}
	return cpuTime(e.child.pid())
}

// An arena is where entrants compete.
type arena struct {
	dir            string // for what they are configured with
	self, ours     string // programs
	squid          string
	profiles       string        // the folder for them; "" for none
	window         time.Duration // of a measurement
	rounds         int
	origin, issuer *issued
	peer           services
	server         *child // has the services
	hello          []byte // a ClientHello
	own            []int  // processors of whichever proxy is measured; nil for all
}

// apart gives proxies a processor of their own, and all else the others: the
// clients and the server cost as much as a fast proxy, and would take from it what
// they leave to a slow one. What it returns undoes that.
func (a *arena) apart() (together func() error, err error) {
	all, err := processors()
	if err != nil || len(all) < 2 {
		return func() error { return nil }, err
	}
	last := len(all) - 1
	a.own = all[last:]
	theirs := func(cpus []int) error {
		return errors.Join(confine(os.Getpid(), cpus), confine(a.server.pid(), cpus))
	}
	return func() error {
		a.own = nil
		return theirs(all)
	}, theirs(all[:last])
}

// newArena starts the peer. The arena's children end with the context.
func newArena(ctx context.Context, dir string) (*arena, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a := &arena{dir: dir, self: self, window: window, rounds: proxyRounds}
	if a.issuer, err = issue(dir, "bench-root", nil); err != nil {
		return nil, err
	}
	if a.origin, err = issue(dir, originName, a.issuer); err != nil {
		return nil, err
	}
	if a.hello, err = recordedHello(clientConfig(a.origin, false)); err != nil {
		return nil, err
	}
	for i := range a.peer {
		if a.peer[i], err = freeAddress(); err != nil {
			return nil, err
		}
	}
	a.server, err = startChild(ctx, a.peer[:], self, "peer", a.origin.certFile, a.origin.keyFile, a.peer[echoing], a.peer[https])
	return a, err
}

// enter starts an entrant, sees to it that it does what it is to do, and warms
// it up.
func (a *arena) enter(ctx context.Context, e *entrant) error {
	e.client, e.results = clientConfig(a.origin, e.opens), map[string][]result{}
	if e.begin == nil {
		return nil
	}
	c, err := e.begin(ctx, a, e)
	if err == nil {
		e.child = c
		if a.own != nil {
			err = confine(c.pid(), a.own)
		}
	}
	if err == nil && !e.opens {
		err = a.visit(ctx, e, echoing)
	}
	if err == nil {
		err = a.visit(ctx, e, https)
	}
	if err == nil {
		_, err = a.rate(ctx, e, https, a.window/4)
	}
	if err != nil {
		return e.fail(ctx, err)
	}
	return nil
}

// fail ends an entrant's part. What is ours must not fail.
func (e *entrant) fail(ctx context.Context, err error) error {
	e.leave()
	if e.child != nil {
		err = fmt.Errorf("%w%s", err, e.child.stderr.note())
	}
	if e.ours || ctx.Err() != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	e.missing, e.results = strings.ReplaceAll(err.Error(), "\n", "; "), nil
	return nil
}

func (e *entrant) leave() {
	if e.child != nil {
		e.child.stop()
	}
}

// installed finds a program, also where root's programs are.
func installed(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil && !strings.Contains(program, "/") {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", program))
	}
	if err != nil {
		return "", fmt.Errorf("%s is not installed: %s", program, proxyAdvice)
	}
	return path, nil
}

// write writes a configuration.
func (a *arena) write(name, text string) (string, error) {
	path := filepath.Join(a.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

// beginBare starts the bare splice proxy.
func beginBare(ctx context.Context, a *arena, e *entrant) (*child, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	e.way.proxy = address
	return startChild(ctx, []string{address}, a.self, "bare", address)
}
