package capfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// MaxZstdWindow is how far back zstd data may refer, and so the memory that
// unpacking it may take. It is what "zstd --long" uses; only --long=28 and more
// goes beyond.
const MaxZstdWindow = 128 << 20

// rawBuffer is how much of a compressed file is read at once. A plain file goes
// straight into the window.
const rawBuffer = 64 << 10

// rawFile is the file as it is stored. It counts what is read, for a progress bar
// in another goroutine, and keeps a failure to read apart from damage that a
// decompressor finds.
type rawFile struct {
	src  io.Reader
	read atomic.Int64
	err  error // a failure other than the end of the file
}

func (f *rawFile) Read(p []byte) (int, error) {
	n, err := f.src.Read(p)
	f.read.Add(int64(n))
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// unpack returns the uncompressed stream of raw, the compression's name ("" if
// there is none) and what releases the decompressor.
func unpack(raw io.Reader) (plain io.Reader, compression string, release func(), err error) {
	br := bufio.NewReader(raw)
	release = func() {}
	magic, _ := br.Peek(4) // an error comes back with the next read
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		// RFC 1952, Section 2.3.1. Members that follow each other are one stream.
		zr, err := gzip.NewReader(bufio.NewReaderSize(br, rawBuffer))
		return zr, "gzip", release, err
	case isZstd(magic):
		// One decoder: the packets' consumer is the other half of the pipeline,
		// and several captures are read at a time.
		zr, err := zstd.NewReader(bufio.NewReaderSize(br, rawBuffer), zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(MaxZstdWindow))
		if err == nil {
			release = zr.Close
		}
		return zr, "zstd", release, err
	default:
		return br, "", release, nil
	}
}

// isZstd recognises a frame (RFC 8878, Section 3.1.1) and a skippable frame
// (Section 3.1.2), which parallel compressors write first.
func isZstd(magic []byte) bool {
	return bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18})
}

// unpackAdvice says in words what a decompressor's error means for the user.
func unpackAdvice(err error) string {
	switch {
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return "its window is larger than 128 MiB: unpack it first, with zstd -d --long=31"
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return "it needs a dictionary: unpack it first, with zstd -d -D"
	case errors.Is(err, gzip.ErrHeader):
		return "something that is not gzip follows"
	default:
		return err.Error()
	}
}
