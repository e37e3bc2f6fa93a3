package opa

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// uncached is d without its memory.
func uncached(d *Decider) *Decider {
	out := *d
	out.cache = nil
	return &out
}

// What policies may do with what they read, and whether any of it is known again.
var readers = map[string]struct {
	policy string
	hits   bool
}{
	"ports": {`decision := {"action": "allow", "rule": "ports", "reason": sprintf("%d to %d", [input.src_port, input.dest_port])}`, true},
	"address": {`decision := {"action": "drop", "rule": "net", "reason": "x"} if net.cidr_contains("10.0.0.0/25", input.src_ip)
		else := {"action": "allow", "rule": "other", "reason": input.src_ip}`, true},
	"absent": {`default decision := {"action": "drop", "rule": "no", "reason": "x"}
		decision := {"action": "log", "rule": "tls", "reason": "x"} if { t := input.tls; not t.sni }
		decision := {"action": "allow", "rule": "sni", "reason": sprintf("<%s>", [input.tls.sni])}`, true},
	"nested arrays": {`decision := {"action": "log", "rule": "e", "reason": sprintf("%v %v", [
			[e.rule | some e in input.detection.evidence; e.weight > 0],
			object.get(input, ["http", "headers"], []),
		])}`, true},
	"numbers": {`decision := {"action": "log", "rule": "e", "reason": sprintf("%v %v %v %v %v", [
			object.get(input, ["http", "content_length"], null), input.flow_id, input.duration, input.version, input.detection.probability,
		])}`, true},
	"words and flags": {`decision := {"action": "log", "rule": "e", "reason": sprintf("%v %v %v %v", [
			input.detection.verdict, object.get(input.detection, "kind", null),
			object.get(input, ["midstream"], false), object.get(input, ["sstp", "reserved_bits"], false),
		])}`, true},
	"lists of addresses": {`decision := {"action": "log", "rule": "e", "reason": sprintf("%v", [object.get(input, ["ppp", "dns"], [])])}`, true},
	"other times":        {`decision := {"action": "log", "rule": "e", "reason": sprintf("%v %v", [input.timestamp, object.get(input, ["sstp", "first"], null)])}`, true},
	"time": {`now := time.parse_rfc3339_ns(input.time)
		decision := {"action": "log", "rule": "open", "reason": input.stage} if {
			now >= time.parse_rfc3339_ns("2026-11-22T05:00:37.5Z")
			now < time.parse_rfc3339_ns("2026-11-22T05:02:00.000123Z")
		} else := {"action": "drop", "rule": "closed", "reason": input.stage}`, true},
	"time in words":            {`decision := {"action": "log", "rule": "open", "reason": input.time}`, false},
	"whole input":              {`decision := {"action": "log", "rule": "all", "reason": crypto.md5(json.marshal(input))}`, false},
	"whole input but the time": {`decision := {"action": "log", "rule": "all", "reason": crypto.md5(json.marshal(json.remove(input, ["time"])))}`, true},
	"errors": {`decision := {"action": "drop", "rule": "e", "reason": "x"} if {
			some e in input.detection.evidence
			e.weight > 0
		}
		decision := {"action": "allow", "rule": "e", "reason": "x"} if input.user == "1"`, true},
}

// alike makes Inputs that differ in little, or only in the time.
func alike(r *rand.Rand, n int) []policies.Input {
	var out []policies.Input
	for len(out) < n {
		var in policies.Input
		fill(r, reflect.ValueOf(&in).Elem())
		in.SrcPort, in.DestPort = uint16(r.IntN(3)), 443
		for range 8 {
			in := in
			at := now.Add(time.Duration(r.Int64N(int64(3 * time.Minute))))
			in.Time = event.NewTime(at)
			if event := reflect.ValueOf(&in.Event).Elem(); r.IntN(2) == 0 {
				fill(r, event.Field(r.IntN(event.NumField())))
			}
			in.Detection.Verdict = 1 + in.Detection.Verdict%4
			out = append(out, in)
		}
	}
	return out
}

// Whatever policies read, the cache changes no answer.
func TestCachedAsUncached(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(8, 8))
	inputs := alike(r, 240)
	for name, tt := range readers {
		t.Run(name, func(t *testing.T) {
			d := newDecider(t, tt.policy)
			plain := uncached(d)
			for range 3 {
				for _, i := range r.Perm(len(inputs)) {
					compare(ctx, t, d, plain, inputs[i])
				}
			}
			if s := d.Stats(); (s.Hits > 0) != tt.hits {
				t.Errorf("%+v", s)
			}
		})
	}
	t.Run("default", func(t *testing.T) {
		d, err := New(ctx, policies.Default, sanctions)
		if err != nil {
			t.Fatal(err)
		}
		plain := uncached(d)
		for range 2 {
			for _, in := range inputs {
				compare(ctx, t, d, plain, in)
			}
		}
		if s := d.Stats(); s.Hits == 0 {
			t.Errorf("%+v", s)
		}
	})
}

