package inspect_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"strings"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlskeys"
)

// nested is a session within another one, behind a CONNECT, and its key log.
func nested(t *testing.T, v uint16) (connection, []byte) {
	t.Helper()
	cc, sc := versions(v)
	w, log := newWire(), &bytes.Buffer{}
	a, b := end{w: w, from: inspect.ClientToServer}, end{w: w, from: inspect.ServerToClient}
	say(t, a, b, c("CONNECT vpn.example:443 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\n"))
	outer, outerServer := dial{cc, sc, a, b}.connect(t, log)
	say(t, outer, outerServer, c("CONNECT in.example:443 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\n"))
	inner, innerServer := dial{cc, sc, outer, outerServer}.connect(t, log)
	say(t, inner, innerServer, sstpSession()...)
	return connection{key: ends, start: start, segments: talk(w.segments...)}, log.Bytes()
}

func TestKeyLog(t *testing.T) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(v), func(t *testing.T) {
			conn, log := nested(t, v)
			_, others := nested(t, v)
			keys := keysOf(t, append(others, log...))
			f := feed(newInspector(keys, true), conn)
			wantVerdict(t, f, inspect.VerdictConfirmed, inspect.KindTunnel)
			lines := f.KeyLog()
			for line := range strings.Lines(string(lines)) {
				if !strings.Contains(string(log), line) {
					t.Errorf("%q is of another connection", line)
				}
			}
			if want := map[uint16]int{tls.VersionTLS12: 2, tls.VersionTLS13: 8}[v]; bytes.Count(lines, []byte("\n")) != want {
				t.Errorf("%d lines, want %d:\n%s", bytes.Count(lines, []byte("\n")), want, lines)
			}
			same(t, f, feed(newInspector(keysOf(t, lines), true), conn))

			outer := feed(newInspector(keysOf(t, []byte(firstSession(string(log)))), true), conn)
			if got := outer.KeyLog(); len(got) == 0 || len(got) >= len(lines) || !bytes.HasPrefix(lines, got) {
				t.Errorf("of the outer session alone:\n%s", got)
			}
			wantRules(t, outer, "tls.control_lengths") // of the inner one's records
			for name, keys := range map[string]*tlskeys.Keys{"no keys": nil, "no secrets": {}, "others' secrets": keysOf(t, others)} {
				if got := feed(newInspector(keys, true), conn).KeyLog(); got != nil {
					t.Errorf("%s: %q", name, got)
				}
			}
		})
	}
}

// firstSession is the lines of a key log for its first client random.
func firstSession(log string) string {
	var out strings.Builder
	random := strings.Fields(log)[1]
	for line := range strings.Lines(log) {
		if strings.Contains(line, random) {
			_, _ = io.WriteString(&out, line)
		}
	}
	return out.String()
}
