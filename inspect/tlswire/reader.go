package tlswire

import (
	"io"

	"golang.org/x/crypto/cryptobyte"
)

// A reader takes fields off the front of a message. Its first error sticks,
// and what is read after it is zero, so that a parser looks at it once, at its
// end.
type reader struct {
	s       cryptobyte.String
	end     int    // where s ends, in bytes from the start of the message
	closed  bool   // s is a vector whose length was given: no more can follow
	section string // where the specification describes what is read
	err     *error // shared with the readers of vectors inside
}

// newReader returns a reader of b, which may be cut short.
func newReader(b []byte, section string) *reader {
	return &reader{s: b, end: len(b), section: section, err: new(error)}
}

// more says that there is something left to read.
func (r *reader) more() bool { return *r.err == nil && len(r.s) > 0 }

// fail notes that the field at the given distance in front of what is left
// does not fit.
func (r *reader) fail(field string, back int, value any) {
	if *r.err == nil {
		*r.err = &SyntaxError{Section: r.section, Field: field, Offset: r.end - len(r.s) - back, Value: value}
	}
}

// short notes that s ended within the field.
func (r *reader) short(field string) {
	if *r.err == nil && !r.closed {
		*r.err = io.ErrUnexpectedEOF
	}
	r.fail(field, 0, nil)
}

func (r *reader) uint8(field string) (v uint8) {
	if *r.err == nil && !r.s.ReadUint8(&v) {
		r.short(field)
	}
	return v
}

func (r *reader) uint16(field string) (v uint16) {
	if *r.err == nil && !r.s.ReadUint16(&v) {
		r.short(field)
	}
	return v
}

// bytes reads n bytes, which remain a part of the message.
func (r *reader) bytes(n int, field string) (v []byte) {
	if *r.err == nil && !r.s.ReadBytes(&v, n) {
		r.short(field)
	}
	return v
}

// vector reads a length of size bytes and as many bytes as it says, and
// returns a reader of the latter.
func (r *reader) vector(size int, field string) reader {
	n := 0
	for _, b := range r.peek(size, field) {
		n = n<<8 | int(b)
	}
	v := reader{closed: true, section: r.section, err: r.err}
	if *r.err == nil && n > len(r.s)-size && r.closed {
		r.fail(field+" length", 0, n)
	}
	r.bytes(size, field)
	v.s = r.bytes(n, field)
	v.end = r.end - len(r.s)
	return v
}

// peek returns the next n bytes without taking them.
func (r *reader) peek(n int, field string) []byte {
	if *r.err == nil && len(r.s) < n {
		r.short(field)
	}
	if *r.err != nil {
		return nil
	}
	return r.s[:n]
}

// rest takes everything that is left.
func (r *reader) rest(field string) []byte { return r.bytes(len(r.s), field) }

// uint16s reads 16-bit numbers to the end.
func uint16s[T ~uint16](r reader, field string) []T {
	if !r.more() {
		return nil
	}
	v := make([]T, 0, (len(r.s)+1)/2)
	for r.more() {
		v = append(v, T(r.uint16(field)))
	}
	return v
}

// done returns the first error, which is that something is left if nothing
// else was wrong.
func (r *reader) done() error {
	if *r.err == nil && len(r.s) > 0 {
		r.fail("trailing bytes", 0, len(r.s))
	}
	return *r.err
}
