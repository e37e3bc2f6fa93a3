package policies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	_ "time/tzdata" // windows name time zones

	"github.com/google/go-cmp/cmp"
)

const hash = "e65423f1a1f1d4b0f2c3a4958677ab0c1d2e3f405162738495a6b7c8d9e3a11e"

// Everything that the default policies understand.
const full = `# what is ours
sanctioned:
  servers:
    - name: vpn.example.org
      addresses: [198.51.100.7, 2001:db8:1::/48]
      certificates: [` + hash + `]
      expires: 2027-01-31
      note: head office
    - {name: "*.example.org", addresses: [198.51.100.0/24]}
    - {name: .Example.org., addresses: [0.0.0.0/0]}
    - {certificates: [` + hash + `]}
  networks:
    - 10.1.0.0/16
    - {network: "2001:db8::7", expires: 2026-12-31T18:00:00+01:00, note: migration}
  users:
    - EXAMPLE\alice
    - {user: bob, expires: 2026-12-31}
  certificates:
    - E6:54:23:F1:A1:F1:D4:B0:F2:C3:A4:95:86:77:AB:0C:1D:2E:3F:40:51:62:73:84:95:A6:B7:C8:D9:E3:A1:1E
    - {certificate: ` + hash + `, note: "7"}
  windows:
    - {from: 2026-11-22T05:00:00Z, until: 2026-11-22T07:00:00.5+01:00, expires: 2026-12-31}
    - {days: [mon, sun], from: 08:00, until: "24:00", zone: Europe/Berlin, networks: [10.0.0.0/8], note: x}
    - {from: "22:00", until: "06:00", zone: UTC}
dry_run: [sstp.suspected, lab.mine]
enforcement: {reset: true, ban: 1h30m}
mine: {any: [shape, {at: 1.50}]}
`

