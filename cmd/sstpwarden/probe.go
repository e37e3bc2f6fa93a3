package main

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/proxy/probe"
)

// probeFlags are those of `sstpwarden probe`.
type probeFlags struct {
	list         string
	sni          string
	allAddresses bool
	allowPrivate bool
	timeout      time.Duration
	rate         float64
	parallel     int
	rules        string
	format       string
	out          string
	failOn       string
}

func newProbe() *cobra.Command {
	var f probeFlags
	cmd := &cobra.Command{
		Use:   "probe [flags] HOST[:PORT]...",
		Short: "Ask servers whether they speak SSTP",
		Long: `Probe connects to each server, sends the request that begins SSTP over TLS, and
reads the head of the answer. It sends nothing behind that: no login is tried.
It says yes, no or unclear, why, and which implementation answers.

The port is 443 unless given; IPv6 addresses stand in brackets if a port
follows. Of a name's addresses the first that can be connected to is asked.
The certificate is not verified. A server may have SSTP under another path or
name, so a no is weaker than a yes.

Servers named as arguments are asked wherever they are. Those of a --list are
not asked at addresses that are private, loopback, link-local, multicast or of
a cloud's metadata service, unless --allow-private is given: others may have
written what is in a list, or what its names lead to.

Exit status: 0 all were asked, 1 some could not be reached, 2 wrong usage,
3 --fail-on was met.`,
		Example: `  sstpwarden probe vpn.example.org
  sstpwarden probe 192.0.2.7:992 '[2001:db8::7]:443' --sni vpn.example.org
  sstpwarden probe --list suspects.txt --format json | jq 'select(.sstp == "yes")'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range []string{"list", "sni", "rules", "format", "out", "fail-on"} {
				if fl := cmd.Flags().Lookup(name); fl.Changed && fl.Value.String() == "" {
					return cli.Usagef("probe: --%s is empty: give it a value, or leave it out", name)
				}
			}
			return f.run(cmd.Context(), args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.list, "list", "", "ask the servers in `FILE` too, one a line (- is standard input; # begins a comment)")
	fl.StringVar(&f.sni, "sni", "", "ask every server by this `NAME`, in TLS and in Host")
	fl.BoolVar(&f.allAddresses, "all-addresses", false, "ask a name's every address")
	fl.BoolVar(&f.allowPrivate, "allow-private", false, "ask servers of a list at private and other special addresses too")
	fl.DurationVar(&f.timeout, "timeout", probe.DefaultTimeout, "`TIME` for one server in all")
	fl.Float64Var(&f.rate, "rate", 5, "begin with at most `N` servers a second")
	fl.IntVar(&f.parallel, "parallel", 4, "ask at most `N` servers at a time")
	fl.StringVar(&f.rules, "rules", "", "detection rules `FILE` in place of those built in, to name implementations by")
	fl.StringVar(&f.format, "format", "table", "table, or json (one server a line)")
	fl.StringVar(&f.out, "out", "", "write the result to `FILE` instead of standard output")
	fl.StringVar(&f.failOn, "fail-on", "", "exit with 3 if a server speaks SSTP: `WHAT` is sstp")
	return cmd
}

func (f *probeFlags) check() error {
	switch {
	case f.format != "table" && f.format != "json":
		return cli.Usagef("probe: --format %s is not known: use table or json", f.format)
	case f.failOn != "" && f.failOn != "sstp":
		return cli.Usagef("probe: --fail-on %s is not known: use sstp", f.failOn)
	case f.timeout <= 0:
		return cli.Usagef("probe: --timeout %v makes no sense: give a time such as 10s", f.timeout)
	case !(f.rate >= 0.01 && f.rate <= 1000):
		return cli.Usagef("probe: --rate %v makes no sense: give 0.01 to 1000 servers a second", f.rate)
	case f.parallel < 1 || f.parallel > 256:
		return cli.Usagef("probe: --parallel %d makes no sense: give 1 to 256", f.parallel)
	case f.sni != "" && !probe.IsHostName(f.sni):
		return cli.Usagef("probe: --sni %s is no host name", f.sni)
	}
	return nil
}

func (f *probeFlags) run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	rules, err := loadRules(f.rules)
	if err != nil {
		return &cli.ExitError{Status: cli.ExitUsage, Err: err}
	}
	targets, err := probeTargets(args, f.list, stdin)
	if err != nil {
		return err
	}
	out, err := createOutput(f.out, stdout, []string{f.rules, f.list})
	if err != nil {
		return &cli.ExitError{Status: cli.ExitUsage, Err: err}
	}
	defer out.abandon()
	rep := newProbeReport(f.format, out, wantsColour(out.Writer))
	run := &probeRun{probeFlags: f, prober: &probe.Prober{Timeout: f.timeout, Rules: rules}, pacer: pacer{every: time.Duration(float64(time.Second) / f.rate)}}
	bar := newProbeBar(len(targets), stderr, isTerminal(out.Writer) && f.format == "json")
	var tally probeTally
	asked, err := run.all(ctx, targets, func(results []probe.Result) error {
		defer bar.add()
		for i := range results {
			tally.add(&results[i])
			if err := rep.result(&results[i]); err != nil {
				return err
			}
		}
		return nil
	})
	bar.end()
	if err == nil {
		err = rep.end(&tally)
	}
	if err == nil {
		err = out.finish()
	}
	switch {
	case err != nil:
		return printed(err)
	case tally.yes > 0 && f.failOn == "sstp":
		return &cli.ExitError{Status: cli.ExitFound}
	case asked < len(targets):
		return &cli.ExitError{Status: cli.ExitFailed, Err: errors.New("probe: stopped; the result covers what was asked until then")}
	case tally.unreached > 0:
		return &cli.ExitError{Status: cli.ExitFailed}
	}
	return nil
}

// A probeRun asks many servers.
type probeRun struct {
	*probeFlags
	prober *probe.Prober
	pacer  pacer
}

// all asks the targets and hands the results to emit in the order of the targets.
// It says of how many, which are fewer if ctx is done.
func (r *probeRun) all(ctx context.Context, targets []probeTarget, emit func([]probe.Result) error) (asked int, err error) {
	ctx, stop := context.WithCancel(ctx)
	next := make(chan int)
	results := make([]chan []probe.Result, len(targets))
	for i := range results {
		results[i] = make(chan []probe.Result, 1)
	}
	var working sync.WaitGroup
	working.Go(func() {
		defer close(next)
		for i := range targets {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for range min(r.parallel, len(targets)) {
		working.Go(func() {
			for i := range next {
				if got := r.ask(ctx, targets[i]); ctx.Err() == nil {
					results[i] <- got
				}
			}
		})
	}
	defer working.Wait()
	defer stop()
	for i := range results {
		var got []probe.Result
		select {
		case got = <-results[i]:
		case <-ctx.Done():
			working.Wait()
			select {
			case got = <-results[i]: // it was in time
			default:
				continue
			}
		}
		asked++
		if err := emit(got); err != nil {
			return asked, err
		}
	}
	return asked, nil
}

// A pacer lets no more than one begin in so much time.
type pacer struct {
	every time.Duration
	mu    sync.Mutex
	next  time.Time
}

// wait waits for its turn, or for ctx.
func (p *pacer) wait(ctx context.Context) {
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.every)
	p.mu.Unlock()
	select {
	case <-time.After(at.Sub(now)):
	case <-ctx.Done():
	}
}
