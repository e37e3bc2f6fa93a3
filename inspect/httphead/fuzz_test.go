package httphead_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/httphead"
)

// clean are the oddities that no head written by Append has.
const clean = httphead.LeadingEmptyLine | httphead.BareLF | httphead.BareCR | httphead.NUL | httphead.RequestLineSpace |
	httphead.MissingReasonSpace | httphead.SpaceBeforeFields | httphead.ObsFold | httphead.SpaceBeforeColon |
	httphead.InvalidFieldName | httphead.MissingColon

func FuzzParseRequest(f *testing.F) {
	for _, tt := range requests {
		f.Add([]byte(tt.raw), uint16(len(tt.raw)/2))
	}
	f.Add([]byte("\r\n\nGET /a b\tHTTP/1.1\n x\r\nA : b\r\n c\rd\n:e\nf\r\n\r\nrest"), uint16(9))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), uint16(15))
	f.Add([]byte("P / HTTP/1.1\r\nContent-Length: 5, 5\r\nTransfer-Encoding: chunked, x\r\nHost: [::1]:1:2\r\n\r\n"), uint16(40))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		whole, n, err := httphead.ParseRequest(b)
		checkOutcome(t, b, n, err, whole.Raw)
		checkPrefix(t, int(cut), n, len(b), err, func(n int) error {
			_, _, err := httphead.ParseRequest(b[:n])
			return err
		})

		var s httphead.Scanner
		pieces, m, err2 := s.Request(b[:min(int(cut), len(b))])
		if errors.Is(err2, io.ErrUnexpectedEOF) {
			pieces, m, err2 = s.Request(b)
		}
		checkSame(t, whole, pieces, n, m, err, err2)
		if err != nil {
			return
		}

		first := whole.Append(nil)
		again, k, err := httphead.ParseRequest(first)
		if len(first) > httphead.MaxHeadLen {
			return // a space behind each colon can make it longer than is read
		}
		if err != nil || k != len(first) || again.Oddities&clean != 0 {
			t.Fatalf("reading %q as written: %d, %v, %v", first, k, again.Oddities, err)
		}
		if diff := cmp.Diff(string(first), string(again.Append(nil))); diff != "" {
			t.Errorf("written again (-first +second):\n%s", diff)
		}
		checkLength(t, whole.Fields, again.Fields, whole.Oddities)
	})
}

func FuzzParseResponse(f *testing.F) {
	for _, tt := range responses {
		f.Add([]byte(tt.raw), uint16(len(tt.raw)/2))
	}
	f.Add([]byte("HTTP/1.9 999\n\tx\r\nA : b\r\n c\rd\n:e\nf\r\n\r\nrest"), uint16(9))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		whole, n, err := httphead.ParseResponse(b)
		checkOutcome(t, b, n, err, whole.Raw)
		checkPrefix(t, int(cut), n, len(b), err, func(n int) error {
			_, _, err := httphead.ParseResponse(b[:n])
			return err
		})

		var s httphead.Scanner
		pieces, m, err2 := s.Response(b[:min(int(cut), len(b))])
		if errors.Is(err2, io.ErrUnexpectedEOF) {
			pieces, m, err2 = s.Response(b)
		}
		checkSame(t, whole, pieces, n, m, err, err2)
		if err != nil {
			return
		}

		first := whole.Append(nil)
		again, k, err := httphead.ParseResponse(first)
		if len(first) > httphead.MaxHeadLen {
			return
		}
		if err != nil || k != len(first) || again.Oddities&clean != 0 {
			t.Fatalf("reading %q as written: %d, %v, %v", first, k, again.Oddities, err)
		}
		if diff := cmp.Diff(string(first), string(again.Append(nil))); diff != "" {
			t.Errorf("written again (-first +second):\n%s", diff)
		}
		checkLength(t, whole.Fields, again.Fields, whole.Oddities)
	})
}

