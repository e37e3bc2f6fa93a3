package httphead_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/httphead"
)

func TestRequestErrors(t *testing.T) {
	longMethod := strings.Repeat("M", httphead.MaxMethodLen)
	for _, tt := range []struct {
		name string
		b    string
		want *httphead.SyntaxError
		text string
	}{
		{
			"TLS", "\x16\x03\x01",
			&httphead.SyntaxError{Section: "RFC 9112, Section 3.1", Field: "method", Value: byte(0x16)},
			`httphead: invalid method at offset 0: 0x16 (RFC 9112, Section 3.1)`,
		},
		{
			"SSH", "SSH-2.0-OpenSSH_9.2p1\r",
			&httphead.SyntaxError{Section: "RFC 9112, Section 3.1", Field: "method", Offset: 21, Value: byte('\r')},
			`httphead: invalid method at offset 21: 0x0d (RFC 9112, Section 3.1)`,
		},
		{
			"SSH with a comment", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
			&httphead.SyntaxError{Section: "RFC 9112, Section 2.3", Field: "HTTP-version", Offset: 22, Value: "Debian-2"},
			`httphead: invalid HTTP-version at offset 22: "Debian-2" (RFC 9112, Section 2.3)`,
		},
		{
			"a response", "HTTP/",
			&httphead.SyntaxError{Section: "RFC 9112, Section 3.1", Field: "method", Offset: 4, Value: byte('/')},
			`httphead: invalid method at offset 4: 0x2f (RFC 9112, Section 3.1)`,
		},
		{
			"space first", " GET",
			&httphead.SyntaxError{Section: "RFC 9112, Section 3.1", Field: "method", Value: byte(' ')},
			`httphead: invalid method at offset 0: 0x20 (RFC 9112, Section 3.1)`,
		},
		{
			"a word too long", longMethod + "M",
			&httphead.SyntaxError{Section: "RFC 9112, Section 3.1", Field: "method", Offset: 32, Value: byte('M')},
			`httphead: invalid method at offset 32: 0x4d (RFC 9112, Section 3.1)`,
		},
		{
			"HTTP/0.9", "GET /\r\n",
			&httphead.SyntaxError{Section: "RFC 9112, Section 2.3", Field: "HTTP-version", Offset: 4, Value: "/"},
			`httphead: invalid HTTP-version at offset 4: "/" (RFC 9112, Section 2.3)`,
		},
		{
			"one word", "GET \r\n",
			&httphead.SyntaxError{Section: "RFC 9112, Section 2.3", Field: "HTTP-version", Offset: 3, Value: ""},
			`httphead: invalid HTTP-version at offset 3: "" (RFC 9112, Section 2.3)`,
		},
		{
			"HTTP/2.0", "GET / HTTP/2.0\r\n",
			&httphead.SyntaxError{Section: "RFC 9112, Section 2.3", Field: "HTTP-version", Offset: 6, Value: "HTTP/2.0"},
			`httphead: invalid HTTP-version at offset 6: "HTTP/2.0" (RFC 9112, Section 2.3)`,
		},
		{
			"minor version of two digits", "GET / HTTP/1.10\n",
			&httphead.SyntaxError{Section: "RFC 9112, Section 2.3", Field: "HTTP-version", Offset: 6, Value: "HTTP/1.10"},
			`httphead: invalid HTTP-version at offset 6: "HTTP/1.10" (RFC 9112, Section 2.3)`,
		},
		{
			"lower case version", "GET / http/1.1\n",
			&httphead.SyntaxError{Section: "RFC 9112, Section 2.3", Field: "HTTP-version", Offset: 6, Value: "http/1.1"},
			`httphead: invalid HTTP-version at offset 6: "http/1.1" (RFC 9112, Section 2.3)`,
		},
		{
			"a long last word", "a b " + strings.Repeat("c", 100) + "\n",
			&httphead.SyntaxError{
				Section: "RFC 9112, Section 2.3", Field: "HTTP-version", Offset: 4, Value: strings.Repeat("c", 64),
			},
			`httphead: invalid HTTP-version at offset 4: "` + strings.Repeat("c", 64) + `" (RFC 9112, Section 2.3)`,
		},
		{
			"no target", "GET  HTTP/1.1\r\n",
			&httphead.SyntaxError{Section: "RFC 9112, Section 3.2", Field: "request-target", Offset: 5, Value: ""},
			`httphead: invalid request-target at offset 5: "" (RFC 9112, Section 3.2)`,
		},
		{
			"NUL in the target", "GET /\x00",
			&httphead.SyntaxError{Section: "RFC 9112, Section 3", Field: "request-line", Offset: 5, Value: byte(0)},
			`httphead: invalid request-line at offset 5: 0x00 (RFC 9112, Section 3)`,
		},
		{
			"DEL in the target", "GET /\x7f",
			&httphead.SyntaxError{Section: "RFC 9112, Section 3", Field: "request-line", Offset: 5, Value: byte(0x7f)},
			`httphead: invalid request-line at offset 5: 0x7f (RFC 9112, Section 3)`,
		},
		{
			"bare CR in the request line", "GET / HTTP/1.1\r\r\n",
			&httphead.SyntaxError{Section: "RFC 9112, Section 3", Field: "request-line", Offset: 14, Value: byte('\r')},
			`httphead: invalid request-line at offset 14: 0x0d (RFC 9112, Section 3)`,
		},
		{
			"bare CR first", "\rGET",
			&httphead.SyntaxError{Section: "RFC 9112, Section 2.2", Field: "empty line", Offset: 1, Value: byte('G')},
			`httphead: invalid empty line at offset 1: 0x47 (RFC 9112, Section 2.2)`,
		},
		{
			"two bare CRs first", "\r\rGET",
			&httphead.SyntaxError{Section: "RFC 9112, Section 2.2", Field: "empty line", Offset: 1, Value: byte('\r')},
			`httphead: invalid empty line at offset 1: 0x0d (RFC 9112, Section 2.2)`,
		},
		{
			"too many empty lines", "\r\n\n\r\n\n\r\n",
			&httphead.SyntaxError{
				Section: "RFC 9112, Section 2.2", Field: "empty lines before the request line", Offset: 6, Value: 4,
			},
			`httphead: empty lines before the request line at offset 6: more than 4 (RFC 9112, Section 2.2)`,
		},
		{
			"too many field lines", "GET / HTTP/1.1\r\n" + strings.Repeat("a:b\n", httphead.MaxFields+1),
			&httphead.SyntaxError{
				Section: "RFC 9110, Section 5.4", Field: "field lines", Offset: 16 + 4*256, Value: 256,
			},
			`httphead: field lines at offset 1040: more than 256 (RFC 9110, Section 5.4)`,
		},
		{
			"too long a request line", "GET /" + strings.Repeat("a", httphead.MaxHeadLen-5),
			&httphead.SyntaxError{
				Section: "RFC 9110, Section 5.4", Field: "head length", Offset: 65536, Value: 65536,
			},
			`httphead: head length at offset 65536: more than 65536 (RFC 9110, Section 5.4)`,
		},
		{
			"too long a field", "GET / HTTP/1.1\r\nA:" + strings.Repeat(" ", httphead.MaxHeadLen) + "\r\n\r\n",
			&httphead.SyntaxError{
				Section: "RFC 9110, Section 5.4", Field: "head length", Offset: 65536, Value: 65536,
			},
			`httphead: head length at offset 65536: more than 65536 (RFC 9110, Section 5.4)`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, n, err := httphead.ParseRequest([]byte(tt.b))
			checkSyntaxError(t, n, err, tt.want, tt.text)
		})
	}
}

func TestResponseErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    string
		want *httphead.SyntaxError
		text string
	}{
		{
			"TLS", "\x16",
			&httphead.SyntaxError{Section: "RFC 9112, Section 4", Field: "HTTP-version", Value: byte(0x16)},
			`httphead: invalid HTTP-version at offset 0: 0x16 (RFC 9112, Section 4)`,
		},
		{
			"empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n",
			&httphead.SyntaxError{Section: "RFC 9112, Section 4", Field: "HTTP-version", Value: byte('\r')},
			`httphead: invalid HTTP-version at offset 0: 0x0d (RFC 9112, Section 4)`,
		},
		{
			"HTTP/2", "HTTP/2",
			&httphead.SyntaxError{Section: "RFC 9112, Section 4", Field: "HTTP-version", Offset: 5, Value: byte('2')},
			`httphead: invalid HTTP-version at offset 5: 0x32 (RFC 9112, Section 4)`,
		},
		{
			"no minor version", "HTTP/1. ",
			&httphead.SyntaxError{Section: "RFC 9112, Section 4", Field: "HTTP-version", Offset: 7, Value: byte(' ')},
			`httphead: invalid HTTP-version at offset 7: 0x20 (RFC 9112, Section 4)`,
		},
		{
			"no space before the code", "HTTP/1.1\t200",
			&httphead.SyntaxError{Section: "RFC 9112, Section 4", Field: "HTTP-version", Offset: 8, Value: byte('\t')},
			`httphead: invalid HTTP-version at offset 8: 0x09 (RFC 9112, Section 4)`,
		},
		{
			"two digits", "HTTP/1.1 20 OK",
			&httphead.SyntaxError{Section: "RFC 9112, Section 4", Field: "status-code", Offset: 11, Value: byte(' ')},
			`httphead: invalid status-code at offset 11: 0x20 (RFC 9112, Section 4)`,
		},
		{
			"four digits", "HTTP/1.1 2000",
			&httphead.SyntaxError{Section: "RFC 9112, Section 4", Field: "status-code", Offset: 12, Value: byte('0')},
			`httphead: invalid status-code at offset 12: 0x30 (RFC 9112, Section 4)`,
		},
		{
			"bare CR behind the code", "HTTP/1.1 200\r\r\n",
			&httphead.SyntaxError{Section: "RFC 9112, Section 4", Field: "status-line", Offset: 12, Value: byte('\r')},
			`httphead: invalid status-line at offset 12: 0x0d (RFC 9112, Section 4)`,
		},
		{
			"NUL in the reason", "HTTP/1.1 200 O\x00K",
			&httphead.SyntaxError{Section: "RFC 9112, Section 4", Field: "status-line", Offset: 14, Value: byte(0)},
			`httphead: invalid status-line at offset 14: 0x00 (RFC 9112, Section 4)`,
		},
		{
			"too long a head", "HTTP/1.1 200 OK\r\n" + strings.Repeat("a", httphead.MaxHeadLen),
			&httphead.SyntaxError{
				Section: "RFC 9110, Section 5.4", Field: "head length", Offset: 65536, Value: 65536,
			},
			`httphead: head length at offset 65536: more than 65536 (RFC 9110, Section 5.4)`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, n, err := httphead.ParseResponse([]byte(tt.b))
			checkSyntaxError(t, n, err, tt.want, tt.text)
		})
	}
}

