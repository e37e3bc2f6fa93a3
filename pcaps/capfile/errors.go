package capfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// What can be wrong with a capture itself. An [*Error] that matches neither is a
// failure to read the file.
var (
	// ErrTruncated means that the file ends within a record.
	ErrTruncated = errors.New("capture is cut off")
	// ErrFormat means that the file is not a capture, or is damaged.
	ErrFormat = errors.New("not a valid capture")
)

// Error is what ended the reading of a capture.
type Error struct {
	File   string // the name given to Open or NewReader
	Offset int64  // where the record begins that could not be read, in the uncompressed file
	Packet uint64 // the number that record's packet has or the next one would have had; every packet before it was returned
	Reason string // what is wrong, where, and what to do about it
	Err    error  // wraps ErrTruncated, ErrFormat, or the failure to read
}

// Error names the file and the reason.
func (e *Error) Error() string { return e.File + ": " + e.Reason }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// fail makes err the Reader's final state.
func (r *Reader) fail(err error, reason string) error {
	r.err = &Error{File: r.name, Offset: r.at, Packet: r.packets + 1, Reason: reason, Err: err}
	return r.err
}

// malformed reports contents that no capture can have. It takes the offending
// thing as a sentence without an end ("packet 3 at offset 40 claims ...").
func (r *Reader) malformed(format string, args ...any) error {
	return r.fail(ErrFormat, fmt.Sprintf(format, args...)+": the file is damaged from here on; "+r.usable())
}

// unreadable reports that the record called what could not be read whole because
// of err, which the window returned.
func (r *Reader) unreadable(err error, what string) error {
	switch {
	case r.raw.err != nil:
		// The file itself failed; a decompressor may have wrapped that.
		cause := r.raw.err
		if path, ok := errors.AsType[*fs.PathError](cause); ok {
			cause = path.Err // the name is in the message already
		}
		return r.fail(cause, fmt.Sprintf("reading %s at %s failed: %v", what, r.where(), cause))
	case errors.Is(err, io.EOF):
		return r.fail(ErrTruncated, fmt.Sprintf("capture ends in the middle of %s at %s: it was cut off, or is still being written; %s",
			what, r.where(), r.usable()))
	case r.compression != "" && errors.Is(err, io.ErrUnexpectedEOF):
		return r.fail(ErrTruncated, fmt.Sprintf("%s data ends early, in %s at %s: it was cut off, or is still being written; %s",
			r.compression, what, r.where(), r.usable()))
	case r.compression != "":
		return r.fail(fmt.Errorf("%w: %w", ErrFormat, err), fmt.Sprintf("%s data is damaged near %s at %s (%s); %s",
			r.compression, what, r.where(), unpackAdvice(err), r.usable()))
	default:
		return r.fail(err, fmt.Sprintf("reading %s at %s failed: %v", what, r.where(), err))
	}
}

// packet names the packet being read.
func (r *Reader) packet() string { return fmt.Sprintf("packet %d", r.packets+1) }

// where names the current record's place.
func (r *Reader) where() string {
	if r.compression != "" {
		return fmt.Sprintf("offset %d of the unpacked data", r.at)
	}
	return fmt.Sprintf("offset %d", r.at)
}

// usable says what the user has in spite of the error.
func (r *Reader) usable() string {
	if r.packets == 0 {
		return "no packet comes before it"
	}
	return "everything before is usable"
}

// tooLong reports a packet that claims more than MaxPacket bytes.
func (r *Reader) tooLong(captured uint32) error {
	return r.malformed("%s at %s claims %d captured bytes, more than %d", r.packet(), r.where(), captured, MaxPacket)
}

// beyondBlock reports a packet that claims more than its block has room for.
func (r *Reader) beyondBlock(captured uint32, room int) error {
	return r.malformed("%s at %s claims %d captured bytes in a block with room for %d", r.packet(), r.where(), captured, room)
}

// noInterface reports a packet of an interface that the section has not described.
func (r *Reader) noInterface(id uint32) error {
	return r.malformed("%s at %s is of interface %d, and its section has described %d so far", r.packet(), r.where(), id, len(r.ng.interfaces))
}

// versionReason is what to say of a format's version that is not read.
func versionReason(format string, major, minor uint16, want string) string {
	return fmt.Sprintf("%s version %d.%d is not supported, only %s is; convert it with: editcap -F pcapng FILE OUT", format, major, minor, want)
}
