package main

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// allowed lists the processors that a process may use.
func allowed(t *testing.T, pid int) []int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		t.Fatal(err)
	}
	var all []int
	for cpu := range 64 * len(set) {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all
}

func TestConfine(t *testing.T) {
	all, err := processors()
	if err != nil || !slices.Equal(all, allowed(t, 0)) {
		t.Fatalf("%v, %v", all, err)
	}
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	for _, cpus := range [][]int{all[len(all)-1:], all} {
		if err := confine(cmd.Process.Pid, cpus); err != nil {
			t.Fatal(err)
		}
		if got := allowed(t, cmd.Process.Pid); !slices.Equal(got, cpus) {
			t.Errorf("may use %v, not %v", got, cpus)
		}
	}
}

// TestApart has an arena give its proxies a processor of their own, and take nothing
// from who comes later.
func TestApart(t *testing.T) {
	a := testArena(t)
	all, err := processors()
	if err != nil {
		t.Fatal(err)
	}
	together, err := a.apart()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 {
		if a.own != nil {
			t.Error("one processor cannot be shared out")
		}
		return
	}
	e := &entrant{name: bareOpenName, opens: true, ours: true, begin: beginBareOpen}
	if err := a.enter(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	defer e.leave()
	if got := allowed(t, e.child.pid()); !slices.Equal(got, all[len(all)-1:]) {
		t.Errorf("the proxy may use %v of %v", got, all)
	}
	for name, pid := range map[string]int{"the peer": a.server.pid(), "clients": os.Getpid()} {
		if got := allowed(t, pid); !slices.Equal(got, all[:len(all)-1]) {
			t.Errorf("%s may use %v of %v", name, got, all)
		}
	}
	if err := together(); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for name, pid := range map[string]int{"the peer": a.server.pid(), "clients": 0} {
		if got := allowed(t, pid); !slices.Equal(got, all) {
			t.Errorf("%s may use %v of %v afterwards", name, got, all)
		}
	}
}
