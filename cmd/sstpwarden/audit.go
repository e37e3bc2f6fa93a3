package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/inspect"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
)

// auditFlags are those of `sstpwarden audit`.
type auditFlags struct {
	inspectFlags
	policyFlags
	logFlags
	format     string
	out        string
	all        bool
	failOn     string
	diffPolicy string
	onError    string
	carve      string
	redact     bool
}

func newAudit() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit [flags] PATH...",
		Short: "Find SSTP in capture files and say why",
		Long: `Audit reads captures (pcap and pcapng, also gzip and zstd; - is standard
input; folders are searched), inspects every TCP connection in them and says
which carry SSTP, by what evidence, and what the policy would do.

With --keylog or --rsa-key, or secrets in a pcapng file, it reads the tunnels
themselves: user, authentication, inner addresses, how they ended.`,
		Example: `  sstpwarden audit edge.pcapng
  sstpwarden audit --keylog keys.txt --format json captures/ | jq .detection
  sstpwarden audit --format html --out report.html --carve tunnels captures/
  sstpwarden audit --policy my-policies --data sanctioned.yaml edge.pcap
  zcat edge.pcap.gz | sstpwarden audit --fail-on suspected -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("audit: which capture? Name files or folders, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range []string{"fail-on", "out", "rules", "format", "policy", "policy-key", "diff-policy", "carve", "redact-key", "decision-log"} {
				if fl := cmd.Flags().Lookup(name); fl.Changed && fl.Value.String() == "" {
					return cli.Usagef("audit: --%s is empty: give it a value, or leave it out", name)
				}
			}
			return audit(cmd.Context(), &f, args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	f.inspectFlags.register(fl)
	f.policyFlags.register(fl)
	fl.StringVar(&f.diffPolicy, "diff-policy", "", "say too what these policies would do otherwise: `DIR`, bundle, or default")
	fl.StringVar(&f.onError, "on-policy-error", "drop", "what stands in for an answer that policies do not give about SSTP: `ACTION` is drop or log")
	fl.StringVar(&f.format, "format", "table", "table, json (one event a line, a summary last), csv or html (one page)")
	fl.StringVar(&f.out, "out", "", "write the result to `FILE` instead of standard output")
	fl.BoolVar(&f.all, "all", false, "report undetermined and cleared connections too")
	fl.StringVar(&f.carve, "carve", "", "write each tunnel's packets to a file of its own in `DIR`, with its secrets where they are known")
	fl.BoolVar(&f.redact, "redact", false, "leave user names out and replace addresses, everywhere")
	f.logFlags.register(fl)
	fl.StringVar(&f.failOn, "fail-on", "", "exit with 3 if anything was suspected, confirmed, or met by a drop of the policy, or changes with --diff-policy: `WHAT` is suspected, confirmed, drop or change")
	return cmd
}

func (f *auditFlags) check(paths []string) error {
	switch f.format {
	case "table", "json", "csv", "html":
	default:
		return cli.Usagef("audit: --format %s is not known: use table, json, csv or html", f.format)
	}
	switch f.failOn {
	case "", "suspected", "confirmed", "drop":
	case "change":
		if f.diffPolicy == "" {
			return cli.Usagef("audit: --fail-on change needs --diff-policy")
		}
	default:
		return cli.Usagef("audit: --fail-on %s is not known: use suspected, confirmed, drop or change", f.failOn)
	}
	if f.onError != string(policies.ActionDrop) && f.onError != string(policies.ActionLog) {
		return cli.Usagef("audit: --on-policy-error %s is not known: use drop or log", f.onError)
	}
	if f.carve != "" && slices.Contains(paths, "-") {
		return cli.Usagef("audit: --carve reads a capture twice, and standard input can be read once: write it to a file, and name that")
	}
	if f.carve != "" && f.redact {
		return cli.Usagef("audit: --carve writes packets as they are: leave it out, or --redact")
	}
	return nil
}

// files lists the files that are read.
func (f *auditFlags) files(inputs []pcaps.Input) []string {
	out := slices.Concat(f.keylogs, f.rsaKeys, []string{f.rules, f.redactKey, f.path, f.keyFile}, f.data)
	for _, in := range inputs {
		out = append(out, in.Path)
	}
	return out
}

// met says that an event is one to fail on.
func (f *auditFlags) met(e *event.Event) bool {
	switch f.failOn {
	case "suspected":
		return e.Detection.Verdict.Strength() >= inspect.VerdictSuspected.Strength()
	case "confirmed":
		return e.Detection.Verdict == inspect.VerdictConfirmed
	case "drop":
		return e.Decision != nil && e.Decision.Action == string(policies.ActionDrop)
	case "change":
		return changes(e)
	}
	return false
}

// changes says that the compared policy would do something else.
func changes(e *event.Event) bool {
	if e.Decision == nil || e.OtherDecision == nil {
		return false
	}
	a, b := *e.Decision, *e.OtherDecision
	a.Reason, a.Rule, a.Revision = b.Reason, b.Rule, b.Revision
	return a != b
}

func audit(ctx context.Context, f *auditFlags, paths []string, stdout, stderr io.Writer) error {
	if err := f.check(paths); err != nil {
		return err
	}
	spareCollector()
	decider, err := prepareDecider(ctx, &f.policyFlags)
	if err != nil {
		return err
	}
	c, err := f.config(stderr)
	if err != nil {
		return err
	}
	c.All = f.all
	c.Carve = pcaps.Carve{Dir: f.carve, Application: "sstpwarden " + cli.Version()}
	if c.Compare, err = f.comparison(ctx); err != nil {
		return err
	}
	inputs, err := pcaps.Inputs(paths)
	if err != nil {
		return &cli.ExitError{Status: cli.ExitUsage, Err: err}
	}
	if f.carve != "" { // what cannot be written should be told before an hour's audit
		if err := os.MkdirAll(f.carve, 0o700); err != nil {
			return &cli.ExitError{Status: cli.ExitUsage, Err: fmt.Errorf("making the folder of carved captures: %w", err)}
		}
	}
	c.Gate = f.gate(decider)
	logs, err := f.open(f.redact, f.out == "" || f.out == "-", stderr)
	if err != nil {
		return err
	}
	defer logs.abandon()
	logs.record(c.Gate)
	out, err := createOutput(f.out, stdout, f.files(inputs))
	if err != nil {
		return &cli.ExitError{Status: cli.ExitUsage, Err: err}
	}
	defer out.abandon()
	w := bufio.NewWriterSize(out, 1<<16)
	rep := logs.redacting(f.reporter(w, wantsColour(out.Writer), c.Rules, paths))
	found := false
	c.Emit = func(e *event.Event) error {
		found = found || f.met(e)
		return errors.Join(rep.Event(e), logs.event(e))
	}
	bar := newProgressBar(&c, inputs, stderr, f.format == "json" && isTerminal(out.Writer))
	summary, err := pcaps.Run(ctx, inputs, c)
	bar.end()
	if err := decider.failed(); err != nil {
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("preparing the policy: %w", err)}
	}
	logs.close(ctx, &summary)
	written := errors.Join(rep.End(&summary), w.Flush())
	if written == nil && (err == nil || ctx.Err() != nil) {
		written = out.finish() // what was stopped by a signal is a result too
	}
	err = errors.Join(err, written)
	return auditStatus(err, &summary, found, stderr)
}

// gate asks decider, and stands in for it as the flags say.
func (f *auditFlags) gate(decider policies.Decider) *policies.Gate {
	standIn := policies.StandIn{SSTP: policies.Action(f.onError)}
	return &policies.Gate{Decider: decider, Point: policies.PointAudit, Timeout: f.timeout, OnError: standIn, OnTimeout: standIn}
}

// comparison is what --diff-policy asks for, nil for nothing.
func (f *auditFlags) comparison(ctx context.Context) (*policies.Comparison, error) {
	if f.diffPolicy == "" {
		return nil, nil
	}
	after, err := loadPolicy(ctx, &f.policyFlags, f.diffPolicy)
	if err != nil {
		return nil, err
	}
	return &policies.Comparison{New: after, Point: policies.PointAudit, Timeout: f.timeout}, nil
}

// auditStatus says what went wrong, and gives the error with the exit status.
func auditStatus(err error, s *event.Summary, found bool, stderr io.Writer) error {
	tellErrors(s.Errors, stderr)
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("audit: %w", err)}
	case found:
		return &cli.ExitError{Status: cli.ExitFound}
	case err != nil:
		return &cli.ExitError{Status: cli.ExitFailed, Err: errors.New("audit: stopped; the result covers what was read until then")}
	case len(s.Errors) > 0:
		return &cli.ExitError{Status: cli.ExitFailed}
	}
	return nil
}

// sourced gives an error with its source in front.
func sourced(e event.Error) string {
	if strings.HasPrefix(e.Error, e.Source) {
		return e.Error
	}
	return e.Source + ": " + e.Error
}

func loadRules(path string) (*inspect.Ruleset, error) {
	if path == "" {
		return rules.Default(), nil
	}
	return rules.Load(path)
}

// loadKeys reads the secrets. A key log with a bad line is used all the same.
func loadKeys(keylogs, rsaKeys []string, stderr io.Writer) (*tlskeys.Keys, error) {
	if len(keylogs)+len(rsaKeys) == 0 {
		return nil, nil
	}
	keys := &tlskeys.Keys{}
	for _, path := range keylogs {
		if err := loadKeyLog(keys, path, stderr); err != nil {
			return nil, err
		}
	}
	for _, path := range rsaKeys {
		text, err := readSmall(path)
		if err != nil {
			return nil, fmt.Errorf("loading RSA key: %w", err)
		}
		if err := keys.AddRSAKey(text); err != nil {
			return nil, fmt.Errorf("loading RSA key %s: %w", path, err)
		}
	}
	return keys, nil
}

func loadKeyLog(keys *tlskeys.Keys, path string, stderr io.Writer) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("loading key log: %w", err)
	}
	defer func() { _ = file.Close() }()
	n, err := keys.AddKeyLog(file)
	var syntax *tlskeys.SyntaxError
	switch {
	case errors.As(err, &syntax) && n > 0:
		fmt.Fprintf(stderr, "sstpwarden: key log %s: %v; the %d other secrets are used\n", path, err, n)
	case err != nil:
		return fmt.Errorf("loading key log %s: %w", path, err)
	case n == 0:
		fmt.Fprintf(stderr, "sstpwarden: key log %s holds no secrets: is it the file that SSLKEYLOGFILE named?\n", path)
	}
	return nil
}

// maxKeyFile is more than any file of RSA keys has, in bytes.
const maxKeyFile = 1 << 20

func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		err = fmt.Errorf("%s has more than %d bytes: is it a key?", path, maxKeyFile)
	}
	return text, err
}
