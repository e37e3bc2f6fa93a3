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

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
)

// auditFlags are those of `sstpwarden audit`.
type auditFlags struct {
	keylogs []string
	rsaKeys []string
	rules   string
	format  string
	out     string
	all     bool
	failOn  string
	workers int
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
  zcat edge.pcap.gz | sstpwarden audit --fail-on suspected -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("audit: which capture? Name files or folders, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range []string{"fail-on", "out", "rules", "format"} {
				if fl := cmd.Flags().Lookup(name); fl.Changed && fl.Value.String() == "" {
					return usageError("audit: --%s is empty: give it a value, or leave it out", name)
				}
			}
			return audit(cmd.Context(), &f, args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.keylogs, "keylog", nil, "TLS key log `FILE` in NSS format, as SSLKEYLOGFILE gives it (repeatable)")
	fl.StringArrayVar(&f.rsaKeys, "rsa-key", nil, "private RSA key `FILE` of a server, PEM, for RSA key exchange (repeatable)")
	fl.StringVar(&f.rules, "rules", "", "detection rules `FILE` in place of those built in")
	fl.StringVar(&f.format, "format", "table", "table or json: one event a line, a summary last")
	fl.StringVar(&f.out, "out", "", "write the result to `FILE` instead of standard output")
	fl.BoolVar(&f.all, "all", false, "report undetermined and cleared connections too")
	fl.StringVar(&f.failOn, "fail-on", "", "exit with 3 if anything was suspected, confirmed, or met by a drop of the policy: `WHAT` is suspected, confirmed or drop")
	fl.IntVar(&f.workers, "workers", 0, "files read at once (0: one a processor)")
	return cmd
}

func (f *auditFlags) check() error {
	switch f.format {
	case "table", "json":
	default:
		return usageError("audit: --format %s is not known: use table or json", f.format)
	}
	switch f.failOn {
	case "", "suspected", "confirmed", "drop":
	default:
		return usageError("audit: --fail-on %s is not known: use suspected, confirmed or drop", f.failOn)
	}
	if f.workers < 0 {
		return usageError("audit: --workers %d makes no sense: use 1 or more, or 0 for one a processor", f.workers)
	}
	return nil
}

// reads lists the files that are read.
func (f *auditFlags) reads(inputs []pcaps.Input) []string {
	out := slices.Concat(f.keylogs, f.rsaKeys, []string{f.rules})
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
	}
	return false
}

func audit(ctx context.Context, f *auditFlags, paths []string, stdout, stderr io.Writer) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	spareCollector()
	decider := prepareDecider(ctx)
	c := pcaps.Config{All: f.all, Workers: f.workers}
	if c.Rules, err = loadRules(f.rules); err != nil {
		return &exitError{status: exitUsage, err: err}
	}
	if c.Keys, err = loadKeys(f.keylogs, f.rsaKeys, stderr); err != nil {
		return &exitError{status: exitUsage, err: err}
	}
	inputs, err := pcaps.Inputs(paths)
	if err != nil {
		return &exitError{status: exitUsage, err: err}
	}
	c.Gate = &policies.Gate{Decider: decider, Point: policies.PointAudit}
	out, err := createOutput(f.out, stdout, f.reads(inputs))
	if err != nil {
		return &exitError{status: exitUsage, err: err}
	}
	defer out.abandon()
	w := bufio.NewWriterSize(out, 1<<16)
	rep := newReport(f.format, w, wantsColour(out.Writer))
	found := false
	c.Emit = func(e *event.Event) error {
		found = found || f.met(e)
		return rep.event(e)
	}
	bar := newProgressBar(&c, inputs, stderr, f.format == "json" && isTerminal(out.Writer))
	summary, err := pcaps.Run(ctx, inputs, c)
	bar.end()
	if _, err := decider.prepared(); err != nil {
		return &exitError{status: exitFailed, err: fmt.Errorf("preparing the policy: %w", err)}
	}
	written := errors.Join(rep.end(&summary), w.Flush())
	if written == nil && (err == nil || ctx.Err() != nil) {
		written = out.finish() // what was stopped by a signal is a result too
	}
	err = errors.Join(err, written)
	return auditStatus(err, &summary, found, stderr)
}

// auditStatus says what went wrong, and gives the error with the exit status.
func auditStatus(err error, s *event.Summary, found bool, stderr io.Writer) error {
	for _, e := range s.Errors {
		text := e.Error
		if !strings.HasPrefix(text, e.Source) {
			text = e.Source + ": " + text
		}
		fmt.Fprintf(stderr, "sstpwarden: %s\n", escape(text))
	}
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		return &exitError{status: exitFailed, err: fmt.Errorf("audit: %w", err)}
	case found:
		return &exitError{status: exitFound}
	case err != nil:
		return &exitError{status: exitFailed, err: errors.New("audit: stopped; the result covers what was read until then")}
	case len(s.Errors) > 0:
		return &exitError{status: exitFailed}
	}
	return nil
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
