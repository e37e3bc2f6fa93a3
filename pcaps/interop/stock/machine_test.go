//go:build interop

package stock

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	m := Machine{Dir: dir, Kernel: "../../../bin/interop/kernel", Output: &out}
	status, err := m.Run(t.Context(), `
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
		ip netns exec a nft add table inet t '{ chain c { type filter hook forward priority 0; tcp dport 443 queue flags bypass to 1-2; }; }'
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
