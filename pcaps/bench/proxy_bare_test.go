package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadHead(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"CONNECT a:1 HTTP/1.1\r\n\r\n", nil},
		{"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", nil},
		{"CONNECT a:1 HTTP/1.1\r\n", io.EOF},
		{"", io.EOF},
		{"CONNECT a:1 HTTP/1.1\r\n\r\nmore", errHead},
		{strings.Repeat("x", 2<<10), errHead},
	} {
		got, err := readHead(strings.NewReader(c.in))
		if !errors.Is(err, c.want) || (err == nil && string(got) != c.in) {
			t.Errorf("%.40q: %q, %v", c.in, got, err)
		}
		if c.want == nil {
			if got, err = readHead(iotest.OneByteReader(strings.NewReader(c.in))); err != nil || string(got) != c.in {
				t.Errorf("%.40q byte by byte: %q, %v", c.in, got, err)
			}
		}
	}
}

func TestConnect(t *testing.T) {
	for _, c := range []struct{ answer, wrong string }{
		{"HTTP/1.1 200 OK\r\n\r\n", ""},
		{"HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n", ""},
		{"HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden"},
		{"HTTP/1.1\r\n\r\n", "HTTP/1.1"},
		{"", "EOF"},
	} {
		var said strings.Builder
		err := connect(struct {
			io.Reader
			io.Writer
		}{strings.NewReader(c.answer), &said}, "127.0.0.1:7")
		if (err == nil) != (c.wrong == "") || (err != nil && !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%q: error %v", c.answer, err)
		}
		if !strings.HasPrefix(said.String(), "CONNECT 127.0.0.1:7 HTTP/1.1\r\n") {
			t.Errorf("said %q", said.String())
		}
	}
}

func TestExchanged(t *testing.T) {
	for answer, wrong := range map[string]bool{
		strings.Repeat("0123456789", 10): false,
		strings.Repeat("x", 100):         true,
		"0123456789":                     true,
	} {
		err := exchanged(struct {
			io.Reader
			io.Writer
		}{strings.NewReader(answer), io.Discard})
		if (err != nil) != wrong {
			t.Errorf("%q: error %v", answer, err)
		}
	}
}
