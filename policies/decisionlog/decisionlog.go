// Package decisionlog records what a policy was asked and what it answered, one
// JSON object a line, in the form of the decision logs of Open Policy Agent:
// what reads those reads these. A [Recorder] writes to an [io.Writer]; with a
// sink.Sink that is a file, a syslog server, or a service that takes batches as
// OPA sends them.
//
//	{"labels": {"app": "sstpwarden", ...},
//	 "decision_id": "4ca636c1-55e4-417a-b1d8-4aceb67960d1",
//	 "bundles": {"sstp": {"revision": "0123456789ab"}},
//	 "path": "sstp/decision",
//	 "input": {...},
//	 "result": {"action": "drop", "reason": "...", "rule": "sstp.confirmed"},
//	 "erased": ["/input/user"], "masked": ["/input/src_ip", ...],
//	 "error": {"code": "gate.policy_timeout", "message": "..."},
//	 "requested_by": "10.1.2.3",
//	 "timestamp": "2026-11-22T05:01:02.345678912Z"}
//
// The result holds what is done with the connection, under the names that a
// policy answers with. Where the policy gave no answer, that is what stands in
// for it, and "error" says why. The timestamp is when it was recorded; the
// connection's own time is input.time.
package decisionlog

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// Path is that of the decision, as OPA's REST API names it.
const Path = "sstp/decision"

// Options of a Recorder. The zero value records everything as it is.
type Options struct {
	// Labels say who decided: "id", "version" and what else tells instances
	// apart. "app" is "sstpwarden" unless it is given.
	Labels map[string]string
	// Bundle is the name of the bundle that the policies came in; "" where
	// they are none. The revision stands beside it, or by itself.
	Bundle string
	// Mask says what becomes of users and addresses, with Key; see
	// [event.Redactor].
	Mask event.RedactOptions
	Key  []byte
	// Only are the actions that are recorded; all if it is empty. Decisions
	// that stand in for the policy's are always recorded.
	Only []policies.Action
	// OnError, if set, is told of records that could not be made or written.
	OnError func(error)

	now func() time.Time // for tests
	id  func() string
}

// A Recorder records decisions. It is safe for concurrent use if its writer is;
// each record is one Write.
type Recorder struct {
	w        io.Writer
	opts     Options
	labels   json.RawMessage
	redactor *event.Redactor // nil for none
	buffers  sync.Pool
}

