package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sstpwarden/cmd/cli"
	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/opa"
	"sstpwarden/rules"
)

// A Daemon is what a service runs in. Its methods are safe for concurrent use,
// but Handle, OnReload, AddReady, AddLive and Listener are for before Run.
type Daemon struct {
	cfg     Config
	point   policies.Point
	started time.Time
	lines   *logQueue // of the log, nil where it is written at once
	log     *slog.Logger

	live    *opa.Live
	gate    *policies.Gate
	memory  *inspect.Memory
	ruleset atomic.Pointer[loadedRules]
	records *records

	registry *prometheus.Registry
	mux      *http.ServeMux
	pages    []string // of Handle, for the index
	admin    *admin   // nil for none
	sockets  sockets
	reloads  reloads
	ready    checks
	alive    checks
	serving  atomic.Bool

	hangup  chan os.Signal
	hard    context.Context
	cutting context.CancelFunc
}

// loadedRules are the detection rules in force.
type loadedRules struct {
	rules     *inspect.Ruleset
	inspector *inspect.Inspector
	loaded    time.Time
}

// New opens everything that cfg names: policies, rules, destinations, and the
// admin listener, which answers from Run on. Ctx is for the loading alone. The
// Daemon must be run, or closed.
func New(ctx context.Context, cfg Config, point policies.Point) (*Daemon, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	lines := newLogQueue(os.Stderr, cfg.Log)
	d, err := newDaemon(ctx, cfg, point, lines)
	if err != nil {
		lines.close()
		return nil, err
	}
	d.lines = lines
	takeLibraryLog(d.log)
	return d, nil
}

// newDaemon makes one whose log goes there.
func newDaemon(ctx context.Context, cfg Config, point policies.Point, log io.Writer) (*Daemon, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	d := &Daemon{cfg: cfg, point: point, started: time.Now(), mux: http.NewServeMux()}
	d.log = newLogger(log, cfg.Log)
	d.hard, d.cutting = context.WithCancel(context.Background())
	d.hangup = make(chan os.Signal, 1)
	signal.Notify(d.hangup, syscall.SIGHUP) // from here on it ends nothing
	// Whoever read events or the log from a pipe and is gone loses them, and they are
	// counted: it must not end what is enforced.
	signal.Ignore(syscall.SIGPIPE)
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Daemon) open(ctx context.Context) error {
	var err error
	if d.live, err = opa.NewLive(ctx, d.cfg.policySource()); err != nil {
		return err // it tells files and lines, for editors to jump there
	}
	d.memory = inspect.NewMemory(inspect.MemoryOptions{Servers: d.cfg.Memory.Servers, PerServer: d.cfg.Memory.PerServer})
	if _, err = d.loadRules(ctx); err != nil {
		return err
	}
	d.gate = d.cfg.newGate(d.live, d.point)
	if d.records, err = openRecords(&d.cfg, d.log); err != nil {
		return err
	}
	d.records.record(d.gate, d.cfg.DecisionLog.All)
	d.reloads.add("policies", d.live.Reload, nil) // it watches its files itself
	d.reloads.add("rules", d.loadRules, []string{d.cfg.Rules})
	d.registry = d.newRegistry()
	d.sockets.take()
	if d.cfg.Admin.Listen != "" {
		if d.admin, err = d.openAdmin(); err != nil {
			return err
		}
	}
	d.handleAdmin()
	return nil
}

func (c *Config) policySource() opa.Source {
	return opa.Source{Path: c.Policy.Dir, Data: c.Policy.Data, KeyFile: c.Policy.Key}
}

func (c *Config) newGate(d policies.Decider, point policies.Point) *policies.Gate {
	return &policies.Gate{
		Decider:     d,
		Point:       point,
		DryRun:      c.DryRun,
		DryRunRules: c.Policy.DryRunRules,
		Timeout:     c.Policy.Timeout,
		OnError:     c.Policy.OnError.policy(),
		OnTimeout:   c.Policy.OnTimeout.policy(),
	}
}

func readRules(path string) (*inspect.Ruleset, error) {
	if path == "" {
		return rules.Default(), nil
	}
	return rules.Load(path)
}

// loadRules puts the rules of the file in force, for connections that begin from
// now on. The memory of weak connections stays.
func (d *Daemon) loadRules(context.Context) (changed bool, err error) {
	rs, err := readRules(d.cfg.Rules)
	if err != nil {
		return false, err
	}
	old := d.ruleset.Load()
	if old != nil && old.rules.Revision() == rs.Revision() {
		return false, nil
	}
	in := inspect.NewInspector(inspect.Options{Rules: rs, Memory: d.memory})
	d.ruleset.Store(&loadedRules{rs, in, time.Now()})
	return true, nil
}

// Config gives the configuration that d was made with.
func (d *Daemon) Config() *Config { return &d.cfg }

// Inspector gives the one that new connections are to be inspected with: another
// once the rules were reloaded.
func (d *Daemon) Inspector() *inspect.Inspector { return d.ruleset.Load().inspector }

// Gate gives the one place that asks the policies.
func (d *Daemon) Gate() *policies.Gate { return d.gate }

// Logger gives the log.
func (d *Daemon) Logger() *slog.Logger { return d.log }

// Registry takes the metrics of the service. What is registered twice panics in
// MustRegister, as ever.
func (d *Daemon) Registry() prometheus.Registerer { return d.registry }

// Hard gives the context of the last resort: it is done when the time to stop in
// good order is over. See [Daemon.Run].
func (d *Daemon) Hard() context.Context { return d.hard }

// StateDir gives the folder for what outlives a restart, "" for none.
func (d *Daemon) StateDir() string {
	if d.cfg.StateDir != "" {
		return d.cfg.StateDir
	}
	return os.Getenv("STATE_DIRECTORY") // of several, which our unit does not ask for, no one is ours
}

// Version gives that of the program.
func (d *Daemon) Version() string { return cli.Version() }

// Close closes what is open. It is for a Daemon that is not run; records that
// wait have a moment to be delivered, and so have lines of the log; what is logged later
// is written at once.
func (d *Daemon) Close() error {
	signal.Stop(d.hangup)
	d.cutting()
	d.sockets.close()
	var err error
	if d.admin != nil {
		err = d.admin.close(context.Background())
	}
	if d.records != nil {
		err = errors.Join(err, d.records.close())
	}
	if d.lines != nil {
		d.lines.close()
	}
	return err
}
