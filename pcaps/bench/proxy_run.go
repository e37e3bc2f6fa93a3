package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"
)

const (
	// proxyRounds is how often each entrant is measured in each discipline, if
	// the time lasts: after so long, no further round is begun.
	proxyRounds = 5
	tunnelTime  = 130 * time.Second
	openedTime  = 90 * time.Second
)

// A discipline is what entrants are measured in.
type discipline struct {
	title   string
	short   string // of targets
	unit    string // of a result's value
	each    string // what CPU time is counted by; "" where it is too little to be counted
	scale   float64
	against string // the entrant that the others are compared with
	added   bool   // compared by difference, else by ratio
	run     func(ctx context.Context, a *arena, e *entrant) (result, error)
}

func downloads(connections int) func(context.Context, *arena, *entrant) (result, error) {
	return func(ctx context.Context, a *arena, e *entrant) (result, error) {
		return a.download(ctx, e, connections)
	}
}

func rates(s service) func(context.Context, *arena, *entrant) (result, error) {
	return func(ctx context.Context, a *arena, e *entrant) (result, error) { return a.rate(ctx, e, s, a.window) }
}

func firstBytes(s service) func(context.Context, *arena, *entrant) (result, error) {
	return func(ctx context.Context, a *arena, e *entrant) (result, error) { return a.firstByte(ctx, e, s) }
}

const (
	perGB         = "CPU s/GB"
	perConnection = "CPU us each"
)

// Disciplines of forwarding.
var forwarding = []*discipline{
	{title: "Download through 1 tunnel (TLS, not opened)", short: "download, 1 tunnel", unit: "MB/s", each: perGB, scale: 1, against: bareName, run: downloads(1)},
	{title: "Download through 64 tunnels", short: "download, 64 tunnels", unit: "MB/s", each: perGB, scale: 1, against: bareName, run: downloads(64)},
	{title: "New tunnels with 100 plain bytes there and back", short: "new tunnels, plain", unit: "tunnels/s", each: perConnection, scale: 1e6, against: bareName, run: rates(echoing)},
	{title: "New tunnels with a TLS handshake and an HTTP exchange", short: "new tunnels, TLS", unit: "tunnels/s", each: perConnection, scale: 1e6, against: bareName, run: rates(https)},
	{title: "First byte back from a new tunnel, plain", short: "first byte, plain", unit: "us", against: directName, added: true, run: firstBytes(echoing)},
	{title: "First byte back from a new tunnel, after a ClientHello", short: "first byte, TLS", unit: "us", against: directName, added: true, run: firstBytes(https)},
}

const mitmproxyName = "mitmproxy"

// Disciplines of opening TLS.
var opening = []*discipline{
	{title: "Download through 1 opened connection", short: "download, 1 opened", unit: "MB/s", each: perGB, scale: 1, against: mitmproxyName, run: downloads(1)},
	{title: "Download through 8 opened connections", short: "download, 8 opened", unit: "MB/s", each: perGB, scale: 1, against: mitmproxyName, run: downloads(8)},
	{title: "New opened connections, with an HTTP exchange each", short: "new opened connections", unit: "conn./s", each: perConnection, scale: 1e6, against: mitmproxyName, run: rates(https)},
}

const oursName = "sstpwarden proxy"

func forwarders() []*entrant {
	return []*entrant{
		{name: oursName, ours: true, begin: beginOurs},
		{name: bareName, ours: true, begin: beginBare},
		{name: directName},
		{name: "squid", begin: beginSquid},
		{name: "haproxy, TCP mode", begin: beginHAProxy},
		{name: "tinyproxy", begin: beginTinyproxy},
	}
}

func openers() []*entrant {
	return []*entrant{
		{name: oursName, opens: true, ours: true, begin: beginOurs},
		{name: bareOpenName, opens: true, ours: true, begin: beginBareOpen},
		{name: mitmproxyName, opens: true, begin: beginMitmproxy},
		{name: "mitmproxy, streaming", opens: true, begin: beginStreaming},
		{name: "squid", opens: true, begin: beginSquid},
	}
}

