package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
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

// prepareDecider begins to compile the default policy. One that the flags name
// is loaded at once: what is wrong with it should be told before anything else.
func prepareDecider(ctx context.Context, f *policyFlags) (*laterDecider, error) {
	if f.given() {
		d, err := loadPolicy(ctx, f, f.path)
		return &laterDecider{func() (*opa.Decider, error) { return d, nil }}, err
	}
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
	return d, nil
}

// failed says why there is no policy.
func (d *laterDecider) failed() error {
	_, err := d.prepared()
	return err
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

// spareGOGC has the garbage collector run for the first time at some 50 MiB:
// its goal is so many hundredths of 4 MiB, at least, and of the global variables.
const spareGOGC = 1000

// spareCollector keeps the garbage collector from running while little is in
// use, which is all of an audit of a few thousand connections. From the first
// run on it works as ever: the setting would multiply what a flood takes.
func spareCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(spareGOGC)
	type sentinel struct{ _ *byte }
	runtime.AddCleanup(&sentinel{}, func(int) { debug.SetGCPercent(100) }, 0)
}

// ballastLen is of memory that is never touched, and so takes none. The garbage
// collector of a proxy runs when as much was allocated as is in use, the ballast
// included: while little is, that would be for every forty connections whose TLS
// is opened. It lets the heap grow by so much more at most, however much is in use.
const ballastLen = 24 << 20

// newBallast gives what is to be kept alive.
func newBallast() []byte {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	return make([]byte, ballastLen)
}
