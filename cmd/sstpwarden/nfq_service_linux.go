package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"sstpwarden/cmd/daemon"
	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/nfq"
	"sstpwarden/nfq/nft"
	"sstpwarden/policies"
	"sstpwarden/proxy/probe"
)

// An nfqService is the inspector as it runs.
type nfqService struct {
	daemon *daemon.Daemon
	config *daemon.Config
	claim  *nft.Claim
	queues []*nfq.Queue
	table  atomic.Pointer[nft.Inspection] // nil before it is installed, and once it is removed
	bans   *banner
	asker  *probe.Asker
}

// tableOptions gives those of the firewall's table. In a dry run it stops nothing by itself
// either.
func tableOptions(c *daemon.Config) nft.InspectOptions {
	o := c.NFQ.Table(c.NFQ.Queues.Number())
	if c.DryRun {
		o.FailOpen, o.IgnoreBans = true, true
		if o.Midstream == nft.MidstreamCut {
			o.Midstream = nft.MidstreamWatch // the worker tells of them
		}
	}
	return o
}

// openNFQ opens everything that the configuration names. From then on packets wait. A second
// process is refused before anything else, so as to be told of the first one.
func openNFQ(ctx context.Context, c *daemon.Config, path string) (*nfqService, error) {
	claim, err := nft.ClaimTable(nft.InspectTableName)
	if err != nil {
		return nil, err
	}
	// Packets are never held, those that carry events elsewhere among them.
	waits := c.Events.WhenFull == daemon.WhenFullWait
	c.Events.WhenFull = daemon.WhenFullLose
	d, err := daemon.New(ctx, *c, policies.PointNFQ)
	if err != nil {
		return nil, errors.Join(err, claim.Close())
	}
	warnUnclaimed(d, claim)
	if waits {
		d.Logger().Warn("events that do not fit are lost, whatever events.when_full says: packets cannot wait for them")
	}
	s := &nfqService{daemon: d, config: d.Config(), claim: claim}
	s.bans = newBanner(s)
	if err := s.open(path); err != nil {
		return nil, errors.Join(err, s.close(), d.Close())
	}
	return s, nil
}

func (s *nfqService) open(path string) error {
	s.asker = newAsker(s.config.NFQ.Probe)
	if err := s.openQueues(); err != nil {
		return err
	}
	if err := s.install(); err != nil {
		return err
	}
	s.daemon.AddReady("table", func() error {
		_, err := s.counters()
		return err
	})
	s.daemon.AddLive("queues", s.alive)
	s.daemon.Handle("GET /rules", http.HandlerFunc(s.serveRules))
	(&bansHandler{s.bans.list, s.bans.remove}).register(s.daemon)
	s.daemon.Registry().MustRegister(&nfqMetrics{s})
	if path != "" {
		s.daemon.ReloadConfig(path, s.config, func(context.Context, *daemon.Config, []string) ([]string, error) { return nil, nil })
	}
	// Verdicts, bans and the table take the capability as long as it runs.
	return daemon.DropPrivileges(s.config.User, []cap.Value{cap.NET_ADMIN})
}

func (s *nfqService) openQueues() error {
	n := &s.config.NFQ
	options := tableOptions(s.config)
	for i := range options.Queues {
		w, err := s.worker()
		if err != nil {
			return err
		}
		q, err := nfq.Open(nfq.QueueConfig{
			Number: options.Queue + i, Marks: options.Marks(), FailOpen: n.OverflowPasses() || s.config.DryRun,
			Buffer: int(n.Queues.Buffer), Length: uint32(n.Queues.Length),
		}, w)
		if err != nil {
			return err
		}
		s.queues = append(s.queues, q)
	}
	return nil
}

// worker makes the one of a queue.
func (s *nfqService) worker() (*nfq.Worker, error) {
	n := &s.config.NFQ
	c := nfq.Config{
		Inspector: s.daemon.Inspector, Gate: s.daemon.Gate(), Emit: s.daemon.Emit, Log: s.daemon.Logger(),
		Ban: s.bans.ban, Reset: n.Reset, Budget: uint64(n.Limits.Budget),
		Limits: tcpflow.Config{MaxFlows: n.Limits.Connections},
	}
	for _, x := range []struct {
		to   *nfq.Choice
		word string
	}{
		{&c.Exceptions.Midstream, n.Exceptions.Midstream},
		{&c.Exceptions.Memory, n.Exceptions.Memory},
		{&c.Exceptions.Undecided, n.Exceptions.Undecided},
		{&c.Exceptions.Unreadable, n.Exceptions.Unreadable},
		{&c.Exceptions.Conflict, n.Exceptions.Conflict},
	} {
		if err := x.to.UnmarshalText([]byte(x.word)); err != nil {
			return nil, err
		}
	}
	for _, word := range n.Simulate {
		cause, err := nfq.ParseCause(word)
		if err != nil {
			return nil, err
		}
		c.Simulate = append(c.Simulate, cause)
	}
	if s.asker != nil {
		c.Probe = s.probe
	}
	return nfq.New(c), nil
}

// probePatience is how long a server may take to answer, and to be reached.
const probePatience = 30 * time.Second

