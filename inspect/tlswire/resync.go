package tlswire

import (
	"bytes"
	"encoding/binary"
)

const (
	// searchLimit is how many bytes are searched before the stream counts as
	// broken. Two records of the greatest length lie in 37 KiB.
	searchLimit = 64 << 10
	// searchChunk is how many bytes are taken up at a time, which bounds the
	// memory of a search to this and one record.
	searchChunk = 4 << 10
	// maxRelapses is how often the records found may prove to be none before
	// the stream counts as broken. By chance it happens next to never.
	maxRelapses = 16
)

// A search looks for the first record in bytes that begin anywhere. It judges
// one place after the other, and waits where more bytes are needed, so that
// its result does not depend on how they come.
type search struct {
	buf      []byte
	at       int  // the place in buf to judge next; no record begins before it
	waiting  bool // at looks like a header, and more is needed to tell
	aligned  bool // waiting, and a call of Feed began there
	origin   int  // where in buf the present call of Feed began, or negative
	searched int  // bytes taken up so far
}

// find searches b, of which it takes a chunk at a time, and returns what is
// left to do: the rest of b, or, once records were found, everything from the
// first of them on.
func (s *Stream) find(b []byte) []byte {
	f := s.search
	n := min(len(b), searchChunk, searchLimit-f.searched)
	f.buf = append(f.buf, b[:n]...)
	f.searched += n
	switch {
	case f.look():
		rest := append(f.buf[f.at:], b[n:]...)
		s.found()
		return rest
	case f.searched == searchLimit:
		s.fail()
		return nil
	}
	f.trim()
	return b[n:]
}

// findExact ends a search at a record that lies exactly between the beginning
// of one call of Feed and the end of this one.
func (s *Stream) findExact(emit func(Record)) {
	f := s.search
	if !f.waiting || !f.aligned {
		return
	}
	rest := f.buf[f.at:]
	if r, _, _ := ParseRecordHeader(rest); len(rest) != RecordHeaderLen+r.Length {
		return
	}
	s.found()
	for len(rest) > 0 {
		rest = s.read(rest, emit)
	}
}

// found ends the search: the next byte to read is a header's first.
func (s *Stream) found() {
	s.search = nil
	s.state = stateReading
	s.resynced = true
}

// look moves at to the first place where a record may begin and says whether
// one surely does.
func (f *search) look() bool {
	for f.at+RecordHeaderLen <= len(f.buf) {
		// The major version is the rarest of what a header must have.
		i := bytes.IndexByte(f.buf[f.at+1:], 3)
		if i < 0 {
			f.at = len(f.buf) - 1
			return false
		}
		if i > 0 {
			f.at += i
			f.waiting = false
			continue
		}
		switch judge(f.buf[f.at:]) {
		case isRecord:
			return true
		case mayBeRecord:
			f.aligned = f.aligned && f.waiting || f.at == f.origin
			f.waiting = true
			return false
		case noRecord:
			f.at++
			f.waiting = false
		}
	}
	return false
}

// trim drops what is of no more use at the front of the buffer.
func (f *search) trim() {
	if f.at == 0 {
		return
	}
	f.origin -= f.at
	f.buf = append(f.buf[:0], f.buf[f.at:]...)
	f.at = 0
}

type judgement uint8

const (
	noRecord judgement = iota
	mayBeRecord
	isRecord
)

// judge says whether b, which has at least a header's length, begins with a
// record.
func judge(b []byte) judgement {
	r, ok := likelyHeader(b)
	if !ok {
		return noRecord
	}
	if r.Type == ContentHandshake && r.Length >= helloPrefixLen && beginsHello(b[RecordHeaderLen:]) {
		return isRecord
	}
	end := RecordHeaderLen + r.Length
	if len(b) < end+RecordHeaderLen {
		return mayBeRecord
	}
	if next, ok := likelyHeader(b[end:]); !ok || next.Version != r.Version {
		return noRecord
	}
	return isRecord
}

// likelyHeader parses a header more strictly than needed to follow a stream:
// what no known stack sends counts as chance here.
func likelyHeader(b []byte) (Record, bool) {
	r, _, err := ParseRecordHeader(b)
	if err != nil || r.Version > VersionTLS13 || r.Length == 0 {
		return Record{}, false
	}
	switch r.Type {
	case ContentChangeCipherSpec:
		return r, r.Length == 1
	case ContentAlert: // two bytes, or those and what encryption adds
		return r, 2 <= r.Length && r.Length <= 320
	default:
		return r, true
	}
}

const (
	// helloPrefixLen is the length of what beginsHello looks at.
	helloPrefixLen = messageHeaderLen + 2
	// minHelloLen is the length of a hello's body with nothing optional in
	// it: a ServerHello's legacy_version, random, empty session id, suite
	// and compression method.
	minHelloLen = 2 + 32 + 1 + 2 + 1
)

// beginsHello says whether b begins like a ClientHello or a ServerHello:
//
//	msg_type, length (0x00 and two bytes), legacy_version (0x03 and one byte)
func beginsHello(b []byte) bool {
	return len(b) >= helloPrefixLen &&
		(b[0] == byte(HandshakeClientHello) || b[0] == byte(HandshakeServerHello)) &&
		b[1] == 0 && binary.BigEndian.Uint16(b[2:]) >= minHelloLen &&
		b[4] == 3 && Version(binary.BigEndian.Uint16(b[4:])) <= VersionTLS12
}
