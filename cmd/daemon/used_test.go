package daemon

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestTry(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("key"), strings.Repeat("k", 32))
	write(t, in("rules.yaml"), rulesFile(1))
	c := Default()
	c.Rules, c.RedactKey, c.User = in("rules.yaml"), in("key"), "root"
	c.Events.Dest, c.DecisionLog.Dest, c.Admin.Listen = []string{in("e.json")}, in("d.json"), "127.0.0.1:0"
	c.Proxy.Listen, c.Proxy.Transparent.Listen = []string{":3128"}, []string{":3129"}
	used, err := c.Try(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, u := range used {
		got[u.Key] = u.What
	}
	for key, want := range map[string]string{
		"policy": "built in, revision ", "rules": in("rules.yaml") + ", ", "redact_key": in("key"), "user": "root",
		"events": in("e.json"), "decision_log": in("d.json"), "admin": "127.0.0.1:0", "proxy.listen": ":3128",
		"proxy.transparent": ":3129 by redirect, fail-open",
	} {
		if !strings.HasPrefix(got[key], want) {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	if matches, _ := filepath.Glob(in("*.json")); len(matches) > 0 {
		t.Errorf("it wrote %v", matches)
	}

	c.Policy.Dir, c.Rules, c.RedactKey, c.User = in("p"), in("r"), in("k"), "no such user"
	c.Proxy.Auth.File, c.Proxy.Intercept.CA, c.Proxy.Intercept.Roots = in("users"), in("ca"), in("roots")
	_, err = c.Try(t.Context())
	for _, want := range []string{in("p"), in("r"), in("k"), "no such user", in("users"), in("ca"), in("roots")} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in\n%v", want, err)
		}
	}
}
