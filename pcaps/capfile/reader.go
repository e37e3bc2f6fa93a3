package capfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// MaxPacket is the longest packet that is read, the limit of tcpdump and
// Wireshark too. A file's own snapshot length is not enforced: some writers
// state one and do not keep to it.
const MaxPacket = 256 << 10

// Options adjusts a Reader. The zero value reads packets only.
type Options struct {
	// OnSecrets is called with the content of each Decryption Secrets Block of
	// a pcapng file, during Next and before it returns any packet that follows
	// the block. kind is the block's secrets type (SecretsTLSKeyLog, ...); data
	// is the callee's to keep. If nil, such blocks are passed over.
	OnSecrets func(kind uint32, data []byte)
}

// Packet is one captured packet.
type Packet struct {
	Time   time.Time // UTC; zero if the file gives none (Simple Packet Block) or one outside the years 1970 to 9999
	Link   LinkType  // what Data begins with
	Data   []byte    // as far as captured; valid until the next call to Next
	Length int       // on the wire; never less than len(Data)
	Number uint64    // from 1, over the whole file
	Offset int64     // where its record begins in the uncompressed file
}

// Reader reads one capture. It is for one goroutine; BytesRead and Size may be
// called from others.
type Reader struct {
	name      string
	onSecrets func(kind uint32, data []byte)
	closer    io.Closer // the file, if it is ours to close
	size      int64

	raw         *rawFile
	compression string // "gzip", "zstd" or none, for messages
	release     func() // of the decompressor
	win         *window

	at      int64  // offset of the current record
	packets uint64 // packets returned
	err     error  // final

	bigEndian bool // of the pcap file, or of the pcapng section
	isNG      bool
	pcap      pcapState
	ng        ngState
}

// Open opens the capture at path; "-" is standard input. It reads as far as the
// file header, so it waits for one where the input is live.
func Open(path string, opts Options) (*Reader, error) {
	if path == "-" {
		return NewReader(os.Stdin, "standard input", opts)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(f, path, opts)
	if err != nil {
		_ = f.Close() // opened for reading: nothing is lost
		return nil, err
	}
	r.closer = f
	return r, nil
}

// NewReader reads the capture that src holds. name stands for it in errors.
// src is not closed.
func NewReader(src io.Reader, name string, opts Options) (*Reader, error) {
	r := &Reader{name: name, onSecrets: opts.OnSecrets, size: sizeOf(src), raw: &rawFile{src: src}}
	plain, compression, release, err := unpack(r.raw)
	r.compression, r.release = compression, release
	if err != nil {
		return nil, r.unreadable(err, "the file header")
	}
	r.win = newWindow(plain)
	if err := r.readFileHeader(); err != nil {
		release()
		return nil, err
	}
	return r, nil
}

// sizeOf is the length of a regular file, 0 of anything else.
func sizeOf(src io.Reader) int64 {
	f, ok := src.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return 0
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// readFileHeader finds out the format and reads what stands before the records.
func (r *Reader) readFileHeader() error {
	magic, err := r.win.peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) && !isMagicPrefix(r.win.buf[:r.win.end]) {
			return r.notCapture()
		}
		return r.unreadable(err, "the file header")
	}
	switch string(magic) {
	case magicMicrosBE, magicMicrosLE, magicNanosBE, magicNanosLE:
		return r.readPcapHeader()
	case magicSection:
		r.isNG = true
		return r.readFirstSection()
	default:
		return r.notCapture()
	}
}

// isMagicPrefix reports whether b, which is not empty, may begin a capture.
func isMagicPrefix(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for _, magic := range []string{magicMicrosBE, magicMicrosLE, magicNanosBE, magicNanosLE, magicSection} {
		if len(b) <= len(magic) && magic[:len(b)] == string(b) {
			return true
		}
	}
	return false
}

// Next returns the next packet. At the end of the file it returns io.EOF, where
// the file cannot be read any further an [*Error]; both are final.
func (r *Reader) Next() (Packet, error) {
	if r.err != nil {
		return Packet{}, r.err
	}
	if r.isNG {
		return r.nextBlockPacket()
	}
	return r.nextRecord()
}

// begin notes the place of the next record and returns its first n bytes. Where
// the file ends, the error is io.EOF.
func (r *Reader) begin(n int) ([]byte, error) {
	r.at = r.win.offset()
	b, err := r.win.peek(n)
	if err == nil {
		return b, nil
	}
	if errors.Is(err, io.EOF) && r.win.buffered() == 0 {
		r.err = io.EOF
		return nil, io.EOF
	}
	if r.isNG {
		return nil, r.unreadable(err, "a block")
	}
	return nil, r.unreadable(err, r.packet())
}

// BytesRead is how much of the file has been read so far, compressed bytes if it
// is compressed: with Size, the progress. It runs ahead of the packets by at most
// the Reader's buffers.
func (r *Reader) BytesRead() int64 { return r.raw.read.Load() }

// Size is the file's length in the unit of BytesRead, 0 if it is not known.
func (r *Reader) Size() int64 { return r.size }

// Close releases what the Reader holds and closes the file that Open opened. A
// Next that follows fails with fs.ErrClosed, unless the reading had ended before.
// Close may be called again.
func (r *Reader) Close() error {
	r.release()
	if r.err == nil {
		_ = r.fail(fs.ErrClosed, "read after Close")
	}
	if r.closer == nil {
		return nil
	}
	err := r.closer.Close()
	r.closer = nil
	return err
}
