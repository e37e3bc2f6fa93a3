package decisionlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

var _ policies.Recorder = (*Recorder)(nil)

// fullInput has every fact at once.
func fullInput(t testing.TB) *policies.Input {
	t.Helper()
	text, err := os.ReadFile("../event/testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		t.Fatal(err)
	}
	e, _, err := event.NewDecoder(&line).Next()
	if err != nil {
		t.Fatal(err)
	}
	e.Decision, e.OtherDecision = nil, nil
	return &policies.Input{Event: *e, Stage: policies.StageDetection, Point: policies.PointProxy, Time: e.Timestamp}
}

var drop = policies.Decision{
	Action: policies.ActionDrop, Reason: "An SSTP tunnel that nobody sanctioned.", Rule: "sstp.confirmed", Revision: "0123456789ab",
	Reset: true, Ban: 10 * time.Minute, Intercept: true, Probe: true, DryRun: true,
}

// fixed are Options whose records are the same each time.
func fixed() Options {
	return Options{
		now: func() time.Time { return time.Date(2026, 11, 22, 6, 0, 0, 123456789, time.FixedZone("", 3600)) },
		id:  func() string { return "an-id" },
	}
}

// one records a decision and gives the line without its input, and the input.
func one(t *testing.T, o Options, in *policies.Input, d policies.Decision, failed error) (string, policies.Input) {
	t.Helper()
	var out bytes.Buffer
	New(&out, o).Record(in, d, failed)
	var rec map[string]json.RawMessage
	if err := json.Unmarshal(out.Bytes(), &rec); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	if strings.Count(out.String(), "\n") != 1 || !strings.HasSuffix(out.String(), "}\n") {
		t.Errorf("no line: %q", out.String())
	}
	var got policies.Input
	if err := json.Unmarshal(rec["input"], &got); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(out.String(), string(rec["input"]), "{}", 1), got
}

