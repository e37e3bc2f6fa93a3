package main

import (
	"context"
	"runtime"
	"sync"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/opa"
)

// A laterDecider is the default policy while it is still being compiled.
// Whoever asks it waits until it is: that takes as long as reading some
// megabytes of a capture, and the first connection ends later.
type laterDecider struct {
	prepared func() (*opa.Decider, error)
}

// prepareDecider begins to compile the default policy.
func prepareDecider(ctx context.Context) *laterDecider {
	d := &laterDecider{sync.OnceValues(func() (*opa.Decider, error) {
		return opa.New(context.WithoutCancel(ctx), policies.Default, nil) // an audit that is stopped still tells what it found
	})}
	go func() {
		// What nearly all connections get is wanted first. Who asks is told
		// the error.
		for _, v := range []inspect.Verdict{inspect.VerdictUndetermined, inspect.VerdictCleared} {
			d.Foresee(policies.StageDetection, policies.PointAudit, v)
		}
	}()
	return d
}

func (d *laterDecider) Decide(ctx context.Context, in policies.Input) (policies.Decision, error) {
	decider, err := d.prepared()
	if err != nil {
		return policies.Decision{}, err
	}
	return decider.Decide(ctx, in)
}

func (d *laterDecider) Foresee(stage policies.Stage, point policies.Point, v inspect.Verdict) (policies.Decision, bool) {
	decider, err := d.prepared()
	if err != nil {
		return policies.Decision{}, false // Decide will tell
	}
	return decider.Foresee(stage, point, v)
}

// spareMemory is memory that an audit may fill before it is collected for the
// first time, and as much again each time after it.
const spareMemory = 32 << 20

// spareCollector keeps the garbage collector from running every few megabytes
// while little is in use, which is what an audit of a few thousand connections
// is. A block that is never touched takes no memory, but counts as in use. A
// higher GOGC would do that too, and multiply what a flood takes besides; a
// memory limit would have the collector run without end above it.
func spareCollector() (release func()) {
	block := make([]byte, spareMemory)
	return func() { runtime.KeepAlive(block) }
}
