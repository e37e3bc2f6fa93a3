package inspect_test

import (
	"strings"
	"testing"

	"sstpwarden/inspect"
)

func TestVotes(t *testing.T) {
	for _, test := range []struct {
		text string
		want inspect.Votes
	}{
		{"0/0", inspect.Votes{}},
		{"17/18", inspect.Votes{Held: 17, Of: 18}},
		{"17.5/18", inspect.Votes{Held: 17.5, Of: 18}},
		{"0.25/778", inspect.Votes{Held: 0.25, Of: 778}},
	} {
		var v inspect.Votes
		if err := v.UnmarshalText([]byte(test.text)); err != nil || v != test.want || v.String() != test.text {
			t.Errorf("%s: %v, %v", test.text, v, err)
		}
	}
	for _, text := range []string{"", "5", "/", "3/2", "-1/2", "1/-2", "NaN/3", "1/2/3", "a/b", "Inf/Inf", "1/99999999999"} {
		var v inspect.Votes
		if err := v.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, v)
		}
	}
	if got := (inspect.Votes{Held: 2.0 / 3, Of: 10}).String(); got != "0.67/10" {
		t.Error(got)
	}
}

// TestMeasured holds weights against counts.
func TestMeasured(t *testing.T) {
	coarse := func(n int) *int { return &n }
	tests := []struct {
		name string
		rule inspect.Rule
		want string // "" for a good one
	}{
		{"within", inspect.Rule{Weight: 10, Measured: &inspect.Measured{Low: 5, High: 12}}, ""},
		{"less", inspect.Rule{Weight: 2, Measured: &inspect.Measured{Low: 5, High: 12}}, ""},
		{"more", inspect.Rule{Weight: 13, Measured: &inspect.Measured{Low: 5, High: 12}}, "measured: the weight 13 says more than was measured, 5 to 12"},
		{"more, for a reason", inspect.Rule{Weight: 13, Reasoned: "why", Measured: &inspect.Measured{Low: 5, High: 12}}, ""},
		{"more against", inspect.Rule{Weight: -13, Measured: &inspect.Measured{Low: -12, High: -5}}, "measured: the weight -13"},
		{"less against", inspect.Rule{Weight: -3, Measured: &inspect.Measured{Low: -12, High: -5}}, ""},
		{"for, though against", inspect.Rule{Weight: 3, Measured: &inspect.Measured{Low: -12, High: -5}}, "measured: the weight 3"},
		{"coarse is less", inspect.Rule{Weight: 12, Coarse: coarse(5), Measured: &inspect.Measured{Low: 5, High: 12, Coarse: &inspect.Measured{Low: 1, High: 5}}}, ""},
		{"coarse is more", inspect.Rule{Weight: 12, Coarse: coarse(6), Measured: &inspect.Measured{Low: 5, High: 12, Coarse: &inspect.Measured{Low: 1, High: 5}}}, "measured.coarse: the weight 6"},
		{"coarse is the weight", inspect.Rule{Weight: 12, Measured: &inspect.Measured{Low: 5, High: 12, Coarse: &inspect.Measured{Low: 1, High: 5}}}, "measured.coarse: the weight 12"},
		{"coarse of coarse", inspect.Rule{Measured: &inspect.Measured{Coarse: &inspect.Measured{Coarse: &inspect.Measured{}}}}, "measured.coarse: coarse has no coarse"},
		{"turned round", inspect.Rule{Measured: &inspect.Measured{Low: 3, High: 1}}, "measured: low 3 is above high 1"},
		{"beyond all", inspect.Rule{Measured: &inspect.Measured{Low: 3, High: 101}}, "measured: low and high must be -100 to 100"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := rule("t.rule", inspect.Match{Hello: &inspect.HelloMatch{Offers: []string{"-"}}})
			r.Weight, r.Coarse, r.Measured, r.Reasoned = test.rule.Weight, test.rule.Coarse, test.rule.Measured, test.rule.Reasoned
			_, err := inspect.NewRuleset(inspect.Settings{Prior: -40, Suspected: 45, Cleared: -20, Window: 96}, []inspect.Rule{r}, "")
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "rule t.rule: "+test.want)):
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}
