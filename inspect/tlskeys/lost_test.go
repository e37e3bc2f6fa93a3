package tlskeys

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sstpwarden/inspect/tlswire"

	"github.com/google/go-cmp/cmp"
)

// numbered returns n writes that say which they are.
func numbered(n int) [][]byte {
	var writes [][]byte
	for i := range n {
		writes = append(writes, fmt.Appendf(nil, "%04d;", i))
	}
	return writes
}

// openEach opens a connection and returns what each record held, "-" for one
// that was not opened.
func openEach(o *Opener, records []taken) (contents []string, errs []error) {
	for _, r := range records {
		_, plain, err := o.Open(r.client, r.Record)
		if err != nil {
			plain = []byte("-")
			errs = append(errs, err)
		}
		contents = append(contents, string(plain))
	}
	return contents, errs
}

// clientData returns the indexes of the client's application data records.
func clientData(records []taken) (indexes []int) {
	for i, r := range records {
		if r.client && r.Type == tlswire.ContentApplicationData {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// remove removes indexes from a slice.
func remove[T any](s []T, indexes []int) []T {
	gone := map[int]bool{}
	for _, i := range indexes {
		gone[i] = true
	}
	var kept []T
	for i, v := range s {
		if !gone[i] {
			kept = append(kept, v)
		}
	}
	return kept
}

func TestLostRecords(t *testing.T) {
	const writes = 300
	for _, s := range goSuites {
		rec := s.record(t, numbered(writes))
		k, records := rec.keys(t), rec.connections[0]
		whole, errs := openEach(k.NewOpener(), records)
		if len(errs) > 0 {
			t.Fatalf("%s: errors %v", s.name, errs)
		}
		data := clientData(records)
		for _, n := range []int{1, 16, searchWindow - 1} {
			t.Run(fmt.Sprintf("%s/%d", s.name, n), func(t *testing.T) {
				lost := data[5 : 5+n]
				got, _ := openEach(k.NewOpener(), remove(records, lost))
				want := remove(whole, lost)
				markUnreadable(s, records, lost, want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("contents (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// markUnreadable notes what cannot be opened after the loss: where the IV is
// the last block of the record before, one record; with a key stream, all.
func markUnreadable(s goSuite, records []taken, lost []int, want []string) {
	stream := strings.Contains(s.name, "rc4")
	implicitIV := strings.HasPrefix(s.name, "tls10/") && !stream
	if !stream && !implicitIV {
		return
	}
	after := 0 // records of the other direction are interleaved
	for i, r := range records {
		if i > lost[0] && r.client && !slices.Contains(lost, i) {
			if after++; after > 1 && implicitIV {
				return
			}
			want[indexWithout(i, lost)] = "-"
		}
	}
}

// indexWithout returns where index i is once those in lost are removed.
func indexWithout(i int, lost []int) int {
	n, _ := slices.BinarySearch(lost, i)
	return i - n
}

// A damaged record is known to be there: even a key stream goes on after it.
func TestDamagedRecords(t *testing.T) {
	for _, s := range goSuites {
		t.Run(s.name, func(t *testing.T) {
			rec := s.record(t, numbered(20))
			k, records := rec.keys(t), rec.connections[0]
			want, _ := openEach(k.NewOpener(), records)
			data := clientData(records)
			for _, i := range data[5:8] {
				records[i].Fragment, records[i].Damaged = nil, true
				want[i] = "-"
			}
			if strings.HasPrefix(s.name, "tls10/") && !strings.Contains(s.name, "rc4") {
				want[data[8]] = "-" // its IV
			}
			o := k.NewOpener()
			got, errs := openEach(o, records)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("contents (-want +got):\n%s", diff)
			}
			for _, err := range errs[:3] {
				if !errors.Is(err, ErrLost) {
					t.Errorf("error %v, want ErrLost", err)
				}
			}
		})
	}
}

// The MAC of encrypt-then-MAC does not cover the IV of TLS 1.0.
func TestLostImplicitIV(t *testing.T) {
	rec := load(t, "openssl/tls10_cbc_sha_etm.txt")
	records := rec.connections[0]
	data := clientData(records)
	o := rec.keys(t).NewOpener()
	got := openAll(t, o, without(records, data[0]))
	if got.Client != "more\n" || len(got.Errors) != 1 || !errors.Is(got.Errors[0], errNoIV) {
		t.Errorf("opened %q, errors %v", got.Client, got.Errors)
	}
}

// When more was lost than is searched, the rest stays closed, and that does
// not cost more and more.
func TestLostTooMany(t *testing.T) {
	for _, s := range []goSuite{goSuites[len(goSuites)-1], goSuites[len(goSuites)-2]} {
		t.Run(s.name, func(t *testing.T) {
			rec := s.record(t, numbered(searchWindow+20))
			records := rec.connections[0]
			data := clientData(records)
			o := rec.keys(t).NewOpener()
			got := openAll(t, o, without(records, data[5:5+searchWindow+1]...))
			for _, err := range got.Errors {
				var bad *RecordError
				if !errors.As(err, &bad) || !bad.FromClient {
					t.Errorf("error %v, want a RecordError of the client's", err)
				}
			}
			if n := len(data) - 5 - searchWindow - 1; len(got.Errors) != n && len(got.Errors) != n+1 { // close_notify
				t.Errorf("%d errors, want %d", len(got.Errors), n)
			}
			if want := string(slices.Concat(numbered(searchWindow + 20)...)); got.Server != want {
				t.Errorf("server's data %q, want all", got.Server)
			}
		})
	}
}

// What may be spent on searching is bounded, until something opens again or
// the stream was found again. Records that were none do not confuse the count.
func TestSearchIsBounded(t *testing.T) {
	for _, name := range []string{"tls13_aes256_gcm", "tls12_aes128_ccm"} {
		t.Run(name, func(t *testing.T) {
			rec := load(t, "openssl/"+name+".txt")
			records := rec.connections[0]
			data := clientData(records)
			last := data[len(data)-1]
			o := rec.keys(t).NewOpener()
			openAll(t, o, records[:last])

			noise := tlswire.Record{Type: tlswire.ContentApplicationData, Version: tlswire.VersionTLS12, Length: 16000, Fragment: make([]byte, 16000)}
			for range 3 {
				if _, _, err := o.Open(true, noise); err == nil {
					t.Fatal("noise opened")
				}
			}
			if n := o.client.numbers(noise).len(); n != 1 {
				t.Errorf("%d numbers may still be tried, want 1", n)
			}
			r := records[last].Record
			r.Resynced = true
			if _, _, err := o.Open(true, r); err != nil {
				t.Errorf("the record after the noise: %v", err)
			}
			if o.client.search != searchBytes || o.client.missed != 0 {
				t.Errorf("%d bytes may be spent, %d records missed", o.client.search, o.client.missed)
			}
		})
	}
}
