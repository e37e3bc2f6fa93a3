package event

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// An Encoder writes events as JSON lines, one Write of w for each. Characters
// that a terminal would act on, or that turn the text around them, are
// escaped. It is not safe for concurrent use.
type Encoder struct {
	w    io.Writer
	json *json.Encoder
	buf  bytes.Buffer
}

// NewEncoder makes an Encoder that writes to w.
func NewEncoder(w io.Writer) *Encoder {
	enc := &Encoder{w: w}
	enc.json = json.NewEncoder(&enc.buf)
	enc.json.SetEscapeHTML(false) // lines are for people too, who search for "<" as it stands
	return enc
}

// Event writes e.
func (enc *Encoder) Event(e *Event) error {
	if err := enc.encode(e); err != nil {
		return fmt.Errorf("writing event: %w", err)
	}
	return nil
}

// Summary writes s.
func (enc *Encoder) Summary(s *Summary) error {
	if err := enc.encode(s); err != nil {
		return fmt.Errorf("writing summary: %w", err)
	}
	return nil
}

func (enc *Encoder) encode(v any) error {
	enc.buf.Reset()
	if err := enc.json.Encode(v); err != nil {
		return err
	}
	_, err := enc.w.Write(Inert(enc.buf.Bytes()))
	return err
}

// Inert escapes, in JSON, what encoding/json leaves as it stands and should not
// be printed: DEL, the C1 control characters, and those that change direction.
// It returns line itself where there are none.
func Inert(line []byte) []byte {
	if isPlain(line) {
		return line
	}
	out := make([]byte, 0, len(line)+64)
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		if r >= 0x7f && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, line[:n]...)
		}
		line = line[n:]
	}
	return out
}

// isPlain says that b is ASCII without DEL, as nearly all events are. It looks
// at eight bytes at once.
func isPlain(b []byte) bool {
	if bytes.IndexByte(b, 0x7f) >= 0 {
		return false
	}
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
