package httphead

import (
	"strconv"
	"strings"
)

// ContentLength returns the value of Content-Length, 0 to 2^64-1, and whether
// there is one. Repeated values, in several fields or as a list, count as one
// when they are the same (RFC 9110, Section 8.6). A value that is no number,
// overflows or contradicts another is a [*SyntaxError].
//
// The number is what the message says, not what a body must have: SSTP says
// 2^64-1 in both directions and means "until the connection ends".
func (f Fields) ContentLength() (n uint64, ok bool, err error) {
	n, odd, bad := f.contentLength()
	if odd.Has(InvalidLength | ConflictingLength) {
		return 0, false, &SyntaxError{
			Section: "RFC 9112, Section 6.3", Field: "Content-Length", Value: excerpt(bad),
		}
	}
	return n, odd.Has(hasLength), nil
}

// hasLength tells a Content-Length of 0 from none inside this file. It never
// leaves it.
const hasLength Oddity = 1 << 31

// contentLength returns the first value of Content-Length and, if the values are
// invalid or in conflict, the first value that is to blame.
func (f Fields) contentLength() (n uint64, odd Oddity, bad string) {
	for i := range f {
		if !equalFold(f[i].Name, "Content-Length") {
			continue
		}
		for part := range strings.SplitSeq(f[i].Value, ",") {
			part = trimSpace(part)
			v, err := strconv.ParseUint(part, 10, 64)
			if err != nil {
				return 0, odd | hasLength | InvalidLength, part
			}
			switch {
			case !odd.Has(hasLength):
				n = v
			case v != n:
				return 0, odd | ConflictingLength, part
			default:
				odd |= RepeatedLength
			}
			odd |= hasLength
		}
	}
	return n, odd, ""
}

// framingOddities tells what makes the length of the body doubtful.
func (f Fields) framingOddities(v Version, request bool) Oddity {
	_, odd, _ := f.contentLength()
	last, chunked, encoded := "", 0, false
	for i := range f {
		if !equalFold(f[i].Name, "Transfer-Encoding") {
			continue
		}
		encoded = true
		for coding := range strings.SplitSeq(f[i].Value, ",") {
			last = trimSpace(coding)
			if equalFold(last, "chunked") {
				chunked++
			}
			if !isToken(last) {
				odd |= InvalidEncoding // empty, or with parameters, which no coding has
			}
		}
	}
	if encoded {
		// A response whose last coding is another one ends with the connection.
		final := equalFold(last, "chunked")
		if v == HTTP10 || chunked > 1 || chunked == 1 && !final || request && !final {
			odd |= InvalidEncoding
		}
		if odd.Has(hasLength) {
			odd |= LengthAndEncoding
		}
	}
	return odd &^ hasLength
}