func compare(ctx context.Context, t *testing.T, d, plain *Decider, in policies.Input) {
	t.Helper()
	got, err := d.Decide(ctx, in)
	want, wantErr := plain.Decide(ctx, in)
	if got != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("cached %+v, %v\nuncached %+v, %v\nof %+v", got, err, want, wantErr, in)
	}
}

// Keys are equal where what is read is, and nowhere else.
func TestKey(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	inputs := alike(r, 300)
	for name, read := range map[string]*facts{"everything": everything, "default": newDefault(t).reads} {
		k := newKeyer(read)
		if !k.timed {
			t.Errorf("%s: not timed", name)
		}
		same, other := 0, 0
		for i := range inputs {
			a := &inputs[i]
			b := inputs[i/8*8+r.IntN(8)]
			b.Time = a.Time
			va, vb := valueOf(read, a), valueOf(read, &b)
			equal := va.Compare(vb) == 0
			if bytes.Equal(keyOf(k, a), keyOf(k, &b)) != equal {
				t.Fatalf("%s: equal: %v, of\n%v\n%v", name, equal, va, vb)
			}
			if equal {
				same++
			} else {
				other++
			}
		}
		if same < 10 || other < 10 {
			t.Errorf("%s: %d equal, %d not", name, same, other)
		}
	}
}

func valueOf(read *facts, in *policies.Input) ast.Value {
	return newShaper(read)(reflect.ValueOf(in).Elem()).Value
}

func keyOf(k keyer, in *policies.Input) []byte { return k.write(nil, reflect.ValueOf(in).Elem()) }

func newDefault(t testing.TB) *Decider {
	t.Helper()
	d, err := New(context.Background(), policies.Default, sanctions)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What policies do not read is not given to them, and not missed.
func TestShape(t *testing.T) {
	read := &facts{}
	for _, path := range [][]string{{"server", "name"}, {"tls", "sni"}, {"http", "headers"}, {"nothing"}, {"detection"}} {
		read.add(reflect.TypeFor[policies.Input](), path)
	}
	in := input(inspect.VerdictSuspected)
	in.Detection = event.Detection{Verdict: inspect.VerdictCleared}
	got := valueOf(read, &in)
	want := ast.MustParseTerm(`{"server": {"name": "vpn.example.org"}, "tls": {"sni": "vpn.example.org"},
		"detection": {"verdict": "cleared", "score": 0, "probability": 0}}`).Value
	if got.Compare(want) != 0 {
		t.Errorf("got %v", got)
	}
}

// An answer holds within its minute, from when it was seen to hold.
func TestCacheMinute(t *testing.T) {
	ctx := context.Background()
	d := newDecider(t, `decision := {"action": "log", "rule": "r", "reason": "before"} if input.time < "2026-11-22T05:01:30"
		else := {"action": "log", "rule": "r", "reason": "after"}`)
	at := func(s string) policies.Input {
		in := input(inspect.VerdictSuspected)
		clock, err := time.Parse("15:04:05.999999", s)
		if err != nil {
			t.Fatal(err)
		}
		in.Time = event.NewTime(time.Date(2026, 11, 22, clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), time.UTC))
		return in
	}
	for _, step := range []struct {
		time, want string
		hit        bool
	}{
		{"05:00:10", "before", false}, // seen
		{"05:00:20", "before", false}, // seen again, and holds to the end
		{"05:00:20", "before", true},
		{"05:00:59.999999", "before", true},
		{"05:00:19.999999", "before", false}, // earlier than it is known for
		{"05:00:19.999999", "before", true},
		{"05:01:00", "before", false}, // another minute
		{"05:01:01", "before", false}, // which is divided
		{"05:01:02", "before", false},
		{"05:01:31", "after", false},
		{"05:01:32", "after", false},
		{"05:02:00", "after", false},
		{"05:02:01", "after", false},
		{"05:02:02", "after", true},
	} {
		before := d.Stats()
		got, err := d.Decide(ctx, at(step.time))
		if err != nil || got.Reason != step.want {
			t.Errorf("%s: got %+v, %v", step.time, got, err)
		}
		if after := d.Stats(); (after.Hits > before.Hits) != step.hit || after.Hits+after.Misses != before.Hits+before.Misses+1 {
			t.Errorf("%s: %+v, then %+v", step.time, before, after)
		}
	}
	if s := d.Stats(); s.Entries != 1 {
		t.Errorf("%+v", s)
	}
	far := at("05:00:00")
	far.Time = event.Time{Time: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)}
	for range 3 {
		if _, err := d.Decide(ctx, far); err != nil {
			t.Error(err)
		}
	}
	if s := d.Stats(); s.Entries != 1 {
		t.Errorf("a time that no event has was remembered: %+v", s)
	}
}

