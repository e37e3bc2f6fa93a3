package export_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/rules"
	"sstpwarden/rules/export"
)

var update = flag.Bool("update", false, "write the golden files")

var options = export.Options{Rules: "my rules", Tool: "sstpwarden v1"}

func exported(t *testing.T, engine string, rs *inspect.Ruleset) string {
	t.Helper()
	text, err := export.Export(engine, rs, options)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func load(t *testing.T, text string) *inspect.Ruleset {
	t.Helper()
	rs, err := rules.Parse([]byte(text), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func every(t *testing.T, each func(t *testing.T, engine string)) {
	t.Helper()
	for _, e := range export.Engines() {
		t.Run(e, func(t *testing.T) { each(t, e) })
	}
}

// TestGolden compares exports of rules that ask for everything that can be
// asked for.
func TestGolden(t *testing.T) {
	rs, err := rules.Load("testdata/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	every(t, func(t *testing.T, engine string) {
		got := exported(t, engine, rs)
		name := filepath.Join("testdata", engine+".golden")
		if *update {
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("-want +got; go test -update writes them\n%s", diff)
		}
	})
}

// TestComplete has every rule told of once: with what it became, or with a
// reason.
func TestComplete(t *testing.T) {
	every(t, func(t *testing.T, engine string) {
		rs := rules.Default()
		got := exported(t, engine, rs)
		if got != exported(t, engine, rs) {
			t.Error("two exports differ")
		}
		here, missing, _ := strings.Cut(got, "# Not here:\n")
		for _, r := range rs.Rules() {
			out := regexp.MustCompile(`(?m)^\s*# ` + regexp.QuoteMeta(r.ID) + ` \(|\["` + regexp.QuoteMeta(r.ID) + `"\] = `).MatchString(here)
			left := regexp.MustCompile(`(?m)^# ` + regexp.QuoteMeta(r.ID) + `: \S+ \S+`).MatchString(missing)
			if out == left {
				t.Errorf("%s: here %v, left out %v", r.ID, out, left)
			}
		}
		if !strings.Contains(got, rs.Revision()) || !strings.Contains(got, "my rules") || !strings.Contains(got, "sstpwarden v1") {
			t.Errorf("the head does not say where it comes from:\n%s", got[:300])
		}
	})
}

const own = `version: 1
extends: default
disable: [connect.sstpversion, http.sstp_duplex_post, http.sstp_accepted]
rules:
  - {id: site.name, about: our name, weight: 60, source: us, match: {hello: {sni: [.rogue.example]}}}
  - {id: site.header, about: our header, weight: 60, source: us, match: {connect: {header: [Rogue-Vpn]}}}
  - {id: site.ja4, about: our fingerprint, weight: 60, source: us, match: {hello: {ja4: [t13d000000_rogue0000000_0123456789ab]}}}
`

// TestOwn has an admin's own rules come out, and those that are switched off
// stay away.
func TestOwn(t *testing.T) {
	rs := load(t, own)
	tests := map[string]struct{ has, hasNot []string }{
		"suricata": {has: []string{
			`drop tls any any -> any any (msg:"SSTP site.name: our name"; flow:established,to_server; tls.sni; dotprefix; content:".rogue.example"; nocase; endswith;`,
			`r[-_]*o[-_]*g[-_]*u[-_]*e[-_]*v[-_]*p[-_]*n`, `ja4.hash; content:"t13d000000_rogue0000000_0123456789ab"`,
		}},
		"snort":    {has: []string{`content:"|00 00 0D|rogue.example",nocase`, `content:".rogue.example",nocase`, `r[-_]*o[-_]*g[-_]*u[-_]*e[-_]*v[-_]*p[-_]*n`, "# site.ja4: asks for a fingerprint"}},
		"squid":    {has: []string{"req_header Rogue_Vpn", "dstdomain .rogue.example", "http_access deny sstp-name-site.name", "#ssl# ssl_bump terminate sstp-hello-site.name", "# site.ja4: asks for a fingerprint"}},
		"zeek":     {has: []string{`named(name, ".rogue.example")`, `set("roguevpn")`, "# site.ja4: asks for a fingerprint"}},
		"nftables": {has: []string{"# site.name: asks about the hello", "# site.header: asks about the head of a CONNECT"}, hasNot: []string{"@ih,0,128 & "}},
		"haproxy":  {has: []string{"req.ssl_sni -m end -i .rogue.example", "#tls#     tcp-request content reject if { req.ssl_hello_type 1 } sstp-name-site.name", "r[-_]*o[-_]*g[-_]*u[-_]*e", "# site.ja4: asks for a fingerprint"}},
	}
	every(t, func(t *testing.T, engine string) {
		got := exported(t, engine, rs)
		for _, want := range tests[engine].has {
			if !strings.Contains(got, want) {
				t.Errorf("lacks %s", want)
			}
		}
		for _, no := range append(tests[engine].hasNot, "connect.sstpversion", "http.sstp_duplex_post", "http.sstp_accepted") {
			if strings.Contains(got, no) {
				t.Errorf("has %s", no)
			}
		}
	})
}

// TestHostile has text of a rules file stay what it is: it ends no comment, no
// string and no word.
func TestHostile(t *testing.T) {
	const evil = `x\"; ) \\ ' # | %\r\nhttp_access allow all\n}\nflush ruleset\n`
	text := "version: 1\nsettings: {prior: -40, suspected: 45, cleared: -20, window: 96}\nrules:\n"
	for i, match := range []string{
		`connect: {header: ["E"], value: ["E"]}`, `connect: {header: ["E"]}`, `connect: {header_order: ["E"]}`,
		`http: {method: ["E"]}`, `http: {method: [POST], path: ["E"]}`, `http: {server: ["E*"], status: "200"}`, `http: {status: "200", reason: "E"}`,
		`hello: {sni: ["E"]}`, `hello: {ja3: ["E"]}`, `hello: {ja4: ["E*"]}`, `hello: {offers: ["E"]}`,
		`certificate: {subject: ["E"]}`, `certificate: {name: ["E"]}`, `certificate: {sha256: ["E"]}`,
	} {
		text += fmt.Sprintf("  - {id: evil.r%d, about: \"%s\", weight: 60, source: t, match: {%s}}\n", i, evil, strings.ReplaceAll(match, "E", evil))
	}
	rs := load(t, text)
	every(t, func(t *testing.T, engine string) {
		for line := range strings.Lines(exported(t, engine, rs)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "http_access allow") || strings.HasPrefix(line, "flush") {
				t.Errorf("text of a rule begins a line: %q", line)
			}
		}
	})
}

var sid = regexp.MustCompile(`metadata:sstpwarden_rule (\S+),.*sid:(\d+); rev:(\d+);`)

func sids(t *testing.T, engine string, rs *inspect.Ruleset) (byRule map[string][]string, all []string) {
	t.Helper()
	byRule = map[string][]string{}
	for _, m := range sid.FindAllStringSubmatch(exported(t, engine, rs), -1) {
		byRule[m[1]] = append(byRule[m[1]], m[2])
		all = append(all, m[2])
	}
	return byRule, all
}

// TestIDs has signature ids in the range that is free for all, each once, and
// the same when other rules and other values come.
func TestIDs(t *testing.T) {
	for _, engine := range []string{"suricata", "snort"} {
		before, all := sids(t, engine, rules.Default())
		if len(all) < 20 {
			t.Fatalf("%s: %d signatures", engine, len(all))
		}
		slices.Sort(all)
		if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
			t.Errorf("%s: %d ids for %d signatures", engine, n, len(all))
		}
		if all[0] < "1000000" || all[len(all)-1] > "1999999" {
			t.Errorf("%s: ids from %s to %s", engine, all[0], all[len(all)-1])
		}
		after, _ := sids(t, engine, load(t, `version: 1
extends: default
rules:
  - {id: aaa.first, about: a, weight: 3, source: t, match: {hello: {sni: [.a.example]}}}
  - id: tls.sni_provider
    about: more providers
    weight: 15
    source: t
    match: {hello: {sni: [.first.example, .opengw.net, .vpnazure.net, .softether.net, .cactussstp.com, .freesstpvpn.com, .pointtoserver.com]}}
`))
		for id, want := range before {
			for _, s := range want {
				if !slices.Contains(after[id], s) {
					t.Errorf("%s: %s has lost %s", engine, id, s)
				}
			}
		}
	}
}

func TestUnknownEngine(t *testing.T) {
	_, err := export.Export("iptables", rules.Default(), options)
	var e *export.EngineError
	if !errors.As(err, &e) || err.Error() != `there is no export for "iptables": use suricata, snort, squid, zeek, nftables or haproxy` {
		t.Error(err)
	}
}

// TestTooMany has a rule whose lists multiply say so, rather than fill a disk.
func TestTooMany(t *testing.T) {
	var list []string
	for i := range 20 {
		list = append(list, fmt.Sprintf("n%d.example", i))
	}
	l := strings.Join(list, ", ")
	rs := load(t, "version: 1\nextends: default\nrules:\n  - {id: site.many, about: m, weight: 60, source: t, match: {hello: {sni: ["+l+"], ja3: ["+l+"]}}}\n")
	if got := exported(t, "suricata", rs); !strings.Contains(got, "# site.many: its lists make more than 256 combinations") {
		t.Error(got[len(got)-500:])
	}
}
