package capfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// inBatches reads src like readFrom, by so many batches in turn. It looks at a
// batch's packets only when all others were filled since.
func inBatches(src io.Reader, batches int, opts Options) (all []got, err error) {
	r, err := NewReader(src, "test", opts)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	ring := make([]Batch, batches)
	look := func(b *Batch) {
		for _, p := range b.Packets {
			all = append(all, got{p.Time, p.Link, string(p.Data), p.Length, p.Number, p.Offset})
		}
		b.Packets = b.Packets[:0]
	}
	for i := 0; err == nil; i++ {
		b := &ring[i%batches]
		look(b)
		if err = r.NextBatch(b); err == nil && len(b.Packets) == 0 {
			return all, errors.New("a batch without packets")
		}
		if err != nil {
			for j := range ring {
				look(&ring[(i+j)%batches])
			}
		}
	}
	if again := r.NextBatch(&ring[0]); !errors.Is(again, err) || len(ring[0].Packets) != 0 {
		return all, fmt.Errorf("%w, and then %w", err, again)
	}
	if errors.Is(err, io.EOF) {
		return all, nil
	}
	return all, err
}

// large is a capture of packets of all lengths, of many windows' size.
func large(ng bool) []byte {
	parts := [][]byte{pcapHeader(little, micros, 1)}
	if ng {
		parts = [][]byte{section(little), describe(little, 1, 0)}
	}
	for i := range 3000 {
		data := strings.Repeat(string(rune('a'+i%26)), i*37%1500)
		if i%500 == 250 {
			data = strings.Repeat("z", MaxPacket-i)
		}
		if ng {
			parts = append(parts, enhanced(little, 0, uint64(i), uint32(len(data)), data))
		} else {
			parts = append(parts, record(little, uint32(i), 0, uint32(len(data)), data))
		}
	}
	return join(parts...)
}

// TestBatch wants from NextBatch what Next gives, while packets of other
// batches are still in use.
func TestBatch(t *testing.T) {
	files := kinds(t)
	files["large pcap"], files["large pcapng"] = large(false), large(true)
	files["large pcap.gz"] = gzipped(t, files["large pcap"])
	for name, file := range files {
		want, err := readAll(file, Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for piece, source := range map[string]func() io.Reader{
			"whole":            func() io.Reader { return bytes.NewReader(file) },
			"halves":           func() io.Reader { return iotest.HalfReader(bytes.NewReader(file)) },
			"data with io.EOF": func() io.Reader { return iotest.DataErrReader(bytes.NewReader(file)) },
		} {
			for _, n := range []int{1, 2, 5} {
				packets, err := inBatches(source(), n, Options{})
				if err != nil {
					t.Fatalf("%s, %s, %d batches: %v", name, piece, n, err)
				}
				if diff := cmp.Diff(want, packets); diff != "" {
					t.Errorf("%s, %s, %d batches (-Next +NextBatch):\n%s", name, piece, n, diff)
				}
			}
		}
	}
}

// TestBatchCut cuts every kind of file at every byte, and flips bits: packets
// and error are those of Next.
func TestBatchCut(t *testing.T) {
	compare := func(what string, file []byte) {
		t.Helper()
		want, wantErr := readAll(file, Options{})
		packets, err := inBatches(bytes.NewReader(file), 3, Options{})
		if diff := cmp.Diff(want, packets); diff != "" || fmt.Sprint(wantErr) != fmt.Sprint(err) {
			t.Errorf("%s: %v, want %v (-Next +NextBatch):\n%s", what, err, wantErr, diff)
		}
	}
	for name, file := range kinds(t) {
		for n := range file {
			compare(fmt.Sprintf("%s cut at %d", name, n), file[:n])
			damaged := bytes.Clone(file)
			damaged[n] ^= 1 << (n % 8)
			compare(fmt.Sprintf("%s damaged at %d", name, n), damaged)
		}
	}
}

// TestBatchSecrets wants a batch to end before secrets, which are for the
// packets behind them.
func TestBatchSecrets(t *testing.T) {
	packet := enhanced(little, 0, 0, 1, "a")
	file := join(section(little), describe(little, 1, 0), packet, packet, secrets(little, SecretsTLSKeyLog, "keys"), packet, packet, packet)
	told := 0
	r, err := NewReader(bytes.NewReader(file), "test", Options{OnSecrets: func(uint32, []byte) { told++ }})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	for i, want := range []int{2, 3} {
		if err := r.NextBatch(&b); err != nil || len(b.Packets) != want || told != i {
			t.Fatalf("batch %d: %d packets, secrets told %d times, %v; want %d packets", i, len(b.Packets), told, err, want)
		}
	}
}

// TestBatchLive wants the packets that came, without a wait for more.
func TestBatchLive(t *testing.T) {
	out, in := io.Pipe()
	go func() {
		_, err := in.Write(join(pcapHeader(little, micros, 1)))
		for range 3 {
			if err == nil {
				_, err = in.Write(join(record(little, 1, 0, 1, "a"), record(little, 1, 0, 1, "b")))
			}
		}
		_ = in.CloseWithError(err) // nil is the end of the file
	}()
	r, err := NewReader(out, "test", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var b Batch
		if err := r.NextBatch(&b); err != nil || len(b.Packets) != 2 {
			t.Fatalf("%d packets and %v, want 2", len(b.Packets), err)
		}
	}
	if err := r.NextBatch(new(Batch)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v at the end, want io.EOF", err)
	}
}

// TestBatchNoAllocs fills batches that were used before without allocating.
func TestBatchNoAllocs(t *testing.T) {
	r, err := NewReader(bytes.NewReader(written(t, false, 100_000, 300)), "test", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var ring [3]Batch
	i := 0
	next := func() {
		if err := r.NextBatch(&ring[i%3]); err != nil {
			t.Fatal(err)
		}
		i++
	}
	for range 12 { // until the window has its size
		next()
	}
	if allocs := testing.AllocsPerRun(20, next); allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
}
