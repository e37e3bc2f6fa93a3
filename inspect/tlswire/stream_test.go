package tlswire_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/tlswire"
)

// record returns a record with n bytes in it, which look like no header.
func record(t tlswire.ContentType, n int) []byte {
	b := tlswire.Record{Type: t, Version: tlswire.VersionTLS12, Length: n}.AppendHeader(nil)
	return append(b, bytes.Repeat([]byte{0xAA}, n)...)
}

// collect feeds the pieces to s and returns what it emits, with fragments of
// its own.
func collect(s *tlswire.Stream, pieces ...[]byte) (out []tlswire.Record) {
	for _, p := range pieces {
		s.Feed(p, 0, gather(&out))
	}
	return out
}

func gather(out *[]tlswire.Record) func(tlswire.Record) {
	return func(r tlswire.Record) {
		r.Fragment = bytes.Clone(r.Fragment)
		*out = append(*out, r)
	}
}

// session is one direction of a connection, as a client would send it.
func session(t testing.TB) []byte {
	hello := tlswire.Message{Type: tlswire.HandshakeClientHello, Body: message(t, "client_hello_chromium")}.Append(nil)
	first := tlswire.Record{Type: tlswire.ContentHandshake, Version: tlswire.VersionTLS10, Length: len(hello)}
	return slices.Concat(
		first.AppendHeader(nil), hello,
		record(tlswire.ContentChangeCipherSpec, 1),
		record(tlswire.ContentApplicationData, 53),
		record(tlswire.ContentApplicationData, 0),
		record(tlswire.ContentApplicationData, tlswire.MaxFragmentLen),
		record(tlswire.ContentHeartbeat, 19),
		record(tlswire.ContentAlert, 26),
		record(tlswire.ContentHandshake, 0),
	)
}

func TestStream(t *testing.T) {
	b := session(t)
	hello := b[5 : 5+1919]
	aa := func(n int) []byte { return bytes.Repeat([]byte{0xAA}, n) }
	want := []tlswire.Record{
		{Type: tlswire.ContentHandshake, Version: tlswire.VersionTLS10, Length: 1919, Fragment: hello},
		{Type: tlswire.ContentChangeCipherSpec, Version: tlswire.VersionTLS12, Length: 1, Fragment: aa(1)},
		{Type: tlswire.ContentApplicationData, Version: tlswire.VersionTLS12, Length: 53},
		{Type: tlswire.ContentApplicationData, Version: tlswire.VersionTLS12},
		{Type: tlswire.ContentApplicationData, Version: tlswire.VersionTLS12, Length: tlswire.MaxFragmentLen},
		{Type: tlswire.ContentHeartbeat, Version: tlswire.VersionTLS12, Length: 19},
		{Type: tlswire.ContentAlert, Version: tlswire.VersionTLS12, Length: 26, Fragment: aa(26)},
		{Type: tlswire.ContentHandshake, Version: tlswire.VersionTLS12, Fragment: []byte{}},
	}
	kept := slices.Clone(want)
	for i := range kept {
		if kept[i].Fragment == nil {
			kept[i].Fragment = aa(kept[i].Length)
		}
	}
	for _, size := range []int{1, 2, 3, 5, 7, 536, 1448, 65536, len(b)} {
		pieces := slices.Collect(slices.Chunk(b, size))
		var s tlswire.Stream
		if diff := cmp.Diff(want, collect(&s, pieces...), emptyIsNil); diff != "" {
			t.Errorf("pieces of %d bytes (-want +got):\n%s", size, diff)
		}
		s = tlswire.Stream{KeepApplicationData: true}
		if diff := cmp.Diff(kept, collect(&s, pieces...), emptyIsNil); diff != "" {
			t.Errorf("kept, pieces of %d bytes (-want +got):\n%s", size, diff)
		}
		if s.Broken() || s.Searching() {
			t.Errorf("pieces of %d bytes: broken %v, searching %v", size, s.Broken(), s.Searching())
		}
	}
}

