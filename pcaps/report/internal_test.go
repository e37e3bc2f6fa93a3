package report

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestPieces(t *testing.T) {
	for in, want := range map[string][]piece{
		"":                    {{"", false}},
		"plain <b>":           {{"plain <b>", false}},
		"Zoë":                 {{"Zoë", false}},
		"Zoe\u0308":           {{"Zoe\u0308", false}},
		"क्षेत्र":             {{"क्षेत्र", false}},
		"a\x00b":              {{"a", false}, {`\x00`, true}, {"b", false}},
		"\r\n":                {{`\r\n`, true}},
		"x\u202e":             {{"x", false}, {`\u202e`, true}},
		"\xff\u200bé":         {{`\xff\u200b`, true}, {"é", false}},
		"\uFFFD":              {{"\uFFFD", false}},
		`\u202e`:              {{`\u202e`, false}},
		"e\u0301\u0302\u0303": {{"e\u0301\u0302", false}, {`\u0303`, true}},
		"\U000e0041":          {{`\U000e0041`, true}},
	} {
		if diff := cmp.Diff(want, pieces(in)); in != "" && diff != "" {
			t.Errorf("%+q (-want +got):\n%s", in, diff)
		}
	}
}

func FuzzInert(f *testing.F) {
	f.Add("x\u202e\xff\u0301", 3)
	f.Fuzz(func(t *testing.T, s string, n int) {
		out := inert(s)
		for sc := scan(out); sc.rest != ""; {
			if _, escape := sc.next(); escape != "" {
				t.Fatalf("%+q: %+q still holds %s", s, out, escape)
			}
		}
		n = max(1, n%100)
		head, left := cut(s, n)
		if !strings.HasPrefix(s, head) || utf8.RuneCountInString(s[len(head):]) != left || utf8.RuneCountInString(inert(head)) > n {
			t.Fatalf("%+q cut to %d: %+q, %d left", s, n, head, left)
		}
		if c := cell(s); startsFormula(c) || strings.ContainsAny(c, "\r\n\t") {
			t.Fatalf("%+q: cell %+q", s, c)
		}
	})
}

func TestShort(t *testing.T) {
	for _, test := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"äöü", 3, "äöü"},
		{"äöüß", 3, "äö…"},
		{"a\u202eb", 8, "a\u202eb"},
		{"a\u202ebc", 8, "a\u202e…"},
	} {
		if got := short(test.in, test.n); got != test.want {
			t.Errorf("%+q to %d: %+q, want %+q", test.in, test.n, got, test.want)
		}
	}
}

