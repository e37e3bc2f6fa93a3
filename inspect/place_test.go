package inspect_test

import (
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
)

// TestDialogueWithin asks what else is true of the place that another rule found.
func TestDialogueWithin(t *testing.T) {
	found := rule("t.found", inspect.Match{Dialogue: &inspect.DialogueMatch{Turns: []inspect.Step{step(t, "client 14"), step(t, "server 48-")}}})
	long := inspect.Match{Dialogue: &inspect.DialogueMatch{Turns: []inspect.Step{step(t, "client 100-"), step(t, "server 1-"), step(t, "client 1-"), step(t, "server 48-")}, Within: 1}}
	more := rule("t.long", long)
	more.Requires = []string{"t.found"}
	in := judge(t, found, more)
	for _, test := range []struct {
		writes []int
		want   string
	}{
		{[]int{120, -60, 14, -48}, "t.found t.long"},
		{[]int{90, -60, 14, -48, -30}, "t.found"},
		{[]int{90, -60, 14, -48, 120, -60, 14, -48}, "t.found"},
		{[]int{120, -60, 13, -48, 90, -60, 14, -48}, "t.found"},
	} {
		x := openSizes(in, aesGCM12).handshake().data(test.writes...)
		if got := held(x.flow); got != test.want {
			t.Errorf("%v: %q, want %q", test.writes, got, test.want)
		}
	}
}

// TestLongest wants no record of either side to have been as long, in the blocks of
// a cipher too.
func TestLongest(t *testing.T) {
	m := &inspect.RunMatch{From: inspect.Client, Writes: []inspect.Lengths{lengths(t, "112")}, Longest: true}
	in := judge(t, rule("t.run", inspect.Match{Run: m}))
	for _, test := range []struct {
		suite  tlswire.CipherSuite
		writes []int
		want   bool
	}{
		{aesGCM12, []int{111, -111, 112}, true},
		{aesGCM12, []int{112}, true},
		{aesGCM12, []int{113, -1, 112}, false},
		{aesGCM12, []int{14, -112, 112}, false},
		{aesCBC12, []int{14, -107, 112}, true},
		{aesCBC12, []int{14, -108, 112}, false},
	} {
		x := openSizes(in, test.suite).handshake().data(test.writes...)
		if got := hasRule(x.flow, "t.run"); got != test.want {
			t.Errorf("%#x %v: held: %v", test.suite, test.writes, got)
		}
	}
}
