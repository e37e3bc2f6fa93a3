package main

import (
	"os"
	"os/exec"
	"slices"
	"testing"
)

func TestFamily(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	all, err := family(os.Getpid())
	if err != nil || all[0] != os.Getpid() || !slices.Contains(all, cmd.Process.Pid) {
		t.Errorf("family %v, %v; the child is %d", all, err, cmd.Process.Pid)
	}
	one, err := footprintOf(cmd.Process.Pid)
	if err != nil || one.resident <= 0 || one.threads != 1 || one.files < 3 {
		t.Errorf("footprint %+v, %v", one, err)
	}
	both, err := footprintOf(os.Getpid())
	if err != nil || both.resident <= one.resident || both.threads < 2 {
		t.Errorf("footprint %+v, %v", both, err)
	}
	if used, err := cpuTime(os.Getpid()); err != nil || used < 0 {
		t.Errorf("CPU time %v, %v", used, err)
	}
}

func TestNoSuchProcess(t *testing.T) {
	const none = 1 << 30
	if _, err := cpuTime(none); err == nil {
		t.Error("CPU time of no process")
	}
	if _, err := footprintOf(none); err == nil {
		t.Error("footprint of no process")
	}
}

func TestKernelMemory(t *testing.T) {
	if n, err := kernelMemory(); err != nil || n <= 0 {
		t.Errorf("%d, %v", n, err)
	}
}
