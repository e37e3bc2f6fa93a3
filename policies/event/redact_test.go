package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var (
	testKey  = []byte("a key for tests, 32 bytes long..")
	hashAll  = RedactOptions{Users: RedactHash, Addresses: RedactHash}
	dropAll  = RedactOptions{Users: RedactRemove, Addresses: RedactRemove}
	sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
)

var pseudonym = regexp.MustCompile(`user-[0-9a-f]{12}|fd0[46](:[0-9a-f]{0,4}){2,7}|xxxxx`)

// values gives all strings that v is marshalled to, without pseudonyms and the
// names of fields.
func values(t testing.TB, v any) []string {
	t.Helper()
	var doc any
	if err := json.Unmarshal(marshal(t, v), &doc); err != nil {
		t.Fatal(err)
	}
	var out []string
	var collect func(any)
	collect = func(doc any) {
		switch doc := doc.(type) {
		case string:
			out = append(out, strings.ToLower(pseudonym.ReplaceAllString(doc, "|")))
		case []any:
			for _, v := range doc {
				collect(v)
			}
		case map[string]any:
			for _, v := range doc {
				collect(v)
			}
		}
	}
	collect(doc)
	return out
}

// secrets gives what must not occur in a redacted event: its users, and the
// accounts among them, and its addresses.
func secrets(e *Event) []string {
	var out []string
	name := func(s string) {
		if s != "" {
			out = append(out, strings.ToLower(s), strings.ToLower(s[strings.LastIndexByte(s, '\\')+1:]))
		}
	}
	addr := func(a netip.Addr) {
		if a.IsValid() && !a.IsLoopback() && !a.IsUnspecified() {
			out = append(out, a.String())
		}
	}
	name(e.User)
	addr(e.SrcIP)
	addr(e.DestIP)
	if e.Server != nil {
		addr(e.Server.IP)
	}
	if e.Connect != nil {
		name(e.Connect.User)
		if a, err := netip.ParseAddr(e.Connect.Host); err == nil {
			addr(a)
		}
	}
	if e.PPP != nil {
		name(e.PPP.User)
		addr(e.PPP.ClientIP)
		addr(e.PPP.ServerIP)
		addr(e.PPP.ClientIP6)
		for _, a := range e.PPP.DNS {
			addr(a)
		}
	}
	return out
}

func wantNone(t testing.TB, v any, secrets []string) {
	t.Helper()
	for _, s := range values(t, v) {
		for _, secret := range secrets {
			if strings.Contains(s, secret) {
				t.Errorf("%q holds %q", s, secret)
			}
		}
	}
}

func redactor(o RedactOptions) *Redactor { return NewRedactor(testKey, o) }

func TestRedactFull(t *testing.T) {
	schema := compileSchema(t)
	e := fullEvent(t)
	e.Decision.Reason = `Bob (EXAMPLE\ALICE) came from 10.1.2.3:50000, or ::ffff:10.1.2.3.`
	e.PPP.Message = "M=Welcome bob@192.0.2.9"
	e.PPP.Identification = []string{"MSRASV5.20", "MSRAS-0-BOBS-LAPTOP"}
	e.Detection.Evidence[0].Detail = "host ip-10-1-2-3.bobs-laptop.example"
	e.TLS.Subject = "CN=198.51.100.7"
	e.Source = "captures/alice/10.1.2.3.pcap"
	before := marshal(t, e)
	for name, o := range map[string]RedactOptions{"hash": hashAll, "remove": dropAll} {
		t.Run(name, func(t *testing.T) {
			got := redactor(o).Event(&e)
			wantNone(t, got, append(secrets(&e), "10-1-2-3", "bobs-laptop"))
			if err := validate(t, schema, marshal(t, got)); err != nil {
				t.Error(err)
			}
			if got.FlowID == e.FlowID || got.CommunityID == e.CommunityID {
				t.Error("the connection has its identifiers")
			}
			if again := redactor(o).Event(&e); !bytes.Equal(marshal(t, got), marshal(t, again)) {
				t.Error("another result with the same key")
			}
		})
	}
	if !bytes.Equal(before, marshal(t, e)) {
		t.Error("the event was changed")
	}
}

