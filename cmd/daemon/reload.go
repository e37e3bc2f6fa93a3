package daemon

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A component is what can be reloaded.
type component struct {
	name   string
	reload func(context.Context) (changed bool, err error)
	files  []string // those it is made of, for the watch; none are watched elsewhere

	mu     sync.Mutex
	status ReloadStatus
	seen   fingerprint // of files, when they were last loaded
}

// A ReloadStatus says how the reloads of one component went.
type ReloadStatus struct {
	Component string    `json:"component"`
	Successes uint64    `json:"successes"`
	Failures  uint64    `json:"failures"`
	Last      time.Time `json:"last_success,omitzero"`
	// LastError is why the last reload failed, "" if it did not.
	LastError string `json:"last_error,omitempty"`
}

// reloads are the components, in the order they are reloaded.
type reloads struct {
	running sync.Mutex // one reload at a time
	list    []*component
}

func (r *reloads) add(name string, reload func(context.Context) (bool, error), files []string) {
	c := &component{name: name, reload: reload, status: ReloadStatus{Component: name, Last: time.Now()}}
	for _, f := range files {
		if f != "" {
			c.files = append(c.files, f)
		}
	}
	c.seen = fingerprintOf(c.files)
	r.list = append(r.list, c)
}

// OnReload has reload called on SIGHUP, and when the files, or what is in the
// folders, of these names change; it was loaded just before. With an error,
// what was in force must stay so. The name appears in logs and metrics.
func (d *Daemon) OnReload(name string, reload func(context.Context) error, files ...string) {
	d.reloads.add(name, func(ctx context.Context) (bool, error) { return true, reload(ctx) }, files)
}

// Reload reloads everything, as SIGHUP does. The error joins those of what did
// not load, which stays as it was. The reason is for the log.
func (d *Daemon) Reload(ctx context.Context, reason string) error {
	if d.serving.Load() {
		d.notify("RELOADING=1")
		defer func() { d.notify("READY=1\n" + d.statusLine()) }()
	}
	d.records.reopen()
	var errs []error
	for _, c := range d.reloads.list {
		errs = append(errs, d.reloadOne(ctx, c, reason))
	}
	return errors.Join(errs...)
}

func (d *Daemon) reloadOne(ctx context.Context, c *component, reason string) error {
	d.reloads.running.Lock()
	defer d.reloads.running.Unlock()
	seen := fingerprintOf(c.files) // before they are read, so that no change is missed
	changed, err := c.reload(ctx)
	c.mu.Lock()
	c.seen = seen
	c.mu.Unlock()
	if ctx.Err() == nil {
		d.reloaded(c, reason, changed, err)
	}
	return err
}

// reloaded tells and counts a reload.
func (d *Daemon) reloaded(c *component, reason string, changed bool, err error) {
	c.mu.Lock()
	if err != nil {
		c.status.Failures++
		c.status.LastError = err.Error()
	} else {
		c.status.Successes++
		c.status.LastError, c.status.Last = "", time.Now()
	}
	c.mu.Unlock()
	log := d.log.With("component", c.name, "reason", reason)
	switch {
	case err != nil:
		log.Error("not reloaded: what was in force stays in force", "error", err)
	case !changed:
		log.Info("reloaded, nothing changed")
	case c.name == "policies":
		log.Info("reloaded", "revision", d.live.Revision())
	case c.name == "rules":
		log.Info("reloaded", "revision", d.ruleset.Load().rules.Revision())
	default:
		log.Info("reloaded")
	}
}

// statuses tells how reloads went.
func (r *reloads) statuses() []ReloadStatus {
	out := make([]ReloadStatus, len(r.list))
	for i, c := range r.list {
		c.mu.Lock()
		out[i] = c.status
		c.mu.Unlock()
	}
	return out
}

// hangups reloads everything on SIGHUP until ctx is done.
func (d *Daemon) hangups(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.hangup:
			_ = d.Reload(ctx, "SIGHUP") // it was logged
		}
	}
}

// watchPolicies reloads policies and data when their files change. [opa.Live]
// knows best which these are.
func (d *Daemon) watchPolicies(ctx context.Context) {
	c := d.reloads.list[0]
	err := d.live.Watch(ctx, func(changed bool, err error) {
		c.mu.Lock()
		failed := c.status.LastError != ""
		c.mu.Unlock()
		if changed || err != nil || failed {
			d.reloaded(c, "file", changed, err)
		}
	})
	if err != nil {
		d.log.Warn("changes of the policies are not seen", "error", err)
	}
}

// watchFiles reloads the other components when their files change.
func (d *Daemon) watchFiles(ctx context.Context) {
	var files []string
	for _, c := range d.reloads.list {
		files = append(files, c.files...)
	}
	if len(files) == 0 {
		return
	}
	err := watch(ctx, files, func() {
		for _, c := range d.reloads.list {
			c.mu.Lock()
			same := len(c.files) == 0 || c.seen == fingerprintOf(c.files)
			c.mu.Unlock()
			if !same {
				_ = d.reloadOne(ctx, c, "file") // it was logged
			}
		}
	})
	if err != nil {
		d.log.Warn("changes of files are not seen: reload with SIGHUP", "error", err)
	}
}

// ReloadConfig has the configuration's own file read again, on SIGHUP and when
// it changes. Apply is given what the file says now, and the keys in which that
// differs from what it said before, whatever flags say; it puts in force what it
// can, and returns the keys that it did. Of others the log says that they need a
// restart, for as long as they differ from what runs. Loaded stands for what the
// file said, should it be gone by now.
func (d *Daemon) ReloadConfig(path string, loaded *Config, apply func(ctx context.Context, c *Config, changed []string) (applied []string, err error)) {
	before := loaded
	if c, err := Load(path); err == nil {
		before = c
	}
	running := before // but for what apply puts in force
	d.OnReload("config", func(ctx context.Context) error {
		c, err := Load(path)
		if err != nil {
			return err
		}
		keys := Changed(before, c)
		if len(keys) == 0 {
			return nil
		}
		applied, err := apply(ctx, c, keys)
		if err != nil {
			return err
		}
		before = c
		differing := map[string]bool{}
		for _, k := range Changed(running, c) {
			differing[k] = true
		}
		rest := slices.DeleteFunc(without(keys, applied), func(k string) bool { return !differing[k] })
		if len(rest) > 0 {
			d.log.Warn("changes of the configuration need a restart", "keys", rest)
		}
		return nil
	}, path)
}

// without gives the keys that are none of others.
func without(keys, others []string) []string {
	known := map[string]bool{}
	for _, k := range others {
		known[k] = true
	}
	var out []string
	for _, k := range keys {
		if !known[k] {
			out = append(out, k)
		}
	}
	return out
}
