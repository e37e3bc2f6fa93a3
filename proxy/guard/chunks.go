package guard

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// What is wrong with a chunked body (RFC 9112, Section 7.1).
var (
	errChunkSize     = errors.New("the chunk size is not a number of 1 to 16 hexadecimal digits below 2^63")
	errChunkLine     = errors.New("the line with the chunk size does not end with CR LF or has a character that it must not have")
	errChunkExt      = errors.New("the chunk extensions are too long")
	errChunkEnd      = errors.New("the chunk does not end with CR LF where its size says")
	errTrailer       = errors.New("the trailer section has a line that is not a field")
	errTrailerName   = errors.New("the trailer section has a field that only a head may have")
	errTrailerLength = errors.New("the trailer section is too long")
)

const (
	// net/http takes lines of 4096 bytes, and trailer sections that fit in as much.
	maxChunkExt = 1 << 10
	maxTrailer  = 4000
	// maxChunkExts is for all extensions of a body. Nobody uses them, except for
	// making much work of little data.
	maxChunkExts = 16 << 10
)

// fieldsNotInTrailer would change, if anybody believed them, whose the message is
// or where it ends (RFC 9110, Section 6.5.1).
var fieldsNotInTrailer = []string{"content-length", "host", "trailer", "transfer-encoding"}

// chunks finds the end of a chunked body (RFC 9112, Section 7.1):
//
//	chunked-body = *chunk last-chunk trailer-section CRLF
//	chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
//	last-chunk   = 1*("0") [ chunk-ext ] CRLF
//
// It is strict about all that receivers are known to disagree on: line ends,
// the digits of the size, white space. Only spaces between a size and its line
// end are let pass, which all take as padding.
type chunks struct {
	state  chunkState
	last   bool // this chunk has the size 0
	digits uint8
	ext    uint16 // length of this chunk's extensions
	exts   uint16 // of all
	fields uint16 // length of the trailer section so far
	left   uint64 // the size read so far, then what is left of it
	name   []byte // in lower case, of the trailer field, as far as it matters
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkPad
	chunkExt
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailerName
	trailerValue
	trailerLF
	trailerEndLF
)

// scan takes the next bytes of a body and returns how many of them belong to it
// and whether it is whole.
func (k *chunks) scan(b []byte) (n int, done bool, err error) {
	for n < len(b) {
		if k.state == chunkData {
			part := min(uint64(len(b)-n), k.left)
			n += int(part)
			k.left -= part
			if k.left == 0 {
				k.state = chunkDataCR
			}
			continue
		}
		if k.state >= trailerStart {
			done, err = k.trailer(b[n])
		} else {
			err = k.line(b[n])
		}
		if err != nil {
			return n, false, err
		}
		n++
		if done {
			return n, true, nil
		}
	}
	return n, false, nil
}

// line takes a byte of what is around chunk data.
func (k *chunks) line(c byte) error {
	switch k.state {
	case chunkSize:
		return k.size(c)
	case chunkPad:
		return k.endSize(c)
	case chunkExt:
		return k.extension(c)
	case chunkSizeLF:
		if c != '\n' {
			return errChunkLine
		}
		k.last = k.left == 0
		k.state = chunkData
		if k.last {
			k.state = trailerStart
		}
		k.digits, k.ext = 0, 0
	case chunkDataCR:
		if c != '\r' {
			return errChunkEnd
		}
		k.state = chunkDataLF
	default: // chunkDataLF
		if c != '\n' {
			return errChunkEnd
		}
		k.state = chunkSize
	}
	return nil
}

// size takes a byte of a chunk size.
func (k *chunks) size(c byte) error {
	var digit byte
	switch {
	case '0' <= c && c <= '9':
		digit = c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		digit = c | 0x20 - 'a' + 10
	case k.digits == 0:
		return errChunkSize
	case c == ';':
		k.state = chunkExt
		return nil
	default:
		return k.endSize(c)
	}
	k.digits++
	if k.digits > 16 || k.left>>59 != 0 {
		return errChunkSize
	}
	k.left = k.left<<4 | uint64(digit)
	return nil
}

// endSize takes a byte of the padding behind a chunk size, or its CR.
func (k *chunks) endSize(c byte) error {
	switch c {
	case '\r':
		k.state = chunkSizeLF
		return nil
	case ' ', '\t':
		k.state = chunkPad
		return k.lengthen()
	}
	return errChunkLine
}

func (k *chunks) extension(c byte) error {
	switch {
	case c == '\r':
		k.state = chunkSizeLF
		return nil
	case isText(c):
		return k.lengthen()
	}
	return errChunkLine
}

// lengthen counts a byte that says nothing.
func (k *chunks) lengthen() error {
	k.ext++
	k.exts++
	if k.ext > maxChunkExt || k.exts > maxChunkExts {
		return errChunkExt
	}
	return nil
}

// trailer takes a byte of the trailer section:
//
//	trailer-section = *( field-name ":" OWS field-value OWS CRLF )
func (k *chunks) trailer(c byte) (done bool, err error) {
	if k.fields++; k.fields > maxTrailer {
		return false, errTrailerLength
	}
	switch k.state {
	case trailerStart:
		k.name = k.name[:0]
		if c == '\r' {
			k.state = trailerEndLF
			return false, nil
		}
		k.state = trailerName
		return false, k.fieldName(c)
	case trailerName:
		if c != ':' {
			return false, k.fieldName(c)
		}
		if len(k.name) == 0 || slices.Contains(fieldsNotInTrailer, strings.ToLower(string(k.name))) {
			return false, errTrailerName
		}
		k.state = trailerValue
	case trailerValue:
		switch {
		case c == '\r':
			k.state = trailerLF
		case !isText(c):
			return false, errTrailer
		}
	default: // trailerLF, trailerEndLF
		if c != '\n' {
			return false, errTrailer
		}
		done = k.state == trailerEndLF
		k.state = trailerStart
	}
	return done, nil
}

// fieldName takes a byte of a field's name. No name of interest is longer than
// 32 bytes.
func (k *chunks) fieldName(c byte) error {
	if !httpguts.IsTokenRune(rune(c)) {
		return errTrailer
	}
	if len(k.name) < 32 {
		k.name = append(k.name, c)
	}
	return nil
}

// isText reports whether c may stand in a field's value.
func isText(c byte) bool { return c == '\t' || c >= ' ' && c != 0x7f }