// An empty fragment is kept or not kept without a difference that matters.
var emptyIsNil = cmp.Transformer("bytes", func(b []byte) string { return string(b) })

func TestStreamWithoutCopy(t *testing.T) {
	b := record(tlswire.ContentHandshake, 100)
	var s tlswire.Stream
	s.Feed(b, 0, func(r tlswire.Record) {
		if &r.Fragment[0] != &b[5] {
			t.Error("a fragment that lies whole in what was fed was copied")
		}
		if cap(r.Fragment) != len(r.Fragment) {
			t.Error("appending to the fragment would write into what was fed")
		}
	})
}

func TestStreamKeepChanges(t *testing.T) {
	var s tlswire.Stream
	var got []tlswire.Record
	data := record(tlswire.ContentApplicationData, 10)
	s.Feed(data[:8], 0, gather(&got))
	s.KeepApplicationData = true // counts from the next record on
	s.Feed(slices.Concat(data[8:], data), 0, gather(&got))
	if len(got) != 2 || got[0].Fragment != nil || len(got[1].Fragment) != 10 {
		t.Errorf("%+v", got)
	}
}

func TestStreamBroken(t *testing.T) {
	for name, b := range map[string][]byte{
		"HTTP":                  []byte("GET / HTTP/1.1\r\n\r\n"),
		"SSH":                   []byte("SSH-2.0-OpenSSH"),
		"SSLv2 hello":           unhex(t, "802e010301"),
		"PostgreSQL":            unhex(t, "0000000804d2162f"),
		"after a record":        slices.Concat(record(tlswire.ContentAlert, 2), []byte("HTTP")),
		"length":                unhex(t, "1703034801"),
		"header cut at a field": unhex(t, "1602"),
	} {
		for size := 1; size <= len(b); size++ {
			var s tlswire.Stream
			collect(&s, slices.Collect(slices.Chunk(b, size))...)
			if !s.Broken() {
				t.Errorf("%s, pieces of %d bytes: not broken", name, size)
			}
			got := collect(&s, record(tlswire.ContentAlert, 2))
			s.Feed(record(tlswire.ContentAlert, 2), 1, gather(&got))
			if len(got) > 0 || !s.Broken() {
				t.Errorf("%s: did not stay broken", name)
			}
		}
	}
}

// Application data that nobody wants costs no memory.
func TestStreamAllocations(t *testing.T) {
	b := bytes.Repeat(record(tlswire.ContentApplicationData, 1400), 40)
	var s tlswire.Stream
	records := 0
	emit := func(tlswire.Record) { records++ }
	allocs := testing.AllocsPerRun(100, func() {
		for p := range slices.Chunk(b, 1448) {
			s.Feed(p, 0, emit)
		}
	})
	if allocs != 0 || records != 101*40 {
		t.Errorf("%v allocations for %d records", allocs, records)
	}
}

// However a stream is cut, and wherever bytes are missing, nothing is made up:
// what is emitted is what was sent, in order.
func TestStreamLossAnywhere(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var sent []byte
		var lengths []int
		for len(sent) < 60000 {
			n := 17 + rnd.IntN(3000)
			lengths = append(lengths, n)
			sent = append(sent, record(tlswire.ContentApplicationData, n)...)
		}
		at := rnd.IntN(len(sent) / 2)
		missing := 1 + rnd.IntN(4000)
		var s tlswire.Stream
		var got []tlswire.Record
		s.Feed(sent[:at], 0, gather(&got))
		s.Feed(sent[at+missing:], missing, gather(&got))

		// The records before the loss and behind it, but for one perhaps that
		// the search could not be sure of, and damaged ones between.
		i := 0
		damaged, resynced := 0, 0
		for _, r := range got {
			if r.Damaged {
				damaged++
			}
			if r.Resynced {
				resynced++
			}
			for i < len(lengths) && lengths[i] != r.Length {
				i++
			}
			if i == len(lengths) {
				t.Fatalf("loss of %d at %d: a record of %d bytes was not sent", missing, at, r.Length)
			}
			i++
		}
		if s.Broken() || s.Searching() || damaged > 1 || resynced > 1 || damaged+resynced == 0 {
			t.Fatalf("loss of %d at %d: broken %v, searching %v, %d damaged, %d resynced",
				missing, at, s.Broken(), s.Searching(), damaged, resynced)
		}
		if last := got[len(got)-1]; last.Length != lengths[len(lengths)-1] {
			t.Fatalf("loss of %d at %d: the end was not found", missing, at)
		}
	}
}

