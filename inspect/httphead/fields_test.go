package httphead_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/httphead"
)

func parse(t *testing.T, fields string) httphead.Fields {
	t.Helper()
	r, _, err := httphead.ParseRequest([]byte("GET / HTTP/1.1\r\n" + fields + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return r.Fields
}

func TestFields(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lines   string
		want    httphead.Fields
		written string
	}{
		{
			"white space around the value", "A: \t b c\t \r\nD:e\r\nF:\r\n",
			httphead.Fields{{Name: "A", Value: "b c"}, {Name: "D", Value: "e"}, {Name: "F"}},
			"A: b c\r\nD: e\r\nF:\r\n",
		},
		{
			"spelling, order and repetition", "sstpVERSION:1\nB:2\nSSTPVersion:3\n",
			httphead.Fields{{Name: "sstpVERSION", Value: "1"}, {Name: "B", Value: "2"}, {Name: "SSTPVersion", Value: "3"}},
			"sstpVERSION: 1\r\nB: 2\r\nSSTPVersion: 3\r\n",
		},
		{
			"folds", "A: b \r\n\t c\n  \r\n d\r\nE:\r\n f\r\nG: h\r\n",
			httphead.Fields{{Name: "A", Value: "b c d"}, {Name: "E", Value: "f"}, {Name: "G", Value: "h"}},
			"A: b c d\r\nE: f\r\nG: h\r\n",
		},
		{
			"space before the first field", " X: y\r\n\t\r\nA: b\r\n",
			httphead.Fields{{Name: "A", Value: "b"}},
			"A: b\r\n",
		},
		{
			"colons in the value", "A: b:c: d\r\n",
			httphead.Fields{{Name: "A", Value: "b:c: d"}},
			"A: b:c: d\r\n",
		},
		{
			"names that are none", "A b: c\r\n: d\r\ne \r\n f\r\nG\t : h\r\n",
			httphead.Fields{{Name: "A b", Value: "c"}, {Value: "d"}, {Value: "e f"}, {Name: "G", Value: "h"}},
			"G: h\r\n",
		},
		{
			"characters that become spaces", "A: b\rC: d\x00e\r\n",
			httphead.Fields{{Name: "A", Value: "b\rC: d\x00e"}},
			"A: b C: d e\r\n",
		},
		{
			"characters that become white space around a value", "A: b\r \r\nC: \x00\r\n",
			httphead.Fields{{Name: "A", Value: "b\r"}, {Name: "C", Value: "\x00"}},
			"A: b\r\nC:\r\n",
		},
		{
			"a length that white space mends", "Content-Length: \x000\r\n",
			httphead.Fields{{Name: "Content-Length", Value: "\x000"}},
			"Content-Length: 0\r\n",
		},
		{
			"a length repeated", "Content-Length: 5\r\nA: b\r\ncontent-length: 05, 5\r\n",
			httphead.Fields{
				{Name: "Content-Length", Value: "5"}, {Name: "A", Value: "b"}, {Name: "content-length", Value: "05, 5"},
			},
			"Content-Length: 5\r\nA: b\r\n",
		},
		{
			"a length in conflict", "Content-Length: 5, 5\r\nContent-Length: 6\r\n",
			httphead.Fields{{Name: "Content-Length", Value: "5, 5"}, {Name: "Content-Length", Value: "6"}},
			"Content-Length: 5, 5\r\nContent-Length: 6\r\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := parse(t, tt.lines)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Fields (-want +got):\n%s", diff)
			}
			written := httphead.Request{Method: "GET", Target: "/", Fields: got}.Append(nil)
			if diff := cmp.Diff("GET / HTTP/1.1\r\n"+tt.written+"\r\n", string(written)); diff != "" {
				t.Errorf("Append (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAppendInjection writes strings that try to make up lines of their own.
func TestAppendInjection(t *testing.T) {
	request := httphead.Request{
		Method: "GET", Target: "/\r\nA: b\r\n\r\n", Fields: httphead.Fields{
			{Name: "C\r\nD", Value: "e"}, {Name: "F", Value: "g\r\nH: i\x00"},
		},
	}
	want := "GET /  A: b     HTTP/1.1\r\nF: g  H: i\r\n\r\n"
	if diff := cmp.Diff(want, string(request.Append(nil))); diff != "" {
		t.Errorf("Request.Append (-want +got):\n%s", diff)
	}
	response := httphead.Response{Version: httphead.HTTP10, Status: 407, Reason: "no\r\n\r\nno"}
	want = "HTTP/1.0 407 no    no\r\n\r\n"
	if diff := cmp.Diff(want, string(response.Append(nil))); diff != "" {
		t.Errorf("Response.Append (-want +got):\n%s", diff)
	}
}

func TestLookups(t *testing.T) {
	fields := parse(t, "no colon\r\nSSTP_VERSION: 1.0\r\nVia: a\r\nvia: b\r\nSSTPVERSION: 2.0\r\n")
	for _, name := range []string{"SSTPVERSION", "SSTP-VERSION", "SSTP_Version", "sstpversion", "-_SstpVersion_"} {
		want := httphead.Field{Name: "SSTP_VERSION", Value: "1.0"}
		if got, ok := fields.Lookup(name); !ok || got != want {
			t.Errorf("Lookup(%q) = %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "-", "SSTPVERSIO", "SSTPVERSIONS", "no colon", "\u212a"} {
		if got, ok := fields.Lookup(name); ok {
			t.Errorf("Lookup(%q) = %v", name, got)
		}
	}
	if got := fields.Get("sstpversion"); got != "2.0" {
		t.Errorf("Get = %q", got)
	}
	if got := fields.Get("VIA") + fields.Get("Host"); got != "a" {
		t.Errorf("Get = %q", got)
	}
	if diff := cmp.Diff([]string{"a", "b"}, fields.Values("VIA")); diff != "" {
		t.Errorf("Values (-want +got):\n%s", diff)
	}
	if got := fields.Values("Host"); got != nil {
		t.Errorf("Values = %q", got)
	}
}

func TestNormalizedName(t *testing.T) {
	for name, want := range map[string]string{
		"SSTPVERSION":  "sstpversion",
		"SSTP_VERSION": "sstpversion",
		"Sstp-Version": "sstpversion",
		"sstpversion":  "sstpversion",
		"--A_":         "a",
		"-":            "",
		"X1.é\xff":     "x1.é\xff",
	} {
		if got := httphead.NormalizedName(name); got != want {
			t.Errorf("NormalizedName(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestContentLength(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines string
		want  uint64
		ok    bool
		bad   string // the value in the error, if any
	}{
		{"none", "", 0, false, ""},
		{"zero", "Content-Length: 0\r\n", 0, true, ""},
		{"SSTP", "Content-Length: 18446744073709551615\r\n", math.MaxUint64, true, ""},
		{"list", "content-length: 5, 5 ,5\r\n", 5, true, ""},
		{"two lines", "Content-Length: 5\r\nContent-Length: 5\r\n", 5, true, ""},
		{"overflow", "Content-Length: 18446744073709551616\r\n", 0, false, "18446744073709551616"},
		{"conflict", "Content-Length: 5, 6\r\n", 0, false, "6"},
		{"conflict with zero", "Content-Length: 0\r\nContent-Length: 1\r\n", 0, false, "1"},
		{"negative", "Content-Length: -1\r\n", 0, false, "-1"},
		{"hexadecimal", "Content-Length: 0x5\r\n", 0, false, "0x5"},
		{"underscore", "Content-Length: 5_0\r\n", 0, false, "5_0"},
		{"two words", "Content-Length: 5 5\r\n", 0, false, "5 5"},
		{"long", "Content-Length: " + strings.Repeat("9", 99) + "\r\n", 0, false, strings.Repeat("9", 64)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok, err := parse(t, tt.lines).ContentLength()
			if got != tt.want || ok != tt.ok || (err != nil) != (tt.bad != "") {
				t.Fatalf("ContentLength = %d, %v, %v", got, ok, err)
			}
			var syntax *httphead.SyntaxError
			if errors.As(err, &syntax) && (syntax.Value != tt.bad || syntax.Section != "RFC 9112, Section 6.3") {
				t.Errorf("err = %v", err)
			}
		})
	}
	for _, lines := range []string{"Content-Length:\r\n", "Content-Length: 5,\r\n", "Content-Length: ,5\r\n"} {
		if n, ok, err := parse(t, lines).ContentLength(); err == nil || ok {
			t.Errorf("%q: %d, %v, %v", lines, n, ok, err)
		}
	}
}
