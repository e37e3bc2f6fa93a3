package rules_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/rules"
)

func TestDefault(t *testing.T) {
	rs := rules.Default()
	if len(rs.Revision()) != 12 || rs.Revision() != rules.Default().Revision() {
		t.Errorf("revision %q", rs.Revision())
	}
	ids := map[string]bool{}
	proofs := 0
	for _, r := range rs.Rules() {
		if ids[r.ID] || r.Source == "" || r.About == "" {
			t.Errorf("%s: twice, or without about or source", r.ID)
		}
		ids[r.ID] = true
		if r.Proof {
			proofs++
		}
		if r.Coarse != nil && r.Weight > 0 && *r.Coarse > r.Weight {
			t.Errorf("%s: weighs more where less is known", r.ID)
		}
	}
	for _, id := range []string{"connect.sstpversion", "http.sstp_accepted", "sstp.control", "tls.control_lengths"} {
		if !ids[id] {
			t.Errorf("there is no %s", id)
		}
	}
	if proofs < 3 {
		t.Errorf("%d proofs", proofs)
	}
	s := rs.Settings()
	if s.Suspected <= 0 || s.Cleared >= 0 {
		t.Error(s)
	}
	if got, err := rules.Parse(rules.Builtin(), rules.BuiltinName); err != nil || got.Revision() != rs.Revision() {
		t.Error(err)
	}
}

// own is a rule of a file.
func ruleText(id, more string) string {
	return "  - id: " + id + "\n    about: a test\n    source: this test\n    weight: 3\n" + more + "    match:\n      hello: {sni: [.example]}\n"
}

const settingsText = "settings: {prior: -40, suspected: 50, cleared: -20, window: 96}\n"