func TestRecord(t *testing.T) {
	in := fullInput(t)
	bundled := fixed()
	bundled.Bundle, bundled.Labels = "main", map[string]string{"id": "gw1", "version": "v1"}
	for name, tt := range map[string]struct {
		o    Options
		d    policies.Decision
		err  error
		want string
	}{
		"full": {bundled, drop, nil, `{"labels":{"app":"sstpwarden","id":"gw1","version":"v1"},"decision_id":"an-id","bundles":{"main":{"revision":"0123456789ab"}},` +
			`"path":"sstp/decision","input":{},"result":{"action":"drop","reason":"An SSTP tunnel that nobody sanctioned.","rule":"sstp.confirmed",` +
			`"reset":true,"ban":"10m0s","intercept":true,"probe":true,"dry_run":true},"requested_by":"10.1.2.3","timestamp":"2026-11-22T05:00:00.123456789Z"}`},
		"small": {
			fixed(),
			policies.Decision{Action: policies.ActionAllow, Reason: "r", Rule: "x", Revision: "1"},
			nil,
			`{"labels":{"app":"sstpwarden"},"decision_id":"an-id","revision":"1","path":"sstp/decision","input":{},` +
				`"result":{"action":"allow","reason":"r","rule":"x"},"requested_by":"10.1.2.3","timestamp":"2026-11-22T05:00:00.123456789Z"}`,
		},
		"failed": {
			fixed(),
			policies.Decision{Action: policies.ActionLog, Reason: "r", Rule: policies.RulePolicyError},
			errors.New("no answer"),
			`{"labels":{"app":"sstpwarden"},"decision_id":"an-id","path":"sstp/decision","input":{},` +
				`"result":{"action":"log","reason":"r","rule":"gate.policy_error"},"error":{"code":"gate.policy_error","message":"no answer"},` +
				`"requested_by":"10.1.2.3","timestamp":"2026-11-22T05:00:00.123456789Z"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, input := one(t, tt.o, in, tt.d, tt.err)
			if diff := cmp.Diff(tt.want+"\n", got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(marshal(t, in), marshal(t, input)); diff != "" {
				t.Errorf("input (-want +got):\n%s", diff)
			}
		})
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRecordMasks(t *testing.T) {
	in := fullInput(t)
	before := marshal(t, in)
	o := fixed()
	o.Key = []byte("a key")
	o.Mask = event.RedactOptions{Users: event.RedactRemove, Addresses: event.RedactHash}
	d := drop
	d.Reason, d.Rule = `Alice at 10.1.2.3 is not sanctioned`, "user.alice"
	got, input := one(t, o, in, d, errors.New("192.0.2.9 asked too much for bob"))
	redacted := event.NewRedactor(o.Key, o.Mask).Event(&in.Event)
	if diff := cmp.Diff(marshal(t, redacted), marshal(t, input.Event)); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
	client, inner := redacted.SrcIP.String(), redacted.PPP.ClientIP.String()
	for _, want := range []string{
		`"reason":"xxxxx at ` + client + ` is not sanctioned","rule":"user.xxxxx"`,
		`"error":{"code":"user.xxxxx","message":"` + inner + ` asked too much for xxxxx"}`,
		`"requested_by":"` + client + `"`,
		`"erased":["/input/user","/input/connect/user","/input/ppp/user"]`,
		`"masked":["/input/src_ip",`, `"/input/ppp/dns/0"`, `"/result/reason","/result/rule"]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	for _, secret := range []string{"alice", "Alice", "10.1.2.3", "bob", "192.0.2"} {
		if strings.Contains(got+marshal(t, input), secret) {
			t.Errorf("%s is still there", secret)
		}
	}
	if marshal(t, in) != before {
		t.Error("the input was changed")
	}
}

// opaEvent has the fields of OPA's decision log events (package
// v1/plugins/logs, EventV1, version 1.22).
type opaEvent struct {
	Labels      map[string]string `json:"labels"`
	DecisionID  string            `json:"decision_id"`
	Revision    string            `json:"revision,omitempty"`
	Bundles     map[string]opaRevision
	Path        string         `json:"path,omitempty"`
	Query       string         `json:"query,omitempty"`
	Input       *any           `json:"input,omitempty"`
	Result      *any           `json:"result,omitempty"`
	Erased      []string       `json:"erased,omitempty"`
	Masked      []string       `json:"masked,omitempty"`
	Error       any            `json:"error,omitempty"`
	RequestedBy string         `json:"requested_by,omitempty"`
	Timestamp   time.Time      `json:"timestamp"`
	Metrics     map[string]any `json:"metrics,omitempty"`
}

type opaRevision struct {
	Revision string `json:"revision,omitempty"`
}

func TestRecordIsOPAs(t *testing.T) {
	o := fixed()
	o.Bundle, o.Key, o.Mask = "main", []byte("k"), event.RedactOptions{Users: event.RedactRemove, Addresses: event.RedactHash}
	var out bytes.Buffer
	New(&out, o).Record(fullInput(t), drop, errors.New("no answer"))
	var rec opaEvent
	dec := json.NewDecoder(&out)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rec); err != nil {
		t.Fatal(err)
	}
	if rec.Labels["app"] != "sstpwarden" || rec.Bundles["main"].Revision != drop.Revision || rec.Path != Path || rec.Input == nil || rec.Result == nil ||
		len(rec.Masked) == 0 || len(rec.Erased) != 3 || rec.Error == nil || rec.RequestedBy == "" || rec.Timestamp.IsZero() || rec.DecisionID != "an-id" {
		t.Errorf("%+v", rec)
	}
}

func TestRecordOnly(t *testing.T) {
	in := fullInput(t)
	var out bytes.Buffer
	r := New(&out, Options{Only: []policies.Action{policies.ActionDrop, policies.ActionLog}})
	for _, a := range []policies.Action{policies.ActionAllow, policies.ActionLog, policies.ActionDrop} {
		r.Record(in, policies.Decision{Action: a}, nil)
	}
	r.Record(in, policies.Decision{Action: policies.ActionAllow}, errors.New("no answer"))
	got := regexp.MustCompile(`"result":\{"action":"[a-z]+"`).FindAllString(out.String(), -1)
	if diff := cmp.Diff([]string{`"result":{"action":"log"`, `"result":{"action":"drop"`, `"result":{"action":"allow"`}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Text from the wire stays text, for parsers and for terminals.
func TestRecordInert(t *testing.T) {
	in := &policies.Input{Event: event.Event{SrcIP: netip.MustParseAddr("10.1.2.3"), TLS: &event.TLS{SNI: "a\n\x1b[31m\u009b31m\u202e<é>"}}}
	in.Detection.Verdict = 1
	var out bytes.Buffer
	New(&out, Options{}).Record(in, policies.Decision{}, nil)
	if want := `"sni":"a\n\u001b[31m\u009b31m\u202e<é>"`; !strings.Contains(out.String(), want) {
		t.Errorf("no %s in %s", want, out.String())
	}
	var rec struct{ Input policies.Input }
	if err := json.Unmarshal(out.Bytes(), &rec); err != nil || rec.Input.TLS.SNI != in.TLS.SNI {
		t.Errorf("%v: %q", err, rec.Input.TLS.SNI)
	}
}

var uuid4 = regexp.MustCompile(`"decision_id":"([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})"`)

// counting takes whole records from many.
type counting struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (w *counting) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := uuid4.FindSubmatch(p); m != nil && json.Valid(p) {
		w.ids[string(m[1])] = true
	}
	return len(p), nil
}

func TestRecordConcurrently(t *testing.T) {
	in := fullInput(t)
	w := &counting{ids: map[string]bool{}}
	r := New(w, Options{Mask: event.RedactOptions{Users: event.RedactHash}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				r.Record(in, drop, nil)
			}
		})
	}
	wg.Wait()
	if len(w.ids) != 200 {
		t.Errorf("%d different records, want 200", len(w.ids))
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestRecordFails(t *testing.T) {
	var told error
	o := fixed()
	o.OnError = func(err error) { told = err }
	New(failing{}, o).Record(fullInput(t), drop, nil)
	if !errors.Is(told, io.ErrClosedPipe) || !strings.Contains(told.Error(), "recording decision an-id") {
		t.Errorf("told %v", told)
	}
	New(failing{}, fixed()).Record(fullInput(t), drop, nil) // nobody to tell
}

func BenchmarkRecord(b *testing.B) {
	in := fullInput(b)
	for name, o := range map[string]Options{
		"plain":  {},
		"users":  {Mask: event.RedactOptions{Users: event.RedactRemove}},
		"hashed": {Mask: event.RedactOptions{Users: event.RedactHash, Addresses: event.RedactHash}},
	} {
		b.Run(name, func(b *testing.B) {
			r := New(io.Discard, o)
			b.ReportAllocs()
			for b.Loop() {
				r.Record(in, drop, nil)
			}
		})
	}
}
