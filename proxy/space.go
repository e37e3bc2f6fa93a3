package proxy

import (
	"errors"
	"io"
	"sync"
)

// largeLen is how much is read at once of what comes in bulk: eight whole TLS
// records, which cost the kernel little more than two.
const largeLen = 128 << 10

var larges = sync.Pool{New: func() any { return new([largeLen]byte) }}

// A space is what one direction is read to: a chunk, and more for as long as reads
// fill it. So what waits holds no more than a chunk.
type space struct {
	b     []byte
	chunk *[chunkLen]byte
	large *[largeLen]byte // instead of the chunk; nil for none
}

func newSpace() *space {
	s := &space{chunk: chunks.Get().(*[chunkLen]byte)}
	s.b = s.chunk[:]
	return s
}

// took makes the space larger or smaller, now that a read has taken n bytes of it
// and they are written.
func (s *space) took(n int) {
	switch full := n == len(s.b); {
	case full && s.large == nil:
		s.free()
		s.large = larges.Get().(*[largeLen]byte)
		s.b = s.large[:]
	case n <= chunkLen && s.large != nil:
		s.free()
		s.chunk = chunks.Get().(*[chunkLen]byte)
		s.b = s.chunk[:]
	}
}

func (s *space) free() {
	if s.large != nil {
		larges.Put(s.large)
	} else {
		put(s.chunk)
	}
	s.b, s.chunk, s.large = nil, nil, nil
}

// carryAll copies until src ends, which is no error.
func carryAll(dst io.Writer, src io.Reader) (total int64, err error) {
	s := newSpace()
	defer s.free()
	for {
		n, err := src.Read(s.b)
		if n > 0 {
			written, failed := dst.Write(s.b[:n])
			total += int64(written)
			if failed != nil {
				return total, failed
			}
			s.took(n)
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