// New makes a Recorder that writes to w.
func New(w io.Writer, o Options) *Recorder {
	labels := map[string]string{"app": "sstpwarden"}
	maps.Copy(labels, o.Labels)
	text, err := json.Marshal(labels)
	if err != nil {
		panic("decisionlog: " + err.Error()) // strings are always JSON
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.id == nil {
		o.id = newID
	}
	o.Only = slices.Clone(o.Only)
	r := &Recorder{w: w, opts: o, labels: text}
	if o.Mask != (event.RedactOptions{}) {
		r.redactor = event.NewRedactor(o.Key, o.Mask)
	}
	r.buffers.New = func() any {
		b := &buffer{}
		b.json = json.NewEncoder(&b.Buffer)
		b.json.SetEscapeHTML(false)
		return b
	}
	return r
}

// A buffer is where one record is made.
type buffer struct {
	bytes.Buffer
	json *json.Encoder
}

// record is a decision as OPA logs it.
type record struct {
	Labels      json.RawMessage   `json:"labels"`
	DecisionID  string            `json:"decision_id"`
	Revision    string            `json:"revision,omitempty"`
	Bundles     map[string]bundle `json:"bundles,omitempty"`
	Path        string            `json:"path"`
	Input       *policies.Input   `json:"input"`
	Result      result            `json:"result"`
	Erased      []string          `json:"erased,omitempty"`
	Masked      []string          `json:"masked,omitempty"`
	Error       *failure          `json:"error,omitempty"`
	RequestedBy netip.Addr        `json:"requested_by"`
	Timestamp   time.Time         `json:"timestamp"`
}

type bundle struct {
	Revision string `json:"revision"`
}

// result is a decision under the names that policies use.
type result struct {
	Action    policies.Action `json:"action"`
	Reason    string          `json:"reason"`
	Rule      string          `json:"rule"`
	Reset     bool            `json:"reset,omitempty"`
	Ban       string          `json:"ban,omitempty"`
	Intercept bool            `json:"intercept,omitempty"`
	Probe     bool            `json:"probe,omitempty"`
	DryRun    bool            `json:"dry_run,omitempty"`
}

// failure is an error as OPA writes them.
type failure struct {
	Code    string `json:"code"` // the rule of what stands in
	Message string `json:"message"`
}

// Record writes a decision down, with what it was made of, and the error if
// there was one. It implements [policies.Recorder] and keeps nothing of in.
func (r *Recorder) Record(in *policies.Input, d policies.Decision, err error) {
	if err == nil && len(r.opts.Only) > 0 && !slices.Contains(r.opts.Only, d.Action) {
		return
	}
	rec := record{
		Labels:     r.labels,
		DecisionID: r.opts.id(),
		Path:       Path,
		Input:      in,
		Result: result{
			Action: d.Action, Reason: d.Reason, Rule: d.Rule, Reset: d.Reset,
			Intercept: d.Intercept, Probe: d.Probe, DryRun: d.DryRun,
		},
		Timestamp: r.opts.now().UTC(),
	}
	if r.opts.Bundle != "" {
		rec.Bundles = map[string]bundle{r.opts.Bundle: {d.Revision}}
	} else {
		rec.Revision = d.Revision
	}
	if d.Ban != 0 {
		rec.Result.Ban = d.Ban.String()
	}
	if err != nil {
		rec.Error = &failure{Code: d.Rule, Message: err.Error()}
	}
	if r.redactor != nil {
		r.mask(&rec)
	}
	rec.RequestedBy = rec.Input.SrcIP
	if err := r.write(&rec); err != nil && r.opts.OnError != nil {
		r.opts.OnError(fmt.Errorf("recording decision %s: %w", rec.DecisionID, err))
	}
}

// mask redacts a record.
func (r *Recorder) mask(rec *record) {
	x := r.redactor.Redact(&rec.Input.Event)
	in := *rec.Input
	in.Event = x.Event
	rec.Input = &in
	for _, path := range x.Masked {
		rec.Masked = append(rec.Masked, "/input"+path)
	}
	for _, path := range x.Erased {
		rec.Erased = append(rec.Erased, "/input"+path)
	}
	for _, t := range []struct {
		text *string
		path string
	}{{&rec.Result.Reason, "/result/reason"}, {&rec.Result.Rule, "/result/rule"}} {
		if text := x.Text(*t.text); text != *t.text {
			*t.text = text
			rec.Masked = append(rec.Masked, t.path)
		}
	}
	if rec.Error != nil { // of which OPA lists no paths
		rec.Error.Code, rec.Error.Message = rec.Result.Rule, x.Text(rec.Error.Message)
	}
}

// keptBytes is how much memory an unused buffer keeps.
const keptBytes = 64 << 10

func (r *Recorder) write(rec *record) error {
	b := r.buffers.Get().(*buffer)
	defer func() {
		if b.Cap() <= keptBytes {
			r.buffers.Put(b)
		}
	}()
	b.Reset()
	if err := b.json.Encode(rec); err != nil {
		return err
	}
	_, err := r.w.Write(event.Inert(b.Bytes()))
	return err
}

// newID makes a random UUID (RFC 9562, Section 5.4), as OPA's are.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[:], b[:4])
	out[8] = '-'
	hex.Encode(out[9:], b[4:6])
	out[13] = '-'
	hex.Encode(out[14:], b[6:8])
	out[18] = '-'
	hex.Encode(out[19:], b[8:10])
	out[23] = '-'
	hex.Encode(out[24:], b[10:])
	return string(out[:])
}
