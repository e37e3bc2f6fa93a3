package httphead

import "bytes"

// span is a range of a head's bytes.
type span struct{ from, to int }

// startLine is what a start line says, as offsets into the head, so that
// scanning copies nothing.
type startLine struct {
	version  Version
	method   span // request only
	text     span // request-target or reason-phrase
	status   int  // response only
	oddities Oddity
}

// checkMethod tells whether b may begin a request line: a token and then white
// space (RFC 9112, Section 3.1). It reads at most MaxMethodLen+1 bytes, so it may
// be repeated as b grows. base is the offset of b in the head.
func checkMethod(b []byte, base int) error {
	for i, c := range b {
		if i > 0 && isSpace(c) {
			return nil
		}
		if i == MaxMethodLen || !tokenChars[c] {
			return &SyntaxError{Section: "RFC 9112, Section 3.1", Field: "method", Offset: base + i, Value: c}
		}
	}
	return nil
}

// parseRequestLine parses a request line of which checkMethod approved and which
// has no control character but HTAB:
//
//	request-line = method SP request-target SP HTTP-version
//
// White space is taken as any run of SP and HTAB, and the target as all that
// stands between the first and the last word. base is the offset of line in the head.
func parseRequestLine(line []byte, base int) (startLine, error) {
	trimmed := bytes.TrimRight(line, " \t")
	methodEnd := bytes.IndexAny(line, " \t")
	versionStart := bytes.LastIndexAny(trimmed, " \t") + 1
	if versionStart <= methodEnd { // a single word
		return startLine{}, &SyntaxError{
			Section: "RFC 9112, Section 2.3", Field: "HTTP-version", Offset: base + len(trimmed), Value: "",
		}
	}
	from := methodEnd + 1
	for from < versionStart && isSpace(line[from]) {
		from++
	}
	to := len(bytes.TrimRight(line[:versionStart], " \t"))
	method, target, version := line[:methodEnd], line[from:max(from, to)], trimmed[versionStart:]
	if string(version) == "HTTP/2.0" && string(method) == "PRI" && string(target) == "*" {
		return startLine{}, ErrHTTP2Preface
	}
	if len(version) != 8 || string(version[:7]) != "HTTP/1." || !isDigit(version[7]) {
		return startLine{}, &SyntaxError{
			Section: "RFC 9112, Section 2.3", Field: "HTTP-version", Offset: base + versionStart, Value: excerpt(version),
		}
	}
	if len(target) == 0 {
		return startLine{}, &SyntaxError{
			Section: "RFC 9112, Section 3.2", Field: "request-target", Offset: base + versionStart, Value: "",
		}
	}
	s := startLine{
		version: Version{1, version[7] - '0'},
		method:  span{base, base + methodEnd},
		text:    span{base + from, base + to},
	}
	if len(line) != methodEnd+1+len(target)+1+len(version) || line[methodEnd] != ' ' || line[to] != ' ' {
		s.oddities |= RequestLineSpace
	}
	for _, c := range target {
		if isSpace(c) {
			s.oddities |= SpaceInTarget
		}
		s.oddities |= lineOddities[c]
	}
	return s, nil
}

// statusLineLen is the length of the fixed part of a status line.
const statusLineLen = len("HTTP/1.1 200")

// checkStatusLine tells whether b may begin a status line (RFC 9112, Section 4).
// It reads at most statusLineLen+1 bytes, so it may be repeated as b grows. base
// is the offset of b in the head.
func checkStatusLine(b []byte, base int) error {
	for i, c := range b[:min(len(b), statusLineLen+1)] {
		field, ok := "HTTP-version", false
		switch {
		case i < 7:
			ok = c == "HTTP/1."[i]
		case i == 7:
			ok = isDigit(c)
		case i == 8:
			ok = c == ' '
		case i < statusLineLen:
			field, ok = "status-code", isDigit(c)
		default:
			field, ok = "status-code", c == ' ' || c == '\r' || c == '\n'
		}
		if !ok {
			return &SyntaxError{Section: "RFC 9112, Section 4", Field: field, Offset: base + i, Value: c}
		}
	}
	return nil
}

// parseStatusLine parses a status line of which checkStatusLine approved:
//
//	status-line = HTTP-version SP status-code SP [ reason-phrase ]
func parseStatusLine(line []byte, base int) startLine {
	s := startLine{
		version: Version{1, line[7] - '0'},
		status:  int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0'),
		text:    span{base + statusLineLen, base + statusLineLen},
	}
	if len(line) == statusLineLen {
		s.oddities |= MissingReasonSpace
		return s
	}
	s.text = span{base + statusLineLen + 1, base + len(line)}
	for _, c := range line {
		s.oddities |= lineOddities[c]
	}
	return s
}