// What an evaluation did not answer is asked again.
func TestCacheErrors(t *testing.T) {
	d := newDecider(t, `decision := {"action": "log", "rule": "r", "reason": input.user} if net.cidr_contains("10.0.0.0/8", input.user)`)
	in := input(inspect.VerdictSuspected)
	for range 2 {
		in.User = "no address"
		if _, err := d.Decide(context.Background(), in); err == nil {
			t.Error("no error")
		}
		in.User = "192.0.2.1"
		if _, err := d.Decide(context.Background(), in); !errors.Is(err, ErrUndefined) {
			t.Error(err)
		}
	}
	if s := d.Stats(); s != (Stats{Misses: 4}) {
		t.Errorf("%+v", s)
	}
	in.User = "10.0.0.1"
	for range 2 {
		if _, err := d.Decide(context.Background(), in); err != nil {
			t.Error(err)
		}
	}
	if s := d.Stats(); s != (Stats{Hits: 1, Misses: 5, Entries: 1}) {
		t.Errorf("%+v", s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Decide(ctx, in); !errors.Is(err, context.Canceled) {
		t.Errorf("a known answer after ctx was done: %v", err)
	}
}

// An answer counts although time ran out while its minute was looked at.
func TestProveTimeout(t *testing.T) {
	d := newDecider(t, `decision := {"action": "log", "rule": "r", "reason": input.time}`)
	in := input(inspect.VerdictSuspected)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got := d.prove(ctx, &in, policies.Decision{}); got != stateOnce {
		t.Errorf("got %d", got)
	}
	if got := d.prove(context.Background(), &in, policies.Decision{}); got != stateVaries {
		t.Errorf("got %d", got)
	}
}

func TestCacheLongKey(t *testing.T) {
	d := newDecider(t, `decision := {"action": "log", "rule": "r", "reason": "x"} if input.user`)
	in := input(inspect.VerdictSuspected)
	for _, n := range []int{maxKey, 3 * maxKey} {
		in.User = strings.Repeat("x", n)
		for range 2 {
			if _, err := d.Decide(context.Background(), in); err != nil {
				t.Error(err)
			}
		}
	}
	if s := d.Stats(); s != (Stats{}) {
		t.Errorf("%+v", s)
	}
	if s := uncached(d).Stats(); s != (Stats{}) {
		t.Errorf("%+v", s)
	}
}

// The cache stays within its bounds, and keeps what is asked for.
func TestCacheBounds(t *testing.T) {
	for name, reason := range map[string]string{"entries": "x", "bytes": strings.Repeat("x", 10_000)} {
		c := newCache()
		e := entry{decision: policies.Decision{Reason: reason}, state: stateHolds}
		c.put([]byte("kept"), e)
		bytes := 0
		for i := range 2 * maxEntries {
			c.put(fmt.Appendf(nil, "key %d", i), e)
			if got, state := c.get([]byte("kept"), 0, 0); state != stateHolds || got.Reason != reason {
				t.Fatalf("%s: lost after %d", name, i)
			}
		}
		for i := range c.shards {
			s := &c.shards[i]
			for _, generation := range []map[string]entry{s.young, s.old} {
				for k, e := range maps.All(generation) {
					bytes += len(k) + len(e.decision.Reason)
				}
			}
		}
		if s := c.stats(); s.Entries > maxEntries || s.Entries < 1000 || bytes > maxBytes {
			t.Errorf("%s: %+v, %d bytes", name, s, bytes)
		}
		if _, state := c.get([]byte("key 0"), 0, 0); state != stateNone {
			t.Errorf("%s: the oldest is still there", name)
		}
	}
}

// What replaces an answer counts once, and by its own size.
func TestCacheReplace(t *testing.T) {
	c := newCache()
	for n := range 3 {
		c.put([]byte("k"), entry{decision: policies.Decision{Reason: strings.Repeat("x", n*100)}, state: stateHolds})
	}
	s := c.shard([]byte("k"))
	if want := 1 + 200 + entryBytes; s.bytes != want || c.stats().Entries != 1 {
		t.Errorf("%d bytes, want %d, in %+v", s.bytes, want, c.stats())
	}
}

// TestCacheConcurrently is for the race detector.
func TestCacheConcurrently(t *testing.T) {
	d := newDefault(t)
	plain := uncached(d)
	inputs := alike(rand.New(rand.NewPCG(3, 3)), 64)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3 {
				for _, in := range inputs {
					got, err := d.Decide(context.Background(), in)
					want, wantErr := plain.Decide(context.Background(), in)
					if got != want || (err == nil) != (wantErr == nil) {
						t.Errorf("got %+v, %v, want %+v, %v", got, err, want, wantErr)
					}
				}
				d.Stats()
			}
		})
	}
	wg.Wait()
}
