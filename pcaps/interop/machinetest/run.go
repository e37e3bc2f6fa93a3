//go:build interop

package machinetest

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Machine runs a script in a guest, and gives its exit status.
type Machine interface {
	Run(ctx context.Context, script string) (status int, err error)
}

// Run tests that a script runs in a machine: what it writes comes out, and its status; it
// has a network, the devices of PPP and tunnels, and /out, which is dir; this machine's
// files stay as they are. More is a part of the script that must succeed.
func Run(t *testing.T, machine func(dir string, output io.Writer) Machine, more string) {
	t.Helper()
	dir := t.TempDir()
	var out bytes.Buffer
	status, err := machine(dir, &out).Run(t.Context(), `
		set -e
		echo first
		echo second >&2
		uname -s -m
		echo gone >/etc/motd
		echo kept >/out/kept
		ip netns add a
		ip link add v0 type veth peer name v1 netns a
		ip netns exec a tc qdisc add dev v1 root netem delay 5ms
		test -c /dev/ppp && test -c /dev/net/tun
		`+more+`
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
