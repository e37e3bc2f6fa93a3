package capfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// sample is a small pcap file and what is in it.
func sample() ([]byte, []got) {
	return join(pcapHeader(little, micros, 1), record(little, 1, 2, 4, "abcd"), record(little, 3, 4, 60, "xyz")),
		[]got{{at(1, 2000), LinkTypeEthernet, "abcd", 4, 1, 24}, {at(3, 4000), LinkTypeEthernet, "xyz", 60, 2, 44}}
}

func TestUnpack(t *testing.T) {
	file, want := sample()
	skippable := []byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'p', 'z', 's'}
	for name, packed := range map[string][]byte{
		"gzip":                          gzipped(t, file),
		"gzip members":                  join(gzipped(t, file[:30]), gzipped(t, nil), gzipped(t, file[30:])),
		"zstd":                          zstandard(t, file),
		"zstd frames":                   join(zstandard(t, file[:30]), zstandard(t, nil), zstandard(t, file[30:])),
		"zstd behind a skippable frame": join(skippable, zstandard(t, file), skippable),
		"zstd with the largest window":  zstandard(t, file, zstd.WithWindowSize(MaxZstdWindow), zstd.WithSingleSegment(false)),
	} {
		t.Run(name, func(t *testing.T) {
			packets, err := readAll(packed, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, packets); diff != "" {
				t.Errorf("packets (-want +got):\n%s", diff)
			}
		})
	}
}

// bigSample is a pcap file that compresses badly enough to fill several blocks,
// and the number of packets in it.
func bigSample() ([]byte, int) {
	const n = 4000
	var file bytes.Buffer
	file.Write(pcapHeader(little, micros, 1))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		file.Write(record(little, uint32(i), 0, 200, fmt.Sprintf("%0100x", random.Uint64())))
	}
	return file.Bytes(), n
}

func TestUnpackErrors(t *testing.T) {
	file, n := bigSample()
	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 0xff
		return b
	}
	wipe := func(b []byte, at int) []byte {
		return join(b[:at], bytes.Repeat([]byte{0xff}, 64), b[at+64:])
	}
	gz, zst := gzipped(t, file), zstandard(t, file, zstd.WithEncoderCRC(true))
	// RFC 8878, Section 3.1.1.1.2: exponent 18 is 2^28 bytes.
	wideWindow := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 18 << 3, 1, 0, 0}
	dictionary := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x21, 0x7b, 24, 1, 0, 0}

	for _, test := range []struct {
		name   string
		packed []byte
		is     error
		says   string // part of the message
		all    bool   // whether every packet comes before it
	}{
		{"gzip cut", gz[:len(gz)/2], ErrTruncated, "gzip data ends early, in packet ", false},
		{"gzip cut in its checksum", gz[:len(gz)-5], ErrTruncated, "gzip data ends early, in packet 4001 ", true},
		{"gzip cut in its header", gz[:5], ErrTruncated, "gzip data ends early, in the file header at offset 0 of the unpacked data", false},
		{"gzip checksum", flip(gz, len(gz)-8), gzip.ErrChecksum, "gzip data is damaged near packet 4001 at offset 464024 of the unpacked data (gzip: invalid checksum); everything before is usable", true},
		{"gzip damage", wipe(gz, 10), ErrFormat, "gzip data is damaged near the file header at offset 0 of the unpacked data (flate: corrupt input before offset 1); no packet comes before it", false},
		{"something behind gzip", join(gz, []byte("trailing garbage")), gzip.ErrHeader, "(something that is not gzip follows)", true},
		{"zstd cut", zst[:len(zst)/2], ErrTruncated, "zstd data ends early, in packet ", false},
		{"zstd cut in its checksum", zst[:len(zst)-2], ErrTruncated, "zstd data ends early, in packet ", false},
		{"zstd cut in its header", zst[:5], ErrTruncated, "zstd data ends early, in the file header at offset 0 of the unpacked data", false},
		{"zstd checksum", flip(zst, len(zst)-1), zstd.ErrCRCMismatch, "zstd data is damaged near packet ", false},
		{"zstd damage", wipe(zst, len(zst)/2), ErrFormat, "zstd data is damaged near packet ", false},
		{"zstd window", wideWindow, zstd.ErrWindowSizeExceeded, "unpack it first, with zstd -d --long=31", false},
		{"zstd dictionary", dictionary, zstd.ErrUnknownDictionary, "it needs a dictionary", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			packets, err := readAll(test.packed, Options{})
			e := asError(t, err)
			if !errors.Is(e, test.is) || !strings.Contains(e.Error(), test.says) {
				t.Errorf("got %v (is %v: %v), want %v that says %q", e, test.is, errors.Is(e, test.is), test.is, test.says)
			}
			if errors.Is(e, ErrFormat) == errors.Is(e, ErrTruncated) {
				t.Errorf("%v is not one of ErrFormat and ErrTruncated", e)
			}
			if test.all != (len(packets) == n) {
				t.Errorf("got %d packets of %d", len(packets), n)
			}
			if int(e.Packet) != len(packets)+1 {
				t.Errorf("got packet %d in the error after %d packets", e.Packet, len(packets))
			}
		})
	}
}

// TestUnpackBomb reads 32 MiB of zeros, which are two million empty packets, out of
// a small file, and a few packets out of a window of 128 MiB.
func TestUnpackBomb(t *testing.T) {
	file, _ := sample()
	bomb := join(zstandard(t, file), bytes.Repeat(zstandard(t, make([]byte, 1<<20)), 32))
	small := zstandard(t, file, zstd.WithWindowSize(MaxZstdWindow), zstd.WithSingleSegment(false))

	for _, test := range []struct {
		name  string
		file  []byte
		limit uint64
	}{
		{"zeros", bomb, 16 << 20},
		{"window", small, 2*MaxZstdWindow + 16<<20},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := NewReader(bytes.NewReader(test.file), "test", Options{})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", test.name, err)
		}
		_ = r.Close()
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > test.limit {
			t.Errorf("%s: %d bytes were allocated, want at most %d", test.name, took, test.limit)
		}
	}
}
