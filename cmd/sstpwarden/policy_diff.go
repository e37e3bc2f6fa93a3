package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// diffFlags are those of `sstpwarden policy diff`.
type diffFlags struct {
	policyFlags
	oldData, newData []string
	inspectFlags
	format string
	failOn string
}

func newPolicyDiff() *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff [flags] OLD NEW EVENTS|CAPTURE...",
		Short: "Say which decisions change from one set of policies to another",
		Long: `Diff asks two sets of policies (folders, bundles, or "default" for the one that
is built in) about every connection in recorded events or captures, and lists
those on which they differ: what would this policy have done last month?`,
		Example: `  sstpwarden policy diff default my-policies events.json
  sstpwarden policy diff --new-data sanctioned.yaml default default edge.pcap`,
		Args: takes(3, 0, "OLD, NEW, and events or captures"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	f.registerData(fl)
	f.registerTimeout(fl)
	fl.StringArrayVar(&f.oldData, "old-data", nil, "data `FILE` for the old set alone (repeatable)")
	fl.StringArrayVar(&f.newData, "new-data", nil, "data `FILE` for the new set alone (repeatable)")
	f.inspectFlags.register(fl)
	fl.StringVar(&f.format, "format", "table", "table or json: one event a line, with decision and other_decision, and a summary last")
	fl.StringVar(&f.failOn, "fail-on", "", "exit with 3 if any decision changes: `WHAT` is change")
	return cmd
}

func (f *diffFlags) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	switch {
	case f.format != "table" && f.format != "json":
		return cli.Usagef("policy diff: --format %s is not known: use table or json", f.format)
	case f.failOn != "" && f.failOn != "change":
		return cli.Usagef("policy diff: --fail-on %s is not known: use change", f.failOn)
	}
	before, after := f.policyFlags, f.policyFlags
	before.data = append(f.oldData, f.data...)
	after.data = append(f.newData, f.data...)
	c := &policies.Comparison{Point: policies.PointAudit, Timeout: f.timeout}
	for _, set := range []struct {
		flags *policyFlags
		path  string
		to    *policies.Decider
	}{{&before, args[0], &c.Old}, {&after, args[1], &c.New}} {
		d, err := loadPolicy(ctx, set.flags, set.path)
		if err != nil {
			return err
		}
		*set.to = d
	}
	w := bufio.NewWriter(stdout)
	show := f.printer(w)
	flows, changed := uint64(0), uint64(0)
	err := connections(ctx, &f.inspectFlags, args[2:], stderr, func(in policies.Input) error {
		p := c.Input(ctx, in)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		flows++
		if !p.Changed() {
			return nil
		}
		changed++
		return show(&in, &p)
	})
	if e, ok := errors.AsType[*cli.ExitError](err); err != nil && (!ok || e.Err != nil) {
		return failed(errors.Join(err, w.Flush()))
	}
	if end := errors.Join(f.end(w, c, flows, changed), w.Flush()); end != nil {
		return printed(end)
	}
	if changed > 0 && f.failOn == "change" {
		return &cli.ExitError{Status: cli.ExitFound}
	}
	return err
}

// printer shows a connection on which the sets differ.
func (f *diffFlags) printer(w *bufio.Writer) func(in *policies.Input, p *policies.Pair) error {
	if f.format == "json" {
		enc := event.NewEncoder(w)
		return func(in *policies.Input, p *policies.Pair) error {
			e := in.Event
			e.Decision, e.OtherDecision = p.Old.Event(policies.PointAudit), p.New.Event(policies.PointAudit)
			return enc.Event(&e)
		}
	}
	return func(in *policies.Input, p *policies.Pair) error {
		_, err := fmt.Fprintf(w, "%s: %s\n  - %s\n  + %s\n", p.Transition, connection(&in.Event), event.Printable(because(p.Old)), event.Printable(because(p.New)))
		return err
	}
}

func (f *diffFlags) end(w *bufio.Writer, c *policies.Comparison, flows, changed uint64) error {
	if f.format == "json" {
		s := event.NewSummary()
		s.Flows = flows
		for _, t := range c.Counts() {
			s.Changes = append(s.Changes, event.Change{From: t.From, To: t.To, Details: t.Details, Flows: t.Flows})
		}
		return event.NewEncoder(w).Summary(&s)
	}
	if changed > 0 {
		fmt.Fprintln(w)
	}
	for _, t := range c.Counts() {
		mark := "same"
		if t.Changed() {
			mark = "changed"
		}
		fmt.Fprintf(w, "%-7s %8d  %s\n", mark, t.Flows, t.Transition)
	}
	_, err := fmt.Fprintf(w, "%s, %d decided otherwise\n", count(flows, "connection"), changed)
	return err
}
