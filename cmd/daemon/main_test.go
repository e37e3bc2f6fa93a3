package daemon

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sstpwarden/policies"
)

// children are what a test runs in a process of its own.
var children = map[string]func() error{}

const childEnv = "SSTPWARDEN_TEST_CHILD"

func TestMain(m *testing.M) {
	if f := children[os.Getenv(childEnv)]; f != nil {
		if err := f(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child makes the command that runs one of the children.
func child(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The process must know its own id before it begins.
	cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, self}, args...)...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	return cmd
}

// lacking ends a test that cannot be made here.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// A buffer takes a log.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// eventually waits for something that other goroutines, or the kernel, do.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it did not happen", what)
		}
	}
}

// write writes a file as whoever cares does: under another name first.
func write(t *testing.T, path, text string) {
	t.Helper()
	temporary := path + "~"
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		t.Fatal(err)
	}
}

// A run is a Daemon that runs.
type run struct {
	*Daemon
	log  *buffer
	stop context.CancelFunc
	done chan error
	err  error // once done was read
	once sync.Once
}

func open(t *testing.T, cfg Config) (*Daemon, *buffer) {
	t.Helper()
	log := &buffer{}
	d, err := newDaemon(t.Context(), cfg, policies.PointProxy, log)
	if err != nil {
		t.Fatal(err)
	}
	return d, log
}

// start runs a Daemon until the test ends, or end is called.
func start(t *testing.T, cfg Config, prepare ...func(*Daemon)) *run {
	t.Helper()
	d, log := open(t, cfg)
	for _, f := range prepare {
		f(d)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &run{Daemon: d, log: log, stop: stop, done: make(chan error, 1)}
	serving := make(chan struct{})
	go func() {
		r.done <- d.Run(ctx, func(ctx context.Context) error {
			close(serving)
			<-ctx.Done()
			return nil
		})
	}()
	<-serving
	t.Cleanup(func() { _ = r.end() })
	return r
}

func (r *run) end() error {
	r.once.Do(func() {
		r.stop()
		r.err = <-r.done
	})
	return r.err
}

// rulesFile is a file of rules that differs from others by its number.
func rulesFile(n int) string {
	return fmt.Sprintf("version: 1\nextends: default\n# %d\nrules: []\n", n)
}

const dropPolicy = `package sstp

decision := {"action": "drop", "reason": "all", "rule": "test.%s"}
`

// policyDir makes a folder of policies whose rule has that name.
func policyDir(t *testing.T, rule string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "p.rego"), fmt.Sprintf(dropPolicy, rule))
	return dir
}

func logged(log *buffer, words ...string) bool {
	for line := range strings.Lines(log.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}
