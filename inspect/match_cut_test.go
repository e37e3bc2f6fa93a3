package inspect_test

import (
	"slices"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
)

// TestCut reads set-ups that were cut into records of a few bytes.
func TestCut(t *testing.T) {
	setup := []string{"client 120-420", "server 50-135", "client 14+", "server 48+"}
	cut := func(n int, sizes ...int) (out []int) {
		for sign := n / max(n, -n); n != 0; {
			s := min(sizes[len(out)%len(sizes)], n*sign) * sign
			out = append(out, s)
			n -= s
		}
		return out
	}
	tests := []struct {
		name   string
		suite  tlswire.CipherSuite
		writes []int
		want   bool
	}{
		{"client in single bytes", aesGCM13, slices.Concat(cut(190, 1), []int{-118}, cut(14, 1), []int{-48}), true},
		{"client in 3 and 7", aesGCM12, slices.Concat(cut(190, 3, 7), []int{-118}, cut(14, 3, 7), []int{-48}), true},
		{"client in 5", aesGCM12, slices.Concat(cut(190, 5), []int{-118}, cut(14, 5), []int{-48}), true},
		{"15 bytes in three", aesGCM12, []int{190, -118, 5, 5, 5, -48}, false},
		{"14 bytes in three, and more", aesGCM12, []int{190, -118, 5, 5, 4, 9, -48}, false},
		{"server in two", aesGCM12, []int{190, -118, 14, -24, -24}, true},
		{"server in three", aesGCM12, []int{190, -118, 14, -16, -16, -16}, false},
		{"server in three, and the client goes on", aesGCM12, []int{190, -118, 14, -16, -16, -16, 28}, false}, // asked when the server's turn ends
		{"tickets in the middle of the request", aesGCM13, []int{100, -217, -217, 90, -118, 14, -48}, true},
		{"what may be a response in the middle of it", aesGCM13, []int{100, -217, 90, -118, 14, -48}, false},
		{"tickets in the middle of one that is cut", aesGCM13, slices.Concat(cut(150, 1), []int{-57}, cut(40, 1), []int{-118}, cut(14, 1), []int{-48}), true},
		{"two that are not alike", aesGCM13, []int{100, -217, -218, 90, -118, 14, -48}, false},
		{"longer than tickets", aesGCM13, []int{100, -1400, -1400, 90, -118, 14, -48}, false},
		{"no tickets before TLS 1.3", aesGCM12, []int{100, -217, -217, 90, -118, 14, -48}, false},
		{"the parts are too long", aesGCM13, []int{300, -217, -217, 300, -118, 14, -48}, false},
		{"more than tickets in front of the response", aesGCM13, []int{190, -217, -60, -118, 14, -48}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := &inspect.DialogueMatch{First: true}
			for _, text := range setup {
				m.Turns = append(m.Turns, step(t, text))
			}
			x := openSizes(judge(t, rule("t.dialogue", inspect.Match{Dialogue: m})), test.suite).handshake().data(test.writes...)
			if got := hasRule(x.flow, "t.dialogue"); got != test.want {
				t.Errorf("held: %v, want %v", got, test.want)
			}
		})
	}
}

// TestFragments counts records that are too short for a packet.
func TestFragments(t *testing.T) {
	m := &inspect.DialogueMatch{Turns: []inspect.Step{{From: inspect.Client, Bytes: lengths(t, "60"), Records: lengths(t, "10"), Fragments: lengths(t, "8")}}}
	for _, test := range []struct {
		suite  tlswire.CipherSuite
		writes []int
		want   bool
	}{
		{aesGCM13, []int{1, 7, 1, 7, 1, 7, 8, 20, 1, 7}, true},
		{aesGCM13, []int{2, 8, 1, 7, 1, 7, 8, 20, 1, 5}, false},
		{aesCBC12, []int{1, 7, 1, 7, 1, 7, 12, 20, 1, 3}, true}, // 0 to 11 bytes in a block
		{aesCBC12, []int{1, 7, 1, 7, 1, 7, 1, 12, 20, 3}, true},
		{aesCBC12, []int{1, 7, 1, 7, 1, 12, 7, 12, 12, 3}, false},
	} {
		x := openSizes(judge(t, rule("t.dialogue", inspect.Match{Dialogue: m})), test.suite).handshake().data(append(test.writes, -9)...)
		if got := hasRule(x.flow, "t.dialogue"); got != test.want {
			t.Errorf("%v: held: %v", test.writes, got)
		}
	}
	// They leave room for what follows.
	m = &inspect.DialogueMatch{Turns: []inspect.Step{step(t, "client 999"), step(t, "server 20")}}
	x := openSizes(judge(t, rule("t.dialogue", inspect.Match{Dialogue: m})), aesGCM13).handshake().data(append(slices.Repeat([]int{1}, 999), -20)...)
	if got := x.flow.Detection().Evidence; len(got) != 1 || got[0].Detail != "a test: client 999 in 999 records, server 20" {
		t.Error(dump(got))
	}
}

// TestAgainst wants what speaks against SSTP to be certain.
func TestAgainst(t *testing.T) {
	against := rule("t.long", inspect.Match{Dialogue: &inspect.DialogueMatch{Turns: []inspect.Step{step(t, "server 1510-")}}})
	against.Weight = -1
	for suite, want := range map[tlswire.CipherSuite][]bool{aesGCM12: {false, true, true}, aesCBC12: {false, false, true}} {
		for i, n := range []int{1509, 1515, 1516} {
			if x := openSizes(judge(t, against), suite).handshake().data(9, -n); hasRule(x.flow, "t.long") != want[i] {
				t.Errorf("%d bytes: held: %v", n, !want[i])
			}
		}
		if x := openSizes(judge(t, against), suite).handshake().data(append([]int{9}, slices.Repeat([]int{-1}, 300)...)...); hasRule(x.flow, "t.long") {
			t.Error("300 single bytes are 1510")
		}
	}
}
