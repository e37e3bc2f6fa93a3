package capfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The options that a Writer knows besides those of interface.go
// (draft-ietf-opsawg-pcapng, Sections 3.5 and 4.1).
const (
	optComment     = 1
	optSHBUserAppl = 4
)

// byteOrderMagic is the Byte-Order Magic of a section header (Section 4.1).
const byteOrderMagic = 0x1a2b3c4d

// maxOption is the longest value that an option may have.
const maxOption = math.MaxUint16

// A Section is what a Writer says of the packets that follow.
type Section struct {
	// Comment is a text for people (opt_comment) and Application the program
	// that writes (shb_userappl): UTF-8, at most 65,535 bytes; "" for none.
	Comment, Application string
}

// A Writer writes pcapng, in little-endian. What belongs to packets must be
// written before them:
//
//	w, err := capfile.NewWriter(f, capfile.Section{Comment: "one connection"})
//	err = w.Secrets(capfile.SecretsTLSKeyLog, keyLog)
//	id, err := w.Interface(origin.Interface)
//	err = w.Packet(id, origin.Stamp, p.Data, p.Length)
//
// It writes in small pieces and holds nothing back: give it a buffer and flush
// that. After an error, its own or of what it writes to, the file is of no use
// and every call returns that error. A Writer is for one goroutine.
type Writer struct {
	w          io.Writer
	err        error
	interfaces []Interface // of the section
	head       [32]byte    // of a packet's block
}

// NewWriter begins a file with a section.
func NewWriter(w io.Writer, s Section) (*Writer, error) {
	ng := &Writer{w: w}
	return ng, ng.Section(s)
}

// Section begins another section (Section 4.1). Its interfaces are numbered
// anew, from 0.
func (w *Writer) Section(s Section) error {
	body := binary.LittleEndian.AppendUint32(nil, byteOrderMagic)
	body = binary.LittleEndian.AppendUint32(body, 1)              // version 1.0
	body = binary.LittleEndian.AppendUint64(body, math.MaxUint64) // of unknown length
	for _, o := range []struct {
		code  uint16
		value string
	}{{optComment, s.Comment}, {optSHBUserAppl, s.Application}} {
		if len(o.value) > maxOption {
			return w.fail(fmt.Errorf("capfile: an option of %d bytes was to be written; at most %d are possible", len(o.value), maxOption))
		}
		if o.value != "" {
			body = appendOption(body, o.code, []byte(o.value))
		}
	}
	if s != (Section{}) {
		body = appendOption(body, optEndOfOpt, nil)
	}
	w.interfaces = w.interfaces[:0]
	return w.block(blockSectionHeader, body)
}

// Secrets writes a Decryption Secrets Block (Section 4.7) for the packets that
// follow in the section. kind says what data is, [SecretsTLSKeyLog] for one.
func (w *Writer) Secrets(kind uint32, data []byte) error {
	if len(data) > MaxSecrets-blockOverhead-8-3 {
		return w.fail(fmt.Errorf("capfile: %d bytes of decryption secrets were to be written, which is more than a file may have (%d)", len(data), MaxSecrets))
	}
	body := binary.LittleEndian.AppendUint32(nil, kind)
	body = binary.LittleEndian.AppendUint32(body, uint32(len(data)))
	return w.block(blockDecryptionSecrets, append(body, data...))
}

// Interface writes an Interface Description Block (Section 4.2) and returns the
// interface's number in the section.
func (w *Writer) Interface(i Interface) (id uint32, err error) {
	if len(w.interfaces) == maxInterfaces {
		return 0, w.fail(fmt.Errorf("capfile: a section with more than %d interfaces was to be written", maxInterfaces))
	}
	body := binary.LittleEndian.AppendUint16(nil, uint16(i.Link))
	body = binary.LittleEndian.AppendUint16(body, 0)
	body = binary.LittleEndian.AppendUint32(body, i.SnapLen)
	body = appendOption(body, optIfTSResol, []byte{i.Resolution})
	if i.Offset != 0 {
		body = appendOption(body, optIfTSOffset, binary.LittleEndian.AppendUint64(nil, uint64(i.Offset)))
	}
	if err := w.block(blockInterfaceDescription, appendOption(body, optEndOfOpt, nil)); err != nil {
		return 0, err
	}
	w.interfaces = append(w.interfaces, i)
	return uint32(len(w.interfaces) - 1), nil
}

