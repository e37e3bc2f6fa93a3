package tlswire_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"sstpwarden/inspect/tlswire"
)

// noise returns n bytes as random as ciphertext.
func noise(n int) []byte {
	rnd := rand.New(rand.NewPCG(3, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

// encrypted returns a record of n bytes of noise.
func encrypted(n int) []byte {
	b := tlswire.Record{Type: tlswire.ContentApplicationData, Version: tlswire.VersionTLS12, Length: n}
	return append(b.AppendHeader(nil), noise(n)...)
}

func lengths(list []tlswire.Record) []int {
	var n []int
	for _, r := range list {
		n = append(n, r.Length)
	}
	return n
}

// From every place in a connection on, all records are found that begin
// behind it, however the bytes are cut.
func TestResyncAnywhere(t *testing.T) {
	sizes := []int{31, 700, 45, 3000, 17, 129, 1400, 26}
	var b []byte
	var starts []int
	for _, n := range sizes {
		starts = append(starts, len(b))
		b = append(b, encrypted(n)...)
	}
	for from := range len(b) - 200 {
		first := 0
		for starts[first] < from {
			first++
		}
		if first == len(sizes)-1 {
			break // one record alone is found only where it is a segment
		}
		for _, size := range []int{len(b), 1448, 100} {
			var s tlswire.Stream
			s.Resync()
			got := collect(&s, slices.Collect(slices.Chunk(b[from:], size))...)
			if !slices.Equal(lengths(got), sizes[first:]) {
				t.Fatalf("from %d in pieces of %d: %d, want %d", from, size, lengths(got), sizes[first:])
			}
			for i, r := range got {
				if r.Resynced != (i == 0) {
					t.Fatalf("from %d: record %d: Resynced is %v", from, i, r.Resynced)
				}
			}
		}
	}
}

func TestResyncByteByByte(t *testing.T) {
	b := slices.Concat(noise(5000), encrypted(2000), encrypted(14), encrypted(48))
	var s tlswire.Stream
	s.Resync()
	got := collect(&s, slices.Collect(slices.Chunk(b, 1))...)
	if want := []int{2000, 14, 48}; !slices.Equal(lengths(got), want) {
		t.Errorf("%d, want %d", lengths(got), want)
	}
}

// The largest records: the second header comes 18 KiB behind the first.
func TestResyncLargest(t *testing.T) {
	largest := encrypted(tlswire.MaxFragmentLen)
	b := slices.Concat(largest[1:], largest, largest)
	for _, size := range []int{1448, 4096, len(b)} {
		var s tlswire.Stream
		s.Resync()
		got := collect(&s, slices.Collect(slices.Chunk(b, size))...)
		if len(got) != 2 || s.Broken() {
			t.Errorf("pieces of %d: %d records, broken %v", size, len(got), s.Broken())
		}
	}
}

// A segment that is one record is enough, also if the record takes several.
func TestResyncExactSegments(t *testing.T) {
	app := encrypted(3000)
	for name, tt := range map[string]struct {
		pieces [][]byte
		want   []int
	}{
		"one segment":            {[][]byte{app}, []int{3000}},
		"behind another's end":   {[][]byte{noise(100), app}, []int{3000}},
		"three segments":         {[][]byte{app[:1448], app[1448:2896], app[2896:]}, []int{3000}},
		"begins in the middle":   {[][]byte{slices.Concat(noise(10), app)}, nil},
		"goes on":                {[][]byte{slices.Concat(app, noise(3))}, nil},
		"begins and ends inside": {[][]byte{slices.Concat(noise(10), app[:100]), app[100:]}, nil},
	} {
		var s tlswire.Stream
		s.Resync()
		got := collect(&s, tt.pieces...)
		if !slices.Equal(lengths(got), tt.want) {
			t.Errorf("%s: %d, want %d", name, lengths(got), tt.want)
		}
		if s.Searching() != (tt.want == nil) {
			t.Errorf("%s: searching is %v", name, s.Searching())
		}
	}
}

// A hello is known by itself, so that it is read at once and whole.
func TestResyncHello(t *testing.T) {
	for name, b := range map[string][]byte{
		"client_hello": handshakeRecord(tlswire.HandshakeClientHello, message(t, "client_hello_chromium")),
		"server_hello": handshakeRecord(tlswire.HandshakeServerHello, message(t, "server_hello_softether_tls12")),
	} {
		for _, before := range []int{0, 333} {
			stream := slices.Concat(noise(before), b, []byte{0})
			for _, size := range []int{1, 536, len(stream)} {
				var s tlswire.Stream
				s.Resync()
				got := collect(&s, slices.Collect(slices.Chunk(stream, size))...)
				if len(got) != 1 || !bytes.Equal(got[0].Fragment, b[5:]) {
					t.Errorf("%s behind %d bytes in pieces of %d: %d records", name, before, size, len(got))
				}
			}
		}
	}
}

func handshakeRecord(t tlswire.HandshakeType, body []byte) []byte {
	m := tlswire.Message{Type: t, Body: body}.Append(nil)
	r := tlswire.Record{Type: tlswire.ContentHandshake, Version: tlswire.VersionTLS10, Length: len(m)}
	return append(r.AppendHeader(nil), m...)
}

// What only looks like records is not taken for them.
func TestResyncImplausible(t *testing.T) {
	for name, b := range map[string][]byte{
		"version changes":   unhex(t, "17030300010017030200010017030300010000"),
		"empty records":     unhex(t, "170303000017030300001703030000"),
		"record version":    unhex(t, "17030500010017030500010017030500010000"),
		"CCS of two bytes":  unhex(t, "1403030002000014030300020000140303000200"),
		"alert of one byte": unhex(t, "150303000100150303000100150303000100"),
		"hello too short":   unhex(t, "160301002a 01000025 0303 0000000000"),
		"hello cut at once": unhex(t, "1603010005 01000100 03 0300000000"),
	} {
		for _, size := range []int{1, len(b)} {
			var s tlswire.Stream
			s.Resync()
			pieces := slices.Collect(slices.Chunk(append(b, 0), size))
			if got := collect(&s, pieces...); len(got) > 0 {
				t.Errorf("%s in pieces of %d: %+v", name, size, got)
			}
		}
	}
}

// A stream without records is given up after 64 KiB, not before and however
// it is cut.
func TestResyncGivesUp(t *testing.T) {
	b := noise(1 << 16)
	for _, size := range []int{1, 1448, len(b)} {
		var s tlswire.Stream
		s.Resync()
		pieces := slices.Collect(slices.Chunk(b[:len(b)-1], size))
		if got := collect(&s, pieces...); len(got) > 0 || s.Broken() {
			t.Fatalf("pieces of %d: %d records, broken %v", size, len(got), s.Broken())
		}
		collect(&s, b[len(b)-1:])
		if !s.Broken() {
			t.Errorf("pieces of %d: not given up", size)
		}
	}
}

// A wrong find is left again, and the records behind it are found.
func TestResyncRelapse(t *testing.T) {
	wrong := unhex(t, "170303000100 170303000100 ffff")
	b := slices.Concat(wrong, encrypted(100), encrypted(200), encrypted(300))
	for _, size := range []int{1, 7, len(b)} {
		var s tlswire.Stream
		s.Resync()
		got := collect(&s, slices.Collect(slices.Chunk(b, size))...)
		if want := []int{1, 1, 100, 200, 300}; !slices.Equal(lengths(got), want) {
			t.Errorf("pieces of %d: %d, want %d", size, lengths(got), want)
		}
		if !got[0].Resynced || got[1].Resynced || !got[2].Resynced {
			t.Error("what was found is not marked")
		}
	}

	// But not for ever.
	var s tlswire.Stream
	s.Resync()
	collect(&s, bytes.Repeat(wrong, 100))
	if !s.Broken() {
		t.Error("not given up")
	}
}

func TestResyncLossWhileSearching(t *testing.T) {
	var s tlswire.Stream
	var got []tlswire.Record
	s.Resync()
	s.Feed(encrypted(500)[:200], 0, gather(&got))
	s.Feed(slices.Concat(encrypted(14), encrypted(48)), 300, gather(&got))
	if want := []int{14, 48}; !slices.Equal(lengths(got), want) {
		t.Errorf("%d, want %d", lengths(got), want)
	}
}