func checkSyntaxError(t *testing.T, n int, err error, want *httphead.SyntaxError, text string) {
	t.Helper()
	var got *httphead.SyntaxError
	if !errors.As(err, &got) || n != 0 {
		t.Fatalf("n = %d, err = %v, want 0 and a *SyntaxError", n, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SyntaxError (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(text, err.Error()); diff != "" {
		t.Errorf("Error() (-want +got):\n%s", diff)
	}
}

// TestLimits checks the largest head of each kind that is still read.
func TestLimits(t *testing.T) {
	head := "GET / HTTP/1.1\r\nHost: a\r\nB: "
	for name, b := range map[string]string{
		"MaxHeadLen":   head + strings.Repeat("b", httphead.MaxHeadLen-len(head)-4) + "\r\n\r\n",
		"MaxFields":    "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("a:b\r\n", httphead.MaxFields-1) + "\r\n",
		"MaxMethodLen": strings.Repeat("M", httphead.MaxMethodLen) + " / HTTP/1.1\r\nHost: a\r\n\r\n",
		"empty lines":  "\n\r\n\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		r, n, err := httphead.ParseRequest([]byte(b))
		if err != nil || n != len(b) || r.MustRefuse() != 0 {
			t.Errorf("%s: n = %d of %d, MustRefuse = %v, err = %v", name, n, len(b), r.MustRefuse(), err)
		}
		if _, _, err := httphead.ParseRequest([]byte(b[:len(b)-1])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: one byte less: %v", name, err)
		}
	}
}

// The preface is RFC 9113, Section 3.4.
func TestHTTP2Preface(t *testing.T) {
	const line = "PRI * HTTP/2.0\r\n"
	_, n, err := httphead.ParseRequest([]byte(line + "\r\nSM\r\n\r\n"))
	if !errors.Is(err, httphead.ErrHTTP2Preface) || n != 0 {
		t.Errorf("n = %d, err = %v", n, err)
	}
	for i := range line {
		if _, _, err := httphead.ParseRequest([]byte(line[:i])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
}
