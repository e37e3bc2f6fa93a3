package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sstpwarden/cmd/cli"
	"sstpwarden/policies/event"
	"sstpwarden/policies/opa"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Write, check, test and compare policies, and ask them",
		Long: `Policies say what is to be done with a connection: allow, log or drop. They are
written in Rego (https://www.openpolicyagent.org) in package sstp; what counts
is data.sstp.decision. A set of them is a folder or an OPA bundle. Without one,
the set that is built in decides; "sstpwarden policy init DIR" writes it out.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyInit(), newPolicyCheck(), newPolicyTest(), newPolicyEval(), newPolicyExplain(), newPolicyDiff())
	return cmd
}

// takes wants so many arguments at least, and at most, unless most is 0.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most > 0 && len(args) > most {
			return cli.Usagef("%s: want %s, got %s", strings.TrimPrefix(cmd.CommandPath(), "sstpwarden "), what, count(uint64(len(args)), "argument"))
		}
		return nil
	}
}

// policyFlags say which policies decide.
type policyFlags struct {
	path    string
	data    []string
	keyFile string
	timeout time.Duration
}

// policyTimeout is how long policies may take for one answer unless the flags
// say otherwise: thousands of times what the default ones take.
const policyTimeout = time.Second

func (f *policyFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.path, "policy", "", "policies: `DIR` or bundle (.tar.gz) in place of those built in")
	f.registerData(fl)
	f.registerTimeout(fl)
}

func (f *policyFlags) registerData(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.data, "data", nil, "data `FILE` for the policies, JSON or YAML: what is sanctioned (repeatable)")
	fl.StringVar(&f.keyFile, "policy-key", "", "public key `FILE`, PEM, that must have signed the policies")
}

func (f *policyFlags) registerTimeout(fl *pflag.FlagSet) {
	fl.DurationVar(&f.timeout, "policy-timeout", policyTimeout, "how long policies may take for one answer: `TIME`, such as 500ms; 0 is for ever")
}

func (f *policyFlags) source() opa.Source {
	return opa.Source{Path: f.path, Data: f.data, KeyFile: f.keyFile}
}

// given says that anything but the default is asked for.
func (f *policyFlags) given() bool { return f.path != "" || len(f.data) > 0 || f.keyFile != "" }

// loadPolicy loads a set; path stands in for that of the flags.
func loadPolicy(ctx context.Context, f *policyFlags, path string) (*opa.Decider, error) {
	src := f.source()
	src.Path = path
	if path == builtIn {
		src.Path = ""
	}
	d, err := opa.Load(ctx, src)
	if err != nil {
		return nil, &cli.ExitError{Status: cli.ExitUsage, Err: err}
	}
	return d, nil
}

// builtIn names the default set on a command line.
const builtIn = "default"

func newPolicyCheck() *cobra.Command {
	var f policyFlags
	cmd := &cobra.Command{
		Use:   "check [flags] [DIR|BUNDLE]",
		Short: "Look policies and their data over",
		Long: `Check compiles policies as strictly as they will be when they decide, and says
for each thing that is wrong the file, the line and what to do. Without a
folder or a bundle it checks --data against the policies that are built in.`,
		Example: `  sstpwarden policy check my-policies
  sstpwarden policy check --data sanctioned.yaml`,
		Args: takes(0, 1, "one folder or bundle"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := builtIn
			if len(args) == 1 {
				name = args[0]
			}
			d, err := loadPolicy(cmd.Context(), &f, name)
			if err != nil {
				return asFailed(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: revision %s: good\n", event.Printable(name), d.Revision())
			if err == nil {
				err = printReads(cmd.OutOrStdout(), d.Reads())
			}
			return printed(err)
		},
	}
	f.registerData(cmd.Flags())
	return cmd
}

// asFailed gives an error that is the answer to what was asked, and no misuse.
func asFailed(err error) error {
	if e, ok := err.(*cli.ExitError); ok { //nolint:errorlint // it was just made
		e.Status = cli.ExitFailed
	}
	return err
}
