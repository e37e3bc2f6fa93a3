package httphead_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/httphead"
)

func TestRequestOddities(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: a\r\n"
	for _, tt := range []struct {
		name   string
		b      string // without the empty line
		want   httphead.Oddity
		refuse httphead.Oddity
	}{
		{"none", get, 0, 0},
		{"empty line first", "\r\n" + get, httphead.LeadingEmptyLine, 0},
		{"bare LF", "GET / HTTP/1.1\r\nHost: a\n", httphead.BareLF, 0},
		{"bare LF in the request line", "GET / HTTP/1.1\nHost: a\r\n", httphead.BareLF, 0},
		{"bare CR in a value", get + "A: b\rC: d\r\n", httphead.BareCR, httphead.BareCR},
		{"bare CR in a name", get + "A\rC: d\r\n", httphead.BareCR | httphead.InvalidFieldName, httphead.BareCR | httphead.InvalidFieldName},
		{"CR CR LF", get + "\r\r\n", httphead.BareCR | httphead.MissingColon, httphead.BareCR | httphead.MissingColon},
		{"NUL", get + "A: b\x00\r\n", httphead.NUL, httphead.NUL},
		{"vertical tab", get + "A: b\v\r\n", httphead.ControlChar, 0},
		{"DEL", get + "A: b\x7f\r\n", httphead.ControlChar, 0},
		{"tab in a value", get + "A: b\tc\r\n", 0, 0},
		{"UTF-8 in a value", get + "A: é\r\n", httphead.NonASCII, 0},
		{"UTF-8 in the target", "GET /é HTTP/1.1\r\nHost: a\r\n", httphead.NonASCII, 0},
		{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n", httphead.RequestLineSpace, httphead.RequestLineSpace},
		{"tab for space", "GET\t/ HTTP/1.1\r\nHost: a\r\n", httphead.RequestLineSpace, httphead.RequestLineSpace},
		{"tab before version", "GET /\tHTTP/1.1\r\nHost: a\r\n", httphead.RequestLineSpace, httphead.RequestLineSpace},
		{"space behind version", "GET / HTTP/1.1 \r\nHost: a\r\n", httphead.RequestLineSpace, httphead.RequestLineSpace},
		{"space in target", "GET /a b HTTP/1.1\r\nHost: a\r\n", httphead.SpaceInTarget, httphead.SpaceInTarget},
		{"two versions", "GET / HTTP/1.0 HTTP/1.1\r\nHost: a\r\n", httphead.SpaceInTarget, httphead.SpaceInTarget},
		{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n", 0, 0},
		{"absolute target", "GET http://a/ HTTP/1.1\r\nHost: a\r\n", 0, 0},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n", 0, 0},
		{"asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n", httphead.InvalidTarget, httphead.InvalidTarget},
		{"relative target", "GET a HTTP/1.1\r\nHost: a\r\n", httphead.InvalidTarget, httphead.InvalidTarget},
		{"invalid scheme", "GET 1http://a HTTP/1.1\r\nHost: a\r\n", httphead.InvalidTarget, httphead.InvalidTarget},
		{"invalid scheme character", "GET h_p://a HTTP/1.1\r\nHost: a\r\n", httphead.InvalidTarget, httphead.InvalidTarget},
		{"CONNECT to a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n", httphead.InvalidTarget, httphead.InvalidTarget},
		{"CONNECT without port", "CONNECT a HTTP/1.1\r\nHost: a\r\n", httphead.MissingPort, httphead.MissingPort},
		{"CONNECT with two ports", "CONNECT a:1:443 HTTP/1.1\r\nHost: a\r\n", httphead.DoublePort, 0},
		{"CONNECT to bare IPv6", "CONNECT fd09::1:443 HTTP/1.1\r\nHost: [fd09::1]\r\n", httphead.UnbracketedIPv6, 0},
		{"space before first field", "GET / HTTP/1.1\r\n A: b\r\nHost: a\r\n", httphead.SpaceBeforeFields, httphead.SpaceBeforeFields},
		{"fold", get + "A: b\r\n c\r\n", httphead.ObsFold, httphead.ObsFold},
		{"line of a space", get + " \r\n", httphead.ObsFold, httphead.ObsFold},
		{"space before colon", get + "A : b\r\n", httphead.SpaceBeforeColon, httphead.SpaceBeforeColon},
		{"tab before colon", get + "A\t: b\r\n", httphead.SpaceBeforeColon, httphead.SpaceBeforeColon},
		{"space in name", get + "A b: c\r\n", httphead.InvalidFieldName, httphead.InvalidFieldName},
		{"no name", get + ": c\r\n", httphead.InvalidFieldName, httphead.InvalidFieldName},
		{"no colon", get + "A\r\n", httphead.MissingColon, httphead.MissingColon},
		{"no Host", "GET / HTTP/1.1\r\n", httphead.MissingHost, httphead.MissingHost},
		{"no Host in HTTP/1.0", "GET / HTTP/1.0\r\n", 0, 0},
		{"no Host in CONNECT", "CONNECT a:443 HTTP/1.1\r\n", httphead.MissingHost, 0},
		{"two Hosts", get + "host: a\r\n", httphead.DuplicateHost, httphead.DuplicateHost},
		{"Host of two words", "GET / HTTP/1.1\r\nHost: a b\r\n", httphead.InvalidHost, httphead.InvalidHost},
		{"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n", httphead.InvalidHost, httphead.InvalidHost},
		{"Host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n", httphead.InvalidHost, httphead.InvalidHost},
		{"empty Host", "GET / HTTP/1.1\r\nHost:\r\n", 0, 0},
		{"bare IPv6 in Host", "GET / HTTP/1.1\r\nHost: fd09::1\r\n", httphead.UnbracketedIPv6, 0},
		{"SSTP's length", get + "Content-Length: 18446744073709551615\r\n", 0, 0},
		{"length twice the same", get + "Content-Length: 5\r\ncontent-length: 05\r\n", httphead.RepeatedLength, 0},
		{"length as a list", get + "Content-Length: 5, 5\r\n", httphead.RepeatedLength, 0},
		{"lengths in conflict", get + "Content-Length: 5\r\nContent-Length: 6\r\n", httphead.ConflictingLength, httphead.ConflictingLength},
		{"list in conflict", get + "Content-Length: 5, 5, 6\r\n", httphead.RepeatedLength | httphead.ConflictingLength, httphead.ConflictingLength},
		{"length too large", get + "Content-Length: 18446744073709551616\r\n", httphead.InvalidLength, httphead.InvalidLength},
		{"signed length", get + "Content-Length: +5\r\n", httphead.InvalidLength, httphead.InvalidLength},
		{"folded length", get + "Content-Length: 5\r\n 0\r\n", httphead.ObsFold | httphead.InvalidLength, httphead.ObsFold | httphead.InvalidLength},
		{"chunked", get + "Transfer-Encoding: gzip, Chunked\r\n", 0, 0},
		{"chunked and length", get + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", httphead.LengthAndEncoding, httphead.LengthAndEncoding},
		{"chunked and bad length", get + "Content-Length: x\r\nTransfer-Encoding: chunked\r\n", httphead.LengthAndEncoding | httphead.InvalidLength, httphead.LengthAndEncoding | httphead.InvalidLength},
		{"chunked not last", get + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", httphead.InvalidEncoding, httphead.InvalidEncoding},
		{"not chunked", get + "Transfer-Encoding: gzip\r\n", httphead.InvalidEncoding, httphead.InvalidEncoding},
		{"chunked twice", get + "Transfer-Encoding: chunked, chunked\r\n", httphead.InvalidEncoding, httphead.InvalidEncoding},
		{"almost chunked", get + "Transfer-Encoding: xchunked\r\n", httphead.InvalidEncoding, httphead.InvalidEncoding},
		{"hidden chunked", get + "Transfer-Encoding: \vchunked\r\n", httphead.ControlChar | httphead.InvalidEncoding, httphead.InvalidEncoding},
		{"chunked with a parameter", get + "Transfer-Encoding: chunked;a=b\r\n", httphead.InvalidEncoding, httphead.InvalidEncoding},
		{"empty encoding", get + "Transfer-Encoding:\r\n", httphead.InvalidEncoding, httphead.InvalidEncoding},
		{"chunked in HTTP/1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", httphead.InvalidEncoding, httphead.InvalidEncoding},
		{"encoding before colon", get + "Transfer-Encoding : chunked\r\n", httphead.SpaceBeforeColon, httphead.SpaceBeforeColon},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, n, err := httphead.ParseRequest([]byte(tt.b + "\r\n"))
			if err != nil || n != len(tt.b)+2 {
				t.Fatalf("ParseRequest = %d, %v", n, err)
			}
			if r.Oddities != tt.want {
				t.Errorf("Oddities = %v, want %v", r.Oddities, tt.want)
			}
			if got := r.MustRefuse(); got != tt.refuse {
				t.Errorf("MustRefuse = %v, want %v", got, tt.refuse)
			}
		})
	}
}

func TestResponseOddities(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name   string
		b      string
		want   httphead.Oddity
		refuse httphead.Oddity
	}{
		{"UTF-8 in the reason", "HTTP/1.1 200 é\r\n", httphead.NonASCII, 0},
		{"bare LF and no reason", "HTTP/1.1 200\n", httphead.BareLF | httphead.MissingReasonSpace, 0},
		{"space before colon", ok + "A : b\r\n", httphead.SpaceBeforeColon, 0},
		{"two Hosts", ok + "Host: a\r\nHost: b\r\n", 0, 0},
		{"not chunked", ok + "Transfer-Encoding: gzip\r\n", 0, 0},
		{"chunked not last", ok + "Transfer-Encoding: chunked, gzip\r\n", httphead.InvalidEncoding, httphead.InvalidEncoding},
		{"chunked and length", ok + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", httphead.LengthAndEncoding, httphead.LengthAndEncoding},
		{"conflict", ok + "Content-Length: 5, 6\r\n", httphead.ConflictingLength, httphead.ConflictingLength},
		{"fold", ok + "A: b\r\n\tc\r\n", httphead.ObsFold, httphead.ObsFold},
		{"NUL", ok + "A: \x00\r\n", httphead.NUL, httphead.NUL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, n, err := httphead.ParseResponse([]byte(tt.b + "\r\n"))
			if err != nil || n != len(tt.b)+2 {
				t.Fatalf("ParseResponse = %d, %v", n, err)
			}
			if r.Oddities != tt.want {
				t.Errorf("Oddities = %v, want %v", r.Oddities, tt.want)
			}
			if got := r.MustRefuse(); got != tt.refuse {
				t.Errorf("MustRefuse = %v, want %v", got, tt.refuse)
			}
		})
	}
}

func TestOddityString(t *testing.T) {
	all := httphead.UnbracketedIPv6<<1 - 1
	for _, tt := range []struct {
		o    httphead.Oddity
		want string
	}{
		{0, ""},
		{httphead.LeadingEmptyLine, "LeadingEmptyLine"},
		{httphead.BareLF | httphead.UnbracketedIPv6, "BareLF|UnbracketedIPv6"},
		{httphead.ConflictingLength | 1<<31, "ConflictingLength|0x80000000"},
		{1 << 30, "0x40000000"},
	} {
		if diff := cmp.Diff(tt.want, tt.o.String()); diff != "" {
			t.Errorf("String (-want +got):\n%s", diff)
		}
	}
	if o := httphead.NUL; !o.Has(httphead.NUL|httphead.BareCR) || o.Has(httphead.BareCR) || o.Has(0) {
		t.Errorf("Has of %v is wrong", o)
	}
	if got := strings.Count(all.String(), "|"); got != 25 || strings.Contains(all.String(), "0x") {
		t.Errorf("not every oddity has a name: %v", all)
	}
}
