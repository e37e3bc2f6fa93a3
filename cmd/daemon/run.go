package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// cutTime is how long a service has to end what is cut.
const cutTime = 5 * time.Second

// errNotEnded is what Run returns of a service that does not end.
var errNotEnded = errors.New("the service did not end when it was cut")

// Run serves until ctx is done or serve returns, and closes d. Listeners are
// bound already: systemd and /readyz are told so at once.
//
// Serve takes work until its context is done, then lets end what runs, and
// returns nil; when the context of [Daemon.Hard] is done too, it cuts. Run
// returns what serve returned, and what could not be recorded.
func (d *Daemon) Run(ctx context.Context, serve func(context.Context) error) error {
	d.sockets.discard(d.log)
	around, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var wg sync.WaitGroup
	wg.Go(func() { d.hangups(around) })
	wg.Go(func() { d.watchPolicies(around) })
	wg.Go(func() { d.watchFiles(around) })
	wg.Go(func() { d.feedWatchdog(around) })
	if d.admin != nil {
		wg.Go(func() { d.admin.serve(d.log) })
	}
	d.serving.Store(true)
	d.log.Info("serving", "version", d.Version(), "revision", d.live.Revision(), "dry_run", d.cfg.DryRun)
	d.notify("READY=1\n" + d.statusLine())

	err := d.supervise(ctx, serve)

	end()
	err = errors.Join(err, d.Close())
	wg.Wait()
	d.log.Info("stopped")
	return err
}

// supervise runs serve, and stops it when ctx is done.
func (d *Daemon) supervise(ctx context.Context, serve func(context.Context) error) error {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- serve(serving) }()
	defer d.serving.Store(false)
	select {
	case err := <-done:
		d.notify("STOPPING=1")
		return err
	case <-ctx.Done():
	}
	d.serving.Store(false)
	d.log.Info("stopping", "timeout", d.cfg.StopTimeout)
	d.notify("STOPPING=1")
	cut := time.NewTimer(d.cfg.StopTimeout)
	defer cut.Stop()
	select {
	case err := <-done:
		return err
	case <-cut.C:
	}
	d.log.Warn("cutting what still runs", "timeout", d.cfg.StopTimeout)
	d.cutting()
	last := time.NewTimer(cutTime)
	defer last.Stop()
	select {
	case err := <-done:
		return err
	case <-last.C:
		return errNotEnded
	}
}

// statusLine is what systemctl status shows.
func (d *Daemon) statusLine() string {
	dry := ""
	if d.cfg.DryRun {
		dry = ", dry run"
	}
	return fmt.Sprintf("STATUS=Policies %s, rules %s%s", d.live.Revision(), d.ruleset.Load().rules.Revision(), dry)
}
