package inspect_test

import (
	"slices"
	"strings"
	"testing"

	"sstpwarden/inspect"
)

// inRecords cuts a ClientHello's record into records of n bytes.
func inRecords(hello string, n int) (out string) {
	for body := range slices.Chunk([]byte(hello[5:]), n) {
		out += string(record(22, body))
	}
	return out
}

// TestTLSBehindOther finds TLS behind what comes in front of it, whoever speaks,
// and judges it by itself.
func TestTLSBehindOther(t *testing.T) {
	client := hello()
	for name, segments := range map[string][]inspect.Segment{
		"greeting":           {s("220 hello\r\n"), c(client)},
		"STARTTLS":           {s("220 hello\r\n"), c("EHLO x\r\n"), s("250-y\r\n250 STARTTLS\r\n"), c("STARTTLS\r\n"), s("220 go\r\n"), c(client)},
		"PostgreSQL":         {c("\x00\x00\x00\x08\x04\xd2\x16\x2f"), s("S"), c(client)},
		"MySQL":              {s("J\x00\x00\x00\x0a8.0\x00"), c("\x20\x00\x00\x01"+strings.Repeat("\x16\x03", 16), client)},
		"small records":      {s("220 hello\r\n"), c(inRecords(client, 1))},
		"small records of 3": {c("\x16\x16\x03"), s("x"), c(inRecords(client, 3))},
		"long":               {s(strings.Repeat("x", 8<<10)), c(strings.Repeat("y\n", 3<<10)), c(client)},
		"in a CONNECT":       {c("CONNECT a:25 HTTP/1.1\r\n\r\n"), s(agreed), s("220 hello\r\n"), c(client)},
	} {
		t.Run(name, func(t *testing.T) {
			f := inspectTalk(t, segments...)
			o := f.Observation()
			if o.TLS == nil || !o.TLS.Hello || o.Protocol == "other" {
				t.Fatal(dump(o))
			}
			if f.Settled() || f.Detection().Verdict != inspect.VerdictUndetermined {
				t.Errorf("settled %v: %s", f.Settled(), dump(f.Detection()))
			}
		})
	}
}

// TestOtherSettles lets go of what shows no TLS, by bytes.
func TestOtherSettles(t *testing.T) {
	short := inspectTalk(t, s("SSH-2.0-y\r\n"), c("SSH-2.0-x\r\n"))
	wantVerdict(t, short, inspect.VerdictCleared, inspect.KindNone)
	if short.Settled() {
		t.Error("settled where TLS may follow")
	}
	for _, segments := range [][]inspect.Segment{
		{s("220 hello\r\n"), c(strings.Repeat("x", 16<<10)), c(hello())},
		{c("SSH-2.0-x\r\n"), s(strings.Repeat("\x16\x03\x01", 6<<10)), c(hello())},
		{c("SSH-2.0-x\r\n", strings.Repeat("\x16\x03\x01\x00", 4<<10)), c(hello())},
	} {
		f := inspectTalk(t, segments...)
		wantVerdict(t, f, inspect.VerdictCleared, inspect.KindNone)
		if !f.Settled() || f.Observation().TLS != nil {
			t.Errorf("settled %v: %s", f.Settled(), dump(f.Observation()))
		}
	}
}
