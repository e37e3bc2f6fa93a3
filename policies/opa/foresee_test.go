package opa

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/fstest"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

func TestForesee(t *testing.T) {
	tests := []struct {
		name, policy string
		want         string // reason, "" where it cannot be foreseen
	}{
		{"constant", `decision := {"action": "allow", "rule": "r", "reason": "x"}`, "x"},
		{"verdict", `decision := {"action": "allow", "rule": "r", "reason": input.detection.verdict}`, "cleared"},
		{"stage and point", `decision := {"action": "allow", "rule": "r", "reason": concat(" ", [input.stage, input.point])}`, "detection audit"},
		{"verdict does not fit", `decision := {"action": "allow", "rule": "r", "reason": "x"} if input.detection.verdict == "confirmed"`, ""},
		{"time", `decision := {"action": "allow", "rule": "r", "reason": input.time}`, ""},
		{"score", `decision := {"action": "allow", "rule": "r", "reason": "x"} if input.detection.score > 3`, ""},
		{"negation", `decision := {"action": "allow", "rule": "r", "reason": "x"} if not input.tls.sni`, ""},
		{"default", `default decision := {"action": "allow", "rule": "r", "reason": "x"}
			decision := {"action": "drop", "rule": "r", "reason": "y"} if input.src_port == 1`, ""},
		{"object.get", `decision := {"action": "allow", "rule": "r", "reason": object.get(input.detection, "kind", "none")}`, ""},
		{"whole detection", `decision := {"action": "allow", "rule": "r", "reason": sprintf("%d", [count(input.detection)])}`, ""},
		{"whole input", `decision := {"action": "allow", "rule": "r", "reason": sprintf("%d", [count(input)])}`, ""},
		{"variable key", `decision := {"action": "allow", "rule": "r", "reason": sprintf("%v", [{k | some k; input[k]}])}`, ""},
		{"variable key below", `decision := {"action": "allow", "rule": "r", "reason": sprintf("%v", [{k | some k; input.detection[k]}])}`, ""},
		{"computed key", `key := concat("", ["sc", "ore"])
			decision := {"action": "allow", "rule": "r", "reason": "x"} if input.detection[key] >= 0`, ""},
		{"walk", `decision := {"action": "allow", "rule": "r", "reason": "x"} if walk(input, [["user"], "alice"])`, ""},
		{"function", `f(x) := x.detection.score
			decision := {"action": "allow", "rule": "r", "reason": sprintf("%d", [f(input)])}`, ""},
		{"every", `decision := {"action": "allow", "rule": "r", "reason": "x"} if { every _, v in input { v != 1 } }`, ""},
		{"data", `decision := {"action": "allow", "rule": "r", "reason": data.word}`, "yes"},
		{"another verdict's rule", `decision := {"action": "drop", "rule": "r", "reason": input.user} if input.detection.verdict == "confirmed"
			decision := {"action": "allow", "rule": "r", "reason": "x"} if input.detection.verdict == "cleared"`, "x"},
		{"another verdict's rule, by a list", `decision := {"action": "drop", "rule": "r", "reason": input.user} if input.detection.verdict in {"confirmed", "suspected"}
			decision := {"action": "allow", "rule": "r", "reason": "x"} if input.detection.verdict in ["cleared", "undetermined"]`, "x"},
		{"by a name", `decision := {"action": "drop", "rule": "r", "reason": input.user} if { v := input.detection.verdict; v != "x"; v == "confirmed" }
			decision := {"action": "allow", "rule": "r", "reason": "x"} if { v := input.detection.verdict; v == "cleared" }`, ""},
		{"by a name alone", `decision := {"action": "drop", "rule": "r", "reason": input.user} if { v := input.detection.verdict; v == "confirmed" }
			decision := {"action": "allow", "rule": "r", "reason": "x"} if { v := input.detection.verdict; v == "cleared" }`, "x"},
		{"by another rule", `is_sstp if input.detection.verdict in {"suspected", "confirmed"}
			decision := {"action": "drop", "rule": "r", "reason": input.user} if is_sstp
			decision := {"action": "allow", "rule": "r", "reason": "x"} if input.detection.verdict == "cleared"`, "x"},
		{"by a rule with a default", `default is_sstp := true
			is_sstp := false if input.detection.verdict == "confirmed"
			decision := {"action": "drop", "rule": "r", "reason": input.user} if is_sstp
			decision := {"action": "allow", "rule": "r", "reason": "x"} if { not input.user; input.detection.verdict == "cleared" }`, ""},
		{"by a set", `tags contains "sstp" if input.detection.verdict == "confirmed"
			decision := {"action": "allow", "rule": "r", "reason": sprintf("%d %v", [count(tags), input.user])} if tags`, ""},
		{"too late", `decision := {"action": "drop", "rule": "r", "reason": "y"} if { to_number(input.user) > 3; input.detection.verdict == "confirmed" }
			decision := {"action": "allow", "rule": "r", "reason": "x"} if input.detection.verdict == "cleared"`, ""},
		{"else", `decision := {"action": "drop", "rule": "r", "reason": "y"} if { input.detection.verdict == "confirmed" }
			else := {"action": "allow", "rule": "r", "reason": input.user} if { input.user }
			else := {"action": "allow", "rule": "r", "reason": "x"}`, ""},
		{"negated", `decision := {"action": "allow", "rule": "r", "reason": "x"} if { not input.detection.verdict == "confirmed"; not input.user == "alice" }`, ""},
		{"another input", `other := input.detection.verdict == "confirmed"
			suspect if { input.detection.verdict == "confirmed"; input.user == "alice" }
			decision := {"action": "allow", "rule": "r", "reason": "x"} if { not suspect with input.detection.verdict as "confirmed"; not other }`, ""},
		{"result of the wrong form", `decision := {"action": "allow"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fstest.MapFS{"p.rego": {Data: []byte("package sstp\n" + tt.policy)}}
			d, err := New(context.Background(), fsys, map[string]any{"word": "yes"})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // computed, and remembered
				got, ok := d.Foresee(policies.StageDetection, policies.PointAudit, inspect.VerdictCleared)
				if ok != (tt.want != "") || got.Reason != tt.want {
					t.Fatalf("got %q, %v, want %q", got.Reason, ok, tt.want)
				}
				if ok && got.Revision != d.Revision() {
					t.Errorf("revision %q", got.Revision)
				}
			}
		})
	}
}

// TestForeseeAgrees wants what is foreseen to be what any Input gets, whatever
// policies read.
func TestForeseeAgrees(t *testing.T) {
	ctx := context.Background()
	inputs := alike(rand.New(rand.NewPCG(9, 9)), 240)
	sets := map[string]*Decider{}
	for name, tt := range readers {
		sets[name] = newDecider(t, tt.policy)
	}
	for name, set := range shipped(t) {
		d, err := New(ctx, set, dataOf(t, set))
		if err != nil {
			t.Fatal(err)
		}
		sets["shipped "+name] = d
	}
	total := 0
	for name, d := range sets {
		foreseen := 0
		for _, in := range inputs {
			got, ok := d.Foresee(in.Stage, in.Point, in.Detection.Verdict)
			if !ok {
				continue
			}
			foreseen++
			if want, err := uncached(d).Decide(ctx, in); err != nil || got != want {
				t.Fatalf("%s: foreseen %+v, decided %+v, %v", name, got, want, err)
			}
		}
		if _, own := readers[name]; own && foreseen > 0 {
			t.Errorf("%s: %d are foreseen, and it reads more", name, foreseen)
		}
		total += foreseen
	}
	if total == 0 {
		t.Error("nothing was foreseen")
	}
}

// TestForeseeDefault wants the answers foreseen that nearly all connections
// get, and the same as Decide's.
func TestForeseeDefault(t *testing.T) {
	d, err := New(context.Background(), policies.Default, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []inspect.Verdict{inspect.VerdictCleared, inspect.VerdictUndetermined} {
		got, ok := d.Foresee(policies.StageDetection, policies.PointNFQ, v)
		if !ok {
			t.Fatalf("%v is not foreseen", v)
		}
		want, err := d.Decide(context.Background(), input(v))
		if err != nil || got != want {
			t.Errorf("foreseen %+v, decided %+v, %v", got, want, err)
		}
	}
	for _, v := range []inspect.Verdict{inspect.VerdictSuspected, inspect.VerdictConfirmed} {
		if got, ok := d.Foresee(policies.StageDetection, policies.PointNFQ, v); ok {
			t.Errorf("%v is foreseen as %+v, but its reason names the server", v, got)
		}
	}
}

// TestForeseeConcurrently is for the race detector: audits ask from several
// goroutines, for some connections in advance and for others in full.
func TestForeseeConcurrently(t *testing.T) {
	for range 20 {
		d, err := New(context.Background(), policies.Default, nil)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				v := []inspect.Verdict{inspect.VerdictCleared, inspect.VerdictUndetermined, inspect.VerdictSuspected, inspect.VerdictConfirmed}[i%4]
				d.Foresee(policies.StageDetection, policies.PointNFQ, v)
				if _, err := d.Decide(context.Background(), input(v)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

// TestForeseeApart wants situations that do not colour each other.
func TestForeseeApart(t *testing.T) {
	policy := `word := {"cleared": "fine", "undetermined": "unclear"}[input.detection.verdict]
		decision := {"action": "allow", "rule": input.detection.verdict, "reason": concat(" ", [word, input.stage])}`
	d, err := New(context.Background(), fstest.MapFS{"p.rego": {Data: []byte("package sstp\n" + policy)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	words := map[inspect.Verdict]string{inspect.VerdictCleared: "fine", inspect.VerdictUndetermined: "unclear"}
	for _, stage := range []policies.Stage{policies.StageDetection, policies.StageHello} {
		for v, word := range words {
			got, ok := d.Foresee(stage, policies.PointAudit, v)
			if want := word + " " + string(stage); !ok || got.Rule != v.String() || got.Reason != want {
				t.Errorf("%s, %v: %+v, %v", stage, v, got, ok)
			}
			in := input(v)
			in.Stage = stage
			if decided, err := d.Decide(context.Background(), in); err != nil || decided != got {
				t.Errorf("%s, %v: decided %+v, %v", stage, v, decided, err)
			}
		}
	}
}
