package capfile

import "io"

const (
	// windowSize is a compromise: large enough that a refill, the move of a
	// record's first half and a Batch's way to another goroutine cost nothing
	// per packet, small enough to stay in a processor's own cache, where the
	// consumer reads the packet next.
	windowSize = 512 << 10
	// firstWindow is what a window begins with: many captures are small, and a
	// directory may have thousands of them.
	firstWindow = 16 << 10

	// maxEmptyReads is how often a source may return nothing without an error.
	maxEmptyReads = 100
)

// window is the part of a stream that is in memory. Records are looked at where
// they lie; a slice of it is valid until the next call that may refill it.
type window struct {
	src      io.Reader
	buf      []byte
	pos, end int   // buf[pos:end] is read from src and not yet consumed
	base     int64 // stream offset of buf[0]
	err      error // why src gives no more
}

func newWindow(src io.Reader) *window {
	return &window{src: src, buf: make([]byte, firstWindow)}
}

// offset is the stream offset of the next byte.
func (w *window) offset() int64 { return w.base + int64(w.pos) }

// buffered is the number of bytes at hand.
func (w *window) buffered() int { return w.end - w.pos }

// peek returns the next n bytes, at most maxHeld, without consuming them. It
// reads no more than it must, so that a live source is never waited for without
// need. The error is the source's; what there is stays at hand.
func (w *window) peek(n int) ([]byte, error) {
	if w.end-w.pos < n {
		if err := w.fill(n); err != nil {
			return nil, err
		}
	}
	return w.buf[w.pos : w.pos+n : w.pos+n], nil
}

// advance consumes n bytes that a peek returned.
func (w *window) advance(n int) { w.pos += n }

// move goes on in other memory, so that what was returned stays as it is:
// that of buf if it is large enough, else new memory, which is returned.
func (w *window) move(buf []byte) []byte {
	if size := w.size(); len(buf) < size {
		buf = make([]byte, size)
	}
	w.base += int64(w.pos)
	w.pos, w.end = 0, copy(buf, w.buf[w.pos:w.end])
	w.buf = buf
	return buf
}

// size is how large the window's memory should be.
func (w *window) size() int {
	if n := len(w.buf); n < windowSize && w.end == n {
		return 2 * n // the source fills it: more is to come
	}
	return len(w.buf)
}

// fill reads until n bytes are at hand.
func (w *window) fill(n int) error {
	if w.err != nil {
		return w.err
	}
	rest := w.buf[w.pos:w.end]
	size := w.size()
	for size < n {
		size *= 2
	}
	if size > len(w.buf) {
		w.buf = make([]byte, size)
	}
	w.base += int64(w.pos)
	w.pos, w.end = 0, copy(w.buf, rest)

	for empty := 0; w.end < n; {
		m, err := w.src.Read(w.buf[w.end:])
		w.end += m
		if m == 0 && err == nil {
			if empty++; empty == maxEmptyReads {
				err = io.ErrNoProgress
			}
		}
		if err != nil {
			w.err = err
			break
		}
	}
	if w.end < n {
		return w.err
	}
	return nil
}

// skip consumes n bytes without holding them.
func (w *window) skip(n int64) error {
	for n > 0 {
		if _, err := w.peek(1); err != nil {
			return err
		}
		step := min(n, int64(w.buffered()))
		w.advance(int(step))
		n -= step
	}
	return nil
}

// take consumes n bytes into a new slice, which grows as the bytes arrive and
// never by what n promises.
func (w *window) take(n int) ([]byte, error) {
	var out []byte
	for len(out) < n {
		if _, err := w.peek(1); err != nil {
			return nil, err
		}
		step := min(n-len(out), w.buffered())
		out = append(out, w.buf[w.pos:w.pos+step]...)
		w.advance(step)
	}
	return out, nil
}