func TestRedactHash(t *testing.T) {
	e := fullEvent(t)
	e.Decision.Reason = `EXAMPLE\alice at 10.1.2.3, alice at [2001:db8::1]:443`
	e.Source = "alice.pcap"
	e.Connect.Target, e.Connect.Host = "203.0.113.5:443", "203.0.113.5"
	r := redactor(hashAll)
	got := r.Event(&e)
	full, alice := r.newPseudonyms().user(`EXAMPLE\alice`), r.newPseudonyms().user("alice")
	client := r.Address(e.SrcIP)
	if got.User != full || got.Connect.User != alice || got.SrcIP != client || full == alice {
		t.Errorf("%s, %s, %s", got.User, got.Connect.User, got.SrcIP)
	}
	if want := fmt.Sprintf("%s at %s, %s at [%s]:443", full, client, alice, r.Address(netip.MustParseAddr("2001:db8::1"))); got.Decision.Reason != want {
		t.Errorf("reason %s, want %s", got.Decision.Reason, want)
	}
	if got.Source != alice+".pcap" {
		t.Errorf("source %s", got.Source)
	}
	target := r.Address(netip.MustParseAddr("203.0.113.5"))
	if got.Connect.Target != "["+target.String()+"]:443" || got.Connect.Host != target.String() {
		t.Errorf("CONNECT %s, host %s", got.Connect.Target, got.Connect.Host)
	}
	if !netip.MustParsePrefix("fd04::/16").Contains(client) || !netip.MustParsePrefix("fd06::/16").Contains(got.PPP.ClientIP6) {
		t.Errorf("%s and %s", client, got.PPP.ClientIP6)
	}
	if got.FlowID >= 1<<flowIDBits {
		t.Errorf("flow_id %d", got.FlowID)
	}
	// What tells of servers and of what happened is still there.
	e.SrcIP, e.DestIP, e.Server, e.PPP, e.Connect, e.Decision = got.SrcIP, got.DestIP, got.Server, got.PPP, got.Connect, got.Decision
	e.User, e.FlowID, e.CommunityID, e.Source = got.User, got.FlowID, got.CommunityID, got.Source
	if diff := cmp.Diff(e, got, sameAddr); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Server.Name != "vpn.example.org" || got.PPP.Message != "M=Welcome back" || got.PPP.Authenticator != "ras" {
		t.Errorf("%+v, %+v", got.Server, got.PPP)
	}
}

func TestRedactRemove(t *testing.T) {
	e := fullEvent(t)
	e.Decision.Reason = "alice at 10.1.2.3"
	e.Server = &Server{IP: netip.MustParseAddr("198.51.100.7")}
	got := redactor(dropAll).Event(&e)
	if got.SrcIP != netip.IPv4Unspecified() || got.User != "" || got.Connect.User != "" || got.PPP.User != "" || got.PPP.DNS != nil || got.PPP.ClientIP.IsValid() || got.Server != nil {
		t.Errorf("%s", marshal(t, got))
	}
	if got.Decision.Reason != "xxxxx at xxxxx" {
		t.Errorf("reason %s", got.Decision.Reason)
	}
	e = New(minimalFlow())
	if got := redactor(dropAll).Event(&e); got.SrcIP != netip.IPv6Unspecified() {
		t.Errorf("source %s", got.SrcIP)
	}
}

// Users and addresses are redacted apart from one another.
func TestRedactOne(t *testing.T) {
	e := fullEvent(t)
	e.Decision.Reason = "alice at 10.1.2.3"
	got := redactor(RedactOptions{Users: RedactRemove}).Event(&e)
	if got.Decision.Reason != "xxxxx at 10.1.2.3" || got.SrcIP != e.SrcIP || got.FlowID != e.FlowID || got.CommunityID != e.CommunityID || got.User != "" {
		t.Errorf("%s", marshal(t, got))
	}
	got = redactor(RedactOptions{Addresses: RedactRemove}).Event(&e)
	if got.Decision.Reason != "alice at xxxxx" || got.User != e.User || got.PPP.User != "bob" || got.FlowID == e.FlowID {
		t.Errorf("%s", marshal(t, got))
	}
	none := redactor(RedactOptions{})
	if got := none.Event(&e); !bytes.Equal(marshal(t, got), marshal(t, e)) || none.Address(e.SrcIP) != e.SrcIP {
		t.Error("something is redacted without being asked for")
	}
}

