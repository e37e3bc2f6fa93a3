package tlswire

import (
	"errors"
	"io"
)

// A Stream splits the bytes of one direction of a connection into records.
// The zero Stream expects a record's first byte; see [Stream.Resync] for
// bytes from the middle of a connection. What it emits does not depend on how
// the bytes are cut, but for how soon a search ends.
//
// Records that are not kept cost neither a copy nor an allocation. At most one
// fragment is held, and about 22 KiB while the stream is searched for records.
// A Stream is not safe for concurrent use.
type Stream struct {
	// KeepApplicationData says that the fragments of application data and
	// heartbeat records are wanted as well. All others are always kept. It
	// may be changed at any time and counts for records that begin later.
	KeepApplicationData bool

	state     streamState
	recovered bool // the records were found by searching, which can err
	resynced  bool // the next record is the first one found
	relapses  uint8
	inside    bool // between a header and the end of its fragment
	keep      bool // the fragment that is being received is wanted

	record Record // the one being received; Length is the whole fragment's
	left   int    // bytes of the fragment that are still to come
	buf    []byte // what came of the fragment so far

	header    [RecordHeaderLen]byte // cut by the end of what was fed
	headerLen int

	search *search // while searching
}

// firstFragment bounds the memory that a record's header alone can ask for, in
// bytes. Most certificate chains fit.
const firstFragment = 4 << 10

type streamState uint8

const (
	stateReading streamState = iota
	stateSearching
	stateBroken
)

// Resync says that the next byte fed may be anywhere in the stream. Records
// are emitted from the first place on where they can be told from chance; the
// first of them is marked Resynced.
//
// That is: a header whose record is followed by another header of the same
// version; the beginning of a ClientHello or ServerHello; or a record that
// begins with what one call of Feed brings and ends with what one brings. After
// 64 KiB without, the stream is broken.
func (s *Stream) Resync() {
	s.drop()
	s.state = stateSearching
	s.recovered = true
	s.search = &search{origin: -1}
}

// Broken says that what came is not TLS records. It stays so, whatever
// follows.
func (s *Stream) Broken() bool { return s.state == stateBroken }

// Searching says that the place in the stream is lost, or was never known,
// and records are being looked for.
func (s *Stream) Searching() bool { return s.state == stateSearching }

// Feed takes the next bytes of the stream and calls emit for every record
// that they complete, in order. Missing is the number of bytes lost just
// before b.
//
// A loss inside a fragment damages that record alone. One that reaches past
// its end, or begins between two records, makes Feed search for the next
// header as [Stream.Resync] does.
//
// Emit must not call Feed or Resync.
func (s *Stream) Feed(b []byte, missing int, emit func(Record)) {
	if missing > 0 {
		s.lose(missing, emit)
	}
	if s.state == stateSearching {
		s.search.origin = len(s.search.buf)
	}
	for len(b) > 0 {
		switch s.state {
		case stateBroken:
			return
		case stateSearching:
			b = s.find(b)
		case stateReading:
			b = s.read(b, emit)
		}
	}
	if s.state == stateSearching {
		s.findExact(emit)
	}
}

// read takes the next piece of a record from b, which is not empty, and
// returns the rest of b.
func (s *Stream) read(b []byte, emit func(Record)) []byte {
	if s.inside {
		return s.readFragment(b, emit)
	}
	if s.headerLen > 0 || len(b) < RecordHeaderLen {
		return s.readCutHeader(b, emit)
	}
	r, n, err := ParseRecordHeader(b)
	if err != nil {
		return s.lost(b)
	}
	s.begin(r, emit)
	return b[n:]
}

// readCutHeader collects a header that does not lie whole in what was fed.
func (s *Stream) readCutHeader(b []byte, emit func(Record)) []byte {
	n := copy(s.header[s.headerLen:], b)
	s.headerLen += n
	r, _, err := ParseRecordHeader(s.header[:s.headerLen])
	switch {
	case err == nil:
		s.begin(r, emit)
		return b[n:]
	case errors.Is(err, io.ErrUnexpectedEOF):
		return b[n:]
	}
	head := append([]byte(nil), s.header[:s.headerLen]...)
	return s.lost(append(head, b[n:]...))
}

// begin takes up the record whose header was just read.
func (s *Stream) begin(r Record, emit func(Record)) {
	r.Resynced = s.resynced
	s.resynced = false
	s.headerLen = 0
	s.record = r
	s.left = r.Length
	s.inside = true
	s.keep = s.KeepApplicationData ||
		r.Type != ContentApplicationData && r.Type != ContentHeartbeat
	if !s.keep {
		s.buf = nil // the handshake is over, and its memory is of use elsewhere
	}
	if s.left == 0 {
		s.end(s.buf[:0], emit)
	}
}

// readFragment takes bytes of the fragment from b and returns the rest of b.
func (s *Stream) readFragment(b []byte, emit func(Record)) []byte {
	n := min(s.left, len(b))
	switch {
	case n == s.record.Length:
		s.end(b[:n:n], emit) // whole in b: no need to copy
		return b[n:]
	case s.keep && !s.record.Damaged:
		if s.buf == nil {
			s.buf = make([]byte, 0, max(n, min(s.record.Length, firstFragment)))
		}
		s.buf = append(s.buf, b[:n]...)
	}
	s.left -= n
	if s.left == 0 {
		s.end(s.buf, emit)
	}
	return b[n:]
}

// end emits the record that is being received.
func (s *Stream) end(fragment []byte, emit func(Record)) {
	r := s.record
	if s.keep && !r.Damaged {
		r.Fragment = fragment
	}
	s.inside = false
	emit(r)
	s.buf = s.buf[:0]
}

// lose takes note of missing bytes.
func (s *Stream) lose(missing int, emit func(Record)) {
	if s.state == stateBroken {
		return
	}
	if s.inside {
		s.record.Damaged = true
		if missing < s.left {
			s.left -= missing
			s.buf = s.buf[:0]
			return
		}
		exact := missing == s.left
		s.end(nil, emit)
		if exact {
			return
		}
	}
	s.Resync()
}

// lost is called where b does not begin with a header although it should. It
// returns what is left to do of b.
func (s *Stream) lost(b []byte) []byte {
	if !s.recovered || s.relapses == maxRelapses {
		s.fail()
		return nil
	}
	s.relapses++
	s.Resync()
	return b
}

func (s *Stream) fail() {
	s.drop()
	s.state = stateBroken
}

// drop forgets what was half received.
func (s *Stream) drop() {
	s.inside = false
	s.headerLen = 0
	s.left = 0
	s.buf = nil
	s.search = nil
}