func TestNumbersInWords(t *testing.T) {
	for got, want := range map[string]string{
		number(0):                      "0",
		number(999):                    "999",
		number(1000):                   "1,000",
		number(1234567):                "1,234,567",
		count(1, "reply"):              "1 reply",
		count(2, "reply"):              "2 replies",
		count(uint64(1500), "packet"):  "1,500 packets",
		Size(999):                      "999 B",
		Size(84332):                    "84.3 kB",
		Size(999_990):                  "1.0 MB",
		Size(5e15):                     "5000.0 TB",
		Lasted(0.0658):                 "66ms",
		Lasted(8.4567):                 "8.5s",
		Lasted(81.6):                   "1m22s",
		after(0):                       "0",
		after(1500 * time.Microsecond): "1.5 ms",
		after(-time.Second):            "-1.00 s",
		after(59 * time.Minute):        "59m0s",
		oddsOf(0):                      "1 to 1",
		oddsOf(-40):                    "1 to 10,000",
		oddsOf(5):                      "3.2 to 1",
		oddsOf(46):                     "40,000 to 1",
		oddsOf(344):                    "10^34 to 1",
		end(netip.MustParseAddr("fd09::1%e"), 443): "[fd09::1]:443",
		end(netip.MustParseAddr("192.0.2.1"), 0):   "192.0.2.1",
		end(netip.Addr{}, 443):                     "port 443",
		end(netip.Addr{}, 0):                       "",
		period(noon, noon.Add(time.Hour)):          "2026-11-22 12:00:00 to 13:00:00",
		period(noon, noon.Add(24*time.Hour)):       "2026-11-22 12:00:00 to 2026-11-23 12:00:00",
		period(noon, noon):                         "2026-11-22 12:00:00",
		strings.Join(runs([]string{"a_b", "e", "r", "e", "r", "x", "x", "x"}), "|"): "a b|e, r, 2 times|x, 3 times",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestChart(t *testing.T) {
	d := event.Detection{
		Verdict: inspect.VerdictSuspected, Score: 50,
		Evidence: []inspect.Evidence{{Rule: "a", Weight: 60}, {Rule: "b", Weight: -10}},
	}
	c := newChart(&d, inspect.Settings{Prior: -40, Suspected: 45})
	want := &chart{
		Verdict: "Nothing was read in clear; the weights come to 50, and 45 are enough to suspect.",
		Weights: []weight{ // the scale is from -40 to 20, between 1 % and 99 %
			{Value: "−40", Rule: "prior odds", Detail: "1 to 10,000, before anything is seen", X: "1.00%", Width: "65.33%", Class: "prior", to: -40},
			{Value: "+60", Rule: "a", X: "1.00%", Width: "98.00%", Class: "for", from: -40, to: 20},
			{Value: "−10", Rule: "b", X: "82.67%", Width: "16.33%", Class: "against", from: 20, to: 10},
			{Value: "+10", Rule: "odds after", Detail: "10 to 1", X: "66.33%", Width: "16.33%", Class: "total", to: 10},
		},
		Threshold: "74.50%",
	}
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(weight{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for verdict, want := range map[inspect.Verdict]string{
		inspect.VerdictCleared:      "Something else: the weights come to 50.",
		inspect.VerdictConfirmed:    "Confirmed. The weights come to 50, and 45 are enough to suspect.",
		inspect.VerdictUndetermined: "Not enough is known: the weights come to 50, and 45 are enough to suspect.",
	} {
		d.Verdict = verdict
		if got := newChart(&d, inspect.Settings{Prior: -40, Suspected: 45}).Verdict; got != want {
			t.Errorf("%s: %s", verdict, got)
		}
	}
	d = event.Detection{Verdict: inspect.VerdictUndetermined}
	if got := newChart(&d, inspect.Settings{}); got.Verdict != "Nothing speaks for SSTP, and nothing against it." || got.Threshold != "" || len(got.Weights) != 1 {
		t.Errorf("nothing: %+v", got)
	}
}

func span1(start, lasted time.Duration) span {
	return span{start: noon.Add(start), end: noon.Add(start + lasted), verdict: inspect.VerdictConfirmed}
}

func TestAxis(t *testing.T) {
	year := 365 * 24 * time.Hour
	for _, test := range []struct {
		name   string
		list   []span
		at     map[time.Duration]string
		breaks []string
		ticks  []tick
	}{
		{
			name:  "one moment",
			list:  []span{span1(0, 0)},
			at:    map[time.Duration]string{0: "0.00%"},
			ticks: []tick{{"0.00%", "2026-11-22", "12:00:00"}},
		},
		{
			name: "an hour",
			list: []span{span1(0, time.Hour)},
			at:   map[time.Duration]string{0: "0.00%", 15 * time.Minute: "25.00%", time.Hour: "100.00%"},
			ticks: []tick{
				{"0.00%", "2026-11-22", "12:00:00"},
				{"25.00%", "", "12:15:00"},
				{"50.00%", "", "12:30:00"},
				{"75.00%", "", "12:45:00"},
			},
		},
		{
			name:   "two captures, years apart",
			list:   []span{span1(0, time.Minute), span1(30*time.Second, time.Minute), span1(9*year, 90*time.Second)},
			at:     map[time.Duration]string{0: "0.00%", 90 * time.Second: "49.00%", 9 * year: "51.00%", 9*year + 45*time.Second: "75.50%"},
			breaks: []string{"50.00%"},
			ticks: []tick{
				{"0.00%", "2026-11-22", "12:00:00"},
				{"32.67%", "", "12:01:00"},
				{"51.00%", "2035-11-20", "12:00:00"},
				{"83.67%", "", "12:01:00"},
			},
		},
	} {
		x := newAxis(test.list)
		for d, want := range test.at {
			if got := percent(x.at(noon.Add(d))); got != want {
				t.Errorf("%s: %v is at %s, want %s", test.name, d, got, want)
			}
		}
		if diff := cmp.Diff(test.breaks, x.breaks()); diff != "" {
			t.Errorf("%s: breaks (-want +got):\n%s", test.name, diff)
		}
		if diff := cmp.Diff(test.ticks, x.ticks()); diff != "" {
			t.Errorf("%s: ticks (-want +got):\n%s", test.name, diff)
		}
	}
}

// Whatever the captures claim, everything is on the page and ticks keep apart.
func TestAxisOfAnyTimes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		s := newSpans()
		scale := time.Duration(1) << r.IntN(62)
		for i := range 1 + r.IntN(30) {
			start := noon.Add(time.Duration(r.Int64N(int64(scale))))
			if r.IntN(50) == 0 {
				start = time.Date(r.IntN(9999), 1, 1, 0, 0, 0, 0, time.UTC)
			}
			e := event.Event{Timestamp: event.NewTime(start), Duration: float64(r.Int64N(int64(scale))) / 1e10, DestPort: uint16(r.IntN(3))}
			s.add(&e, i)
		}
		line := s.timeLine(nil)
		last := -1.0
		for _, k := range line.Ticks {
			x := parsePercent(t, k.X)
			if last >= 0 && x < last+stretchWidth/2 {
				t.Fatalf("ticks at %v and %v", last, x)
			}
			last = x
		}
		for _, l := range line.Lanes {
			for _, b := range l.Bars {
				if x, w := parsePercent(t, b.X), parsePercent(t, b.Width); x < 0 || w < barLeast || x+w > 100.2 {
					t.Fatalf("bar at %v, %v wide", x, w)
				}
			}
		}
	}
}

func parsePercent(t *testing.T, s string) (x float64) {
	t.Helper()
	if _, err := fmt.Sscanf(s, "%f%%", &x); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestTimeLineIsBounded(t *testing.T) {
	s := newSpans()
	verdicts := []inspect.Verdict{inspect.VerdictConfirmed, inspect.VerdictSuspected}
	for i := range maxSpans + 10 {
		e := event.Event{
			Timestamp: event.NewTime(noon.Add(time.Duration(i) * time.Second)), Duration: float64(i * 7919 % 5000),
			DestPort: uint16(i % 20), Detection: event.Detection{Verdict: verdicts[i%2]},
		}
		s.add(&e, i)
	}
	line := s.timeLine(nil)
	if len(line.Lanes) != maxLanes+1 || line.Lanes[maxLanes].Name != "4 other servers" || line.More != "10 more connections would not fit on the time line. sstpwarden audit --format json has them." {
		t.Errorf("%d lanes, %q, %q", len(line.Lanes), line.Lanes[maxLanes].Name, line.More)
	}
	for _, l := range line.Lanes {
		if most := laneRows * 100 / barGap; float64(len(l.Bars)) > most || len(l.Bars) == 0 || l.Height > laneRows*barPitch {
			t.Errorf("%s: %d bars, %d high", l.Name, len(l.Bars), l.Height)
		}
	}
}

func TestBest(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	b := best[int]{max: 10}
	for _, n := range r.Perm(1000) {
		b.add(rank{score: n}, func() int { return n })
	}
	for i, item := range b.sorted() {
		if item.value != 999-i {
			t.Errorf("place %d: %d", i, item.value)
		}
	}
	none := best[int]{}
	none.add(rank{}, func() int { t.Error("made for nothing"); return 0 })
}

func TestClientsAreBounded(t *testing.T) {
	cs := newClients()
	for i := range heldClients + 5 {
		e := event.Event{SrcIP: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Detection: event.Detection{Verdict: inspect.VerdictSuspected}}
		cs.add(&e)
	}
	one := netip.MustParseAddr("10.0.0.1")
	for i := range 3 * clientSet {
		e := event.Event{
			SrcIP: one, User: fmt.Sprintf("user%03d", i), DestPort: uint16(i),
			Timestamp: event.NewTime(noon.Add(time.Duration(-i) * time.Second)),
			Detection: event.Detection{Verdict: inspect.VerdictConfirmed, Kind: inspect.KindTunnel},
		}
		cs.add(&e)
	}
	table := cs.table()
	if len(table.Rows) != MaxClients || table.More != "The 256 clients with the strongest cases of at least 4,096. sstpwarden audit --format json names them all." {
		t.Errorf("%d rows, %q", len(table.Rows), table.More)
	}
	first := table.Rows[0].Fields
	if first[0].Text != "10.0.0.1" || first[1].Text != "user000, user001, user002, user003 and 60 more" {
		t.Errorf("%+v", first)
	}
}

func TestFactsAreBounded(t *testing.T) {
	var fs facts
	long := strings.Repeat("x", 3000)
	fs.add("a", long, long)
	many := make([]string, 200)
	for i := range many {
		many[i] = "v"
	}
	fs.run("b", many...)
	fs.add("none", "")
	if len(fs.list) != 2 {
		t.Fatalf("%d facts", len(fs.list))
	}
	a := fs.list[0].Values
	if len(a[0].Head) != maxHead || len(a[0].Whole) != 3000 || a[0].Left != 0 || len(a[1].Whole) != maxFacts-3000 || a[1].Left != 6000-maxFacts {
		t.Errorf("%d, %d, %d; %d, %d", len(a[0].Head), len(a[0].Whole), a[0].Left, len(a[1].Whole), a[1].Left)
	}
	if b := fs.list[1].Values; len(b) != maxValues+1 || b[maxValues].Head != "and 100 more" {
		t.Errorf("%d values", len(b))
	}
}
