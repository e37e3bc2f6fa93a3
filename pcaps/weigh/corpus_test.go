package weigh_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/pcaps/weigh"
	"sstpwarden/rules"
)

const testdata = "../testdata"

// corpus makes a folder of these captures and of files beside them.
func corpus(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(testdata, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func reader(t *testing.T) *weigh.Reader {
	rs := rules.Default()
	return &weigh.Reader{Rules: rs, Tally: weigh.NewTally(rs), Warn: func(err error) { t.Error(err) }}
}

func read(t *testing.T, r *weigh.Reader, s weigh.Source) weigh.Corpus {
	t.Helper()
	c, err := r.Read(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// measured gives what was counted of a rule.
func measured(t *testing.T, r *weigh.Reader, id string) *inspect.Measured {
	t.Helper()
	for _, w := range r.Tally.Result(nil).Rules {
		if w.ID == id {
			return w.Measured
		}
	}
	t.Fatalf("nothing of %s", id)
	return nil
}

// TestRead counts a few captures: two of one pair of programs, one of another,
// one whose other connections are no SSTP, and two others.
func TestRead(t *testing.T) {
	dir := corpus(t, "labels.json",
		"positive/se-tls13-idle75.pcap", "positive/se-tls13-idle75.keys",
		"positive/se-tls13-netem.pcap", "positive/se-tls13-netem.keys",
		"positive/rs-se-tls13-ping.pcap", "positive/rs-se-tls13-ping.keys",
		"negative/wss-chatty-tls13.pcap", "negative/web-curl-h1-tls13-get.pcap", "negative/plain-http-8080.pcap")
	write(t, filepath.Join(dir, "negative", "notes.pcap"), []byte("no capture, for all its name"))
	r := reader(t)
	c := read(t, r, weigh.Source{Name: "a few", Dir: dir})
	if c.Name != "a few" || c.Captures != 6 || c.Positives != 3 || c.Negatives < 3 || c.Repeated != 0 {
		t.Errorf("%+v", c)
	}
	for _, test := range []struct {
		id                   string
		positives, negatives string
	}{
		{"tls.control_lengths", "2/2", "0/2"},
		{"tls.no_alpn", "2/2", "1/2"}, // curl names a protocol
		{"tls.control_lengths_later", "0/0", "0/2"},
		{"tls.ppp_begins", "2/2", "0/0"},
		{"http.sstp_duplex_post", "2/2", "0/1"},
	} {
		m := measured(t, r, test.id)
		if m.Positives.String() != test.positives || m.Negatives.String() != test.negatives {
			t.Errorf("%s: %v and %v, want %s and %s", test.id, m.Positives, m.Negatives, test.positives, test.negatives)
		}
	}
	if again := read(t, r, weigh.Source{Name: "again", Dir: dir}); again.Captures != 0 || again.Repeated != 6 || again.Positives+again.Negatives != 0 {
		t.Errorf("%+v", again)
	}
	if _, err := r.Read(t.Context(), weigh.Source{Name: "nothing", Dir: t.TempDir()}); err == nil {
		t.Error("an empty folder is a corpus")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Read(ctx, weigh.Source{Name: "ended", Dir: dir}); err == nil {
		t.Error("goes on")
	}
}

// TestReadLabelled takes all of a folder for SSTP, or for none, and has a kind for
// each capture where nobody names programs.
func TestReadLabelled(t *testing.T) {
	dir := corpus(t, "positive/se-tls12-mtu300.pcap", "positive/se-tls13-killed.pcap")
	r := reader(t)
	if c := read(t, r, weigh.Source{Name: "x", Dir: filepath.Join(dir, "positive"), Label: weigh.LabelPositive}); c.Positives != 2 {
		t.Errorf("%+v", c)
	}
	if m := measured(t, r, "tls.control_lengths"); m.Positives.String() != "2/2" {
		t.Errorf("%+v", m)
	}
	r = reader(t)
	if c := read(t, r, weigh.Source{Name: "x", Dir: dir, Label: weigh.LabelNegative}); c.Negatives != 2 || c.Positives != 0 {
		t.Errorf("%+v", c)
	}
	if m := measured(t, r, "tls.control_lengths"); m.Negatives.String() != "2/2" {
		t.Errorf("%+v", m)
	}
}

// TestTruncated counts what can be read of a capture, and says so.
func TestTruncated(t *testing.T) {
	dir := corpus(t, "positive/se-tls13-killed.keys")
	text, err := os.ReadFile(filepath.Join(testdata, "positive/se-tls13-killed.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "positive/se-tls13-killed.pcap"), text[:len(text)-1])
	r, warned := reader(t), 0
	r.Warn = func(error) { warned++ }
	if c := read(t, r, weigh.Source{Name: "x", Dir: dir}); c.Captures != 1 || c.Positives != 1 || warned != 1 {
		t.Errorf("%+v, %d warnings", c, warned)
	}
}

// TestEndpoint records the reference endpoint.
func TestEndpoint(t *testing.T) {
	r := reader(t)
	c, err := r.Endpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const pairs = 7 * 5
	result := r.Tally.Result([]weigh.Corpus{c})
	if c.Positives <= pairs || c.Positives >= 2*pairs || result.Positives != pairs || result.Negatives != 0 {
		t.Errorf("%+v, %d kinds", c, result.Positives)
	}
	if m := measured(t, r, "http.sstp_duplex_post"); m.Positives.String() != "35/35" {
		t.Errorf("%+v", m)
	}
	if m := measured(t, r, "tls.control_lengths"); m.Positives.Held < 12 || m.Coarse == nil || m.Coarse.Positives.Of < 10 {
		t.Errorf("%+v", m)
	}
}

// TestCheck tells weights apart.
func TestCheck(t *testing.T) {
	votes := func(held float64, of int) inspect.Votes { return inspect.Votes{Held: held, Of: of} }
	many := &inspect.Measured{Positives: votes(40, 40), Negatives: votes(10, 300), Low: 11, High: 18}
	against := &inspect.Measured{Positives: votes(0, 40), Negatives: votes(150, 300), Low: -18, High: -9}
	little := &inspect.Measured{Positives: votes(40, 40), Negatives: votes(0, 3), Low: 0, High: 9}
	for _, test := range []struct {
		weight   int
		reasoned string
		measured *inspect.Measured
		want     weigh.Says
		excused  bool
	}{
		{11, "", many, weigh.Within, false},
		{18, "", many, weigh.Within, false},
		{10, "", many, weigh.Cautious, false},
		{19, "", many, weigh.Exceeds, false},
		{19, "why", many, weigh.Exceeds, true},
		{-3, "", many, weigh.Exceeds, false},
		{-12, "", against, weigh.Within, false},
		{-8, "", against, weigh.Cautious, false},
		{-19, "", against, weigh.Exceeds, false},
		{3, "", against, weigh.Exceeds, false},
		{30, "", little, weigh.Few, false},
	} {
		r := &weigh.Result{Rules: []weigh.Weighing{{ID: "a.b", Weight: test.weight, Reasoned: test.reasoned, Measured: test.measured}}}
		got := r.Check()
		if len(got) != 1 || got[0].Says != test.want || got[0].Excused != test.excused {
			t.Errorf("%d of %+v: %+v", test.weight, test.measured, got)
		}
	}
	five := 5
	r := &weigh.Result{Rules: []weigh.Weighing{{ID: "a.b", Weight: 12, Coarse: &five, Measured: &inspect.Measured{
		Positives: votes(40, 40), Negatives: votes(10, 300), Low: 11, High: 18,
		Coarse: &inspect.Measured{Positives: votes(40, 40), Negatives: votes(100, 300), Low: 3, High: 4},
	}}}}
	if got := r.Check(); len(got) != 2 || !got[1].Coarse || got[1].Weight != 5 || got[1].Says != weigh.Exceeds {
		t.Errorf("%+v", got)
	}
}
