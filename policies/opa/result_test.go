package opa

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"sstpwarden/policies"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]policies.Decision{
		`{"action": "allow", "reason": "r", "rule": "x"}`: {Action: "allow", Reason: "r", Rule: "x"},
		`{"action": "log", "reason": "r", "rule": "x", "intercept": true, "probe": false}`: {
			Action: "log", Reason: "r", Rule: "x", Intercept: true,
		},
		`{"action": "drop", "reason": "r", "rule": "x", "reset": true, "ban": "1h30m", "probe": true, "dry_run": true}`: {
			Action: "drop", Reason: "r", Rule: "x", Reset: true, Ban: 90 * time.Minute, Probe: true, DryRun: true,
		},
	} {
		want.Revision = "rev"
		got, err := decode(ast.MustParseTerm(text).Value, "rev")
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	const rest = `"reason": "r", "rule": "x"`
	for text, want := range map[string]string{
		`true`:                               `policy result: want an object, got true`,
		`"allow"`:                            `policy result: want an object, got "allow"`,
		`{"allow"}`:                          `policy result: want an object, got {"allow"}`,
		`[]`:                                 `policy result: want an object, got []`,
		`{}`:                                 `policy result: action: want "allow", "log" or "drop", got nothing`,
		`{` + rest + `}`:                     `policy result: action: want "allow", "log" or "drop", got nothing`,
		`{"action": "reject", ` + rest + `}`: `policy result: action: want "allow", "log" or "drop", got "reject"`,
		`{"action": "Allow", ` + rest + `}`:  `policy result: action: want "allow", "log" or "drop", got "Allow"`,
		`{"action": true, ` + rest + `}`:     `policy result: action: want "allow", "log" or "drop", got true`,
		`{"action": ["drop"], ` + rest + `}`: `policy result: action: want "allow", "log" or "drop", got ["drop"]`,
		`{"action": "allow", "rule": "x"}`:   `policy result: reason: want a text, got nothing`,
		`{"action": "allow", "reason": "r"}`: `policy result: rule: want a text, got nothing`,
		`{"action": "allow", "reason": "", "rule": "x"}`:   `policy result: reason: want a text, got ""`,
		`{"action": "allow", "reason": "r", "rule": 1}`:    `policy result: rule: want a text, got 1`,
		`{"action": "drop", "rest": true, ` + rest + `}`:   `policy result: key: want action, reason, rule, reset, ban, intercept, probe or dry_run, got "rest"`,
		`{"action": "drop", 1: true, ` + rest + `}`:        `policy result: key: want a string, got 1`,
		`{"action": "drop", "reset": "yes", ` + rest + `}`: `policy result: reset: want true or false, got "yes"`,
		`{"action": "drop", "probe": null, ` + rest + `}`:  `policy result: probe: want true or false, got null`,
		`{"action": "drop", "ban": 600, ` + rest + `}`:     `policy result: ban: want a duration such as "10m", got 600`,
		`{"action": "drop", "ban": "ten", ` + rest + `}`:   `policy result: ban: want a duration such as "10m", got "ten"`,
		`{"action": "drop", "ban": "-1m", ` + rest + `}`:   `policy result: ban: want a duration such as "10m", got "-1m"`,
		`{"action": "drop", "ban": "0s", ` + rest + `}`:    `policy result: ban: want a duration such as "10m", got "0s"`,
		`{"action": "log", "ban": "1m", ` + rest + `}`:     `policy result: ban: want action "drop" with it, got "log"`,
		`{"action": "allow", "reset": true, ` + rest + `}`: `policy result: reset: want action "drop" with it, got "allow"`,
		`"` + strings.Repeat("é", 100) + `"`:               `policy result: want an object, got "` + strings.Repeat("é", 79) + `…`,
	} {
		got, err := decode(ast.MustParseTerm(text).Value, "rev")
		var e *ResultError
		if !errors.As(err, &e) || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
		if got != (policies.Decision{Revision: "rev"}) {
			t.Errorf("%s: got %+v with an error", text, got)
		}
	}
}

// Whatever a policy answers, the decoder gives a whole Decision or none.
func FuzzDecode(f *testing.F) {
	f.Add(`{"action": "drop", "reason": "r", "rule": "x", "reset": true, "ban": "10m"}`)
	f.Add(`{"action": "allow", "reason": "r", "rule": "x", "intercept": true, "probe": true, "dry_run": true}`)
	f.Add(`{{"action"}, [1.5, null], {1: {}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		term, err := ast.ParseTerm(text)
		if err != nil || !term.IsGround() {
			return // no result of an evaluation
		}
		d, err := decode(term.Value, "rev")
		switch {
		case d.Revision != "rev":
			t.Errorf("revision %q", d.Revision)
		case err != nil && d != (policies.Decision{Revision: "rev"}):
			t.Errorf("got %+v with %v", d, err)
		case err == nil && (!d.Action.Valid() || d.Reason == "" || d.Rule == "" || d.Ban < 0):
			t.Errorf("got %+v", d)
		case err == nil && d.Action != policies.ActionDrop && (d.Reset || d.Ban != 0):
			t.Errorf("got %+v", d)
		}
		if object, ok := term.Value.(ast.Object); ok && err == nil {
			for _, k := range object.Keys() {
				if !strings.Contains(" action reason rule reset ban intercept probe dry_run ", " "+string(k.Value.(ast.String))+" ") {
					t.Errorf("key %v was accepted", k)
				}
			}
		}
	})
}
