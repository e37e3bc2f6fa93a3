package event

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"sstpwarden/inspect"
	"sstpwarden/inspect/httphead"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, b []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(doc)
}

func fullSummary() Summary {
	s := NewSummary()
	s.Files, s.Packets, s.Bytes, s.Flows, s.Seconds = 1, 2, 3, 4, 0.5
	s.Skipped = 1
	s.Dropped = map[string]uint64{"flow_table_full": 2}
	s.Carved = 1
	s.Destinations = []Destination{{
		Server:  Server{Name: "vpn.example.org", IP: netip.MustParseAddr("198.51.100.7"), Port: 443},
		Tunnels: 1, Attempts: 2, Probes: 3, Weak: 4, Verdict: inspect.VerdictConfirmed, Score: 73, Dropped: 3, Clients: 2, Bytes: 43000,
		First: NewTime(start), Last: NewTime(start.Add(time.Minute)),
	}}
	s.Changes = []Change{{From: "drop", To: "drop", Details: true, Flows: 2}, {From: "log", To: "error", Flows: 1}}
	s.Errors = []Error{{Source: "a.pcap", Error: "truncated"}}
	return s
}

func TestSchema(t *testing.T) {
	schema := compileSchema(t)
	for name, v := range map[string]any{
		"full":          fullEvent(t),
		"undecided":     New(fullFlow(t)),
		"minimal":       New(minimalFlow()),
		"summary":       fullSummary(),
		"empty summary": NewSummary(),
	} {
		if err := validate(t, schema, marshal(t, v)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSchemaRandom(t *testing.T) {
	schema := compileSchema(t)
	for seed := range uint64(500) {
		b := marshal(t, New(randomFlow(rand.New(rand.NewPCG(seed, 0)))))
		if err := validate(t, schema, b); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, b)
		}
	}
}

// The schema is strict, or the tests above would prove nothing.
func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t)
	for name, change := range map[string]func(e map[string]any){
		"unknown field":        func(e map[string]any) { e["ttl"] = 1 },
		"unknown inner field":  func(e map[string]any) { e["tls"].(map[string]any)["ja5"] = "x" },
		"no verdict":           func(e map[string]any) { delete(e["detection"].(map[string]any), "verdict") },
		"verdict of no flow":   func(e map[string]any) { e["detection"].(map[string]any)["verdict"] = "Verdict(0)" },
		"other type":           func(e map[string]any) { e["event_type"] = "alert" },
		"other version":        func(e map[string]any) { e["version"] = 2 },
		"time without zone":    func(e map[string]any) { e["timestamp"] = "2026-11-22T05:01:02.345678" },
		"name as an address":   func(e map[string]any) { e["src_ip"] = "localhost" },
		"absent fact as false": func(e map[string]any) { e["midstream"] = false },
		"absent fact as empty": func(e map[string]any) { e["user"] = "" },
	} {
		var e map[string]any
		if err := json.Unmarshal(marshal(t, fullEvent(t)), &e); err != nil {
			t.Fatal(err)
		}
		change(e)
		if err := validate(t, schema, marshal(t, e)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Every property of the schema is a field of the types: the full examples have
// them all.
func TestSchemaNamesOnlyFields(t *testing.T) {
	var schema struct {
		Defs map[string]node `json:"$defs"`
	}
	if err := json.Unmarshal(Schema, &schema); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{"sstp": fullEvent(t), "summary": fullSummary()} {
		var doc any
		if err := json.Unmarshal(marshal(t, v), &doc); err != nil {
			t.Fatal(err)
		}
		schema.Defs[name].compare(t, schema.Defs, name, doc)
	}
}

// A node is what compare needs of a schema.
type node struct {
	Ref        string          `json:"$ref"`
	Properties map[string]node `json:"properties"`
	Items      *node           `json:"items"`
}

func (n node) compare(t *testing.T, defs map[string]node, path string, doc any) {
	if n.Ref != "" {
		n = defs[strings.TrimPrefix(n.Ref, "#/$defs/")]
	}
	if n.Items != nil {
		n.Items.compare(t, defs, path+"[]", doc.([]any)[0])
	}
	for _, name := range slices.Sorted(maps.Keys(n.Properties)) {
		v, ok := doc.(map[string]any)[name]
		if !ok {
			t.Errorf("%s.%s is in the schema and in no event", path, name)
			continue
		}
		n.Properties[name].compare(t, defs, path+"."+name, v)
	}
}

// randomFlow fills everything an Observation can hold with anything, words of a
// closed set apart.
func randomFlow(r *rand.Rand) *Flow {
	f := &Flow{Observation: &inspect.Observation{}}
	fill(r, reflect.ValueOf(f).Elem())
	f.Key = inspect.FlowKey{
		Client: netip.AddrPortFrom(randomAddr(r), uint16(r.Uint32())),
		Server: netip.AddrPortFrom(randomAddr(r), uint16(r.Uint32())),
	}
	f.Detection.Verdict = pick(r, inspect.VerdictUndetermined, inspect.VerdictSuspected, inspect.VerdictConfirmed, inspect.VerdictCleared)
	f.Detection.Kind = pick(r, inspect.KindNone, inspect.KindProbe, inspect.KindAttempt, inspect.KindTunnel)
	for i := range f.Detection.Evidence {
		f.Detection.Evidence[i].Rule = "a.rule"
	}
	f.State = pick(r, "", StateOpen, StateClosed)
	if f.Proxy != nil {
		f.Proxy.Mode = pick(r, ModeExplicit, ModeRedirect, ModeTPROXY)
		f.Proxy.Bypass = pick(r, "", "configured", "added", "rejected", "tunnel")
		f.Proxy.End = pick(r, "", EndClient, EndServer, EndDropped, EndRefused, EndIdle, EndStopped, EndError)
	}
	o := f.Observation
	if o == nil {
		return f
	}
	for i := range o.Timeline {
		o.Timeline[i].What = pick(r, "ip_up", "evidence tls.control_lengths")
	}
	o.Protocol = pick(r, "", "tls", "http", "connect", "sstp", "other")
	if o.Connect != nil {
		o.Connect.Request.Version = pick(r, httphead.HTTP10, httphead.HTTP11)
		o.Connect.Response = answer(r, o.Connect.Response)
	}
	if o.TLS != nil {
		o.TLS.JA3, o.TLS.JA3S = pick(r, "", strings.Repeat("a1", 16)), pick(r, "", strings.Repeat("b2", 16))
		o.TLS.Offered = slices.DeleteFunc(o.TLS.Offered, func(s string) bool { return s == "" })
	}
	if o.HTTP != nil {
		if o.HTTP.Request != nil {
			o.HTTP.Request.Version = httphead.HTTP11
		}
		o.HTTP.Response = answer(r, o.HTTP.Response)
	}
	if o.SSTP != nil {
		o.SSTP.Binding = pick(r, "", inspect.BindingMatches, inspect.BindingDiffers)
		o.SSTP.End = pick(r, "", "disconnect", "abort")
		o.SSTP.Messages = pick(r, nil, []string{"call_connect_request"})
	}
	if o.PPP != nil {
		o.PPP.Result = pick(r, "", "success", "failure")
		o.PPP.Protocols = pick(r, nil, []string{"lcp"})
		o.PPP.DNS = pick(r, nil, []netip.Addr{randomAddr(r)})
	}
	return f
}

func answer(r *rand.Rand, response *httphead.Response) *httphead.Response {
	if response != nil {
		response.Status = 100 + r.IntN(900)
	}
	return response
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func randomAddr(r *rand.Rand) netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	switch r.IntN(4) {
	case 0:
		return netip.AddrFrom4([4]byte(b[:4]))
	case 1:
		return netip.AddrFrom16(b).WithZone("eth0")
	case 2:
		return netip.AddrFrom16(netip.AddrFrom4([4]byte(b[:4])).As16())
	}
	return netip.AddrFrom16(b)
}

// fill sets v and all that it holds to something, most often not to zero.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(pick(r, time.Time{}, time.Unix(r.Int64()>>r.IntN(64), r.Int64N(1e9)))))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(pick(r, netip.Addr{}, randomAddr(r))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(pick(r, "", "a", "\xff\x00\x1b", "x:y@z?", strings.Repeat("long ", r.IntN(100))))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64N(1<<(8*v.Type().Size()-1)) >> r.IntN(64)))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64() >> r.IntN(64))
	case reflect.Float64:
		v.SetFloat(r.NormFloat64())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Pointer:
		if r.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem())
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			if f.CanSet() {
				fill(r, f)
			}
		}
	case reflect.Interface: // the error of a certificate that cannot be read: none
	default:
		panic("fill: " + v.Type().String())
	}
}
