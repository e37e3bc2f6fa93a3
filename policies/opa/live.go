package opa

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

// A Live is a Decider whose policies can be replaced while it decides. Every
// Decision is made by exactly one set, and says which by its Revision. A set that
// does not load changes nothing. It is safe for concurrent use.
type Live struct {
	source Source
	inUse  atomic.Pointer[Decider]

	loading sync.Mutex // one load at a time

	mu     sync.Mutex
	status Status
}

var _ policies.Foreseer = (*Live)(nil)

// A Status says how a Live fares.
type Status struct {
	// Revision is that of the set in force, Loaded when it was loaded.
	Revision string
	Loaded   time.Time
	// Reloads counts the sets that replaced another, Failures those that did
	// not load.
	Reloads, Failures uint64
	// LastError is why the last set did not load, nil if it did.
	LastError error
}

// NewLive loads the set that is decided with first. Its error is that of [Load].
func NewLive(ctx context.Context, s Source) (*Live, error) {
	d, err := Load(ctx, s)
	if err != nil {
		return nil, err
	}
	l := &Live{source: s, status: Status{Revision: d.Revision(), Loaded: time.Now()}}
	l.inUse.Store(d)
	return l, nil
}

// Decide implements [policies.Decider].
func (l *Live) Decide(ctx context.Context, in policies.Input) (policies.Decision, error) {
	return l.inUse.Load().Decide(ctx, in)
}

// Foresee implements [policies.Foreseer].
func (l *Live) Foresee(stage policies.Stage, point policies.Point, v inspect.Verdict) (policies.Decision, bool) {
	return l.inUse.Load().Foresee(stage, point, v)
}

// Current returns the Decider in force. It stays as it is when another takes its
// place.
func (l *Live) Current() *Decider { return l.inUse.Load() }

// Revision returns that of the set in force.
func (l *Live) Revision() string { return l.inUse.Load().Revision() }

// Status returns how l fares now.
func (l *Live) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// Reload loads the set again and puts it in force. Changed says that it is
// another one than before. With an error, which is that of [Load], the set before
// stays in force. A Reload that ctx ended is no failure.
func (l *Live) Reload(ctx context.Context) (changed bool, err error) {
	l.loading.Lock()
	defer l.loading.Unlock()
	d, err := Load(ctx, l.source)
	if err != nil && ctx.Err() != nil {
		return false, err
	}
	old := l.inUse.Load()
	changed = err == nil && d.Revision() != old.Revision()
	if changed {
		d.foreseeAs(old) // so that the first connections need not wait for it
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.LastError = err
	switch {
	case err != nil:
		l.status.Failures++
	case changed:
		l.inUse.Store(d)
		l.status.Reloads++
		l.status.Revision, l.status.Loaded = d.Revision(), time.Now()
	}
	return changed, err
}

// foreseeAs foresees what old was asked to.
func (d *Decider) foreseeAs(old *Decider) {
	old.foresight.known.Range(func(s, _ any) bool {
		if s, ok := s.(situation); ok {
			d.Foresee(s.stage, s.point, s.verdict)
		}
		return true
	})
}
