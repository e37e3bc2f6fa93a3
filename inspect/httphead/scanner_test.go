package httphead_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/httphead"
)

// TestScanner feeds each head one byte at a time and expects what the whole gives.
func TestScanner(t *testing.T) {
	var s httphead.Scanner // one for all: each outcome readies it for the next
	for _, tt := range requests {
		want, size, err := httphead.ParseRequest([]byte(tt.raw))
		if err != nil {
			t.Fatal(err)
		}
		for i := range tt.raw {
			if _, _, err := s.Request([]byte(tt.raw[:i])); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s: %d bytes: %v", tt.name, i, err)
			}
		}
		got, n, err := s.Request([]byte(tt.raw + "more"))
		if err != nil || n != size {
			t.Errorf("%s: n = %d, err = %v", tt.name, n, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-whole +pieces):\n%s", tt.name, diff)
		}
	}
	for _, tt := range responses {
		want, size, err := httphead.ParseResponse([]byte(tt.raw))
		if err != nil {
			t.Fatal(err)
		}
		for i := range tt.raw {
			if _, _, err := s.Response([]byte(tt.raw[:i])); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s: %d bytes: %v", tt.name, i, err)
			}
		}
		got, n, err := s.Response([]byte(tt.raw + "more"))
		if err != nil || n != size {
			t.Errorf("%s: n = %d, err = %v", tt.name, n, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-whole +pieces):\n%s", tt.name, diff)
		}
	}
}

func TestScannerStartsAnew(t *testing.T) {
	const head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, before := range map[string]func(s *httphead.Scanner) error{
		"after an error": func(s *httphead.Scanner) error {
			_, _, err := s.Request([]byte("GET /a/longer/head/than/the/next/one\x00"))
			return err
		},
		"after the HTTP/2 preface": func(s *httphead.Scanner) error {
			_, _, err := s.Request([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
			return err
		},
		"in a shorter buffer": func(s *httphead.Scanner) error {
			_, _, err := s.Request([]byte("\r\nGET / HTTP/1.1\r\nHost: not.the.same.head"))
			return err
		},
		"after half a response": func(s *httphead.Scanner) error {
			_, _, err := s.Response([]byte("HTTP/1.1 200 OK\r\n"))
			return err
		},
	} {
		var s httphead.Scanner
		if err := before(&s); err == nil {
			t.Errorf("%s: no error", name)
		}
		r, n, err := s.Request([]byte(head))
		if err != nil || n != len(head) || r.Method != "GET" || r.Oddities != 0 || r.Fields.Get("host") != "a" {
			t.Errorf("%s: %+v, %d, %v", name, r, n, err)
		}
	}
}

// TestScannerReadsOnce replaces the bytes of earlier calls: a Scanner that went
// back to them would see an empty line or a control character.
func TestScannerReadsOnce(t *testing.T) {
	head := "GET /" + strings.Repeat("a", 1000) + " HTTP/1.1\r\nHost: a\r\nB: " + strings.Repeat("b", 1000)
	var s httphead.Scanner
	b := []byte(head)
	for i := range b {
		if _, _, err := s.Request(b[:i]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d bytes: %v", i, err)
		}
		switch {
		case i > 10 && i < 1000:
			b[i-2] = 0 // inside the target
		case i > 1100:
			b[i-2] = '\n'
		}
	}
}

func TestAllocations(t *testing.T) {
	b := []byte(requests[0].raw)
	allocs := testing.AllocsPerRun(100, func() {
		if _, _, err := httphead.ParseRequest(b); err != nil {
			t.Error(err)
		}
	})
	if allocs > 2 { // the copy of the head, and the fields
		t.Errorf("ParseRequest allocates %v times", allocs)
	}
	var s httphead.Scanner
	allocs = testing.AllocsPerRun(100, func() {
		if _, _, err := s.Request(b[:len(b)-1]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("an incomplete head allocates %v times", allocs)
	}
}

func BenchmarkParseRequest(b *testing.B) {
	raw := []byte(requests[0].raw)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := httphead.ParseRequest(raw); err != nil {
			b.Fatal(err)
		}
	}
}