// Packet writes an Enhanced Packet Block (Section 4.3): a packet of the
// interface with that number, its time stamp in the interface's units. length
// is that on the wire, and counts as len(data) where it is less; data has at
// most MaxPacket bytes and is not kept.
func (w *Writer) Packet(id uint32, stamp uint64, data []byte, length int) error {
	if uint64(id) >= uint64(len(w.interfaces)) {
		return w.fail(fmt.Errorf("capfile: a packet of interface %d was to be written, and the section has %d", id, len(w.interfaces)))
	}
	h := w.head[:28]
	binary.LittleEndian.PutUint32(h[8:], id)
	binary.LittleEndian.PutUint32(h[12:], uint32(stamp>>32))
	binary.LittleEndian.PutUint32(h[16:], uint32(stamp))
	binary.LittleEndian.PutUint32(h[20:], uint32(len(data)))
	binary.LittleEndian.PutUint32(h[24:], originalLength(data, length))
	return w.packet(blockEnhancedPacket, h, data)
}

// SimplePacket writes a Simple Packet Block (Section 4.4): a packet of the
// section's first interface, without a time. How much of it was captured
// follows from that interface's SnapLen, and data must agree.
func (w *Writer) SimplePacket(data []byte, length int) error {
	if len(w.interfaces) == 0 {
		return w.fail(errors.New("capfile: a packet was to be written, and the section has no interface"))
	}
	original := originalLength(data, length)
	captured := original
	if s := w.interfaces[0].SnapLen; s != 0 {
		captured = min(captured, s)
	}
	if uint64(captured) != uint64(len(data)) {
		return w.fail(fmt.Errorf("capfile: a simple packet of %d bytes was to be written, and its interface makes it %d of %d", len(data), captured, original))
	}
	h := w.head[:12]
	binary.LittleEndian.PutUint32(h[8:], original)
	return w.packet(blockSimplePacket, h, data)
}

// originalLength is length as the formats write it: a Reader's lengths are
// never less than what was captured.
func originalLength(data []byte, length int) uint32 {
	return uint32(min(max(length, len(data)), math.MaxInt32))
}

// packet writes a block of a packet. head has room for the block's type and
// length.
func (w *Writer) packet(typ blockType, head, data []byte) error {
	if len(data) > MaxPacket {
		return w.fail(fmt.Errorf("capfile: a packet of %d bytes was to be written; at most %d are possible", len(data), MaxPacket))
	}
	padding := -len(data) & 3
	size := uint32(len(head) + len(data) + padding + 4)
	binary.LittleEndian.PutUint32(head, uint32(typ))
	binary.LittleEndian.PutUint32(head[4:], size)
	w.write(head)
	w.write(data)
	tail := w.head[:padding+4]
	clear(tail)
	binary.LittleEndian.PutUint32(tail[padding:], size)
	w.write(tail)
	return w.err
}

// block writes a block around body, padded.
func (w *Writer) block(typ blockType, body []byte) error {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	size := uint32(len(body) + blockOverhead)
	head := binary.LittleEndian.AppendUint32(nil, uint32(typ))
	w.write(binary.LittleEndian.AppendUint32(head, size))
	w.write(body)
	w.write(binary.LittleEndian.AppendUint32(nil, size))
	return w.err
}

func (w *Writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
}

// fail makes err the Writer's final state, unless it has one.
func (w *Writer) fail(err error) error {
	if w.err == nil {
		w.err = err
	}
	return w.err
}

// appendOption appends an option (Section 3.5), padded. optEndOfOpt closes a
// list of them.
//
//	 0                   1                   2                   3
//	+-------------------------------+-------------------------------+
//	|          Option Code          |         Option Length         |
//	+-------------------------------+-------------------------------+
//	/                 Option Value, padded to 32 bits               /
//	+---------------------------------------------------------------+
func appendOption(b []byte, code uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}