// probe has a server asked, beside its connections.
func (s *nfqService) probe(q nfq.Question) {
	if !q.Addr.Addr().IsValid() {
		q.Answer(inspect.Evidence{}, false) // only a proxy knows it
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(s.daemon.Hard(), probePatience)
		defer cancel()
		q.Answer(s.asker.Ask(ctx, probe.Target{Name: q.Name, Addr: q.Addr}))
	}()
}

// install puts the table into the firewall, in place of what an earlier run left.
func (s *nfqService) install() error {
	table, err := nft.SetupInspect(tableOptions(s.config))
	if err != nil {
		return err
	}
	s.table.Store(table)
	if warning := table.Warning(); warning != nil {
		s.daemon.Logger().Warn("the firewall's table would outlive a crash, though it should not", "error", warning)
	}
	return nil
}

// run inspects until ctx is done.
func (s *nfqService) run(ctx context.Context) error {
	n := &s.config.NFQ
	if slices.Contains(n.Hooks, string(nft.HookInput)) != slices.Contains(n.Hooks, string(nft.HookOutput)) {
		s.daemon.Logger().Warn("only one direction of this machine's own connections is seen, from which little can be told: list input and output, or neither", "hooks", n.Hooks)
	}
	if len(n.Simulate) > 0 {
		s.daemon.Logger().Warn("simulating: what is judged so is not what there is", "causes", n.Simulate)
	}
	fail := n.Fail
	if s.config.DryRun && (fail != daemon.FailOpen || !n.OverflowPasses()) {
		s.daemon.Logger().Warn("in a dry run packets pass that nobody can inspect, whatever nfq.fail and nfq.exceptions.overflow say")
		fail = daemon.FailOpen
	}
	warnInterfaces(s.daemon, n.Scope.Interfaces)
	if err := s.queues[0].Counts().KernelErr; err != nil {
		s.daemon.Logger().Info("how many packets wait in queues is not known", "err", err)
	}
	s.daemon.Logger().Info("inspecting", "hooks", n.Hooks, "scope", n.Scope.Table().String(), "queues", len(s.queues), "fail", fail)
	err := s.daemon.Run(ctx, s.serve)
	return errors.Join(err, s.close())
}

// serve runs the queues. In the end it is the table that goes first, so that no packet
// comes for which nobody is there.
func (s *nfqService) serve(ctx context.Context) error {
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, broken := errgroup.WithContext(reading)
	for _, q := range s.queues {
		group.Go(func() error { return q.Run(reading) })
	}
	group.Go(func() error { return s.bans.run(broken) })
	group.Go(func() error { return s.guard(broken) })
	group.Go(func() error {
		defer stop()
		select {
		case <-ctx.Done():
		case <-broken.Done(): // a queue cannot be read: the others end, too
		}
		return s.remove()
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// guardInterval is how long it may go unseen that the table was removed.
const guardInterval = 2 * time.Second

// guard installs the table again when somebody removed it, as `nft flush ruleset` does.
func (s *nfqService) guard(ctx context.Context) error {
	tick := time.NewTicker(guardInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := s.counters(); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		old := s.table.Swap(nil)
		if old == nil {
			return nil // we removed it
		}
		_ = old.Close() // of what is gone
		s.daemon.Logger().Error("somebody removed the firewall's table: installing it again", "table", nft.InspectTableName)
		if err := s.install(); err != nil {
			return fmt.Errorf("installing the firewall's table again: %w", err)
		}
	}
}

var errNoTable = errors.New("the firewall's table is not installed")

func (s *nfqService) counters() (map[string]nft.Counter, error) {
	table := s.table.Load()
	if table == nil {
		return nil, errNoTable
	}
	return table.Counters()
}

// stuckAfter is many times as long as a worker ever takes.
const stuckAfter = 10 * time.Second

// alive says which queue is not read.
func (s *nfqService) alive() error {
	for _, q := range s.queues {
		c := q.Worker().Counts()
		if silent := time.Since(c.Ticked); !c.Ticked.IsZero() && silent > stuckAfter {
			return fmt.Errorf("queue %d was last read %s ago", q.Counts().Number, silent.Round(time.Second))
		}
	}
	return nil
}

func (s *nfqService) remove() error {
	if table := s.table.Swap(nil); table != nil {
		return table.Close()
	}
	return nil
}

// close undoes what is outside of the process.
func (s *nfqService) close() error {
	errs := []error{s.remove()}
	for _, q := range s.queues {
		errs = append(errs, q.Close())
	}
	if s.asker != nil {
		s.asker.Close()
	}
	return errors.Join(append(errs, s.claim.Close())...)
}

// warnUnclaimed tells where nothing keeps a second process from the firewall's table.
func warnUnclaimed(d *daemon.Daemon, claim *nft.Claim) {
	if warning := claim.Warning(); warning != nil {
		d.Logger().Warn("a second process could replace the firewall's table", "error", warning)
	}
}

// warnInterfaces tells of those of a scope that are not there: they may come yet, or their names
// are not what was meant.
func warnInterfaces(d *daemon.Daemon, names []string) {
	for _, name := range names {
		if _, err := net.InterfaceByName(name); err != nil {
			d.Logger().Warn("an interface of the scope is not there: its connections count once it is", "interface", name)
		}
	}
}

func (s *nfqService) serveRules(w http.ResponseWriter, _ *http.Request) {
	table := s.table.Load()
	if table == nil {
		http.Error(w, errNoTable.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, table.Table().String()) // who asked is gone
}
