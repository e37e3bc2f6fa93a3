package matrix

import (
	"strings"
	"testing"
)

func TestParseLimits(t *testing.T) {
	list, err := ParseLimits("evasions=5%, false-alarms=0,leaks=2.5%")
	if err != nil || len(list) != 3 || list[0] != (Limit{"evasions", 5, true}) || list[2].String() != "2.5%" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, text := range []string{"", "evasions", "evasions=", "evasions=x", "evasions=-1", "evasions=1.5", "evasions=101%", "evasion=1", "evasions=1;leaks=2"} {
		if list, err := ParseLimits(text); err == nil {
			t.Errorf("%q: %+v", text, list)
		}
	}
}

func TestCheck(t *testing.T) {
	c := Counts{Cells: 50, Watched: 40, Evasions: 3, Benign: 8, FalseAlarms: 1}
	for _, tt := range []struct{ limits, beyond string }{
		{"evasions=3,false-alarms=1,leaks=0,errors=0", ""},
		{"evasions=7.5%", ""},
		{"evasions=7%", "evasions: 3 (7.5 % of 40), and at most 7% are allowed"},
		{"false-alarms=0,evasions=0", "false-alarms: 1 (12.5 % of 8), and at most 0 are allowed; evasions: 3 (7.5 % of 40), and at most 0 are allowed"},
		{"leaks=0%", ""},
	} {
		list, err := ParseLimits(tt.limits)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.Check(list), "; "); got != tt.beyond {
			t.Errorf("%s: %q, want %q", tt.limits, got, tt.beyond)
		}
	}
}

// What is wrong with a result follows from what was expected of it.
func TestWeigh(t *testing.T) {
	found, not, broken := Finding{Found: true}, Finding{}, Finding{Error: "x"}
	passed, cut := Outcome{Result: Passed, Carried: 1}, Outcome{Result: Cut, Stage: "tls"}
	judged := func(passive, opened Finding) []Finding {
		passive.Judge, opened.Judge = Passive, Opened
		return []Finding{passive, opened}
	}
	for _, tt := range []struct {
		name     string
		sstp     bool
		path     string
		expected Result
		outcome  Outcome
		findings []Finding
		marks    string
	}{
		{"found", true, Direct, Passed, passed, judged(found, found), ""},
		{"evades", true, Direct, Passed, passed, judged(not, found), "evasion"},
		{"evades with keys too", true, Direct, Passed, passed, judged(not, not), "evasion opened-evasion"},
		{"the lab failed", true, Direct, Passed, cut, judged(not, not), "error"},
		{"the judge failed", true, Direct, Passed, passed, judged(broken, found), "error"},
		{"cut", true, "explicit", Cut, cut, judged(not, not), ""},
		{"leaks", true, "explicit", Cut, passed, judged(found, found), "leak"},
		{"benign", false, Direct, Passed, passed, judged(not, not), ""},
		{"false alarm", false, Direct, Passed, passed, judged(found, not), "false-alarm"},
		{"cut wrongly", false, "router", Passed, cut, judged(not, not), "false-alarm"},
		{"benign does not work", false, Direct, Passed, cut, judged(not, not), "error"},
	} {
		r := CellResult{Cell: Cell{Path: tt.path}, SSTP: tt.sstp, Expected: tt.expected, Outcome: &tt.outcome, Findings: tt.findings}
		r.weigh()
		if got := strings.Join(r.Marks, " "); got != tt.marks {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.marks)
		}
	}
}
