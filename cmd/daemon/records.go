package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"sstpwarden/cmd/cli"
	"sstpwarden/policies"
	"sstpwarden/policies/decisionlog"
	"sstpwarden/policies/event"
	"sstpwarden/policies/sink"
)

// drainTime is how long destinations have at the end to take what waits.
const drainTime = 10 * time.Second

// What records are, in logs and metrics.
const (
	recordEvents    = "events"
	recordDecisions = "decisions"
)

// records carries events and decisions to their destinations.
type records struct {
	log       *slog.Logger
	sinks     []recordSink
	redactor  *event.Redactor // of events; nil for none
	encoders  sync.Pool       // of *event.Encoder, each for all destinations of events
	decisions *decisionlog.Recorder
	counts    eventCounts
}

type recordSink struct {
	*sink.Sink
	record string
}

func openRecords(c *Config, log *slog.Logger) (*records, error) {
	key, err := pseudonymKey(c.RedactKey)
	if err != nil {
		return nil, err
	}
	r := &records{log: log}
	if len(c.Events.Mask) > 0 {
		r.redactor = event.NewRedactor(key, masks(c.Events.Mask))
	}
	var all []io.Writer
	for _, dest := range c.Events.Dest {
		s, err := r.open(dest, recordEvents, c)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		all = append(all, s)
	}
	if len(all) > 0 {
		everywhere := fanOut(all)
		r.encoders.New = func() any { return event.NewEncoder(everywhere) }
	}
	if dest := c.DecisionLog.Dest; dest != "" {
		s, err := r.open(dest, recordDecisions, c)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.decisions = decisionlog.New(s, decisionlog.Options{
			Labels: map[string]string{"version": cli.Version()},
			Mask:   masks(c.DecisionLog.Mask),
			Key:    key,
			OnError: func(err error) {
				log.Error("a decision was not recorded", "error", err)
			},
		})
	}
	return r, nil
}

func (r *records) open(dest, record string, c *Config) (*sink.Sink, error) {
	log := r.log
	s, err := sink.Open(dest, sink.Options{
		QueueBytes: int(c.Events.Queue),
		Block:      c.Events.WhenFull == WhenFullWait,
		OnError:    func(err error) { log.Error("recording "+record, "error", err) },
	})
	if err != nil {
		return nil, fmt.Errorf("opening the destination of %s: %w", record, err)
	}
	r.sinks = append(r.sinks, recordSink{s, record})
	return s, nil
}

func masks(what []string) (o event.RedactOptions) {
	if slices.Contains(what, MaskUsers) {
		o.Users = event.RedactHash
	}
	if slices.Contains(what, MaskAddresses) {
		o.Addresses = event.RedactHash
	}
	return o
}

const (
	leastKey = 16      // bytes that cannot be guessed
	mostKey  = 1 << 20 // bytes: what has more is no key
)

// pseudonymKey reads the key for pseudonyms, or makes one.
func pseudonymKey(path string) ([]byte, error) {
	if path == "" {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // it never fails
		return key, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the key for pseudonyms: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	key, err := io.ReadAll(io.LimitReader(f, mostKey+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the key for pseudonyms: %w", err)
	case len(key) < leastKey || len(key) > mostKey:
		return nil, fmt.Errorf("reading the key for pseudonyms: %s holds %d bytes, want %d or more, at most %d: make one with: head -c 32 /dev/urandom > %[1]s", path, len(key), leastKey, mostKey)
	}
	return key, nil
}

// fanOut writes to several sinks. None of them keeps hold of what it is given.
type fanOut []io.Writer

func (f fanOut) Write(p []byte) (int, error) {
	for _, w := range f {
		if _, err := w.Write(p); err != nil {
			return 0, err // all are closed together
		}
	}
	return len(p), nil
}

// record has a gate log its decisions.
func (r *records) record(g *policies.Gate, all bool) {
	if r.decisions != nil {
		g.Recorder, g.RecordForeseen = r.decisions, all
	}
}

// emit sends an event to where events go. Of what does not fit there the
// destination keeps count.
func (r *records) emit(e *event.Event) {
	r.counts.add(e)
	if r.encoders.New == nil {
		return
	}
	if r.redactor != nil {
		redacted := r.redactor.Event(e)
		e = &redacted
	}
	enc, ok := r.encoders.Get().(*event.Encoder)
	if !ok {
		return // the pool holds nothing else
	}
	defer r.encoders.Put(enc)
	if err := enc.Event(e); err != nil && !errors.Is(err, sink.ErrClosed) {
		r.log.Error("an event was not recorded", "error", err)
	}
}

// reopen opens files anew that were moved away.
func (r *records) reopen() {
	for _, s := range r.sinks {
		if err := s.Reopen(); err != nil {
			r.log.Error("reopening the destination of "+s.record, "destination", s.Dest(), "error", err)
		}
	}
}

// close waits until everything is where it belongs, for a while.
func (r *records) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var errs []error
	for _, s := range r.sinks {
		if err := s.Close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("recording %s: %w", s.record, err))
		}
	}
	return errors.Join(errs...)
}

// Emit sends an event to its destinations. It keeps nothing of e, and waits only
// if the configuration says so (Events.WhenFull).
func (d *Daemon) Emit(e *event.Event) { d.records.emit(e) }
