package capfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// written is a capture made by gopacket's writers: pcap, or pcapng if ng.
func written(t testing.TB, ng bool, n, size int) []byte {
	t.Helper()
	var file bytes.Buffer
	var write func(gopacket.CaptureInfo, []byte) error
	if ng {
		w, err := pcapgo.NewNgWriter(&file, layers.LinkTypeEthernet)
		if err != nil {
			t.Fatal(err)
		}
		write = func(ci gopacket.CaptureInfo, b []byte) error { return errors.Join(w.WritePacket(ci, b), w.Flush()) }
	} else {
		w := pcapgo.NewWriterNanos(&file)
		if err := w.WriteFileHeader(MaxPacket, layers.LinkTypeEthernet); err != nil {
			t.Fatal(err)
		}
		write = w.WritePacket
	}
	for i := range n {
		ci := gopacket.CaptureInfo{Timestamp: stampOf(i), CaptureLength: size, Length: size + i}
		if err := write(ci, bytes.Repeat([]byte{byte(i)}, size)); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

func stampOf(i int) time.Time { return at(1700000000, int64(i)*1001) }

// TestWritten reads what others write.
func TestWritten(t *testing.T) {
	for _, ng := range []bool{false, true} {
		for _, size := range []int{0, 1, 2, 3, 4, 1500, 70000} {
			r, err := NewReader(bytes.NewReader(written(t, ng, 20, size)), "test", Options{})
			if err != nil {
				t.Fatal(err)
			}
			packets, err := drain(r)
			if err != nil || len(packets) != 20 {
				t.Fatalf("pcapng %v, size %d: got %d packets and %v, want 20", ng, size, len(packets), err)
			}
			for i, p := range packets {
				want := got{stampOf(i), LinkTypeEthernet, string(bytes.Repeat([]byte{byte(i)}, size)), size + i, uint64(i + 1), p.Offset}
				if diff := cmp.Diff(want, p); diff != "" {
					t.Fatalf("pcapng %v, size %d, packet %d (-want +got):\n%s", ng, size, i+1, diff)
				}
			}
		}
	}
}

// kinds has a small file of every kind that a Reader takes.
func kinds(t testing.TB) map[string][]byte {
	file, _ := sample()
	ng := join(section(big), secrets(big, SecretsTLSKeyLog, "keys"), describe(big, 1, 0, option(big, 9, 9), option(big, 0)),
		enhanced(big, 0, 1, 60, "abcde", option(big, 1, 'x'), option(big, 0)), simple(big, 3, "xyz"), block(big, 5, make([]byte, 12)),
		section(little), describe(little, 101, 0), enhanced(little, 0, 1, 60, "abcde"), secrets(little, SecretsTLSKeyLog, "more"))
	return map[string][]byte{
		"pcap":                   file,
		"pcap.gz":                gzipped(t, file),
		"pcap.zst":               zstandard(t, file),
		"pcap big":               join(pcapHeader(big, nanos, 1), record(big, 1, 2, 4, "abcd")),
		"pcapng":                 ng,
		"pcapng.gz":              gzipped(t, ng),
		"pcapng.zst":             zstandard(t, ng),
		"pcapng.gz, two members": join(gzipped(t, ng[:50]), gzipped(t, ng[50:])),
	}
}

// TestCut cuts every kind of file at every byte: what is before the cut is read
// as it was, and the cut is noticed unless it falls between two records.
func TestCut(t *testing.T) {
	for name, file := range kinds(t) {
		whole, err := readAll(file, Options{OnSecrets: func(uint32, []byte) {}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range file {
			packets, err := readAll(file[:n], Options{OnSecrets: func(uint32, []byte) {}})
			if len(packets) > len(whole) || !slices.Equal(packets, whole[:len(packets)]) {
				t.Errorf("%s cut at %d: packets differ from those of the whole file", name, n)
			}
			if err == nil {
				if strings.Contains(name, "z") {
					t.Errorf("%s cut at %d: not noticed", name, n)
				}
				continue
			}
			if e := asError(t, err); !errors.Is(e, ErrTruncated) && n >= 4 {
				t.Errorf("%s cut at %d: got %v, want ErrTruncated", name, n, e)
			}
		}
	}
}

// TestCutBetweenRecords wants a clean end exactly where a record ends.
func TestCutBetweenRecords(t *testing.T) {
	file, _ := sample()
	for n := 4; n <= len(file); n++ {
		_, err := readAll(file[:n], Options{})
		if between := n == 24 || n == 44 || n == len(file); between != (err == nil) {
			t.Errorf("cut at %d: got %v", n, err)
		}
	}
}

// TestDamage flips every bit of every kind of file: no panic, and packets or an
// *Error.
func TestDamage(t *testing.T) {
	for name, file := range kinds(t) {
		for i := range len(file) * 8 {
			damaged := bytes.Clone(file)
			damaged[i/8] ^= 1 << (i % 8)
			if _, err := readAll(damaged, Options{OnSecrets: func(uint32, []byte) {}}); err != nil {
				if e := asError(t, err); errors.Is(e, ErrFormat) == errors.Is(e, ErrTruncated) {
					t.Errorf("%s, bit %d: %v is not one of ErrFormat and ErrTruncated", name, i, e)
				}
			}
		}
	}
}

// TestPieces reads every kind of file in pieces of any size.
func TestPieces(t *testing.T) {
	for name, file := range kinds(t) {
		want, err := readAll(file, Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for piece, src := range map[string]io.Reader{
			"bytes":            iotest.OneByteReader(bytes.NewReader(file)),
			"halves":           iotest.HalfReader(bytes.NewReader(file)),
			"data with io.EOF": iotest.DataErrReader(bytes.NewReader(file)),
		} {
			packets, err := readFrom(src, Options{})
			if err != nil {
				t.Fatalf("%s in %s: %v", name, piece, err)
			}
			if diff := cmp.Diff(want, packets); diff != "" {
				t.Errorf("%s in %s (-want +got):\n%s", name, piece, diff)
			}
		}
	}
}

// TestLive has a source that gives a packet at a time: each must come out before
// the next goes in.
func TestLive(t *testing.T) {
	for _, ng := range []bool{false, true} {
		out, in := io.Pipe()
		feed := make(chan []byte)
		go func() {
			for b := range feed {
				if _, err := in.Write(b); err != nil {
					return
				}
			}
			_ = in.Close()
		}()
		start, packet := pcapHeader(little, micros, 1), record(little, 1, 0, 1, "a")
		if ng {
			start, packet = join(section(little), describe(little, 1, 0)), enhanced(little, 0, 1, 1, "a")
		}
		feed <- start
		r, err := NewReader(out, "test", Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			feed <- packet
			if p, err := r.Next(); err != nil || string(p.Data) != "a" {
				t.Fatalf("got %q and %v", p.Data, err)
			}
		}
		close(feed)
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v at the end, want io.EOF", err)
		}
	}
}

func TestOpen(t *testing.T) {
	file, want := sample()
	dir := t.TempDir()
	// The extension says something else than the content.
	path := filepath.Join(dir, "sample.pcapng.gz")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	packets, err := drain(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, packets); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	if r.Size() != int64(len(file)) || r.BytesRead() != int64(len(file)) {
		t.Errorf("got %d of %d bytes read, want all %d", r.BytesRead(), r.Size(), len(file))
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v after the end and Close, want io.EOF", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for no file", err)
	}
	if _, err := Open(dir, Options{}); err == nil || err.Error() != dir+": reading the file header at offset 0 failed: is a directory" {
		t.Errorf("got %v for a directory", err)
	}
	path := filepath.Join(dir, "empty.pcap")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrFormat) || asError(t, err).File != path {
		t.Errorf("got %v for an empty file", err)
	}
}

func TestOpenStandardInput(t *testing.T) {
	file, want := sample()
	path := filepath.Join(t.TempDir(), "sample")
	if err := os.WriteFile(path, file[:len(file)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	stdin := os.Stdin
	os.Stdin = f
	defer func() { os.Stdin = stdin }()

	r, err := Open("-", Options{})
	if err != nil {
		t.Fatal(err)
	}
	packets, err := drain(r)
	if diff := cmp.Diff(want[:1], packets); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	says := "standard input: capture ends in the middle of packet 2 at offset 44: it was cut off, or is still being written; everything before is usable"
	if err == nil || err.Error() != says {
		t.Errorf("got %v, want %s", err, says)
	}
	if r.Size() != int64(len(file)-1) {
		t.Errorf("got size %d of a redirected file, want %d", r.Size(), len(file)-1)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Stat(); err != nil {
		t.Errorf("Close closed standard input: %v", err)
	}
}

// TestProgress counts the bytes of the file, not those that come out of it.
func TestProgress(t *testing.T) {
	plain, _ := bigSample()
	for name, file := range map[string][]byte{"gzip": gzipped(t, plain), "zstd": zstandard(t, plain)} {
		r, err := NewReader(bytes.NewReader(file), "test", Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := drain(r); err != nil {
			t.Fatal(err)
		}
		if r.BytesRead() != int64(len(file)) || r.Size() != 0 {
			t.Errorf("%s: got %d bytes read and size %d, want %d and 0", name, r.BytesRead(), r.Size(), len(file))
		}
		_ = r.Close()
	}
}

func TestClose(t *testing.T) {
	for name, file := range kinds(t) {
		r, err := NewReader(bytes.NewReader(file), "test", Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(p.Data)
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Errorf("%s: closing twice: %v", name, err)
		}
		if _, err := r.Next(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: got %v after Close, want fs.ErrClosed", name, err)
		}
		if !bytes.Equal(p.Data, before) {
			t.Errorf("%s: Close changed the packet", name)
		}
	}
}

// TestNoAllocs reads packets without allocating, across refills too.
func TestNoAllocs(t *testing.T) {
	for _, ng := range []bool{false, true} {
		r, err := NewReader(bytes.NewReader(written(t, ng, 5000, 300)), "test", Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != nil { // the interface comes before it
			t.Fatal(err)
		}
		allocs := testing.AllocsPerRun(4000, func() {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("pcapng %v: %v allocations per packet", ng, allocs)
		}
	}
}

// TestHostileMemory has length fields that claim gigabytes in files of a few
// bytes; no more than the fixed buffers may be taken.
func TestHostileMemory(t *testing.T) {
	const limit = maxHeld + 64<<10
	ng := join(section(little), describe(little, 1, 0))
	for name, file := range map[string][]byte{
		"pcap":        join(pcapHeader(little, micros, 1), words(little, 0, 0, 0xffffffff, 0xffffffff)),
		"pcap header": join(words(little, micros, 0x40002, 0, 0, 0xffffffff, 1), record(little, 0, 0, 1, "a")),
		"block":       join(ng, words(little, 6, 0xfffffffc, 0)),
		"held block":  join(ng, words(little, 6, maxHeld, 0)),
		"packet":      join(ng, block(little, blockEnhancedPacket, words(little, 0, 0, 0, 0x7fffffff, 0x7fffffff))),
		"snapshot":    join(section(little), describe(little, 1, 0xffffffff), enhanced(little, 0, 0, 1, "a")),
		"secrets":     join(ng, words(little, 10, MaxSecrets, SecretsTLSKeyLog, 0xffffffff)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readAll(file, Options{OnSecrets: func(uint32, []byte) {}})
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > limit {
			t.Errorf("%s (%v): %d bytes were allocated, want at most %d", name, err, took, limit)
		}
	}
}

// TestWindowEdges has records that end at, before and behind every place where
// the window is refilled.
func TestWindowEdges(t *testing.T) {
	for shift := range 40 {
		var file bytes.Buffer
		file.Write(pcapHeader(little, micros, 1))
		var want []string
		for i := 0; file.Len() < 3*windowSize; i++ {
			data := strings.Repeat(fmt.Sprint(i%10), 8000+shift)
			want = append(want, data)
			file.Write(record(little, uint32(i), 0, 0, data))
		}
		packets, err := readAll(file.Bytes(), Options{})
		if err != nil || len(packets) != len(want) {
			t.Fatalf("shift %d: got %d packets and %v, want %d", shift, len(packets), err, len(want))
		}
		for i, p := range packets {
			if p.Data != want[i] {
				t.Fatalf("shift %d: packet %d differs", shift, i+1)
			}
		}
	}
}
