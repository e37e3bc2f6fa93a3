package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode"

	"github.com/spf13/pflag"

	"sstpwarden/cmd/cli"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// inspectFlags say how captures are inspected.
type inspectFlags struct {
	keylogs []string
	rsaKeys []string
	rules   string
	workers int
}

func (f *inspectFlags) register(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.keylogs, "keylog", nil, "TLS key log `FILE` in NSS format, as SSLKEYLOGFILE gives it (repeatable)")
	fl.StringArrayVar(&f.rsaKeys, "rsa-key", nil, "private RSA key `FILE` of a server, PEM, for RSA key exchange (repeatable)")
	fl.StringVar(&f.rules, "rules", "", "detection rules `FILE` in place of those built in")
	fl.IntVar(&f.workers, "workers", 0, "files read at once (0: one a processor)")
}

// config makes what an audit needs of the flags.
func (f *inspectFlags) config(stderr io.Writer) (c pcaps.Config, err error) {
	if f.workers < 0 {
		return c, cli.Usagef("--workers %d makes no sense: use 1 or more, or 0 for one a processor", f.workers)
	}
	c.Workers = f.workers
	if c.Rules, err = loadRules(f.rules); err != nil {
		return c, &cli.ExitError{Status: cli.ExitUsage, Err: err}
	}
	var keys *tlskeys.Keys
	if keys, err = loadKeys(f.keylogs, f.rsaKeys, stderr); err != nil {
		return c, &cli.ExitError{Status: cli.ExitUsage, Err: err}
	}
	c.Keys = keys
	return c, nil
}

// connections hands on the connections in recorded events and in captures, one
// at a time and in order. The files that could not be read whole are told on
// stderr, and give an error at the end.
func connections(ctx context.Context, f *inspectFlags, paths []string, stderr io.Writer, take func(in policies.Input) error) error {
	c, err := f.config(stderr)
	if err != nil {
		return err
	}
	c.All = true
	c.Gate = &policies.Gate{Decider: undecided, Point: policies.PointAudit}
	c.Emit = func(e *event.Event) error { return take(policies.Replay(e, policies.PointAudit)) }
	bad := false
	for _, path := range paths {
		recorded, err := holdsEvents(path)
		if err != nil {
			return &cli.ExitError{Status: cli.ExitUsage, Err: fmt.Errorf("reading connections: %w", err)}
		}
		if recorded {
			if err := readEvents(path, take); err != nil {
				return err
			}
			continue
		}
		inputs, err := pcaps.Inputs([]string{path})
		if err != nil {
			return &cli.ExitError{Status: cli.ExitUsage, Err: err}
		}
		summary, err := pcaps.Run(ctx, inputs, c)
		if err != nil {
			return err
		}
		tellErrors(summary.Errors, stderr)
		bad = bad || len(summary.Errors) > 0
	}
	if bad {
		return &cli.ExitError{Status: cli.ExitFailed}
	}
	return nil
}

// undecided stands where no policy is asked.
var undecided = policies.DeciderFunc(func(context.Context, policies.Input) (policies.Decision, error) {
	return policies.Decision{Action: policies.ActionAllow, Reason: "No policy was asked.", Rule: "none"}, nil
})

// holdsEvents says that a file holds JSON, not a capture. Standard input is
// taken for events.
func holdsEvents(path string) (bool, error) {
	if path == "-" {
		return true, nil
	}
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return false, err
	}
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }() // it was only read
	r := bufio.NewReader(file)
	for {
		c, _, err := r.ReadRune()
		if err != nil {
			return false, nil // nothing in it: the audit will say so
		}
		if !unicode.IsSpace(c) {
			return c == '{', nil
		}
	}
}

func readEvents(path string, take func(in policies.Input) error) error {
	file := os.Stdin
	if path != "-" {
		var err error
		if file, err = os.Open(path); err != nil {
			return &cli.ExitError{Status: cli.ExitUsage, Err: err}
		}
		defer func() { _ = file.Close() }() // it was only read
	}
	dec := event.NewDecoder(file)
	for {
		e, _, err := dec.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("reading events of %s: %w", path, err)}
		case e == nil:
			continue // a summary
		}
		if err := take(policies.Replay(e, policies.PointAudit)); err != nil {
			return err
		}
	}
}

// tellErrors names what could not be read or decided.
func tellErrors(list []event.Error, stderr io.Writer) {
	for _, e := range list {
		fmt.Fprintf(stderr, "sstpwarden: %s\n", event.Printable(sourced(e)))
	}
}
