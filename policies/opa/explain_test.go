package opa

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

const explained = `package sstp

# METADATA
# description: |
#   What is to be
#   done.
# entrypoint: true
# scope: document

# METADATA
# description: Friends are let through.
# scope: rule
decision := {"action": "allow", "rule": "friend", "reason": greeting} if {
	friend
	some network in data.networks
	inside(network, input.src_ip)
}

# METADATA
# title: Everybody else.
# scope: rule
decision := {"action": "drop", "rule": "rest", "reason": input.user} if {
	not friend
	object.get(input, ["server", "name"], "") != data.own.name
}

default decision := {"action": "log", "rule": "none", "reason": "nothing"}

greeting := concat(" ", ["Hello", input.user])

friend if lower(input.user) in names

names contains n if some n in data.friends

inside(network, address) if net.cidr_contains(network, address)
`

func explain(t *testing.T, policy string, data map[string]any, in policies.Input) (Explanation, *Decider) {
	t.Helper()
	d, err := fromModules(context.Background(), []module{{name: "p.rego", text: policy}}, data)
	if err != nil {
		t.Fatal(err)
	}
	x, err := d.Explain(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	want, wantErr := d.Decide(context.Background(), in)
	if x.Decision != want || fmt.Sprint(x.Err) != fmt.Sprint(wantErr) {
		t.Errorf("explained %+v, %v, decided %+v, %v", x.Decision, x.Err, want, wantErr)
	}
	return x, d
}

func TestExplain(t *testing.T) {
	in := input(inspect.VerdictSuspected)
	in.User = "Alice\u202e\x1b"
	got, d := explain(t, explained, map[string]any{
		"friends": []any{"bob", "alice"}, "networks": []any{"10.9.0.0/16", "192.0.2.0/24"},
	}, in)
	if got.Err != nil {
		t.Error(got.Err)
	}
	want := Explanation{
		Decision:   policies.Decision{Action: "log", Rule: "none", Reason: "nothing", Revision: d.Revision()},
		EntryPoint: EntryPoint, Description: "What is to be done.",
		Definitions: []Definition{
			{
				Location: "p.rego:13", Description: "Friends are let through.", Outcome: OutcomeFailed,
				Stop: &Stop{Location: "p.rego:14", Text: "friend"},
			},
			{
				Location: "p.rego:22", Description: "Everybody else.", Outcome: OutcomeFailed,
				Stop: &Stop{
					Location: "p.rego:24", Text: "data.own.name",
				},
			},
			{Location: "p.rego:27", Outcome: OutcomeHeld, Value: `{"action": "log", "reason": "nothing", "rule": "none"}`},
		},
		Helpers: []Helper{
			{Name: "data.sstp.friend", Stops: []Stop{{
				Location: "p.rego:31", Text: "lower(input.user) in names",
				Values: []Binding{
					{"input.user", `"Alice\u202e\x1b"`}, {"lower(input.user)", `"alice\u202e\x1b"`}, {"names", `{"alice", "bob"}`},
				},
			}}},
			{Name: "data.sstp.names", Values: []string{`"bob"`, `"alice"`}},
		},
		Input: []Fact{{"input.user", `"Alice\u202e\x1b"`}, {"input.server.name", `"vpn.example.org"`}},
		Data:  []Fact{{"data.friends", `["bob", "alice"]`}, {Path: "data.own.name"}},
	}
	want.Input[0], want.Input[1] = want.Input[1], want.Input[0]
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := d.Stats(); s.Hits != 0 || s.Misses != 1 {
		t.Errorf("explaining asked the cache: %+v", s)
	}
}

// Functions are told with their arguments, objects with their keys.
func TestExplainHelpers(t *testing.T) {
	got, _ := explain(t, `package sstp
decision := {"action": "log", "rule": "r", "reason": double(input.user)} if {
	ports[input.src_port].known
	double("x") == "xx"
	not big(3)
	not odd(3)
	full
}
double(s) := concat("", [s, s])
ports[p].known := true if some p in [443, 50000]
big(n) if n > 5
big(n) if {
	n > 2
	n > 4
}
odd(4) := true
full if input.user == "y"
full if input.midstream
`, nil, func() policies.Input { in := input(inspect.VerdictSuspected); in.User = "y"; return in }())
	want := []Helper{
		{Name: "data.sstp.ports", Values: []string{`{50000: {"known": true}}`}},
		{Name: `data.sstp.double("x")`, Values: []string{`"xx"`}},
		{Name: `data.sstp.big(3)`, Stops: []Stop{
			{Location: "p.rego:11", Text: "n > 5", Values: []Binding{{"n", "3"}}},
			{Location: "p.rego:14", Text: "n > 4", Values: []Binding{{"n", "3"}}},
		}},
		{Name: "data.sstp.full", Values: []string{"true"}},
		{Name: `data.sstp.double("y")`, Values: []string{`"yy"`}},
	}
	if diff := cmp.Diff(want, got.Helpers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Errors are told with what they came of.
func TestExplainErrors(t *testing.T) {
	in := input(inspect.VerdictSuspected)
	in.User = "no address"
	for name, tt := range map[string]struct {
		policy, err string
		want        []Outcome
	}{
		"built-in": {
			`decision := {"action": "log", "rule": "r", "reason": "x"} if input.user == "x"
			else := {"action": "log", "rule": "r", "reason": "x"} if net.cidr_contains("10.0.0.0/8", input.user)`,
			"net.cidr_contains",
			[]Outcome{OutcomeFailed, OutcomeError},
		},
		"conflict": {
			`decision := {"action": "log", "rule": "r", "reason": "x"} if input.user
			decision := {"action": "log", "rule": "r", "reason": "y"} if input.stage`,
			ErrConflict.Error(),
			[]Outcome{OutcomeHeld, OutcomeHeld},
		},
		"conflict in a helper": {
			`decision := {"action": "log", "rule": "r", "reason": word(input.user)} if input.user
			word(x) := x
			word(x) := "y" if x`,
			ErrConflict.Error(),
			[]Outcome{OutcomeHeld}, // with the first
		},
		"undefined": {`decision := {"action": "log", "rule": "r", "reason": "x"} if input.user == "x"`, ErrUndefined.Error(), []Outcome{OutcomeFailed}},
		"result":    {`decision := 3`, "policy result", []Outcome{OutcomeHeld}},
	} {
		got, _ := explain(t, "package sstp\n"+tt.policy, nil, in)
		var outcomes []Outcome
		for _, d := range got.Definitions {
			outcomes = append(outcomes, d.Outcome)
		}
		if got.Err == nil || !strings.Contains(got.Err.Error(), tt.err) {
			t.Errorf("%s: got %v", name, got.Err)
		}
		if diff := cmp.Diff(tt.want, outcomes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Whatever the policies and the Input, what is explained is what is decided.
func TestExplainAgrees(t *testing.T) {
	inputs := alike(rand.New(rand.NewPCG(5, 5)), 16)
	for name, tt := range readers {
		d := newDecider(t, tt.policy)
		for _, in := range inputs {
			x, err := d.Explain(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			want, wantErr := d.Decide(context.Background(), in)
			if x.Decision != want || fmt.Sprint(x.Err) != fmt.Sprint(wantErr) {
				t.Errorf("%s: explained %+v, %v, decided %+v, %v", name, x.Decision, x.Err, want, wantErr)
			}
			if err := x.WriteText(io.Discard); err != nil {
				t.Error(err)
			}
		}
	}
}

// What OPA's index leaves out may fail: then it is left out here too.
func TestExplainIndexed(t *testing.T) {
	in := input(inspect.VerdictSuspected)
	got, _ := explain(t, `package sstp
decision := {"action": "log", "rule": "r", "reason": "x"} if input.stage == "detection"
decision := {"action": "drop", "rule": "r", "reason": "y"} if {
	time.parse_rfc3339_ns(input.tls.sni) > 0
	input.stage == "hello"
}
`, nil, in)
	if got.Err != nil || got.Definitions[0].Outcome != OutcomeHeld || got.Definitions[1].Outcome != OutcomeSkipped {
		t.Errorf("got %+v", got)
	}
}

// What "with" puts in the place of the input is no fact of it.
func TestExplainWith(t *testing.T) {
	got, _ := explain(t, `package sstp
decision := {"action": "log", "rule": "r", "reason": "x"} if known with input as {"user": "mock"}
known if input.user == "mock"
`, nil, input(inspect.VerdictSuspected))
	if got.Err != nil || len(got.Input) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestExplainTimeout(t *testing.T) {
	d := newDecider(t, endless)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Explain(ctx, input(inspect.VerdictCleared)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// However much happens, an Explanation stays readable.
func TestExplainBounds(t *testing.T) {
	got, _ := explain(t, `package sstp
decision := {"action": "log", "rule": "r", "reason": long} if {
	every n in numbers.range(1, 3000) { f(n) }
	count(many) > 1
	every n in numbers.range(1, 500) { not data.list[n] }
}
f(n) if n > 0
many contains n if some n in numbers.range(1, 100)
long := concat("", [x | some n in numbers.range(1, 200); x := "éé"])
`, map[string]any{"list": []any{}}, input(inspect.VerdictSuspected))
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	if len(got.Helpers) > maxHelpers || len(got.Data) > 2*maxFacts || got.Omitted < 1000 {
		t.Errorf("%d helpers, %d data, %d omitted", len(got.Helpers), len(got.Data), got.Omitted)
	}
	for _, h := range got.Helpers {
		if len(h.Values) > maxValues {
			t.Errorf("%s: %d values", h.Name, len(h.Values))
		}
	}
	if v := got.Definitions[0].Value; len(v) > 3*maxText || !strings.HasSuffix(v, "…") {
		t.Errorf("%q", v)
	}
}

func TestExplainText(t *testing.T) {
	in := input(inspect.VerdictSuspected)
	in.User = "Alice\u202e\x1b"
	x, _ := explain(t, explained, map[string]any{"friends": []any{"bob"}}, in)
	x.Decision.Revision = "0123"
	x.Decision.Reason = "from the wire: \x1b[31m\u202e\xff\uFFFD é"
	x.Omitted = 7
	const want = `log by none (revision 0123)
  from the wire: \x1b[31m\u202e\xff` + "\uFFFD" + ` é
definitions of data.sstp.decision
  failed  p.rego:13
          Friends are let through.
          stopped at p.rego:14: friend
  failed  p.rego:22
          Everybody else.
          stopped at p.rego:24: data.own.name
  held    p.rego:27
          gives {"action": "log", "reason": "nothing", "rule": "none"}
helpers
  data.sstp.friend is undefined
          stopped at p.rego:31: lower(input.user) in names
            input.user = "Alice\u202e\x1b"
            lower(input.user) = "alice\u202e\x1b"
            names = {"bob"}
  data.sstp.names = "bob"
input that was looked at
  input.server.name = "vpn.example.org"
  input.user = "Alice\u202e\x1b"
data that was looked at
  data.friends = ["bob"]
  data.own.name: absent
7 more were left out
`
	var b bytes.Buffer
	if err := x.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := x.WriteText(broke{}); !errors.Is(err, errBroke) {
		t.Errorf("got %v", err)
	}
}

var errBroke = errors.New("broke")

type broke struct{}

func (broke) Write([]byte) (int, error) { return 0, errBroke }

func TestExplainErrorText(t *testing.T) {
	in := input(inspect.VerdictSuspected)
	x, _ := explain(t, "package sstp\n"+`decision := {"action": "log", "rule": "r", "reason": "x"} if input.user == "x"`, nil, in)
	x.Err = fmt.Errorf("two lines:\nthe second\x1b")
	var b bytes.Buffer
	if err := x.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const want = `no decision
  two lines:
  the second\x1b
definitions of data.sstp.decision
  failed  p.rego:2
          stopped at p.rego:2: input.user == "x"
            input.user: absent
input that was looked at
  input.user: absent
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExplainJSON(t *testing.T) {
	in := input(inspect.VerdictSuspected)
	x, d := explain(t, "package sstp\n"+`decision := {"action": "log", "rule": "r", "reason": "x"} if input.stage`, nil, in)
	want := `{"decision":{"action":"log","reason":"x","rule":"r","revision":"` + d.Revision() + `","enforced":false},` +
		`"entry_point":"data.sstp.decision","definitions":[{"location":"p.rego:2","outcome":"held",` +
		`"value":"{\"action\": \"log\", \"reason\": \"x\", \"rule\": \"r\"}"}],"input":[{"path":"input.stage","value":"\"detection\""}]}`
	b, err := json.Marshal(x)
	if err != nil || string(b) != want {
		t.Errorf("got  %s, %v\nwant %s", b, err, want)
	}
	x.Err = ErrUndefined
	if b, err = json.Marshal(&x); err != nil || !strings.HasPrefix(string(b), `{"error":"policy result is undefined`) {
		t.Errorf("got %s, %v", b, err)
	}
}