func TestParseData(t *testing.T) {
	doc, err := ParseData("data.yaml", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(doc, "", "\t") // with tabs, which YAML takes for an error
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseData("DATA.JSON", append([]byte("\ufeff"), text...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(doc, again); diff != "" {
		t.Errorf("JSON of it differs (-first +again):\n%s", diff)
	}
	if err := CheckData(doc); err != nil {
		t.Error(err)
	}
}

func TestParseDataValues(t *testing.T) {
	deep := strings.Repeat("[", 98) + strings.Repeat("]", 98)
	for _, tt := range []struct{ name, text, want string }{
		{"d.yaml", "", `{}`},
		{"d.yaml", "# nothing\n", `{}`},
		{"d.yaml", "---\nnull\n...\n", `{}`},
		{"d.json", " null\n", `{}`},
		{"d.json", `{"a": ["\ud83d\ude00", "\/", 1E2, -0, 1.50, true, null, {}]}`, `{"a":["😀","/",1E2,-0,1.50,true,null,{}]}`},
		{"d.yaml", "a: [1, -2.50, 0x10, 0o17, 1_000, .5, +3, 1e3]", `{"a":[1,-2.50,16,15,1000,0.5,3,1e3]}`},
		{"d.yaml", "a: [18446744073709551615, 0xffffffffffffffff, 123456789012345678901234567890]", `{"a":[18446744073709551615,18446744073709551615,123456789012345678901234567890]}`},
		{"d.yaml", "a: [2026-12-31, 2026-12-31 10:00:00, 08:00, yes, on, 'null', \"1\", !!str 5]", `{"a":["2026-12-31","2026-12-31 10:00:00","08:00","yes","on","null","1","5"]}`},
		{"d.yaml", "2026-12-31: ~\n? plain\n: |\n  two\n  lines\n", `{"2026-12-31":null,"plain":"two\nlines\n"}`},
		{"d.yaml", "a: &x {b: [1]}\nc: *x\n", `{"a":{"b":[1]},"c":{"b":[1]}}`},
		{"d.yaml", "a: &k b\n*k : 1\n", `{"a":"b","b":1}`},
		{"d.yaml", "a: " + deep, `{"a":` + deep + `}`},
		{"d", "sanctioned:\ndry_run:\nenforcement:\n", `{"dry_run":null,"enforcement":null,"sanctioned":null}`},
		{"d", "sanctioned: {servers: , networks: , users: ~, windows: null, certificates: []}", `{"sanctioned":{"certificates":[],"networks":null,"servers":null,"users":null,"windows":null}}`},
	} {
		doc, err := ParseData(tt.name, []byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		var got bytes.Buffer
		e := json.NewEncoder(&got)
		e.SetEscapeHTML(false)
		if err := e.Encode(doc); err != nil || strings.TrimSpace(got.String()) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.text, &got, err, tt.want)
		}
	}
}

// What no JSON could say, or nothing could read.
func TestParseDataErrors(t *testing.T) {
	tooDeep := strings.Repeat("[", 101) + strings.Repeat("]", 101)
	for _, tt := range []struct{ name, text, want string }{
		{"d.yaml", "a: [1\nb: 2\n", "d.yaml:1: is no YAML: did not find expected ',' or ']'"},
		{"d.yaml", "a: *b", "d.yaml: is no YAML: unknown anchor 'b' referenced"},
		{"d.json", "{\n\"a\" 1}", "d.json:2: is no JSON: invalid character '1' after object key"},
		{"d.json", "", "d.json:1: is no JSON: unexpected end of JSON input"},
		{"d.json", "{}\n{}", "d.json:2: is no JSON: invalid character '{' after top-level value"},
		{"d.json", "{\n\"a\": 1,\n\"b\": 2,\n\"a\": 3}", "d.json:4: a: is there twice, first in line 2; take one of them out"},
		{"d.yaml", "a: {b: 1,\n \"b\": 2}", "d.yaml:2: a.b: is there twice, first in line 1; take one of them out"},
		{"d.yaml", "a: 1\n---\nb: 2\n", "d.yaml:2: a second document begins; write one document a file"},
		{"d.yaml", "a: 1\n---\nb: [\n", "d.yaml:3: is no YAML: did not find expected node content"},
		{"d.yaml", "- a\n", `d.yaml:1: the document is no object; write keys with values, such as "sanctioned:"`},
		{"d.json", "7", `d.json:1: the document is no object; write keys with values, such as "sanctioned:"`},
		{"d.yaml", "a: 1\nb: \xff", "d.yaml:2: is not UTF-8; save it as UTF-8"},
		{"d.json", "\xff\xfe{\x00}\x00", "d.json:1: is not UTF-8; save it as UTF-8"},
		{"d.yaml", "a:\n  1: x", `d.yaml:2: a: has the key "1", which is no text; write it in quotes: "1"`},
		{"d.yaml", "? [a]\n: x", "d.yaml:1: has a list or an object for a key; write a text"},
		{"d.yaml", "a: &x {b: 1}\nc: {<<: *x}", `d.yaml:2: c: has a merge key "<<", which JSON cannot express; write the keys out`},
		{"d.yaml", "a: !!set {b}", `d.yaml:1: a: has the tag "!!set", which JSON cannot express; leave the tag out`},
		{"d.yaml", "a: !mine [b]", `d.yaml:1: a: has the tag "!mine", which JSON cannot express; leave the tag out`},
		{"d.yaml", "a: !!binary aGk=", `d.yaml:1: a: has the tag "!!binary", which JSON cannot express; leave the tag out`},
		{"d.yaml", "a: [x, .nan]", `d.yaml:1: a[1]: ".nan" is no number that JSON can express; write a finite number, or a text in quotes`},
		{"d.yaml", "a: !!int x", `d.yaml:1: a: "x" is no number that JSON can express; write a finite number, or a text in quotes`},
		{"d.json", `{"a": 1e999}`, `d.json:1: a: "1e999" is no number that JSON can express; write a finite number, or a text in quotes`},
		{"d.yaml", "a: 0123", `d.yaml:1: a: 0123 begins with a zero, which some readers take for octal; write it without the zero, or as text: "0123"`},
		{"d.yaml", "a: " + tooDeep, "d.yaml:1: lists and objects lie more than 100 deep in each other; make it flatter"},
		{"d.json", `{"a":` + tooDeep + "}", "d.json:1: lists and objects lie more than 100 deep in each other; make it flatter"},
		{"d.yaml", "a: &x\n  b: *x", "d.yaml:1: lists and objects lie more than 100 deep in each other; make it flatter"},
		{"d.yaml", laughs(), "d.yaml:1: aliases stand for more than 100000 values; write them out, or use fewer"},
		{"d.yaml", strings.Repeat("#", MaxData+1), "d.yaml: is longer than 4 MiB; split it into several files"},
		{"d.yaml", "sanctioned: {users: [007]}", `d.yaml:1: sanctioned.users[0]: 007 begins with a zero, which some readers take for octal; write it without the zero, or as text: "007"`},
	} {
		doc, err := ParseData(tt.name, []byte(tt.text))
		var all DataErrors
		if err == nil || err.Error() != tt.want || !errors.As(err, &all) || doc != nil {
			t.Errorf("%.60s: got %v, %v\nwant %s", tt.text, doc, err, tt.want)
		}
	}
}

// laughs is a document of 10^9 values.
func laughs() string {
	var b strings.Builder
	b.WriteString("a0: &a0 x\n")
	for i := range 9 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return b.String()
}

// All that is wrong is told at once, in the order of the lines.
func TestParseDataTellsAll(t *testing.T) {
	const text = `sanctioned:
  servers:
    - name: vpn.example.org
      adresses: [198.51.100.7]
  windows:
    - from: 8:00
      until: "09:00"
      zone: Europe/Berlin
own: 0x
sstp: {decision: {action: allow}}
own: .inf
users: &bad [7]
`
	_, err := ParseData("data.yaml", []byte(text))
	want := []string{
		`data.yaml:3: sanctioned.servers[0]: a name alone sanctions nothing, because the client chooses it; add addresses or certificates`,
		`data.yaml:4: sanctioned.servers[0].adresses: unknown key; did you mean "addresses"?`,
		`data.yaml:6: sanctioned.windows[0].from: "8:00" is no time of the day; write hours and minutes, of two digits each: "08:00"`,
		`data.yaml:10: sstp: is where the policies themselves lie, so data cannot; give it another name`,
		`data.yaml:11: own: is there twice, first in line 9; take one of them out`,
	}
	if diff := cmp.Diff(strings.Join(want, "\n"), err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var one *DataError
	if !errors.As(err, &one) || one.File != "data.yaml" || one.Line != 3 || one.Path != "sanctioned.servers[0]" {
		t.Errorf("got %+v", one)
	}
}

// Errors stand where the value is, also behind an alias.
func TestParseDataLines(t *testing.T) {
	for text, want := range map[string]int{
		"sanctioned:\n  networks:\n\n    - 10.0.0.0/8\n    - nine\n":                5,
		"sanctioned:\n  networks:\n    - network: ten\n      note: x\n":             3,
		"sanctioned:\n  networks:\n    - note: x\n      expires: 2027-01-01\n":      3,
		"sanctioned:\n  networks: nine\n":                                           2,
		"mine:\n  - &n\n    - nine\nsanctioned:\n  networks: *n\n":                  3,
		"mine: &s\n  users: 7\n\nsanctioned: *s\n":                                  2,
		"sanctioned:\n  windows:\n    - {zone: UTC, from: '08:00', until: '08:00'}": 3,
		"\n\nsactioned: x\n": 3,
	} {
		_, err := ParseData("d.yaml", []byte(text))
		var all DataErrors
		if !errors.As(err, &all) || len(all) != 1 || all[0].Line != want {
			t.Errorf("%q: got %v, want line %d", text, err, want)
		}
	}
}

func TestDataErrorsAreBounded(t *testing.T) {
	text := "sanctioned:\n  users:\n" + strings.Repeat("    - 7\n", 2000)
	_, err := ParseData("d.yaml", []byte(text))
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 101 || lines[100] != "and at least 900 more" {
		t.Errorf("%d lines, the last is %s", len(lines), lines[len(lines)-1])
	}
	for _, text := range []string{
		"mine: [" + strings.Repeat(".inf, ", 2000) + "]",
		"mine: [" + strings.Repeat(".inf, ", 600) + "]\nsanctioned: {users: [" + strings.Repeat("7, ", 600) + "]}",
	} {
		_, err = ParseData("d.yaml", []byte(text))
		var all DataErrors
		if !errors.As(err, &all) || len(all) != 1000 {
			t.Errorf("%d errors", len(all))
		}
	}
	_, err = ParseData("d.yaml", []byte("sanctioned: {networks: ["+strings.Repeat("é", 5000)+"]}"))
	if got := err.Error(); len(got) > 400 || !strings.Contains(got, "…") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	_, err = ParseData("d.yaml", []byte("sanctioned: {"+strings.Repeat("é", 5000)+": 1}"))
	if got := err.Error(); len(got) > 400 {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestDataPath(t *testing.T) {
	for want, path := range map[string]dataPath{
		"":              nil,
		"a.b[2][0].c-d": {"a", "b", 2, 0, "c-d"},
		`a."b.c".""`:    {"a", "b.c", ""},
		`"ö"[1]`:        {"ö", 1},
	} {
		if got := path.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestListing(t *testing.T) {
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		if got := listing(words, "or"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The examples' data is in order, and what it is checked for is understood.
func TestExampleData(t *testing.T) {
	for _, name := range Examples() {
		fsys, err := Example(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := fs.ReadFile(fsys, "data.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseData("data.yaml", text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a file holds, it becomes a document that JSON can say and that is
// read again as the same, or there are errors that can be told.
func FuzzParseData(f *testing.F) {
	f.Add("d.yaml", []byte(full))
	f.Add("d.json", []byte(`{"sanctioned": {"users": ["alice", {"user": "bob", "expires": "2026-12-31"}]}, "mine": [1e3, -0.5, null, true]}`))
	f.Add("d.yaml", []byte("a: &x [1, 0x1f, .5]\nb: *x\nc: {<<: *x}\n? [d]\n: !!binary aGk=\n"))
	f.Add("d.yaml", []byte("a: &a [*a, *a]\n---\n"))
	f.Add("d.yaml", []byte(laughs()))
	f.Add("d.yaml", []byte("sanctioned: {windows: [{from: '8:00', until: x, zone: Local, days: []}], servers: [{name: 10.1.2.3}], networks: ['10.1.2.3/8', 7]}"))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		doc, err := ParseData(name, text)
		if err != nil {
			var all DataErrors
			if !errors.As(err, &all) || len(all) == 0 || doc != nil {
				t.Fatalf("got %v, %#v", doc, err)
			}
			for _, e := range all {
				if e.File != name || e.Problem == "" || e.Line < 0 || e.Line > 2+bytes.Count(text, []byte("\n"))+bytes.Count(text, []byte("\r")) {
					t.Errorf("error %+v", e)
				}
			}
			return
		}
		encoded, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseData("again.json", encoded)
		if err != nil {
			t.Fatalf("%s: %v", encoded, err)
		}
		if diff := cmp.Diff(doc, again); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
		if err := CheckData(doc); err != nil {
			t.Error(err)
		}
	})
}
