package export

import (
	"fmt"
	"strings"

	"sstpwarden/inspect"
)

// These write heads as expressions over the bytes of a stream. A parser would
// be better, but SSTP's own Content-Length of 2^64-1 is no number to some, and
// they give no headers then.

// headerLine writes a header with its value, which must stand somewhere in the
// lines that follow.
func headerLine(name, value string) string {
	return `(?=(?:[^\r\n]+\r?\n)*?` + name + `\x3a[ \t]*` + value + `[ \t]*\r?\n)`
}

// rawRequest writes a request's head.
func rawRequest(m *inspect.HeadMatch) string {
	method, target := `[^ \r\n]+`, `[^ \r\n]+`
	if m.Method != nil {
		method = either(m.Method, pcre.text)
	}
	if m.Path != nil {
		target = either(m.Path, pcre.text) + `(?:\?[^ \r\n]*)?`
	}
	b := `(?:^|\n)` + method + " " + target + ` HTTP\/1\.[0-9]\r?\n`
	if m.ContentLength != nil {
		b += headerLine("Content-Length", fmt.Sprintf("0*%d", *m.ContentLength))
	}
	if m.Header != nil {
		b += headerLine(either(m.Header, pcre.loose), headerValue(m))
	}
	return b + headerOrder(m.HeaderOrder)
}

// rawResponse writes a response's head.
func rawResponse(m *inspect.HeadMatch) string {
	status, reason := "[0-9]{3}", `(?: [^\r\n]*)?`
	if m.Status != nil {
		status = statuses(m.Status)
	}
	if m.Reason != nil {
		reason = reasonPhrase(*m.Reason)
	}
	b := `(?:^|\n)HTTP\/1\.[0-9] ` + status + reason + `\r?\n`
	if m.Server != nil {
		b += headerLine("Server", either(m.Server, pcre.glob))
	}
	return b + headerOrder(m.ResponseOrder)
}

func reasonPhrase(reason string) string {
	if reason == "" {
		return " ?"
	}
	return " (?-i:" + pcre.text(reason) + ")"
}

// headerOrder writes a whole list of headers.
func headerOrder(list []string) string {
	if list == nil {
		return ""
	}
	return either(list, func(s string) string {
		var b strings.Builder
		for _, name := range order(s) {
			b.WriteString("(?-i:" + pcre.text(name) + `)\x3a[^\r\n]*\r?\n`)
		}
		return b.String() + `\r?\n`
	})
}

// headerValue writes the value of a header, any where none is asked for.
func headerValue(m *inspect.HeadMatch) string {
	value := `[^\r\n]*?`
	if m.Value != nil {
		value = either(m.Value, pcre.glob)
	}
	if m.ValueLength != nil {
		var lengths []string
		for _, l := range m.ValueLength {
			lengths = append(lengths, `[^\r\n]`+repeat(l))
		}
		value = `(?=(?:` + strings.Join(lengths, "|") + `)[ \t]*\r?\n)` + value
	}
	return value
}
