package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

// files are a configuration with files of everything that is reloaded.
func files(t *testing.T) (cfg Config, rules string) {
	t.Helper()
	dir := t.TempDir()
	cfg = Default()
	cfg.Policy.Dir = policyDir(t, "one")
	cfg.Rules = filepath.Join(dir, "rules.yaml")
	cfg.Events.Dest = []string{filepath.Join(dir, "events.json")}
	write(t, cfg.Rules, rulesFile(1))
	return cfg, cfg.Rules
}

func (r *run) status(component string) ReloadStatus {
	for _, s := range r.reloads.statuses() {
		if s.Component == component {
			return s
		}
	}
	return ReloadStatus{}
}

func (r *run) rule(t *testing.T) string {
	t.Helper()
	d, _, err := r.Gate().Update(t.Context(), &policies.State{}, policies.StageDetection, flow(inspect.VerdictSuspected))
	if err != nil {
		t.Error(err)
	}
	return d.Rule
}

func TestHangup(t *testing.T) {
	cfg, rules := files(t)
	var hooks atomic.Int32
	hookErr := atomic.Value{}
	r := start(t, cfg, func(d *Daemon) {
		d.OnReload("hook", func(context.Context) error {
			hooks.Add(1)
			if err, ok := hookErr.Load().(error); ok {
				return err
			}
			return nil
		})
	})
	before := r.Inspector()
	events := cfg.Events.Dest[0]
	if err := os.Rename(events, events+".1"); err != nil {
		t.Fatal(err)
	}

	write(t, rules, rulesFile(2))
	hangup(t)
	eventually(t, "a reload", func() bool { return hooks.Load() == 1 && r.Inspector() != before })
	eventually(t, "a new file of events", func() bool { _, err := os.Stat(events); return err == nil })
	if s := r.status("policies"); s.Successes == 0 || s.LastError != "" {
		t.Errorf("%+v", s)
	}

	// What is wrong changes nothing, and keeps nothing else from being loaded.
	second := r.Inspector()
	write(t, rules, "version: 7\n")
	hookErr.Store(errors.New("no such user"))
	hangup(t)
	eventually(t, "two failures", func() bool { return r.status("rules").Failures > 0 && r.status("hook").Failures == 1 })
	if r.Inspector() != second {
		t.Error("rules that are wrong are in force")
	}
	if s := r.status("hook"); s.LastError != "no such user" || s.Last.IsZero() {
		t.Errorf("%+v", s)
	}
	if !logged(r.log, "level=ERROR", "not reloaded", "component=rules", "version 7 is not known") {
		t.Errorf("the log does not tell:\n%s", r.log)
	}
	if !r.serving.Load() {
		t.Error("a reload that failed ended it")
	}
}

func hangup(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	cfg, rules := files(t)
	folder := t.TempDir()
	var hooks atomic.Int32
	r := start(t, cfg, func(d *Daemon) {
		d.OnReload("folder", func(context.Context) error { hooks.Add(1); return nil }, folder)
	})
	first := r.Inspector()
	write(t, rules, rulesFile(2)) // renamed into place
	eventually(t, "rules", func() bool { return r.Inspector() != first })

	second := r.Inspector()
	if err := os.WriteFile(rules, []byte(rulesFile(3)), 0o600); err != nil { // in place
		t.Fatal(err)
	}
	eventually(t, "rules", func() bool { return r.Inspector() != second })

	write(t, filepath.Join(folder, "ca.crt"), "x")
	eventually(t, "a hook", func() bool { return hooks.Load() > 0 })

	write(t, filepath.Join(cfg.Policy.Dir, "p.rego"), "package sstp\n\ndecision := {\"action\": \"log\", \"reason\": \"r\", \"rule\": \"test.two\"}\n")
	eventually(t, "policies", func() bool { return r.rule(t) == "test.two" })

	write(t, filepath.Join(cfg.Policy.Dir, "p.rego"), "package sstp\n\ndecision := {\n")
	eventually(t, "a failure", func() bool { return r.status("policies").Failures > 0 })
	if got := r.rule(t); got != "test.two" {
		t.Errorf("%s decides", got)
	}
	write(t, filepath.Join(cfg.Policy.Dir, "p.rego"), "package sstp\n\ndecision := {\"action\": \"log\", \"reason\": \"r\", \"rule\": \"test.two\"}\n")
	eventually(t, "the end of the failure", func() bool { return r.status("policies").LastError == "" })
}