func TestRedactTells(t *testing.T) {
	e := fullEvent(t)
	e.Detection.Evidence[1].Detail = "from 10.1.2.3"
	e.PPP.Identification = []string{"a", "bob"}
	x := NewRedactor(testKey, RedactOptions{Users: RedactRemove, Addresses: RedactHash}).Redact(&e)
	want := []string{
		"/src_ip", "/dest_ip", "/server/ip", "/detection/evidence/1/detail", "/ppp/client_ip", "/ppp/server_ip",
		"/ppp/client_ip6", "/ppp/dns/0", "/ppp/identification/1", "/flow_id", "/community_id",
	}
	slices.Sort(want)
	slices.Sort(x.Masked)
	if diff := cmp.Diff(want, x.Masked); diff != "" {
		t.Errorf("masked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/user", "/connect/user", "/ppp/user"}, x.Erased); diff != "" {
		t.Errorf("erased (-want +got):\n%s", diff)
	}
	if got, want := x.Text("BOB at 192.0.2.9"), "xxxxx at "+x.Event.PPP.ClientIP.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	keep := redactor(RedactOptions{}).Redact(&e)
	if keep.Text("bob") != "bob" || keep.Masked != nil {
		t.Error("something is redacted without being asked for")
	}
}

func TestRedactText(t *testing.T) {
	r := redactor(hashAll)
	p := r.newPseudonyms()
	a4 := r.Address(netip.MustParseAddr("10.1.2.3")).String()
	other := r.Address(netip.MustParseAddr("10.1.2.34")).String()
	a6 := r.Address(netip.MustParseAddr("2001:db8::1")).String()
	bob, jo, kim := p.user("Bob"), p.user("jo"), p.user("KİM-ſ")
	replacer := func() *replacer {
		w := r.newWalk(false)
		w.learnAddress(netip.MustParseAddr("10.1.2.3"))
		w.learnAddress(netip.MustParseAddr("2001:db8::1"))
		w.learnAddress(netip.MustParseAddr("127.0.0.1"))
		w.learnUser("Bob")
		w.learnUser("jo")
		w.learnUser("KİM-ſ")
		w.learnUser("")
		w.prepare()
		return &w.replacer
	}()
	for text, want := range map[string]string{
		"":                             "",
		"nothing here":                 "nothing here",
		"10.1.2.3":                     a4,
		"at 10.1.2.3.":                 "at " + a4 + ".",
		"10.1.2.3:443":                 "[" + a4 + "]:443",
		"10.1.2.3:9443:443":            "[" + a4 + "]:9443:443",
		"http://10.1.2.3/x":            "http://[" + a4 + "]/x",
		"http://xxxxx@10.1.2.3/x":      "http://xxxxx@[" + a4 + "]/x",
		"[10.1.2.3]:1":                 "[" + a4 + "]:1",
		"addr:10.1.2.3: no":            "addr:" + a4 + ": no",
		"dead:10.1.2.3":                "dead:" + a4,
		"10.1.2.34":                    other,
		"10.1.2.3.4":                   a4 + ".4",
		"x10.1.2.3y":                   "x" + a4 + "y",
		"a10.1.2.3":                    "a" + a4,
		"ip-10-1-2-3.example":          "ip-" + a4 + ".example",
		"::ffff:10.1.2.3":              a4,
		"::FFFF:0a01:0203":             a4,
		"[2001:DB8:0:0:0:0:0:1]:443":   "[" + a6 + "]:443",
		"2001:db8:0:0:0:0:0.0.0.1":     a6,
		"2001:db8::1%eth0":             a6 + "%eth0",
		"x2001:db8::1":                 "x" + a6,
		"127.0.0.1, ::1, 0.0.0.0 and ": "127.0.0.1, ::1, 0.0.0.0 and ",
		"Chrome/120.0.0.0":             "Chrome/120.0.0.0",
		"12:30:45, 1.2.3, std::string": "12:30:45, 1.2.3, std::string",
		"1.2.840.113549":               "1.2.840.113549",
		"bob, BOB and bobby":           bob + ", " + bob + " and " + bob + "by",
		"Jo jo. joe majo":              jo + " " + jo + ". joe majo",
		"éjo jo":                       "éjo " + jo,
		"Kİm-S and kİM-s":              kim + " and " + kim,
		"\u212aİm-ſ":                   kim,
		"b":                            "b",
	} {
		if got := replacer.replace(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	many := strings.Repeat("1:", 1<<16)
	replacer.replace(many) // takes no time
}

// The account is redacted also where the domain is left out.
func TestRedactAccounts(t *testing.T) {
	for _, name := range []string{`EXAMPLE\alice`, "alice@example.org", "Alice"} {
		e := Event{User: name, Source: "alice in example.org"}
		if got := redactor(dropAll).Event(&e).Source; got != "xxxxx in example.org" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Every field that is not a word of ours is redacted, those too that there are
// not yet.
func TestRedactEverywhere(t *testing.T) {
	var e Event
	poison(reflect.ValueOf(&e).Elem(), "")
	e.User, e.Connect.User, e.PPP.User = "alice", "alice", "alice"
	for _, o := range []RedactOptions{hashAll, dropAll} {
		got := redactor(o).Event(&e)
		wantNone(t, got, []string{"alice", "10.1.2.3"})
		if got.TLS.JA3 != "word" || got.Detection.Evidence[0].Rule != "word" {
			t.Error("a word was redacted")
		}
	}
	var s Summary
	poison(reflect.ValueOf(&s).Elem(), "")
	wantNone(t, redactor(hashAll).Summary(&s), []string{"10.1.2.3"})
}

// poison writes what is to be redacted into every field that is no word.
func poison(v reflect.Value, path string) {
	const text = "from ALICE at 10.1.2.3:443"
	switch {
	case v.Type() == addrType:
		v.Set(reflect.ValueOf(netip.MustParseAddr("10.1.2.3")))
	case v.Type() == reflect.TypeFor[Time]():
	case v.Kind() == reflect.String && slices.Contains(words, path):
		v.SetString("word")
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		poison(v.Elem(), path)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		poison(v.Index(0), path)
		poison(v.Index(1), path)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			poison(v.Field(i), strings.TrimPrefix(path+"."+name, "."))
		}
	}
}

// What the schema has a closed form for is a word, or the schema would not hold
// after a change.
func TestRedactWords(t *testing.T) {
	var schema struct {
		Defs map[string]form `json:"$defs"`
	}
	if err := json.Unmarshal(Schema, &schema); err != nil {
		t.Fatal(err)
	}
	var closed []string
	var walk func(f form, path string)
	walk = func(f form, path string) {
		if name, ok := strings.CutPrefix(f.Ref, "#/$defs/"); ok {
			if name == "time" || name == "ip" {
				return
			}
			f = schema.Defs[name]
		}
		if f.Items != nil {
			walk(*f.Items, path)
		}
		if f.Type == "string" && (f.Enum != nil || f.Const != nil || f.Pattern != "") {
			closed = append(closed, path)
		}
		for name, p := range f.Properties {
			walk(p, strings.TrimPrefix(path+"."+name, "."))
		}
	}
	walk(schema.Defs["sstp"], "")
	for _, path := range closed {
		if !slices.Contains(words, path) && path != "detection.verdict" && path != "detection.kind" {
			t.Errorf("%s has a closed form and is redacted", path)
		}
	}
	if len(closed) < 10 {
		t.Errorf("closed: %v", closed)
	}
}

// A form is what TestRedactWords needs of a schema.
type form struct {
	Ref        string          `json:"$ref"`
	Type       string          `json:"type"`
	Enum       []any           `json:"enum"`
	Const      any             `json:"const"`
	Pattern    string          `json:"pattern"`
	Properties map[string]form `json:"properties"`
	Items      *form           `json:"items"`
}

func TestRedactGoldens(t *testing.T) {
	schema := compileSchema(t)
	events := 0
	for name, text := range goldens(t) {
		dec := NewDecoder(bytes.NewReader(text))
		for {
			e, s, err := dec.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if s != nil {
				checkSummary(t, schema, s)
				continue
			}
			events++
			for _, o := range []RedactOptions{hashAll, dropAll} {
				got := redactor(o).Event(e)
				wantNone(t, got, secrets(e))
				if err := validate(t, schema, marshal(t, got)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	if events < 100 {
		t.Errorf("%d events", events)
	}
}

func checkSummary(t *testing.T, schema *jsonschema.Schema, s *Summary) {
	t.Helper()
	for _, o := range []RedactOptions{hashAll, dropAll} {
		got := redactor(o).Summary(s)
		for _, d := range s.Destinations {
			if d.Server.IP.IsValid() {
				wantNone(t, got, []string{d.Server.IP.String()})
			}
		}
		if err := validate(t, schema, marshal(t, got)); err != nil {
			t.Error(err)
		}
	}
}

func TestRedactSummary(t *testing.T) {
	s := fullSummary()
	s.Destinations = []Destination{{Server: Server{Name: "vpn.example", IP: netip.MustParseAddr("198.51.100.7"), Port: 443}}}
	s.Errors = []Error{{Source: "from-198.51.100.7.pcap", Error: "10.1.2.3:443 is odd"}}
	before := marshal(t, s)
	r := redactor(hashAll)
	got := r.Summary(&s)
	if !bytes.Equal(before, marshal(t, s)) {
		t.Error("the summary was changed")
	}
	if got.Destinations[0].Server != (Server{Name: "vpn.example", IP: r.Address(s.Destinations[0].Server.IP), Port: 443}) {
		t.Errorf("%+v", got.Destinations)
	}
	wantNone(t, got, []string{"198.51.100.7", "10.1.2.3"})
	if got := redactor(RedactOptions{Users: RedactHash}).Summary(&s); !bytes.Equal(before, marshal(t, got)) {
		t.Error("something is redacted without being asked for")
	}
}

func TestRedactKeys(t *testing.T) {
	e := fullEvent(t)
	one := NewRedactor([]byte("one"), hashAll).Event(&e)
	other := NewRedactor([]byte("other"), hashAll).Event(&e)
	if one.SrcIP == other.SrcIP || one.User == other.User || one.FlowID == other.FlowID || one.CommunityID == other.CommunityID {
		t.Error("another key, and the same pseudonym")
	}
	random := NewRedactor(nil, hashAll)
	if a, b := random.Event(&e), NewRedactor(nil, hashAll).Event(&e); a.SrcIP == b.SrcIP || a.SrcIP != random.Address(e.SrcIP) {
		t.Error("no key is a key")
	}
}

// randomSecrets makes an event of which users and addresses stand in texts.
func randomEvent(r *rand.Rand, user string, a, b netip.Addr) Event {
	e := New(randomFlow(r))
	e.User, e.SrcIP, e.DestIP = text(user), plain(a), plain(b)
	hide := func() string {
		parts := []string{text(user), strings.ToUpper(text(user)), plain(a).String(), plain(b).StringExpanded(), ":", ".", "-", " ", "x", "1", "/", "[", "é"}
		var s strings.Builder
		for range 1 + r.IntN(8) {
			s.WriteString(pick(r, parts...))
		}
		return s.String()
	}
	e.Source = hide()
	e.Decision = &Decision{Action: "log", Reason: hide(), Rule: "r"}
	e.TLS = &TLS{SNI: hide(), Subject: hide(), ALPNOffered: []string{hide(), hide()}}
	return e
}

func FuzzRedact(f *testing.F) {
	f.Add(uint64(1), `EXAMPLE\alice`, []byte{10, 1, 2, 3}, []byte{198, 51, 100, 7}, byte(5))
	f.Add(uint64(2), "jo", []byte{32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, []byte{10, 1, 2, 34}, byte(10))
	f.Add(uint64(3), "Kſs", []byte{1, 1, 1, 1}, []byte{11, 1, 1, 1}, byte(6))
	f.Fuzz(func(t *testing.T, seed uint64, user string, a, b []byte, modes byte) {
		client, ok := netip.AddrFromSlice(a)
		server, also := netip.AddrFromSlice(b)
		if !ok || !also {
			return
		}
		e := randomEvent(rand.New(rand.NewPCG(seed, 2)), user, client, server)
		before := marshal(t, e)
		o := RedactOptions{Users: RedactMode(modes % 3), Addresses: RedactMode(modes / 3 % 3)}
		r := redactor(o)
		got := r.Redact(&e)
		if !bytes.Equal(before, marshal(t, e)) {
			t.Fatal("the event was changed")
		}
		if again := r.Event(&e); !bytes.Equal(marshal(t, got.Event), marshal(t, again)) {
			t.Error("another result")
		}
		// Only addresses: what is left of a name may come about anew from
		// what stood around it.
		if o.Addresses != RedactKeep {
			for _, s := range []string{got.Event.Source, got.Event.Decision.Reason, got.Event.TLS.SNI, got.Event.TLS.Subject, got.Event.TLS.ALPNOffered[0]} {
				s = pseudonym.ReplaceAllString(s, "|")
				for _, a := range []netip.Addr{e.SrcIP, e.DestIP} {
					if !stays(a) && strings.Contains(s, a.String()) {
						t.Errorf("%q holds %s", s, a)
					}
				}
			}
		}
		if o.Users != RedactKeep && e.User != "" && got.Event.User == e.User && !pseudonym.MatchString(e.User) {
			t.Errorf("user %q", got.Event.User)
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	e := fullEvent(b)
	for name, o := range map[string]RedactOptions{"hash": hashAll, "remove": dropAll, "users": {Users: RedactHash}} {
		b.Run(name, func(b *testing.B) {
			r := redactor(o)
			b.ReportAllocs()
			for b.Loop() {
				r.Event(&e)
			}
		})
	}
	b.Run("tell", func(b *testing.B) {
		r := redactor(hashAll)
		b.ReportAllocs()
		for b.Loop() {
			r.Redact(&e)
		}
	})
}
