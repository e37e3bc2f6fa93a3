package tlskeys

import (
	"crypto/tls"
	"strings"
	"testing"
)

// bulk returns an Opener after the handshake, and the client's records that
// follow: n or more.
func bulk(t testing.TB, s goSuite, n, size int) (*Opener, []taken) {
	t.Helper()
	var writes [][]byte
	for range n {
		writes = append(writes, make([]byte, size))
	}
	rec := s.record(t, writes)
	records := rec.connections[0]
	first := clientData(records)[0]
	if s.version == tls.VersionTLS13 {
		first = clientData(records)[1] // Finished is one too
	}
	o := rec.keys(t).NewOpener()
	if got := openAll(t, o, records[:first]); len(got.Errors) > 0 {
		t.Fatal(got.Errors)
	}
	var client []taken
	for _, r := range records[first:] {
		if r.client {
			client = append(client, r)
		}
	}
	return o, client
}

func TestOpenDoesNotAllocate(t *testing.T) {
	const runs = 50
	for _, s := range goSuites {
		t.Run(s.name, func(t *testing.T) {
			o, records := bulk(t, s, runs+20, 500)
			for _, r := range records[:10] { // buffers grow
				if _, _, err := o.Open(true, r.Record); err != nil {
					t.Fatal(err)
				}
			}
			i := 10
			allocs := testing.AllocsPerRun(runs, func() {
				if _, _, err := o.Open(true, records[i].Record); err != nil {
					t.Fatal(err)
				}
				i++
			})
			if allocs != 0 {
				t.Errorf("%v allocations a record", allocs)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, s := range goSuites {
		// Earlier versions have the same ciphers, and a key stream cannot be
		// set back.
		if s.version < tls.VersionTLS12 || strings.Contains(s.name, "rc4") {
			continue
		}
		b.Run(s.name, func(b *testing.B) {
			o, records := bulk(b, s, 1, 1400)
			r := records[0].Record
			seq := o.client.seq
			b.SetBytes(int64(r.Length))
			b.ReportAllocs()
			for b.Loop() {
				o.client.seq = seq
				if _, _, err := o.Open(true, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
