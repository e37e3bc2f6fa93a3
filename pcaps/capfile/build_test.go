package capfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// byteOrder is what encoding/binary's two orders have in common.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

var (
	little byteOrder = binary.LittleEndian
	big    byteOrder = binary.BigEndian
)

// join puts a file together from its parts.
func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// words encodes 32-bit integers.
func words(o byteOrder, vs ...uint32) []byte {
	var b []byte
	for _, v := range vs {
		b = o.AppendUint32(b, v)
	}
	return b
}

func pad(b []byte) []byte {
	return append(slices.Clone(b), make([]byte, -len(b)&3)...)
}

const (
	micros = 0xa1b2c3d4
	nanos  = 0xa1b23c4d
)

// pcapHeader is a pcap file header.
func pcapHeader(o byteOrder, magic, link uint32) []byte {
	return join(words(o, magic), o.AppendUint16(o.AppendUint16(nil, 2), 4), words(o, 0, 0, 65535, link))
}

// record is a pcap packet record.
func record(o byteOrder, seconds, fraction, length uint32, data string) []byte {
	return join(words(o, seconds, fraction, uint32(len(data)), length), []byte(data))
}

// block is a pcapng block around body, padded.
func block(o byteOrder, typ blockType, body ...[]byte) []byte {
	b := pad(join(body...))
	n := uint32(len(b) + blockOverhead)
	return join(words(o, uint32(typ), n), b, words(o, n))
}

// section is a Section Header Block of unknown section length.
func section(o byteOrder) []byte {
	return block(o, blockSectionHeader, words(o, 0x1a2b3c4d), o.AppendUint16(nil, 1), o.AppendUint16(nil, 0),
		words(o, 0xffffffff, 0xffffffff))
}

// option is a pcapng option.
func option(o byteOrder, code uint16, value ...byte) []byte {
	return pad(append(o.AppendUint16(o.AppendUint16(nil, code), uint16(len(value))), value...))
}

// describe is an Interface Description Block.
func describe(o byteOrder, link uint16, snapLen uint32, options ...[]byte) []byte {
	return block(o, blockInterfaceDescription, o.AppendUint16(nil, link), []byte{0, 0}, words(o, snapLen), join(options...))
}

// enhanced is an Enhanced Packet Block.
func enhanced(o byteOrder, id uint32, stamp uint64, length uint32, data string, options ...[]byte) []byte {
	return block(o, blockEnhancedPacket, words(o, id, uint32(stamp>>32), uint32(stamp), uint32(len(data)), length),
		pad([]byte(data)), join(options...))
}

// simple is a Simple Packet Block.
func simple(o byteOrder, length uint32, data string) []byte {
	return block(o, blockSimplePacket, words(o, length), []byte(data))
}

// secrets is a Decryption Secrets Block.
func secrets(o byteOrder, kind uint32, data string) []byte {
	return block(o, blockDecryptionSecrets, words(o, kind, uint32(len(data))), []byte(data))
}

// got is a Packet that outlives the next one.
type got struct {
	Time   time.Time
	Link   LinkType
	Data   string
	Length int
	Number uint64
	Offset int64
}

// readAll reads file to its end and returns what ended it, nil for io.EOF.
func readAll(file []byte, opts Options) ([]got, error) {
	return readFrom(bytes.NewReader(file), opts)
}

func readFrom(src io.Reader, opts Options) ([]got, error) {
	r, err := NewReader(src, "test", opts)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return drain(r)
}

func drain(r *Reader) ([]got, error) {
	var all []got
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, got{p.Time, p.Link, string(p.Data), p.Length, p.Number, p.Offset})
	}
}

// asError fails the test unless err is an *Error.
func asError(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got error %v (%T), want an *Error", err, err)
	}
	return e
}

// at is a time in UTC.
func at(seconds, nanoseconds int64) time.Time { return time.Unix(seconds, nanoseconds).UTC() }

func readerOf(b []byte) io.Reader { return bytes.NewReader(b) }

// gzipped is b as one gzip member.
func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// zstandard is b as one zstd frame.
func zstandard(t testing.TB, b []byte, opts ...zstd.EOption) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
