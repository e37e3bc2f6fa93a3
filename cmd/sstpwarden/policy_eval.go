package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

func newPolicyEval() *cobra.Command {
	var p policyFlags
	var f inspectFlags
	var format string
	var all bool
	cmd := &cobra.Command{
		Use:   "eval [flags] EVENTS|CAPTURE...",
		Short: "Ask policies about recorded events or captures",
		Long: `Eval asks the policies about every connection in events (JSON lines, as
"audit --format json" writes them; - is standard input) or in captures, and
prints what they decide.`,
		Example: `  sstpwarden policy eval --policy my-policies events.json
  sstpwarden policy eval --data sanctioned.yaml edge.pcap`,
		Args: takes(1, 0, "events or captures"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "table" && format != "json" {
				return cli.Usagef("policy eval: --format %s is not known: use table or json", format)
			}
			d, err := loadPolicy(cmd.Context(), &p, p.path)
			if err != nil {
				return err
			}
			return evalAll(cmd.Context(), d, p.timeout, &f, args, evalOutput(cmd.OutOrStdout(), format, all), cmd.ErrOrStderr())
		},
	}
	p.register(cmd.Flags())
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&format, "format", "table", "table or json: the events, with the decision, one a line")
	cmd.Flags().BoolVar(&all, "all", false, "print connections that are allowed silently too")
	return cmd
}

// An evaluation takes each connection with the policies' answer.
type evaluation struct {
	take func(in *policies.Input, a policies.Answer) error
	end  func(counts map[string]uint64) error
}

func evalAll(ctx context.Context, d policies.Decider, timeout time.Duration, f *inspectFlags, paths []string, out evaluation, stderr io.Writer) error {
	counts := map[string]uint64{}
	err := connections(ctx, f, paths, stderr, func(in policies.Input) error {
		a := policies.Ask(ctx, d, in, timeout)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		counts[a.Outcome()]++
		return out.take(&in, a)
	})
	if e, ok := errors.AsType[*cli.ExitError](err); err != nil && (!ok || e.Err != nil) {
		return failed(err)
	}
	if err := out.end(counts); err != nil {
		return printed(err)
	}
	if err != nil || counts["error"] > 0 {
		return &cli.ExitError{Status: cli.ExitFailed}
	}
	return nil
}

func evalOutput(w io.Writer, format string, all bool) evaluation {
	b := bufio.NewWriter(w)
	if format == "json" {
		enc := event.NewEncoder(b)
		return evaluation{
			take: func(in *policies.Input, a policies.Answer) error {
				if !all && silent(in, a) {
					return nil
				}
				e := in.Event
				e.Decision = a.Event(policies.PointAudit)
				return enc.Event(&e)
			},
			end: func(map[string]uint64) error { return b.Flush() },
		}
	}
	return evaluation{
		take: func(in *policies.Input, a policies.Answer) error {
			if !all && silent(in, a) {
				return nil
			}
			_, err := fmt.Fprintf(b, "%-6s %s\n       %s\n", a.Outcome(), connection(&in.Event), event.Printable(because(a)))
			return err
		},
		end: func(counts map[string]uint64) error {
			fmt.Fprintf(b, "%s\n", tally(counts))
			return b.Flush()
		},
	}
}

// silent says that a connection is nothing to tell of.
func silent(in *policies.Input, a policies.Answer) bool {
	return a.Outcome() == string(policies.ActionAllow) && in.Detection.Verdict.Strength() < inspect.VerdictSuspected.Strength()
}

// because gives the rule and the reason.
func because(a policies.Answer) string {
	if a.Err != nil {
		return a.Err.Error()
	}
	what := []string{a.Rule}
	for _, x := range []struct {
		name string
		is   bool
	}{{"reset", a.Reset}, {"ban " + a.Ban.String(), a.Ban != 0}, {"intercept", a.Intercept}, {"probe", a.Probe}, {"dry run", a.DryRun}} {
		if x.is {
			what = append(what, x.name)
		}
	}
	return strings.Join(what, ", ") + ": " + a.Reason
}

// connection names a connection in a line.
func connection(e *event.Event) string {
	to := fmt.Sprintf("%s:%d", bracket(e.DestIP.String()), e.DestPort)
	if e.Server != nil && e.Server.Name != "" {
		to += " (" + event.Printable(shorten(e.Server.Name, 64)) + ")"
	}
	return fmt.Sprintf("%s:%d -> %s, %s%s, %s, flow %d", bracket(e.SrcIP.String()), e.SrcPort, to,
		e.Detection.Verdict, withSpace(e.Detection.Kind.String()), e.Timestamp.UTC().Format("2006-01-02 15:04:05"), e.FlowID)
}

func withSpace(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

// tally words counts of outcomes, in the order in which they matter.
func tally(counts map[string]uint64) string {
	var parts []string
	total := uint64(0)
	for _, outcome := range []string{"drop", "log", "allow", "error"} {
		total += counts[outcome]
		if n := counts[outcome]; n > 0 || outcome != "error" {
			parts = append(parts, fmt.Sprintf("%s %d", outcome, n))
		}
	}
	return cmp.Or(count(total, "connection"), "") + ": " + strings.Join(parts, ", ")
}

// failed gives err the exit status of what could not be done, unless it has one.
func failed(err error) error {
	if _, ok := errors.AsType[*cli.ExitError](err); ok {
		return err
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("stopped")
	}
	return &cli.ExitError{Status: cli.ExitFailed, Err: err}
}

// printReads tells what of a connection policies look at.
func printReads(w io.Writer, paths []string) error {
	_, err := fmt.Fprintf(w, "looks at: %s\n", strings.Join(paths, ", "))
	return err
}
