package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const benchOutput = `goos: linux
pkg: sstpwarden/policies/opa
BenchmarkDecide/bare         	   20000	     50000 ns/op	    7800 B/op	     157 allocs/op
BenchmarkDecide/uncached     	   20000	     60000 ns/op	    7800 B/op	     157 allocs/op
BenchmarkDecide/cached       	 1000000	      1000 ns/op	       0 B/op	       0 allocs/op
BenchmarkDecide/bare         	   20000	     40000 ns/op	    7800 B/op	     157 allocs/op
BenchmarkDecide/bare         	   20000	     90000 ns/op	    7800 B/op	     157 allocs/op
PASS
`

func TestDecisionTargets(t *testing.T) {
	ns, err := benchmarks([]byte(benchOutput))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"bare": 50000, "uncached": 60000, "cached": 1000}, ns); diff != "" {
		t.Fatal(diff)
	}
	without := &contender{name: "audit", runs: runsOf(1, 100*time.Millisecond, 100*time.Millisecond)}
	with := &contender{name: "... --decision-log", runs: runsOf(1, 104*time.Millisecond, 110*time.Millisecond)}
	targets := append(decisionTargets(ns), decisionTargets(nil)...)
	got := targetList(append(targets, logTarget(with, without)))
	_, got, _ = strings.Cut(strings.TrimPrefix(got, "\n"), "\n")
	want := `
  uncached decision, of a bare evaluation       target 1.50x     aim           got 1.200x        met (60.0 us, bare 50.0 us)
  cached decision, of a bare evaluation         target 0.05x     aim 0.03x     got 0.020x        met, and the aim (1.0 us, bare 50.0 us)
  uncached decision, of a bare evaluation       target 1.50x     aim           got not measured
  cached decision, of a bare evaluation         target 0.05x     aim 0.03x     got not measured
  cost of --decision-log                        target 10 %      aim 5 %       got 7.0 %         met (7.0 % by CPU time)
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Error(diff)
	}
	if _, err := benchmarks([]byte("BenchmarkDecide/bare 1 x ns/op")); err == nil {
		t.Error("no error for what is no number")
	}
}
