package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"sstpwarden/cmd/cli"
	"sstpwarden/policies"
	"sstpwarden/policies/decisionlog"
	"sstpwarden/policies/event"
	"sstpwarden/policies/sink"
)

// logFlags say where events and decisions go beside the result.
type logFlags struct {
	events      []string
	decisionLog string
	logAll      bool
	logMask     []string
	whenFull    string
	redactKey   string
}

func (f *logFlags) register(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.events, "events", nil, "send events to `DEST` too: a file, -, syslog://HOST:PORT, syslog+tcp://HOST:PORT or syslog:///dev/log (repeatable)")
	fl.StringVar(&f.decisionLog, "decision-log", "", "log decisions in OPA's form to `DEST`: a file, -, or an http(s) URL that takes batches")
	fl.BoolVar(&f.logAll, "decision-log-all", false, "log also the decisions that the policy makes on all such connections alike")
	fl.StringSliceVar(&f.logMask, "decision-log-mask", nil, "hash in the decision log: `WHAT` is users, addresses or both, with a comma")
	fl.StringVar(&f.whenFull, "when-full", "wait", "when a destination does not keep up: wait for it, or lose what does not fit and count it")
	fl.StringVar(&f.redactKey, "redact-key", "", "key `FILE` for --redact and --decision-log-mask: the same key gives the same pseudonyms (default: a new key each time)")
}

func (f *logFlags) check(taken bool) error {
	for _, dest := range append([]string{f.decisionLog}, f.events...) {
		switch {
		case dest == "-" && taken:
			return cli.Usagef("two things cannot go to standard output: give one of --out, --events and --decision-log a file")
		case dest == "-":
			taken = true
		}
	}
	if f.whenFull != "wait" && f.whenFull != "lose" {
		return cli.Usagef("--when-full %s is not known: use wait or lose", f.whenFull)
	}
	for _, what := range f.logMask {
		if what != "users" && what != "addresses" {
			return cli.Usagef("--decision-log-mask %s is not known: use users, addresses, or users,addresses", what)
		}
	}
	return nil
}

// logs are the open destinations.
type logs struct {
	flags     *logFlags
	redactor  *event.Redactor // of the result, nil for none
	stderr    io.Writer
	sinks     []named
	encoders  []*event.Encoder
	decisions *decisionlog.Recorder // nil for none
	hangup    chan os.Signal        // SIGHUP: files were moved away
}

// A named sink is told of by its name, "events" or "decisions".
type named struct {
	*sink.Sink
	what string
}

// drainTime is how long destinations have to take what is still to be sent.
const drainTime = 10 * time.Second

// open opens what the flags name. Standard output may be taken already.
func (f *logFlags) open(redact, taken bool, stderr io.Writer) (*logs, error) {
	if err := f.check(taken); err != nil {
		return nil, err
	}
	key, err := f.key()
	if err != nil {
		return nil, &cli.ExitError{Status: cli.ExitUsage, Err: err}
	}
	l := &logs{flags: f, stderr: stderr}
	if redact {
		l.redactor = event.NewRedactor(key, event.RedactOptions{Users: event.RedactRemove, Addresses: event.RedactHash})
	}
	for _, dest := range f.events {
		s, err := l.sink(dest, "events")
		if err != nil {
			return nil, err
		}
		l.encoders = append(l.encoders, event.NewEncoder(s))
	}
	if f.decisionLog != "" {
		s, err := l.sink(f.decisionLog, "decisions")
		if err != nil {
			return nil, err
		}
		o := decisionlog.Options{Key: key, Labels: map[string]string{"version": cli.Version()}}
		if redact || slices.Contains(f.logMask, "users") {
			o.Mask.Users = event.RedactHash
		}
		if redact || slices.Contains(f.logMask, "addresses") {
			o.Mask.Addresses = event.RedactHash
		}
		l.decisions = decisionlog.New(s, o)
	}
	l.reopen()
	return l, nil
}

// reopen opens files anew whenever SIGHUP comes, for who rotates them while a
// long audit runs.
func (l *logs) reopen() {
	if len(l.sinks) == 0 {
		return
	}
	hangup, sinks := make(chan os.Signal, 1), l.sinks
	l.hangup = hangup
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		for range hangup {
			for _, k := range sinks {
				if err := k.Reopen(); err != nil {
					fmt.Fprintf(l.stderr, "sstpwarden: reopening the destination of %s: %s\n", k.what, event.Printable(err.Error()))
				}
			}
		}
	}()
}

// end stops listening for signals.
func (l *logs) end() {
	if l.hangup != nil {
		signal.Stop(l.hangup)
		close(l.hangup)
		l.hangup = nil
	}
	l.sinks = nil
}

func (l *logs) sink(dest, what string) (*sink.Sink, error) {
	s, err := sink.Open(dest, sink.Options{
		Block: l.flags.whenFull == "wait",
		OnError: func(err error) {
			fmt.Fprintf(l.stderr, "sstpwarden: recording %s: %s\n", what, event.Printable(err.Error()))
		},
	})
	if err != nil {
		l.abandon()
		return nil, &cli.ExitError{Status: cli.ExitUsage, Err: fmt.Errorf("opening the destination of %s: %w", what, err)}
	}
	l.sinks = append(l.sinks, named{s, what})
	return s, nil
}

// key reads the key for pseudonyms, or makes one.
func (f *logFlags) key() ([]byte, error) {
	if f.redactKey == "" {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // it never fails
		return key, nil
	}
	const least = 16
	key, err := readSmall(f.redactKey)
	if err == nil && len(key) < least {
		err = fmt.Errorf("%s holds %d bytes: addresses could be guessed; make a key with: head -c 32 /dev/urandom > %[1]s", f.redactKey, len(key))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key for pseudonyms: %w", err)
	}
	return key, nil
}

// record has a gate log its decisions.
func (l *logs) record(g *policies.Gate) {
	if l.decisions != nil {
		g.Recorder, g.RecordForeseen = l.decisions, l.flags.logAll
	}
}

// event sends an event to where --events says.
func (l *logs) event(e *event.Event) error {
	if len(l.encoders) == 0 {
		return nil
	}
	if l.redactor != nil {
		redacted := l.redactor.Event(e)
		e = &redacted
	}
	for _, enc := range l.encoders {
		if err := enc.Event(e); err != nil {
			return err
		}
	}
	return nil
}

// close waits until everything is where it belongs, and tells the summary what
// is not.
func (l *logs) close(ctx context.Context, s *event.Summary) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	for _, k := range l.sinks {
		err := k.Close(ctx)
		lost := k.Lost()
		if lost == 0 && err == nil {
			continue
		}
		s.Dropped["lost_"+k.what] += lost
		text := fmt.Sprintf("%d of them were not recorded", lost)
		if err != nil {
			text += ": " + err.Error()
		}
		s.Errors = append(s.Errors, event.Error{Source: k.what, Error: text})
	}
	l.end()
}

// abandon closes what is still open.
func (l *logs) abandon() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, k := range l.sinks {
		_ = k.Close(ctx) // the audit failed, and said so
	}
	l.end()
}

// redacting redacts what a report is told, if that is asked for.
func (l *logs) redacting(r reporter) reporter {
	if l.redactor == nil {
		return r
	}
	return redactedReport{r, l.redactor}
}

type redactedReport struct {
	reporter
	redactor *event.Redactor
}

func (r redactedReport) Event(e *event.Event) error {
	redacted := r.redactor.Event(e)
	return r.reporter.Event(&redacted)
}

func (r redactedReport) End(s *event.Summary) error {
	redacted := r.redactor.Summary(s)
	return r.reporter.End(&redacted)
}