func parse(t *testing.T, text string) *inspect.Ruleset {
	t.Helper()
	rs, err := rules.Parse([]byte(text), "my.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func ruleOf(rs *inspect.Ruleset, id string) (inspect.Rule, bool) {
	all := rs.Rules()
	i := slices.IndexFunc(all, func(r inspect.Rule) bool { return r.ID == id })
	if i < 0 {
		return inspect.Rule{}, false
	}
	return all[i], true
}

func TestExtend(t *testing.T) {
	base := rules.Default()
	rs := parse(t, "version: 1\nextends: default\ndisable: [tls.client_only, tls.no_alpn, tls.control_nak]\nrules:\n"+
		ruleText("tls.mine", "")+ruleText("tls.windows7_hello", "")+ruleText("tls.no_alpn", ""))
	if r, ok := ruleOf(rs, "tls.mine"); !ok || r.Weight != 3 {
		t.Error("the new rule is missing")
	}
	if r, _ := ruleOf(rs, "tls.windows7_hello"); r.Weight != 3 || r.Client != "" {
		t.Errorf("not replaced: %+v", r)
	}
	if r, ok := ruleOf(rs, "tls.no_alpn"); !ok || r.Weight != 3 {
		t.Error("a rule that is written anew is not switched off")
	}
	for _, id := range []string{"tls.client_only", "tls.client_only_connected", "tls.control_nak"} {
		if _, ok := ruleOf(rs, id); ok {
			t.Errorf("%s is there", id)
		}
	}
	ppp, ok := ruleOf(rs, "tls.ppp_negotiation")
	if !ok || slices.Contains(ppp.Requires, "tls.control_nak") || len(ppp.Requires) == 0 {
		t.Errorf("requires %v", ppp.Requires)
	}
	if rs.Settings() != base.Settings() || rs.Revision() == base.Revision() {
		t.Error(rs.Settings(), rs.Revision())
	}
	at := func(rs *inspect.Ruleset, id string) int {
		return slices.IndexFunc(rs.Rules(), func(r inspect.Rule) bool { return r.ID == id })
	}
	if at(rs, "tls.mine") != len(rs.Rules())-1 || at(rs, "connect.sstpversion") != 0 {
		t.Error("the order changed")
	}
}

func TestExtendSettings(t *testing.T) {
	want := rules.Default().Settings()
	want.Suspected, want.Memory.Least = 77, 30
	if got := parse(t, "version: 1\nextends: default\nsettings:\n  suspected: 77\n  memory: {least: 30}\n").Settings(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := rules.Default().Settings(); got.Suspected == 77 {
		t.Error("the default set changed")
	}
}

func TestRevision(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{
		"version: 1\nextends: default\n",
		"version: 1\nextends: default\n# a remark\n",
		"version: 1\n" + settingsText + "rules:\n" + ruleText("a.b", ""),
		"version: 1\n" + settingsText + "rules:\n" + ruleText("a.c", ""),
	} {
		r := parse(t, text).Revision()
		if other, ok := seen[r]; ok || len(r) != 12 {
			t.Errorf("%q and %q: %s", text, other, r)
		}
		seen[r] = text
		if again := parse(t, text).Revision(); again != r {
			t.Errorf("%s, then %s", r, again)
		}
	}
}

func TestErrors(t *testing.T) {
	head := "version: 1\n" + settingsText + "rules:\n"
	tests := []struct{ name, text, want string }{
		{"empty", "", "my.yaml: nothing is in it: begin with version: 1"},
		{"remarks only", "# nothing\n", "my.yaml: nothing is in it"},
		{"two documents", head + ruleText("a.b", "") + "---\nversion: 1\n", "my.yaml: a rules file is one document"},
		{"no YAML", "version: 1\nrules: [\n", "my.yaml:2: "},
		{"tabs", "version: 1\nrules:\n\t- id: a\n", "my.yaml:3: "},
		{"unknown key", head + "  - id: a.b\n    wieght: 3\n", `my.yaml:5: "wieght" is not known here`},
		{"unknown key of a match", head + ruleText("a.b", "") + "      http: {methods: [GET]}\n", `my.yaml:10: "methods" is not known here`},
		{"key twice", "version: 1\nversion: 1\n", "my.yaml:2: "},
		{"no version", "rules: []\n", "my.yaml:1:1: version 0 is not known: this program reads version 1"},
		{"a later version", "version: 2\n", "my.yaml:1:10: version 2 is not known"},
		{"no settings", "version: 1\nrules: []\n", "my.yaml:1:1: settings are missing: give them, or begin with extends: default"},
		{"extends another", "version: 1\nextends: mine\n", `my.yaml:2:10: "mine" cannot be extended: only default can`},
		{"disables of nothing", "version: 1\ndisable: [a.b]\n", "my.yaml:2:10: nothing to disable"},
		{"disables what is not there", "version: 1\nextends: default\ndisable:\n  - tls.no_alpn\n  - tls.none\n", `my.yaml:5:5: there is no rule "tls.none" in the default set`},
		{"settings", "version: 1\nsettings: {prior: -40, suspected: 50, cleared: 3, window: 96}\n", "my.yaml:2:48: cleared: 3 must be below 0"},
		{"settings over others", "version: 1\nextends: default\nsettings:\n  window: 3\n", "my.yaml:4:11: window: 3 records: must be 8 to 512"},
		{"let go", "version: 1\nextends: default\nsettings:\n  let_go: -1\n", "my.yaml:4:11: let_go: -1 bytes: must be 0 to 16777216"},
		{"memory", "version: 1\nextends: default\nsettings:\n  memory: {least: 46}\n", "my.yaml:4:19: memory.least: 46 decibans: must be 1 to 45, where suspicion begins"},
		{"a bad time", "version: 1\nextends: default\nsettings:\n  memory:\n    half_life: 6\n", `my.yaml:5: "6" is not a length of time: write hours`},
		{"a time that is no word", "version: 1\nextends: default\nsettings:\n  memory:\n    half_life: six hours\n", `my.yaml:5: "six hours" is not a length of time`},
		{"rests on other connections", "version: 1\nextends: default\nrules:\n" + ruleText("a.b", "    requires: [destination.weak_flows]\n"), "my.yaml:8:15: rule a.b: requires: destination.weak_flows asks about other connections"},
		{"a bad length", head + "  - id: a.b\n    match:\n      stream:\n        records: 5-x\n", `my.yaml:7:18: "5-x" is not a range`},
		{"a bad kind", head + "  - id: a.b\n    kind: tunel\n", `my.yaml:5:11: "tunel" is no kind`},
		{"a bad number", head + "  - id: a.b\n    weight: much\n", "my.yaml:5: "},
		{"no source", head + "  - id: a.b\n    about: x\n", "my.yaml:4:5: rule a.b: source: is missing"},
		{"a bad id", head + "  - id: A\n", `my.yaml:4:9: rule A: id: "A" is no rule id`},
		{"no rule of that name", head + ruleText("a.b", "    requires: [a.c]\n"), `my.yaml:8:15: rule a.b: requires: there is no rule "a.c" in the set`},
		{"the same id", head + ruleText("a.b", "") + ruleText("a.b", ""), "my.yaml:10:9: rule a.b: id: rule 1 has the same id"},
		{"the same id over the default", "version: 1\nextends: default\nrules:\n" + ruleText("tls.no_alpn", "") + ruleText("tls.no_alpn", ""), "my.yaml:10:9: rule tls.no_alpn: id: "},
		{"a step", head + "  - id: a.b\n    about: x\n    source: y\n    match:\n      dialogue:\n        turns:\n          - {from: me, bytes: \"1\"}\n", `my.yaml:10:20: rule a.b: match.dialogue.turns[0].from: "me"`},
		{"a circle", head + ruleText("a.b", "    requires: [a.c]\n") + ruleText("a.c", "    requires: [a.d]\n") + ruleText("a.d", "    requires: [a.c]\n"), "my.yaml:15:15: rule a.c: requires: a circle in which no rule can ever hold: a.c requires a.d, which requires a.c"},
		{
			"a circle with the default set", "version: 1\nextends: default\nrules:\n" + ruleText("a.b", "    requires: [tls.client_only_connected]\n") +
				ruleText("tls.client_only", "    requires: [a.b]\n"), "my.yaml:15:15: rule tls.client_only: requires: a circle in which no rule can ever hold: tls.client_only requires a.b, which requires tls.client_only_connected, which requires tls.client_only",
		},
		{
			"ends with what it requires", "version: 1\nextends: default\nrules:\n" +
				ruleText("a.b", "    requires: [tls.client_only_connected]\n    unless: [tls.client_only]\n"), "my.yaml:9:13: rule a.b: unless: a.b requires tls.client_only_connected, which holds only after tls.client_only, and ends with tls.client_only: it can never hold",
		},
		{
			"a rule of the default set that a file's own ends", "version: 1\nextends: default\nrules:\n" +
				ruleText("http.sstp_duplex_post", "    requires: [connect.sstp_tunnel]\n    unless: [connect.sstpversion]\n"), "my.yaml:9:13: rule http.sstp_duplex_post: unless: ",
		},
		{"needs a rule that the file switches off", "version: 1\nextends: default\ndisable: [tls.no_alpn]\nrules:\n" + ruleText("a.b", "    requires: [tls.no_alpn]\n"), `my.yaml:9:15: rule a.b: requires: there is no rule "tls.no_alpn"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := rules.Parse([]byte(test.text), "my.yaml")
			var e *rules.Error
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("%v\nwant %s", err, test.want)
			}
			if e != nil && (e.File != "my.yaml" || !errors.Is(err, e.Err)) {
				t.Errorf("%#v", e)
			}
		})
	}
}

// TestPlainNumbers takes lengths that are written as numbers.
func TestPlainNumbers(t *testing.T) {
	rs := parse(t, "version: 1\n"+settingsText+"rules:\n  - id: a.b\n    about: x\n    source: y\n    weight: 1\n    coarse: 0\n    kind: probe\n"+
		"    match:\n      dialogue:\n        turns:\n          - {from: client, starts: [14, 20-30]}\n      idle: {bytes: 8, at_least: 2}\n")
	r, _ := ruleOf(rs, "a.b")
	if r.Match.Idle.Bytes.String() != "8" || r.Match.Dialogue.Turns[0].Starts[1].String() != "20-30" || r.Kind != inspect.KindProbe || *r.Coarse != 0 {
		t.Errorf("%+v", r)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my.yaml")
	if _, err := rules.Load(path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("version: 1\nextends: default\n")
	if rs, err := rules.Load(path); err != nil || len(rs.Rules()) != len(rules.Default().Rules()) {
		t.Error(err)
	}
	write("version: 3\n")
	if _, err := rules.Load(path); err == nil || !strings.HasPrefix(err.Error(), path+":1:10: ") {
		t.Error(err)
	}
	write(strings.Repeat("#", 4<<20+1))
	if _, err := rules.Load(path); err == nil || !strings.Contains(err.Error(), "at most 4194304 bytes") {
		t.Error(err)
	}
	if _, err := rules.Load(filepath.Dir(path)); err == nil {
		t.Error("a folder was read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("version: 1\nextends: default\ndisable: [tls.no_alpn]\n")
	f.Add("version: 1\n" + settingsText + "rules:\n" + ruleText("a.b", "    requires: [a.c]\n"))
	f.Add("version: 1\nrules: [{id: a.b, match: {idle: {bytes: 5-x}}}]\n")
	f.Add("a: &a [*a]\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		rs, err := rules.Parse([]byte(text), "my.yaml")
		var e *rules.Error
		switch {
		case err != nil && !errors.As(err, &e):
			t.Errorf("%T: %v", err, err)
		case err == nil && (rs.Revision() == "" || rs.Settings().Window == 0):
			t.Error("no error, and no set")
		}
	})
}

// TestDisableTakenBack leaves out what is switched off of what a rule takes back, and
// the rule where nothing is left.
func TestDisableTakenBack(t *testing.T) {
	for disabled, want := range map[string][]string{
		"tls.long_response": {"tls.bulk_response", "tls.bulk_request", "tls.no_setup"},
		"tls.long_response, tls.bulk_response, tls.bulk_request, tls.no_setup": nil,
	} {
		rs, err := rules.Parse([]byte("version: 1\nextends: default\ndisable: ["+disabled+"]\n"), "my.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := ruleOf(rs, "tls.setup_behind"); ok != (want != nil) || !slices.Equal(r.TakesBack, want) {
			t.Errorf("%s: %v %v, want %v", disabled, ok, r.TakesBack, want)
		}
	}
}
