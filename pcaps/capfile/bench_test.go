package capfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"
)

// BenchmarkNext reads captures of small and of full packets that are in memory,
// and the same with gopacket's readers for comparison.
func BenchmarkNext(b *testing.B) {
	for _, size := range []int{100, 1400} {
		for _, ng := range []bool{false, true} {
			format := map[bool]string{false: "pcap", true: "pcapng"}[ng]
			file := written(b, ng, 32<<20/size, size)
			b.Run(fmt.Sprintf("%s/%d/capfile", format, size), func(b *testing.B) {
				measure(b, file, int64(len(file)), readCapfile)
			})
			b.Run(fmt.Sprintf("%s/%d/pcapgo", format, size), func(b *testing.B) {
				measure(b, file, int64(len(file)), readPcapgo)
			})
		}
	}
}

// BenchmarkNextCompressed reads packets out of compressed captures. MB/s are of
// uncompressed data.
func BenchmarkNextCompressed(b *testing.B) {
	plain, _ := bigSample()
	plain = join(plain, bytes.Repeat(plain[pcapHeaderSize:], 20))
	for name, file := range map[string][]byte{"gzip": gzipped(b, plain), "zstd": zstandard(b, plain)} {
		b.Run(name, func(b *testing.B) { measure(b, file, int64(len(plain)), readCapfile) })
	}
}

// measure reports what read, which returns the number of packets, makes of file.
func measure(b *testing.B, file []byte, size int64, read func([]byte) (int, error)) {
	b.SetBytes(size)
	b.ReportAllocs()
	packets := 0
	for b.Loop() {
		n, err := read(file)
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
		packets += n
	}
	b.ReportMetric(float64(packets)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
}

func readCapfile(file []byte) (n int, err error) {
	r, err := NewReader(bytes.NewReader(file), "bench", Options{})
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	for {
		if _, err := r.Next(); err != nil {
			return n, err
		}
		n++
	}
}

func readPcapgo(file []byte) (n int, err error) {
	var r gopacket.ZeroCopyPacketDataSource
	if string(file[:4]) == magicSection {
		r, err = pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	} else {
		r, err = pcapgo.NewReader(bytes.NewReader(file))
	}
	if err != nil {
		return 0, err
	}
	for {
		if _, _, err := r.ZeroCopyReadPacketData(); err != nil {
			return n, err
		}
		n++
	}
}
