package httphead

import (
	"fmt"
	"strconv"
	"strings"
)

// Append appends the request's head in canonical form to b and returns the
// extended slice. Raw and Oddities play no part; to pass a head on unchanged,
// append Raw.
//
// CR, LF and NUL in any string become spaces (RFC 9110, Section 5.5), white space
// around a value goes, and fields whose name is not a token are left out, so
// nothing that was read can make up a line of its own. A repeated Content-Length is written once (RFC 9110, Section
// 8.6). What Method and Target say is the caller's care.
func (r Request) Append(b []byte) []byte {
	b = appendText(b, r.Method)
	b = append(b, ' ')
	b = appendText(b, r.Target)
	b = append(b, ' ')
	b = appendVersion(b, r.Version)
	b = append(b, "\r\n"...)
	return appendFields(b, r.Fields)
}

// Append appends the response's head in canonical form to b and returns the
// extended slice, in the way of [Request.Append]. The space after the status
// code is written even when there is no reason, as RRAS does and RFC 9112,
// Section 4, wants.
func (r Response) Append(b []byte) []byte {
	b = appendVersion(b, r.Version)
	b = fmt.Appendf(b, " %03d ", r.Status)
	b = appendText(b, r.Reason)
	b = append(b, "\r\n"...)
	return appendFields(b, r.Fields)
}

func appendVersion(b []byte, v Version) []byte {
	if v == (Version{}) {
		v = HTTP11
	}
	return append(b, v.String()...)
}

// appendFields appends the field lines and the empty line.
func appendFields(b []byte, fields Fields) []byte {
	length, odd, _ := fields.contentLength()
	repeated := odd&(RepeatedLength|InvalidLength|ConflictingLength) == RepeatedLength
	written := false
	for _, f := range fields {
		if !isToken(f.Name) {
			continue
		}
		if repeated && equalFold(f.Name, "Content-Length") {
			if written {
				continue
			}
			written = true
			f.Value = strconv.FormatUint(length, 10)
		}
		b = append(b, f.Name...)
		b = append(b, ':')
		if value := strings.Trim(f.Value, " \t\r\n\x00"); value != "" {
			b = append(b, ' ')
			b = appendText(b, value)
		}
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c == '\r' || c == '\n' || c == 0 {
			c = ' '
		}
		b = append(b, c)
	}
	return b
}
