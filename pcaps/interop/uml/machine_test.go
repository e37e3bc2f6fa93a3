//go:build interop

package uml

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	m := Machine{Dir: dir, Memory: 256, Output: &out}
	status, err := m.Run(t.Context(), `
		set -e
		echo first
		echo second >&2
		uname -m -s
		echo gone >/etc/motd
		echo kept >/out/kept
		ip netns add a
		ip link add v0 type veth peer name v1 netns a
		ip netns exec a tc qdisc add dev v1 root netem delay 5ms
		test -c /dev/ppp && test -c /dev/net/tun
		seq 20000
		exit 7
	`)
	if err != nil {
		t.Fatal(err)
	}
	if status != 7 {
		t.Errorf("exit status %d, want 7", status)
	}
	if want := "first\nsecond\nLinux x86_64\n1\n2\n"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("output begins %.60q, want %q", out.String(), want)
	}
	if !strings.HasSuffix(out.String(), "\n19999\n20000\n") {
		t.Errorf("output ends %q", out.Bytes()[max(0, out.Len()-20):])
	}
	if got, err := os.ReadFile(filepath.Join(dir, "kept")); err != nil || string(got) != "kept\n" {
		t.Errorf("/out/kept: %q, %v", got, err)
	}
	if got, err := os.ReadFile("/etc/motd"); err == nil && string(got) == "gone\n" {
		t.Error("the guest wrote to this machine's files")
	}
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
