package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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

const (
	// spareHeap is what a proxy may allocate before the garbage collector runs,
	// beside as much as is in use. While little is, it would run for every forty
	// connections whose TLS is opened.
	spareHeap = 32 << 20
	// leastHeap is what the collector takes to be in use at least.
	leastHeap = 4 << 20
)

// pacedGOGC is the setting that lets the heap grow by so much, with so many bytes in
// use: hundredths of them.
func pacedGOGC(inUse uint64) int {
	return 100 + int(100*spareHeap/max(inUse, leastHeap))
}

// paceCollector sets the garbage collector anew each time that it has run, so that
// the spare heap does not grow with what is in use.
func paceCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	type sentinel struct{ _ *byte }
	inUse := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var pace func(int)
	pace = func(before int) {
		metrics.Read(inUse)
		percent := pacedGOGC(inUse[0].Value.Uint64())
		if percent != before { // which stops all for a moment
			debug.SetGCPercent(percent)
		}
		runtime.AddCleanup(&sentinel{}, pace, percent)
	}
	pace(100)
}