// runProxy measures "sstpwarden proxy" beside others and reports.
func (o *options) runProxy(ctx context.Context, w io.Writer) error {
	p := printer{w: w}
	if runtime.GOOS != "linux" {
		p.printf("\nThe proxy is measured on Linux only.\n")
		return p.err
	}
	began, before := time.Now(), load()
	if err := o.check(); err != nil {
		return err
	}
	files, err := allowFiles()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sstpwarden-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { // squid runs as a user of its own
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, err := newArena(ctx, dir)
	if err != nil {
		return err
	}
	defer a.server.stop()
	a.ours, a.squid, a.rounds = o.program, o.squid, min(o.rounds, proxyRounds)
	if o.profiles != "" {
		a.profiles, a.window = o.profiles, profileWindow
		if err := os.MkdirAll(a.profiles, 0o755); err != nil {
			return err
		}
	}
	p.printf("\nProxies on the loopback in turn, on %d processors; clients, proxies and servers share them.\n", runtime.NumCPU())

	var m measured
	if o.only != onlyOpened {
		m.forward = forwarders()
		if err := a.contest(ctx, m.forward, forwarding, tunnelTime); err != nil {
			return err
		}
		for _, d := range forwarding {
			p.printf("%s", d.table(m.forward))
		}
	}
	m.open = openers()
	together, err := a.apart()
	if err != nil {
		return err
	}
	if a.own != nil {
		p.printf("\nOpening TLS: a proxy has a processor to itself, clients and servers have the rest.\n" +
			"Where its CPU %% is below 100, they are what it waits for.\n")
	}
	if err := errors.Join(a.contest(ctx, m.open, opening, openedTime), together()); err != nil {
		return err
	}
	for _, d := range opening {
		p.printf("%s", d.table(m.open))
	}
	cost, err := cipherCost()
	if err != nil {
		return err
	}
	p.printf("%s", cipherBound(cost, m.open))
	if o.only != onlyOpened {
		if m.idle, err = a.holdAll(ctx, files); err != nil {
			return err
		}
		p.printf("%s", idleTable(m.idle))
	}
	p.printf("%s", targetList(m.targets()))
	p.printf("%s", m.noise(before, load(), time.Since(began)))
	return p.err
}

// What was measured of proxies; nothing of a part that was left out.
type measured struct {
	forward, open []*entrant
	idle          []*holding
}

// allowFiles lets this program's children have as many files open as the
// system lets them, and says how many. Go raises the limit for itself only.
func allowFiles() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("reading the limit of open files: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("raising the limit of open files to %d: %w", limit.Max, err)
	}
	return int(min(limit.Cur, 1<<20)), nil
}

// contest runs the entrants through all disciplines in turn, round after round,
// so that what else the machine does hits all alike.
func (a *arena) contest(ctx context.Context, entrants []*entrant, disciplines []*discipline, lasts time.Duration) error {
	defer func() {
		for _, e := range entrants {
			e.leave()
		}
	}()
	for _, e := range entrants {
		if err := a.enter(ctx, e); err != nil {
			return err
		}
	}
	began := time.Now()
	for round := range a.rounds {
		if round > 0 && time.Since(began) > lasts {
			break
		}
		for _, d := range disciplines {
			for i := range entrants {
				e := entrants[(i+round)%len(entrants)] // nobody always follows the same
				if e.missing != "" {
					continue
				}
				r, err := a.profiled(ctx, d, e)
				if err != nil {
					if err := e.fail(ctx, fmt.Errorf("%s: %w", d.title, err)); err != nil {
						return err
					}
					continue
				}
				e.results[d.title] = append(e.results[d.title], r)
			}
		}
	}
	return nil
}

// entrantNamed finds an entrant.
func entrantNamed(entrants []*entrant, name string) *entrant {
	return entrants[slices.IndexFunc(entrants, func(e *entrant) bool { return e.name == name })]
}
