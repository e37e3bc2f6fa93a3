package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeOurs is a program that takes our arguments, keeps the configuration, and
// is a bare proxy.
const fakeOurs = `#!/bin/sh
case "$1" in
ca) mkdir "$4" ;;
proxy)
	cp "$3" "%[1]s"
	exec "%[2]s" bare "$(sed -n 's/^  listen: \["\(.*\)"\]$/\1/p' "$3")" ;;
esac
`

func TestOurs(t *testing.T) {
	a := testArena(t)
	dir := t.TempDir()
	a.ours = filepath.Join(dir, "fake")
	kept := filepath.Join(dir, "kept.yaml")
	if err := os.WriteFile(a.ours, fmt.Appendf(nil, fakeOurs, kept, a.self), 0o755); err != nil {
		t.Fatal(err)
	}
	e := &entrant{name: oursName, ours: true, begin: beginOurs}
	if err := a.enter(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.leave()
	config, err := os.ReadFile(kept)
	if err != nil || strings.Contains(string(config), "intercept") || !strings.Contains(string(config), "pprof: false") {
		t.Errorf("configuration, %v:\n%s", err, config)
	}

	a.profiles = dir
	e = &entrant{name: oursName, ours: true, opens: true, begin: beginOurs}
	if err := a.enter(t.Context(), e); err == nil || !strings.Contains(err.Error(), "did not open TLS") {
		t.Errorf("error %v", err)
	}
	config, err = os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pprof: true", "\n  intercept:\n", filepath.Join(a.dir, "ca"), a.issuer.certFile, "\npolicy:\n"} {
		if !strings.Contains(string(config), want) {
			t.Errorf("%q is not in the configuration:\n%s", want, config)
		}
	}
	if _, err := os.Stat(filepath.Join(a.dir, "policy", "open.rego")); err != nil {
		t.Error(err)
	}
}
