package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// flow is one that policies are asked about.
func flow(v inspect.Verdict) *event.Flow {
	return &event.Flow{
		Key:       inspect.FlowKey{Client: netip.MustParseAddrPort("10.0.0.1:50000"), Server: netip.MustParseAddrPort("192.0.2.1:443")},
		Start:     time.Unix(1, 0),
		Last:      time.Unix(2, 0),
		User:      "alice",
		Detection: inspect.Detection{Verdict: v},
	}
}

func TestRecords(t *testing.T) {
	dir := t.TempDir()
	cfg := Default()
	cfg.Policy.Dir = policyDir(t, "one")
	cfg.Policy.DryRunRules = []string{"test.one"}
	cfg.Events.Dest = []string{filepath.Join(dir, "a.json"), filepath.Join(dir, "b.json")}
	cfg.Events.Mask = []string{MaskUsers}
	cfg.DecisionLog.Dest = filepath.Join(dir, "d.json")
	cfg.DecisionLog.All = true
	r := start(t, cfg)

	f := flow(inspect.VerdictSuspected)
	decision, _, err := r.Gate().Update(t.Context(), &policies.State{}, policies.StageDetection, f)
	if err != nil || decision.Rule != "test.one" || !decision.DryRun {
		t.Errorf("%+v, %v", decision, err)
	}
	e := event.New(f)
	e.Decision = decision.Event(policies.PointProxy)
	r.Emit(&e)
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	a, b := read("a.json"), read("b.json")
	if a != b || strings.Count(a, "\n") != 1 || !strings.Contains(a, `"user-`) || strings.Contains(a, "alice") {
		t.Errorf("events: %s%s", a, b)
	}
	if d := read("d.json"); !strings.Contains(d, `"test.one"`) || !strings.Contains(d, "alice") {
		t.Errorf("decisions: %s", d)
	}
	if n := r.records.counts[index(verdicts[:], inspect.VerdictSuspected)][index(actions[:], policies.ActionDrop)].Load(); n != 1 {
		t.Errorf("%d events counted", n)
	}
}

func TestNewTellsWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "key"), "short")
	tests := []struct {
		set  func(*Config)
		want string
	}{
		{func(c *Config) { c.Log.Level = "loud" }, "log.level"},
		{func(c *Config) { c.Rules = filepath.Join(dir, "none") }, "loading rules: open "},
		{func(c *Config) { c.Policy.Dir = filepath.Join(dir, "none") }, "none: "},
		{func(c *Config) { c.RedactKey = filepath.Join(dir, "none") }, "reading the key for pseudonyms: open "},
		{func(c *Config) { c.RedactKey = filepath.Join(dir, "key") }, "holds 5 bytes"},
		{func(c *Config) { c.Events.Dest = []string{filepath.Join(dir, "no", "x")} }, "opening the destination of events"},
		{func(c *Config) { c.DecisionLog.Dest = "ftp://x" }, "opening the destination of decisions"},
		{func(c *Config) { c.Admin.Listen = "unix:" + filepath.Join(dir, "key") }, "it is there, and no socket"},
		{func(c *Config) { c.Admin.Listen = "unix:" + filepath.Join(dir, "no", "x") }, "no such file"},
	}
	for _, tt := range tests {
		cfg := Default()
		tt.set(&cfg)
		d, err := New(t.Context(), cfg, policies.PointProxy)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v; want %s", err, tt.want)
		}
		if err == nil {
			_ = d.Close()
		}
	}
}

// TestStop stops a service in good order, by force, and not at all.
func TestStop(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name  string
		serve func(d *Daemon) func(context.Context) error
		cut   bool
		want  error
	}{
		{"at once", func(*Daemon) func(context.Context) error {
			return func(ctx context.Context) error { <-ctx.Done(); return nil }
		}, false, nil},
		{"just in time", func(*Daemon) func(context.Context) error {
			return func(ctx context.Context) error { <-ctx.Done(); time.Sleep(29 * time.Second); return nil }
		}, false, nil},
		{"cut", func(d *Daemon) func(context.Context) error {
			return func(context.Context) error { <-d.Hard().Done(); return boom }
		}, true, boom},
		{"never", func(*Daemon) func(context.Context) error {
			return func(context.Context) error { time.Sleep(time.Hour); return nil }
		}, true, errNotEnded},
		{"by itself", func(*Daemon) func(context.Context) error {
			return func(context.Context) error { return boom }
		}, false, boom},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := open(t, Default())
			defer d.Close()
			synctest.Test(t, func(t *testing.T) {
				d.hard, d.cutting = context.WithCancel(context.Background()) // of this bubble
				ctx, stop := context.WithCancel(t.Context())
				time.AfterFunc(time.Minute, stop)
				d.serving.Store(true)
				err := d.supervise(ctx, tt.serve(d))
				if !errors.Is(err, tt.want) || err != nil && tt.want == nil {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if d.serving.Load() {
					t.Error("it is ready still")
				}
				if cut := d.hard.Err() != nil; cut != tt.cut {
					t.Errorf("cut: %v", cut)
				}
				d.cutting()
				stop()
				time.Sleep(2 * time.Hour) // what never ends, ends
			})
		})
	}
}

func TestStateDir(t *testing.T) {
	d, _ := open(t, Default())
	defer d.Close()
	t.Setenv("STATE_DIRECTORY", "/var/lib/x")
	if got := d.StateDir(); got != "/var/lib/x" {
		t.Error(got)
	}
	d.cfg.StateDir = "/y"
	if got := d.StateDir(); got != "/y" {
		t.Error(got)
	}
}

func TestLoggerEscapes(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log := newLogger(&out, Log{Level: "warn", Format: format})
		log.Info("not told")
		log.Warn("told", "error", "a\x1b[31m\u202eb\u009bc\n")
		if s := out.String(); strings.ContainsAny(s, "\x1b\u202e\u009b") || strings.Count(s, "\n") != 1 || !strings.Contains(s, "told") {
			t.Errorf("%s: %q", format, s)
		}
	}
}

func TestLibraryLog(t *testing.T) {
	flags, output := log.Flags(), log.Writer()
	t.Cleanup(func() {
		log.SetFlags(flags)
		log.SetOutput(output)
	})
	var out bytes.Buffer
	takeLibraryLog(newLogger(&out, Log{Level: "debug", Format: "text"}))
	log.Print("Unsolicited response\nforged\x1b line")
	if s := out.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, `level=DEBUG msg=library text="Unsolicited response`) {
		t.Errorf("%q", s)
	}
	out.Reset()
	takeLibraryLog(newLogger(&out, Log{Level: "info", Format: "text"}))
	if log.Print("x"); out.Len() > 0 {
		t.Errorf("%q", &out)
	}
}

func TestLoggerFails(t *testing.T) {
	if _, err := (inert{failing{}}).Write([]byte("x\n")); err == nil {
		t.Error("an error was lost")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c checks
		running, release := atomic.Int32{}, make(chan struct{})
		c.add("good", func() error { return nil })
		c.add("bad", func() error { return io.ErrClosedPipe })
		c.add("stuck", func() error { running.Add(1); <-release; return nil })
		for range 3 {
			got := c.run(time.Second)
			if len(got) != 2 || got[0].name != "bad" || !errors.Is(got[1].err, errStuck) {
				t.Errorf("%+v", got)
			}
		}
		if n := running.Load(); n != 1 {
			t.Errorf("%d of the one that is stuck", n)
		}
		close(release)
		synctest.Wait()
		if got := c.run(time.Second); len(got) != 1 || got[0].name != "bad" {
			t.Errorf("%+v", got)
		}
	})
}
