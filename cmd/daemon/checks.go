package daemon

import (
	"errors"
	"sync"
	"time"
)

// AddReady adds what must hold for the service to be sent work: check gives nil,
// or why not. It must be safe for concurrent use.
func (d *Daemon) AddReady(name string, check func() error) { d.ready.add(name, check) }

// AddLive adds what must hold for the process to be left alone: check gives nil,
// or why not, or does not return where something is stuck. Systemd's watchdog is
// told nothing while it fails, and restarts the service then.
func (d *Daemon) AddLive(name string, check func() error) { d.alive.add(name, check) }

// errStuck is what a check failed with that did not return.
var errStuck = errors.New("the check does not return")

// checks are asked together.
type checks struct{ list []*check }

func (c *checks) add(name string, f func() error) { c.list = append(c.list, &check{name: name, f: f}) }

// A failed check.
type failure struct {
	name string
	err  error
}

// run gives the checks that fail, or take longer than timeout.
func (c *checks) run(timeout time.Duration) []failure {
	errs := make([]error, len(c.list))
	var wg sync.WaitGroup
	for i, k := range c.list {
		wg.Go(func() { errs[i] = k.run(timeout) })
	}
	wg.Wait()
	var out []failure
	for i, err := range errs {
		if err != nil {
			out = append(out, failure{c.list[i].name, err})
		}
	}
	return out
}

// A check runs once at a time, so that one that is stuck costs one goroutine.
type check struct {
	name string
	f    func() error

	mu      sync.Mutex
	running *result // nil while it does not run
}

type result struct {
	done chan struct{}
	err  error // once done is closed
}

func (k *check) run(timeout time.Duration) error {
	r := k.start()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-r.done:
		return r.err
	case <-timer.C:
		return errStuck
	}
}

func (k *check) start() *result {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running != nil {
		return k.running
	}
	r := &result{done: make(chan struct{})}
	k.running = r
	go func() {
		r.err = k.f()
		k.mu.Lock()
		k.running = nil
		k.mu.Unlock()
		close(r.done)
	}()
	return r
}

// errNotServing is why a Daemon is not ready that was not run, or is stopped.
var errNotServing = errors.New("it has not begun to serve, or stops")
