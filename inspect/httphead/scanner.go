package httphead

import (
	"bytes"
	"errors"
	"io"
)

// A Scanner parses a head from a buffer that grows between calls. A call's work is
// in proportion to what was added, however small the pieces are; only the head's
// completion reads all of it again. The zero value is ready.
//
// Every call gets the whole buffer from the head's first byte on. Any outcome
// but [io.ErrUnexpectedEOF] readies the Scanner for the next head, and so does a
// buffer that has shrunk.
type Scanner struct {
	kind  kind
	empty int       // empty lines skipped before the start line
	line  int       // offset of the current line
	pos   int       // offset of the first byte not looked at
	count int       // field lines found
	start startLine // once fields > 0
	// fields is the offset of the first field line, 0 while the start line is
	// not complete.
	fields int
}

type kind uint8

const (
	kindRequest kind = iota + 1
	kindResponse
)

// Request is [ParseRequest] for a growing b.
func (s *Scanner) Request(b []byte) (Request, int, error) {
	n, err := s.scan(b, kindRequest)
	if err != nil {
		return Request{}, 0, err
	}
	raw := string(b[:n])
	fields, odd := parseFields(raw[s.fields:], s.count)
	r := Request{
		Method:   raw[s.start.method.from:s.start.method.to],
		Target:   raw[s.start.text.from:s.start.text.to],
		Version:  s.start.version,
		Fields:   fields,
		Oddities: odd | s.start.oddities,
		Raw:      raw,
	}
	if s.empty > 0 {
		r.Oddities |= LeadingEmptyLine
	}
	r.Oddities |= r.targetOddities() | r.hostOddities() | r.Fields.framingOddities(r.Version, true)
	*s = Scanner{}
	return r, n, nil
}

// Response is [ParseResponse] for a growing b.
func (s *Scanner) Response(b []byte) (Response, int, error) {
	n, err := s.scan(b, kindResponse)
	if err != nil {
		return Response{}, 0, err
	}
	raw := string(b[:n])
	fields, odd := parseFields(raw[s.fields:], s.count)
	r := Response{
		Version:  s.start.version,
		Status:   s.start.status,
		Reason:   raw[s.start.text.from:s.start.text.to],
		Fields:   fields,
		Oddities: odd | s.start.oddities | fields.framingOddities(s.start.version, false),
		Raw:      raw,
	}
	*s = Scanner{}
	return r, n, nil
}

// scan finds the head's end and parses its start line on the way. It resets s
// on an error that is final; its callers do so on success.
func (s *Scanner) scan(b []byte, k kind) (n int, err error) {
	if s.kind != k || len(b) < s.pos {
		*s = Scanner{kind: k}
	}
	head := b[:min(len(b), MaxHeadLen)]
	if s.fields == 0 {
		err = s.scanStartLine(head)
	}
	if err == nil {
		n, err = s.scanFieldLines(head)
	}
	more := errors.Is(err, io.ErrUnexpectedEOF)
	if more && len(head) == MaxHeadLen {
		more = false
		err = &SyntaxError{Section: "RFC 9110, Section 5.4", Field: "head length", Offset: MaxHeadLen, Value: MaxHeadLen}
	}
	if err != nil && !more {
		*s = Scanner{}
	}
	return n, err
}

// scanStartLine looks for the end of the start line. The checks that it makes
// before that are the ones that tell other protocols apart at once.
func (s *Scanner) scanStartLine(b []byte) error {
	section, field, check := "RFC 9112, Section 4", "status-line", checkStatusLine
	if s.kind == kindRequest {
		if err := s.skipEmptyLines(b); err != nil {
			return err
		}
		section, field, check = "RFC 9112, Section 3", "request-line", checkMethod
	}
	if err := check(b[s.line:], s.line); err != nil {
		return err
	}
	for s.pos < len(b) {
		c := b[s.pos]
		if c == '\n' {
			return s.endStartLine(b)
		}
		if c == '\r' && s.pos+1 == len(b) {
			break // LF may follow
		}
		if c < ' ' && c != '\t' && (c != '\r' || b[s.pos+1] != '\n') || c == 0x7f {
			return &SyntaxError{Section: section, Field: field, Offset: s.pos, Value: c}
		}
		s.pos++
	}
	return io.ErrUnexpectedEOF
}

// skipEmptyLines skips what older clients send after the body of the message
// before.
func (s *Scanner) skipEmptyLines(b []byte) error {
	for s.line < len(b) {
		i := s.line
		if b[i] == '\r' && i+1 < len(b) {
			i++
		}
		switch {
		case b[i] == '\n':
			s.empty++
		case i > s.line: // behind a CR
			return &SyntaxError{Section: "RFC 9112, Section 2.2", Field: "empty line", Offset: i, Value: b[i]}
		case b[i] == '\r': // the last byte of b: LF may follow
			return io.ErrUnexpectedEOF
		default:
			return nil
		}
		if s.empty > maxEmptyLines {
			return &SyntaxError{
				Section: "RFC 9112, Section 2.2", Field: "empty lines before the request line",
				Offset: s.line, Value: maxEmptyLines,
			}
		}
		s.line = i + 1
		s.pos = s.line
	}
	return io.ErrUnexpectedEOF
}

// endStartLine parses the start line, whose LF is at s.pos.
func (s *Scanner) endStartLine(b []byte) (err error) {
	line, bare := cutLineEnd(b[s.line:s.pos])
	if s.kind == kindRequest {
		s.start, err = parseRequestLine(line, s.line)
	} else {
		s.start = parseStatusLine(line, s.line)
	}
	if bare {
		s.start.oddities |= BareLF
	}
	s.pos++
	s.line, s.fields = s.pos, s.pos
	return err
}

// scanFieldLines looks for the empty line and returns the offset behind it.
func (s *Scanner) scanFieldLines(b []byte) (int, error) {
	for {
		i := bytes.IndexByte(b[s.pos:], '\n')
		if i < 0 {
			s.pos = len(b)
			return 0, io.ErrUnexpectedEOF
		}
		line, _ := cutLineEnd(b[s.line : s.pos+i])
		s.pos += i + 1
		if len(line) == 0 {
			return s.pos, nil
		}
		s.count++
		if s.count > MaxFields {
			return 0, &SyntaxError{Section: "RFC 9110, Section 5.4", Field: "field lines", Offset: s.line, Value: MaxFields}
		}
		s.line = s.pos
	}
}

// cutLineEnd cuts the CR off a line whose LF is cut off already, and reports
// whether there was none.
func cutLineEnd[T string | []byte](line T) (content T, bare bool) {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1], false
	}
	return line, true
}
