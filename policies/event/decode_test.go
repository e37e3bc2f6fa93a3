package event

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// goldens are the results of all captures that come with the source.
func goldens(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../pcaps/testdata/golden/*.json")
	if err != nil || len(paths) < 100 {
		t.Fatalf("%d golden results: %v", len(paths), err)
	}
	out := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(path)] = text
	}
	return out
}

// recode reads lines and writes them again.
func recode(lines []byte) ([]byte, error) {
	var out bytes.Buffer
	dec, enc := NewDecoder(bytes.NewReader(lines)), NewEncoder(&out)
	for {
		e, s, err := dec.Next()
		switch {
		case errors.Is(err, io.EOF):
			return out.Bytes(), nil
		case err != nil:
			return nil, err
		case e != nil:
			err = enc.Event(e)
		default:
			err = enc.Summary(s)
		}
		if err != nil {
			return nil, err
		}
	}
}

func TestDecoderGoldens(t *testing.T) {
	for name, lines := range goldens(t) {
		got, err := recode(lines)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(got, lines) {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(string(lines), string(got)))
		}
	}
}

func lines(t testing.TB, values ...any) []byte {
	t.Helper()
	var out bytes.Buffer
	enc := NewEncoder(&out)
	for _, v := range values {
		var err error
		switch v := v.(type) {
		case Event:
			err = enc.Event(&v)
		case Summary:
			err = enc.Summary(&v)
		default:
			t.Fatalf("%T", v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func TestDecoderFull(t *testing.T) {
	all := lines(t, fullEvent(t), New(minimalFlow()), fullSummary(), NewSummary())
	got, err := recode(all)
	if err != nil || !bytes.Equal(got, all) {
		t.Errorf("%v (-want +got):\n%s", err, cmp.Diff(string(all), string(got)))
	}
	for seed := range uint64(300) {
		once, err := recode(lines(t, New(randomFlow(rand.New(rand.NewPCG(seed, 1))))))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		stable(t, once)
	}
}

func TestDecoderErrors(t *testing.T) {
	good := strings.TrimSpace(string(lines(t, New(minimalFlow()))))
	with := func(from, to string) string {
		t.Helper()
		if !strings.Contains(good, from) {
			t.Fatalf("no %s", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, tt := range map[string]struct{ line, want string }{
		"table":          {"VERDICT  KIND  SCORE", "not JSON: "},
		"cut off":        {good[:len(good)/2], "not JSON: unexpected end"},
		"two":            {good + good, "not JSON: "},
		"text behind":    {good + "x", "not JSON: "},
		"no object":      {"[1]", "it is a array, and no object"},
		"null":           {"null", "no event_type"},
		"other object":   {`{"a":1}`, "no event_type"},
		"alert":          {`{"event_type":"alert"}`, `event_type is "alert": want sstp or summary`},
		"no version":     {with(`"version":1,`, ""), "no version"},
		"newer":          {with(`"version":1,`, `"version":2,"new":3,`), "written in version 2 of events, and this program reads version 1"},
		"unknown field":  {with(`"version":1,`, `"version":1,"new":3,`), `unknown field "new": was this written by a newer sstpwarden?`},
		"unknown inside": {with(`"score":0`, `"score":0,"new":3`), `unknown field "new"`},
		"wrong kind":     {with(`"src_port":1`, `"src_port":"one"`), "src_port cannot be a string"},
		"too great":      {with(`"src_port":1`, `"src_port":70000`), "src_port cannot be a number 70000"},
		"no address":     {with(`"src_ip":"2001:db8::1"`, `"src_ip":""`), "no src_ip"},
		"absent address": {with(`"dest_ip":"2001:db8::2",`, ``), "no dest_ip"},
		"bad address":    {with(`2001:db8::2`, `2001:db8::g`), "2001:db8::g"},
		"bad time":       {with(`"timestamp":"0001-`, `"timestamp":"0001`), "reading event time"},
		"bad verdict":    {with(`"verdict":"undetermined"`, `"verdict":"perhaps"`), `"perhaps" is no verdict`},
		"no verdict":     {with(`"verdict":"undetermined",`, ``), "no verdict"},
		"bad summary":    {`{"event_type":"summary","version":1,"files":-1}`, "files cannot be a number -1"},
		"newer summary":  {`{"event_type":"summary","version":3,"files":1}`, "written in version 3"},
		"summary field":  {`{"event_type":"summary","version":1,"x":-1}`, `unknown field "x"`},
		"too long":       {strings.Repeat(" ", MaxLine) + good, "more than 4 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			dec := NewDecoder(strings.NewReader("\n" + good + "\r\n \n" + tt.line + "\n" + good))
			if e, s, err := dec.Next(); e == nil || s != nil || err != nil {
				t.Fatalf("the line before: %v", err)
			}
			e, s, err := dec.Next()
			var at *LineError
			if e != nil || s != nil || !errors.As(err, &at) || at.Line != 4 || !strings.HasPrefix(err.Error(), "line 4: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if e, _, err := dec.Next(); e == nil || err != nil {
				t.Errorf("the line behind: %v", err)
			}
			if _, _, err := dec.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("the end: %v", err)
			}
		})
	}
}

func TestDecoderReader(t *testing.T) {
	all := lines(t, fullEvent(t))
	for name, r := range map[string]io.Reader{
		"byte by byte": iotest.OneByteReader(bytes.NewReader(all)),
		"with the end": iotest.DataErrReader(bytes.NewReader(all)),
	} {
		dec := NewDecoder(r)
		if e, _, err := dec.Next(); e == nil || err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := dec.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dec := NewDecoder(io.MultiReader(bytes.NewReader(all), iotest.ErrReader(os.ErrDeadlineExceeded)))
	if _, _, err := dec.Next(); err != nil {
		t.Error(err)
	}
	if _, _, err := dec.Next(); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(lines(f, fullEvent(f), fullSummary()))
	f.Add(lines(f, New(minimalFlow())))
	for name, text := range goldens(f) {
		if strings.HasPrefix(name, "ac-tls13") {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dec := NewDecoder(bytes.NewReader(b))
		for range bytes.Count(b, []byte("\n")) + 2 {
			e, s, err := dec.Next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				continue
			case e != nil:
				stable(t, lines(t, *e))
			default:
				stable(t, lines(t, *s))
			}
		}
		t.Error("no end")
	})
}

// stable says that what was read and written is read and written as it is.
func stable(t *testing.T, once []byte) {
	t.Helper()
	twice, err := recode(once)
	if err != nil || !bytes.Equal(once, twice) {
		t.Errorf("%v (-once +twice):\n%s", err, cmp.Diff(string(once), string(twice)))
	}
}

func BenchmarkDecoder(b *testing.B) {
	one := lines(b, fullEvent(b))
	b.SetBytes(int64(len(one)))
	b.ReportAllocs()
	dec := NewDecoder(&endless{line: one})
	for b.Loop() {
		if _, _, err := dec.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

// endless repeats a line.
type endless struct {
	line []byte
	at   int
}

func (r *endless) Read(p []byte) (int, error) {
	n := copy(p, r.line[r.at:])
	r.at = (r.at + n) % len(r.line)
	return n, nil
}