// TestWatchLinks exchanges links as Kubernetes does, and folders as people do.
func TestWatchLinks(t *testing.T) {
	dir := t.TempDir()
	version := func(n int) string {
		name := filepath.Join(dir, "..v"+string(rune('0'+n)))
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(name, "rules.yaml"), rulesFile(n))
		return filepath.Base(name)
	}
	link := func(to, from string) {
		if err := os.Symlink(to, filepath.Join(dir, from+"~")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, from+"~"), filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	link(version(1), "..data")
	link("..data/rules.yaml", "rules.yaml")
	cfg := Default()
	cfg.Rules = filepath.Join(dir, "rules.yaml")
	r := start(t, cfg)

	before := r.Inspector()
	link(version(2), "..data")
	eventually(t, "the link's new target", func() bool { return r.Inspector() != before })

	before = r.Inspector()
	if err := os.Remove(filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a failure", func() bool { return r.status("rules").Failures > 0 })
	if r.Inspector() != before {
		t.Error("no rules are in force")
	}
	link(version(3), "..data")
	eventually(t, "a link that came again", func() bool { return r.Inspector() != before })
}

// TestWatchFolders exchanges the folder that a file is in.
func TestWatchFolders(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for n, name := range []string{"conf", "new"} {
		if err := os.Mkdir(in(name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(in(name), "rules.yaml"), rulesFile(n))
	}
	cfg := Default()
	cfg.Rules = filepath.Join(in("conf"), "rules.yaml")
	r := start(t, cfg)
	before := r.Inspector()
	if err := errors.Join(os.Rename(in("conf"), in("old")), os.Rename(in("new"), in("conf"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other folder's rules", func() bool { return r.Inspector() != before })
	before = r.Inspector()
	if err := os.RemoveAll(in("conf")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a failure", func() bool { return r.status("rules").Failures > 0 })
	if err := os.Rename(in("old"), in("conf")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first rules", func() bool { return r.Inspector() != before })
}

// TestReloadWhileInUse reloads under those that use what is reloaded.
func TestReloadWhileInUse(t *testing.T) {
	cfg, rules := files(t)
	r := start(t, cfg)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				f := r.Inspector().Open(flow(inspect.VerdictSuspected).Key, time.Unix(1, 0))
				f.Feed(inspect.Segment{Direction: inspect.ClientToServer, Time: time.Unix(1, 0), Data: []byte("CONNECT a:443 HTTP/1.1\r\nSSTPVERSION: 1.0\r\n\r\n")})
				d, _, err := r.Gate().Update(ctx, &policies.State{}, policies.StageDetection, flow(f.Detection().Verdict))
				if ctx.Err() == nil && (err != nil || d.Rule != "test.one" || f.Detection().Verdict != inspect.VerdictConfirmed) {
					t.Errorf("%+v, %v, %v", d, err, f.Detection().Verdict)
					return
				}
				_ = r.Status()
			}
		})
	}
	for n := range 20 {
		write(t, rules, rulesFile(n))
		if err := r.Reload(ctx, "test"); err != nil {
			t.Error(err)
		}
	}
	stop()
	wg.Wait()
	if s := r.status("rules"); s.Successes < 20 || s.Failures != 0 {
		t.Errorf("%+v", s)
	}
}

func TestReloadConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write(t, path, "dry_run: true\n")
	loaded, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	refuse := error(nil)
	loaded.Proxy.Listen = []string{":3128"} // by a flag: that is no change of the file
	d, log := open(t, *loaded)
	defer d.Close()
	d.ReloadConfig(path, loaded, func(_ context.Context, _ *Config, changed []string) ([]string, error) {
		keys = changed
		return []string{"proxy.intercept.bypass.users"}, refuse
	})
	reload := func(text string) error {
		keys = nil
		write(t, path, text)
		return d.Reload(t.Context(), "test")
	}
	if err := reload("dry_run: true\n# nothing else\n"); err != nil || keys != nil {
		t.Error(err, keys)
	}
	if err := reload("dry_run: tru\n"); err == nil || keys != nil {
		t.Error(err, keys)
	}
	refuse = errors.New("not now")
	if err := reload("proxy: {intercept: {bypass: {users: [a]}}}\n"); !errors.Is(err, refuse) {
		t.Error(err)
	}
	refuse = nil
	if err := reload("proxy: {intercept: {bypass: {users: [a]}}}\n"); err != nil || len(keys) != 2 {
		t.Error(err, keys)
	}
	if !logged(log, "level=WARN", "need a restart", "keys=[dry_run]") {
		t.Errorf("the log does not tell:\n%s", log)
	}
	told := strings.Count(log.String(), "need a restart")
	if err := reload("dry_run: true\n"); err != nil || len(keys) != 2 {
		t.Error(err, keys)
	}
	if n := strings.Count(log.String(), "need a restart"); n != told {
		t.Errorf("what runs already needs a restart:\n%s", log)
	}
}

func TestWatchFails(t *testing.T) {
	for _, cause := range []error{os.ErrPermission, syscall.ENOSPC, syscall.EMFILE, syscall.EIO} {
		if err := watchError(cause); !errors.Is(err, cause) {
			t.Error(err)
		}
	}
}