func TestStreamLoss(t *testing.T) {
	const app = tlswire.ContentApplicationData
	whole := func(n int) tlswire.Record {
		return tlswire.Record{Type: app, Version: tlswire.VersionTLS12, Length: n}
	}
	damaged := func(n int) tlswire.Record {
		r := whole(n)
		r.Damaged = true
		return r
	}
	resynced := func(n int) tlswire.Record {
		r := whole(n)
		r.Resynced = true
		return r
	}
	three := slices.Concat(record(app, 20), record(app, 100), record(app, 30), record(app, 40))
	const second, third = 25, 25 + 105 // where records begin
	for _, tt := range []struct {
		name     string
		at, to   int // bytes lost
		want     []tlswire.Record
		searches bool
	}{
		{"inside a fragment", second + 10, second + 50, []tlswire.Record{whole(20), damaged(100), whole(30), whole(40)}, false},
		{"to the fragment's end", second + 10, third, []tlswire.Record{whole(20), damaged(100), whole(30), whole(40)}, false},
		{"the whole fragment", second + 5, third, []tlswire.Record{whole(20), damaged(100), whole(30), whole(40)}, false},
		{"past the fragment's end", second + 10, third + 2, []tlswire.Record{whole(20), damaged(100)}, true},
		{"a whole record", second, third, []tlswire.Record{whole(20), resynced(30), whole(40)}, false},
		{"in a header", second + 2, second + 4, []tlswire.Record{whole(20), resynced(30), whole(40)}, false},
		{"the beginning", 0, 3, []tlswire.Record{resynced(100), whole(30), whole(40)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s tlswire.Stream
			var got []tlswire.Record
			s.Feed(three[:tt.at], 0, gather(&got))
			s.Feed(three[tt.to:], tt.to-tt.at, gather(&got))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if s.Broken() || s.Searching() != tt.searches {
				t.Errorf("broken %v, searching %v", s.Broken(), s.Searching())
			}
		})
	}
}

// A handshake fragment with a hole is not passed on as if it were whole.
func TestStreamDamagedFragment(t *testing.T) {
	b := slices.Concat(record(tlswire.ContentHandshake, 50), record(tlswire.ContentHandshake, 20))
	var s tlswire.Stream
	var got []tlswire.Record
	s.Feed(b[:20], 0, gather(&got))
	s.Feed(b[30:40], 10, gather(&got))
	s.Feed(b[40:], 0, gather(&got))
	want := []tlswire.Record{
		{Type: tlswire.ContentHandshake, Version: tlswire.VersionTLS12, Length: 50, Damaged: true},
		{Type: tlswire.ContentHandshake, Version: tlswire.VersionTLS12, Length: 20, Fragment: b[60:]},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func BenchmarkStream(b *testing.B) {
	data := bytes.Repeat(record(tlswire.ContentApplicationData, 1400), 1000)
	pieces := slices.Collect(slices.Chunk(data, 1448))
	var s tlswire.Stream
	n := 0
	emit := func(r tlswire.Record) { n += r.Length }
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		for _, p := range pieces {
			s.Feed(p, 0, emit)
		}
	}
}
