//go:build interop

package uml

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sstpwarden/pcaps/interop/machinetest"
)

func TestRun(t *testing.T) {
	machinetest.Run(t, func(dir string, output io.Writer) machinetest.Machine {
		return &Machine{Dir: dir, Memory: 256, Output: output}
	}, "")
}

func TestRunEnds(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m := Machine{Dir: dir, Memory: 256, Output: writerFunc(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte("up")) {
			cancel()
		}
		return len(p), nil
	})}
	_, err := m.Run(ctx, "sleep 3600 & echo up; sleep 3600")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	// The kernel's own processes carry its command line, which names dir.
	deadline := time.Now().Add(5 * time.Second)
	for left := processes(t, dir); len(left) > 0; left = processes(t, dir) {
		if time.Now().After(deadline) {
			t.Fatalf("processes left behind: %q", left)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestRunFails(t *testing.T) {
	m := Machine{Dir: t.TempDir(), Memory: 256}
	_, err := m.Run(t.Context(), "echo c >/proc/sysrq-trigger")
	if err == nil || !strings.Contains(err.Error(), "Kernel panic - not syncing: sysrq triggered crash") {
		t.Errorf("error %v, want the kernel's panic", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// processes lists the command lines that have s in them.
func processes(t *testing.T, s string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if line, err := os.ReadFile(f); err == nil && bytes.Contains(line, []byte(s)) {
			found = append(found, string(line))
		}
	}
	return found
}
