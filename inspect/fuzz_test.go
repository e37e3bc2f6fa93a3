package inspect_test

import (
	"bytes"
	"crypto/tls"
	"runtime"
	"slices"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/rules"
)

// script makes segments of bytes: one that says who sends, how many bytes
// follow and whether some are missing in front, and those.
func script(b []byte) (out []inspect.Segment) {
	for len(b) > 0 && len(out) < 1000 {
		head := b[0]
		n := min(int(head>>2)*4, len(b)-1)
		seg := inspect.Segment{Direction: client, Data: b[1 : 1+n]}
		if head&1 != 0 {
			seg.Direction = server
		}
		if head&2 != 0 && n > 0 {
			seg.Missing, seg.Data = int(b[1]), b[2:1+n]
		}
		out = append(out, seg)
		b = b[1+n:]
	}
	return talk(out...)
}

// inScript is the opposite of script, for segments that lose nothing.
func inScript(segments []inspect.Segment) (b []byte) {
	for _, s := range segments {
		for piece := range slices.Chunk(s.Data, 252) {
			for len(piece)%4 != 0 {
				head := byte(0)
				if s.Direction == server {
					head = 1
				}
				n := len(piece) / 4 * 4
				if n == 0 {
					break
				}
				b = append(append(b, head|byte(n/4<<2)), piece[:n]...)
				piece = piece[n:]
			}
			head := byte((len(piece) + 3) / 4 << 2)
			if s.Direction == server {
				head |= 1
			}
			b = append(append(append(b, head), piece...), make([]byte, (4-len(piece)%4)%4)...)
		}
	}
	return b
}

// checkFlow feeds segments behind a prefix and wants a flow that holds
// together, and the same one again.
func checkFlow(t *testing.T, in *inspect.Inspector, segments []inspect.Segment) {
	t.Helper()
	conn := connection{key: ends, start: start, segments: segments}
	f := feed(in, conn)
	d := f.Detection()
	score, proof := 0, false
	for _, e := range d.Evidence {
		score += e.Weight
		proof = proof || e.Proof
	}
	if d.Score != score || proof != (d.Verdict == inspect.VerdictConfirmed) || d.Probability < 0 || d.Probability > 1 || d.Verdict == 0 {
		t.Errorf("%s", dump(d))
	}
	if len(d.Evidence) > 200 {
		t.Errorf("%d times evidence", len(d.Evidence))
	}
	same(t, f, feed(in, conn))
	_ = dump(f.Observation())
}

// checkMemory feeds segments as several connections to one server and wants no
// more of the last than of the first, but for what it learns of the others. Who
// learns something may be read further than who is cleared.
func checkMemory(t *testing.T, rs *inspect.Ruleset, segments []inspect.Segment) {
	t.Helper()
	in := inspect.NewInspector(inspect.Options{Rules: rs, Memory: inspect.NewMemory(inspect.MemoryOptions{}), Follow: true})
	var first []inspect.Evidence
	for n := range 4 {
		all := feed(in, connection{key: key(n, host), start: start, segments: segments}).Detection().Evidence
		own := slices.DeleteFunc(slices.Clone(all), func(e inspect.Evidence) bool { return e.Rule == "destination.weak_flows" })
		if n == 0 {
			first = own
		}
		learned := len(all) - len(own)
		if learned > 1 || n < 2 && learned > 0 || len(own) < len(first) || !slices.Equal(own[:len(first)], first) || learned == 0 && len(own) != len(first) {
			t.Errorf("connection %d: %s\nthe first: %s", n, dump(all), dump(first))
		}
	}
}

// smallHeap fails where reading input left more behind than it may.
func smallHeap(t *testing.T, input int, run func()) {
	t.Helper()
	var before, afterwards runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&afterwards)
	if n := afterwards.TotalAlloc - before.TotalAlloc; n > uint64(64<<20+4000*input) {
		t.Errorf("%d bytes allocated for %d of input", n, input)
	}
}

func FuzzFlow(f *testing.F) {
	for _, segments := range [][]inspect.Segment{
		behind(), behind(c(get), s(empty)),
		{c(connect), s(agreed), c(hello()), s("\x15\x03\x03\x00\x02\x02\x28")},
		{c(hello())},
		{c("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), s("HTTP/1.1 100 Continue\r\n\r\n", accepted)},
	} {
		f.Add(inScript(segments), false)
	}
	f.Add([]byte("\x06\x09GET"), true)
	in, rs := newInspector(nil, true), rules.Default()
	f.Fuzz(func(t *testing.T, b []byte, midstream bool) {
		segments := script(b)
		checkMemory(t, rs, segments)
		smallHeap(t, len(b), func() { checkFlow(t, in, segments) })
		conn := connection{key: ends, start: start, midstream: midstream, segments: segments}
		feed(in, conn)
		feed(in, cutEvery(conn, 1))
	})
}

// FuzzSession begins with a real handshake whose secrets are known, and goes
// on with anything: in clear behind a CONNECT or in records.
func FuzzSession(f *testing.F) {
	t := &testing.T{}
	cc, sc := versions(tls.VersionTLS13)
	conn, keys := overTLS(t, cc, sc, c(duplexPost), s(accepted))
	in := newInspector(keys, true)
	f.Add(inScript(setup()))
	f.Add([]byte("\x04\x17\x03\x03\x00\x05\x17\x03\x03\x00\x00\x14\x03\x03\x00\x01\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rest := script(b)
		checkFlow(t, in, slices.Concat(conn.segments, rest))
		cut := max(1, len(conn.segments)/2)
		checkFlow(t, in, slices.Concat(conn.segments[:cut], rest, conn.segments[cut:]))
		var wrapped []inspect.Segment
		for _, s := range rest {
			s.Data = record(23, bytes.Clone(s.Data))
			wrapped = append(wrapped, s)
		}
		checkFlow(t, in, slices.Concat(conn.segments[:cut], wrapped))
		checkFlow(t, newInspector(nil, false), slices.Concat(conn.segments, wrapped))
		checkFlow(t, in, slices.Concat(talk(c(duplexPost), s(accepted)), rest))
	})
}
