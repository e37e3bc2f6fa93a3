package httphead_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/httphead"
)

func TestAuthority(t *testing.T) {
	for _, tt := range []struct {
		s    string
		want httphead.Authority
		text string // of String, if not s
	}{
		{"vpn.example.test:443", httphead.Authority{Host: "vpn.example.test", Port: 443}, ""},
		{"VPN.example.test.:65535", httphead.Authority{Host: "VPN.example.test.", Port: 65535}, ""},
		{"10.9.0.1:1", httphead.Authority{Host: "10.9.0.1", Port: 1}, ""},
		{"a_b-c~%41!:80", httphead.Authority{Host: "a_b-c~%41!", Port: 80}, ""},
		{"bücher.example:443", httphead.Authority{Host: "bücher.example", Port: 443}, ""},
		{"a:00443", httphead.Authority{Host: "a", Port: 443}, "a:443"},
		{"[2001:db8::1]:443", httphead.Authority{Host: "2001:db8::1", Port: 443}, ""},
		{"[fe80::1%eth0]:443", httphead.Authority{Host: "fe80::1%eth0", Port: 443}, ""},
		{"[::ffff:10.9.0.1]:443", httphead.Authority{Host: "::ffff:10.9.0.1", Port: 443}, ""},
		{"a", httphead.Authority{Host: "a", Oddities: httphead.MissingPort}, ""},
		{"a:", httphead.Authority{Host: "a", Oddities: httphead.MissingPort}, "a"},
		{"[::1]", httphead.Authority{Host: "::1", Oddities: httphead.MissingPort}, ""},
		{"[::1]:", httphead.Authority{Host: "::1", Oddities: httphead.MissingPort}, "[::1]"},
		{"10.9.0.1:9443:443", httphead.Authority{Host: "10.9.0.1", Port: 9443, Oddities: httphead.DoublePort}, "10.9.0.1:9443"},
		{"[::1]:9443:443", httphead.Authority{Host: "::1", Port: 9443, Oddities: httphead.DoublePort}, "[::1]:9443"},
		{
			"2001:db8::1:443",
			httphead.Authority{Host: "2001:db8::1", Port: 443, Oddities: httphead.UnbracketedIPv6},
			"[2001:db8::1]:443",
		},
		{
			"1:2:3:4:5:6:7:8:443",
			httphead.Authority{Host: "1:2:3:4:5:6:7:8", Port: 443, Oddities: httphead.UnbracketedIPv6},
			"[1:2:3:4:5:6:7:8]:443",
		},
		{"::1:443", httphead.Authority{Host: "::1", Port: 443, Oddities: httphead.UnbracketedIPv6}, "[::1]:443"},
		{
			"2001:db8::443",
			httphead.Authority{Host: "2001:db8::443", Oddities: httphead.UnbracketedIPv6 | httphead.MissingPort},
			"[2001:db8::443]",
		},
		{
			"fd09::1:beef",
			httphead.Authority{Host: "fd09::1:beef", Oddities: httphead.UnbracketedIPv6 | httphead.MissingPort},
			"[fd09::1:beef]",
		},
		{"::", httphead.Authority{Host: "::", Oddities: httphead.UnbracketedIPv6 | httphead.MissingPort}, "[::]"},
	} {
		t.Run(tt.s, func(t *testing.T) {
			got, err := httphead.ParseAuthority(tt.s)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseAuthority (-want +got):\n%s", diff)
			}
			text := tt.text
			if text == "" {
				text = tt.s
			}
			if got.String() != text {
				t.Errorf("String = %q, want %q", got, text)
			}
		})
	}
}

func TestAuthorityErrors(t *testing.T) {
	for _, tt := range []struct {
		s      string
		field  string
		offset int
	}{
		{"", "host", 0},
		{":443", "host", 0},
		{"a b:443", "host", 1},
		{"user@a:443", "host", 4},
		{"a/b", "host", 1},
		{"a\x00:443", "host", 1},
		{"http://a:443/", "port", 4},
		{"a:0", "port", 1},
		{"a:65536", "port", 1},
		{"a:+443", "port", 1},
		{"a:https", "port", 1},
		{"g::443", "port", 1},
		{"a:443:", "port", 1},
		{"a:443:0", "port", 1},
		{"a:1:2:3", "port", 1},
		{"[::1", "host", 0},
		{"[]:443", "host", 0},
		{"[a]:443", "host", 0},
		{"[10.9.0.1]:443", "host", 0},
		{"[::1]443", "port", 5},
		{"[::1]x:443", "port", 5},
		{"[fe80::1%e/0]:443", "host", 10},
	} {
		t.Run(tt.s, func(t *testing.T) {
			got, err := httphead.ParseAuthority(tt.s)
			var syntax *httphead.SyntaxError
			if !errors.As(err, &syntax) || syntax.Field != tt.field || syntax.Offset != tt.offset {
				t.Errorf("ParseAuthority = %+v, %v; want an error in %s at %d", got, err, tt.field, tt.offset)
			}
			if got != (httphead.Authority{}) {
				t.Errorf("ParseAuthority = %+v besides the error", got)
			}
		})
	}
}
