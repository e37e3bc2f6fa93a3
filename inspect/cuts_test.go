package inspect_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlskeys"
)

// lossless says that a connection was captured from its beginning and whole:
// behind a loss records are searched for, and where they are found may depend
// on the cut.
func lossless(conn connection) bool {
	return !conn.midstream && !slices.ContainsFunc(conn.segments, func(s inspect.Segment) bool { return s.Missing > 0 })
}

// TestCuts wants the same of every capture however its bytes are cut, with
// secrets and without.
func TestCuts(t *testing.T) {
	for _, path := range captures(t, "*/*.pcap") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".pcap"), func(t *testing.T) {
			conns, keys := readCapture(t, path)
			if len(conns) == 0 {
				t.Fatal("no connection in it")
			}
			with := []*tlskeys.Keys{nil}
			if keys != nil {
				with = append(with, keys)
			}
			for _, k := range with {
				for _, conn := range conns {
					testCuts(t, newInspector(k, true), conn)
				}
			}
		})
	}
}

func testCuts(t *testing.T, in *inspect.Inspector, conn connection) {
	t.Helper()
	whole := feed(in, conn)
	if !lossless(conn) {
		for _, n := range []int{1, 100} {
			if a, b := whole.Detection().Verdict, feed(in, cutEvery(conn, n)).Detection().Verdict; a != b {
				t.Errorf("in pieces of %d: %v, not %v", n, b, a)
			}
		}
		return
	}
	for _, n := range []int{1, 5, 536} {
		same(t, whole, feed(in, cutEvery(conn, n)))
	}
	conn = atOnce(conn)
	same(t, feed(in, conn), feed(in, coalesce(conn)))
}

// TestCutAtEveryByte cuts the beginnings of some captures in two, everywhere.
func TestCutAtEveryByte(t *testing.T) {
	for _, name := range []string{
		"positive/ac-tls13-failauth", "positive/se-tls12-repeat-a", "positive/se-tls12-proxy-squid", "negative/plain-http-8080",
	} {
		conns, keys := readCapture(t, captures(t, name+".pcap")[0])
		in := newInspector(keys, true)
		conn := conns[0]
		n := 0
		for i, s := range conn.segments { // the hellos, and some of what follows
			if n += len(s.Data); n > 6000 {
				conn.segments = conn.segments[:i+1]
				break
			}
		}
		whole := feed(in, conn)
		for i, s := range conn.segments {
			for at := 1; at < len(s.Data); at += 1 + len(s.Data)/700 {
				cut := conn
				cut.segments = slices.Concat(conn.segments[:i], []inspect.Segment{
					{Direction: s.Direction, Time: s.Time, Missing: s.Missing, Data: s.Data[:at]},
					{Direction: s.Direction, Time: s.Time, Data: s.Data[at:]},
				}, conn.segments[i+1:])
				same(t, whole, feed(in, cut))
			}
		}
	}
}

// TestOneSided wants a suspicion at most, and no evidence that needs the other
// half.
func TestOneSided(t *testing.T) {
	for _, d := range []inspect.Direction{client, server} {
		conns, _ := readCapture(t, captures(t, "positive/se-tls13-notcpopts-ping.pcap")[0])
		conn := conns[0]
		conn.segments = slices.DeleteFunc(slices.Clone(conn.segments), func(s inspect.Segment) bool { return s.Direction != d })
		f := feed(newInspector(nil, true), conn)
		if hasRule(f, "tls.control_lengths") || hasRule(f, "tls.server_first") {
			t.Errorf("%v: %s", d, dump(f.Detection()))
		}
		if f.Detection().Verdict == inspect.VerdictCleared || f.Detection().Kind == inspect.KindNone {
			t.Errorf("%v: %s", d, dump(f.Detection()))
		}
	}
}
