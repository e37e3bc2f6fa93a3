package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/policies"
	"sstpwarden/policies/opa"
)

func newPolicyExplain() *cobra.Command {
	var p policyFlags
	var f inspectFlags
	var format string
	var flow uint64
	var all bool
	cmd := &cobra.Command{
		Use:   "explain [flags] EVENTS|CAPTURE...",
		Short: "Show which rule of the policies decides, and what it looks at",
		Long: `Explain asks the policies about connections in events (JSON lines; - is standard
input) or in captures, and shows how they come to their decision: which rules
held, where the others failed, and which facts and data were looked at. It
takes the connections that are not allowed silently, or those of --flow.`,
		Example: `  sstpwarden policy explain --policy my-policies --flow 4951760157141521 events.json`,
		Args:    takes(1, 0, "events or captures"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return cli.Usagef("policy explain: --format %s is not known: use text or json", format)
			}
			ctx := cmd.Context()
			d, err := loadPolicy(ctx, &p, p.path)
			if err != nil {
				return err
			}
			w := bufio.NewWriter(cmd.OutOrStdout())
			enc := json.NewEncoder(w)
			explained := 0
			err = connections(ctx, &f, args, cmd.ErrOrStderr(), func(in policies.Input) error {
				x, err := explain(ctx, d, in)
				switch {
				case err != nil:
					return err
				case cmd.Flags().Changed("flow") && in.FlowID != flow:
					return nil
				case !cmd.Flags().Changed("flow") && !all && silent(&in, policies.Answer{Decision: x.Decision, Err: x.Err}):
					return nil
				}
				explained++
				if format == "json" {
					return enc.Encode(x)
				}
				fmt.Fprintf(w, "%s\n", connection(&in.Event))
				if err := x.WriteText(w); err != nil {
					return err
				}
				return w.WriteByte('\n')
			})
			if flushed := w.Flush(); flushed != nil {
				return printed(flushed)
			}
			if err == nil && explained == 0 {
				return &cli.ExitError{Status: cli.ExitFailed, Err: errors.New("policy explain: nothing to explain: no connection of that kind; --all explains those that are allowed silently too")}
			}
			if err != nil {
				return failed(err)
			}
			return nil
		},
	}
	p.register(cmd.Flags())
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&format, "format", "text", "text or json: one object a connection")
	cmd.Flags().Uint64Var(&flow, "flow", 0, "explain the connection of this flow_id")
	cmd.Flags().BoolVar(&all, "all", false, "explain connections that are allowed silently too")
	return cmd
}

// explainTimeout is how long one explanation may take, which is many times as
// long as an answer.
const explainTimeout = time.Minute

func explain(ctx context.Context, d *opa.Decider, in policies.Input) (opa.Explanation, error) {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	return d.Explain(ctx, in)
}
