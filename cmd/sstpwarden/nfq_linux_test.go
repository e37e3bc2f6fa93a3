package main

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// newHost gives a network of its own.
func newHost(t *testing.T) *netlab.Host {
	t.Helper()
	labtest.Need(t)
	h, err := netlab.NewHost("host")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// program gives sstpwarden on that host.
func program(t *testing.T, h *netlab.Host, args ...string) (cmd *netlab.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	self, err := exec.LookPath("sstpwarden") // testscript.Main put it on PATH
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd = h.Command(ctx, self, args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// Whoever may not change the firewall is told what it takes, and can look at the table.
func TestNFQWithoutCapability(t *testing.T) {
	h := newHost(t)
	for _, x := range []struct {
		args   []string
		status int
	}{
		{[]string{"nfq"}, 1},
		{[]string{"nfq", "--remove"}, 1},
		{[]string{"nfq", "--print"}, 0},
	} {
		cmd, stdout, stderr := program(t, h, x.args...)
		if err := h.Do(func() error {
			// The thread ends with this, and what it starts cannot have the capability.
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_NET_ADMIN, 0, 0, 0); err != nil {
				return err
			}
			return cmd.Cmd.Start()
		}); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // the status says it
		said := stderr.String()
		if cmd.ProcessState.ExitCode() != x.status {
			t.Errorf("%v: status %d, %s", x.args, cmd.ProcessState.ExitCode(), said)
		}
		if want := "it takes root or the capability CAP_NET_ADMIN\n"; x.status != 0 && (!strings.HasSuffix(said, want) || strings.Count(said, "\n") != 1) {
			t.Errorf("%v says %q", x.args, said)
		}
		if x.status == 0 && !strings.Contains(stdout.String(), "table inet sstpwarden {") {
			t.Errorf("%v prints %q", x.args, stdout)
		}
	}
}

// What may well be a mistake is told at the start, and so are judgements that are made up.
func TestNFQWarns(t *testing.T) {
	h := newHost(t)
	admin := filepath.Join(t.TempDir(), "admin.sock")
	cmd, _, stderr := program(t, h, "nfq", "--admin", "unix:"+admin, "--queues", "1",
		"--scope", "interface=lo", "--scope", "interface=nosuch0", "--simulate", "memory,overflow")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if conn, err := net.Dial("unix", admin); err == nil {
			_ = conn.Close()
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("%v\n%s", err, stderr)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v\n%s", err, stderr)
	}
	for want, times := range map[string]int{
		" interface=nosuch0\n": 1, " interface=lo\n": 0, `causes="[memory overflow]"`: 1, "level=WARN": 2, "msg=stopped": 1,
	} {
		if n := strings.Count(stderr.String(), want); n != times {
			t.Errorf("%s is told %d times:\n%s", want, n, stderr)
		}
	}
}
