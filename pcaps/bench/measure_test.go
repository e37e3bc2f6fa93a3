package main

import (
	"strings"
	"testing"
	"time"
)

func TestMeasure(t *testing.T) {
	r, err := measure(t.Context(), []string{"sh", "-c", "sleep 0.05; echo out; echo err >&2"})
	if err != nil {
		t.Fatal(err)
	}
	if r.wall < 50*time.Millisecond || r.memory < 100<<10 {
		t.Errorf("measured %+v", r)
	}
	if _, err := measure(t.Context(), []string{"sh", "-c", "echo what went wrong >&2; exit 3"}); err == nil ||
		!strings.Contains(err.Error(), "what went wrong") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("the error of a failed command is %v", err)
	}
}

func TestCompete(t *testing.T) {
	contenders := []*contender{
		{name: "ours", command: []string{"true"}, rounds: 3, warm: true, ours: true},
		{name: "slow", command: []string{"true"}, rounds: 1},
		{name: "broken", command: []string{"false"}, rounds: 3},
		{name: "absent", command: []string{"no-such-program"}, rounds: 3, advice: "look elsewhere"},
	}
	if err := compete(t.Context(), contenders); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{3, 1, 0, 0} {
		if c := contenders[i]; len(c.runs) != want || (c.missing == "") != (want > 0) {
			t.Errorf("%s: %d runs, missing %q", c.name, len(c.runs), c.missing)
		}
	}
	if err := compete(t.Context(), []*contender{{command: []string{"false"}, rounds: 1, ours: true}}); err == nil {
		t.Error("our own program failed, and nothing was said")
	}
}
