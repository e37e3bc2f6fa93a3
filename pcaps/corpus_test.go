package pcaps_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/policies/opa"
	"sstpwarden/rules"
)

var update = flag.Bool("update", false, "rewrite the golden results")

// label is an entry of testdata/labels.json.
type label struct {
	WithoutKeys string `json:"without_keys"`
	WithKeys    string `json:"with_keys"`
}

func labels(t *testing.T) map[string]label {
	t.Helper()
	text, err := os.ReadFile("testdata/labels.json")
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]label
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// decider is the default policy, compiled once.
var decider = sync.OnceValues(func() (*opa.Decider, error) {
	return opa.New(context.Background(), policies.Default, nil)
})

func gate(t testing.TB) *policies.Gate {
	t.Helper()
	d, err := decider()
	if err != nil {
		t.Fatal(err)
	}
	return &policies.Gate{Decider: d, Point: policies.PointAudit}
}

func keys(t *testing.T, path string) *tlskeys.Keys {
	t.Helper()
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	k := &tlskeys.Keys{}
	if _, err := k.AddKeyLog(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return k
}

// audit gives what an audit says, in JSON lines.
func audit(t *testing.T, c pcaps.Config, paths ...string) []byte {
	t.Helper()
	inputs, err := pcaps.Inputs(paths)
	if err != nil {
		t.Fatal(err)
	}
	c.Rules = rules.Default()
	c.Gate = gate(t)
	var out bytes.Buffer
	enc := event.NewEncoder(&out)
	c.Emit = enc.Event
	s, err := pcaps.Run(context.WithoutCancel(t.Context()), inputs, c)
	if err != nil {
		t.Fatal(err)
	}
	s.Seconds = 0
	if err := enc.Summary(&s); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func captures(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/*/*.pcap")
	if err != nil || len(found) < 60 {
		t.Fatalf("%d captures found: %v", len(found), err)
	}
	return found
}

func name(capture string) string { return strings.TrimSuffix(filepath.Base(capture), ".pcap") }

var strengths = []string{"cleared", "undetermined", "suspected", "confirmed"}

// TestLabels holds every capture against what is known of it.
func TestLabels(t *testing.T) {
	known := labels(t)
	for _, capture := range captures(t) {
		t.Run(name(capture), func(t *testing.T) {
			want, ok := known[name(capture)]
			if !ok {
				t.Fatal("no label")
			}
			positive := strings.Contains(capture, "/positive/")
			check := func(keys *tlskeys.Keys, least string) {
				best := strongest(t, audit(t, pcaps.Config{Keys: keys, All: true}, capture))
				switch {
				case !positive && best > slices.Index(strengths, "undetermined"):
					t.Errorf("a negative is %s", strengths[best])
				case positive && least != "any" && best < slices.Index(strengths, least):
					t.Errorf("is %s, want at least %s", strengths[best], least)
				}
			}
			check(nil, want.WithoutKeys)
			if k := keys(t, strings.TrimSuffix(capture, ".pcap")+".keys"); k != nil {
				check(k, want.WithKeys)
			}
		})
	}
}

// strongest gives the strongest verdict among events, as an index.
func strongest(t *testing.T, lines []byte) int {
	t.Helper()
	best := -1
	for line := range bytes.Lines(lines) {
		var e struct {
			EventType string `json:"event_type"`
			Detection struct {
				Verdict string
			}
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.EventType == "sstp" {
			best = max(best, slices.Index(strengths, e.Detection.Verdict))
		}
	}
	if best < 0 {
		t.Fatal("no connection was found")
	}
	return best
}

func TestGolden(t *testing.T) {
	schema := compileSchema(t)
	for _, capture := range captures(t) {
		t.Run(name(capture), func(t *testing.T) {
			golden := filepath.Join("testdata", "golden", name(capture))
			compare(t, schema, golden+".json", audit(t, pcaps.Config{All: true}, capture))
			if k := keys(t, strings.TrimSuffix(capture, ".pcap")+".keys"); k != nil {
				compare(t, schema, golden+".keys.json", audit(t, pcaps.Config{All: true, Keys: k}, capture))
			}
		})
	}
}

func compare(t *testing.T, schema *jsonschema.Schema, path string, got []byte) {
	t.Helper()
	for line := range bytes.Lines(got) {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s\ndoes not fit the schema: %v", line, err)
		}
	}
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (make golden writes it)", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s differs (make golden accepts it):\n%s", path, diff)
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(event.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("event.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWorkers wants the same result however many files are read at once.
func TestWorkers(t *testing.T) {
	k := keys(t, "testdata/demo.keys")
	want := audit(t, pcaps.Config{All: true, Workers: 1, Keys: k}, "testdata")
	for _, n := range []int{2, 8} {
		got := audit(t, pcaps.Config{All: true, Workers: n, Keys: k}, "testdata")
		if !bytes.Equal(want, got) {
			t.Errorf("%d workers: %s", n, cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")))
		}
	}
}

// passwords of the captures: of PAP and MS-CHAPv2, and of a proxy's Basic
// authentication as it stands on the wire and decoded.
var passwords = []string{`"secret`, `secret"`, `:secret`, "dXNlcjpwdw", "user:pw"}

// TestNoSecrets looks for the passwords of the captures in everything that
// an audit with keys says.
func TestNoSecrets(t *testing.T) {
	for _, capture := range captures(t) {
		k := keys(t, strings.TrimSuffix(capture, ".pcap")+".keys")
		if k == nil {
			continue
		}
		out := audit(t, pcaps.Config{All: true, Keys: k}, capture)
		for _, secret := range passwords {
			if bytes.Contains(out, []byte(secret)) {
				t.Errorf("%s: the password %q is in the output", capture, secret)
			}
		}
	}
}