// checkOutcome checks that there is exactly one of the documented outcomes.
func checkOutcome(t *testing.T, b []byte, n int, err error, raw string) {
	t.Helper()
	var syntax *httphead.SyntaxError
	switch {
	case err == nil:
		if n <= 0 || n > min(len(b), httphead.MaxHeadLen) || raw != string(b[:n]) {
			t.Fatalf("n = %d, Raw = %q", n, raw)
		}
	case n != 0 || raw != "":
		t.Fatalf("n = %d, Raw = %q besides %v", n, raw, err)
	case errors.As(err, &syntax):
		if syntax.Offset < 0 || syntax.Offset > len(b) || syntax.Section == "" || syntax.Field == "" {
			t.Fatalf("%#v", syntax)
		}
	case !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, httphead.ErrHTTP2Preface):
		t.Fatalf("%v is no documented outcome", err)
	}
}

// checkPrefix checks that the first cut bytes give no verdict that the rest
// would overturn. n is the head's length among all size bytes, if err is nil.
func checkPrefix(t *testing.T, cut, n, size int, err error, parse func(n int) error) {
	t.Helper()
	if cut >= size {
		return
	}
	early := parse(cut)
	switch {
	case errors.Is(early, io.ErrUnexpectedEOF):
		if err == nil && cut >= n {
			t.Fatalf("%d bytes of a head of %d are said to be too few", cut, n)
		}
	case early == nil:
		if err != nil || cut < n {
			t.Fatalf("%d bytes are a head, %d are not: %v", cut, size, err)
		}
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF):
		t.Fatalf("%d bytes give %v, %d bytes %v", cut, early, size, err)
	}
}

func checkSame[T any](t *testing.T, whole, pieces T, n, m int, err, err2 error) {
	t.Helper()
	if diff := cmp.Diff(whole, pieces); diff != "" || n != m {
		t.Fatalf("in pieces n = %d, not %d (-whole +pieces):\n%s", m, n, diff)
	}
	if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
		t.Fatalf("in pieces %v, as a whole %v", err2, err)
	}
}

// checkLength checks that ContentLength, Oddities and Append agree.
func checkLength(t *testing.T, fields, written httphead.Fields, odd httphead.Oddity) {
	t.Helper()
	n, ok, err := fields.ContentLength()
	if (err != nil) != odd.Has(httphead.InvalidLength|httphead.ConflictingLength) {
		t.Fatalf("ContentLength says %v, Oddities say %v", err, odd)
	}
	if odd.Has(httphead.NUL | httphead.BareCR) {
		return // the space in place of these can make the value a number
	}
	m, ok2, err2 := written.ContentLength()
	if n != m || ok != ok2 || (err == nil) != (err2 == nil) {
		t.Fatalf("ContentLength = %d, %v, %v; as written %d, %v, %v", n, ok, err, m, ok2, err2)
	}
	if err == nil && len(written.Values("Content-Length")) > 1 {
		t.Fatalf("written as %q", written.Values("Content-Length"))
	}
}

func FuzzParseAuthority(f *testing.F) {
	for _, s := range []string{"a:443", "10.9.0.1:9443:443", "[::1]:443", "fd09::1:443", "[fe80::1%a]:1:2", "a:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := httphead.ParseAuthority(s)
		if err != nil {
			var syntax *httphead.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset > len(s) || a != (httphead.Authority{}) {
				t.Fatalf("%+v, %#v", a, err)
			}
			return
		}
		if a.Host == "" || (a.Port == 0) != a.Oddities.Has(httphead.MissingPort) || strings.ContainsAny(a.Host, " \r\n/@[]") {
			t.Fatalf("%q: %+v", s, a)
		}
		again, err := httphead.ParseAuthority(a.String())
		a.Oddities &= httphead.MissingPort // String mends the others
		if err != nil || again != a {
			t.Fatalf("%q: %+v, read as written: %+v, %v", s, a, again, err)
		}
	})
}
