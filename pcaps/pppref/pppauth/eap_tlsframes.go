package pppauth

import (
	"bytes"
	"fmt"

	"sstpwarden/inspect/ppp"
)

// Bounds of what the other end may send, in octets.
const (
	// maxTLSMessage is for one flight of the handshake, as RFC 5216, Section 2.1.5 advises.
	maxTLSMessage = 64 << 10
	// maxTLSTotal is for all of them.
	maxTLSTotal = 256 << 10
)

// tlsFrames cuts flights of TLS into fragments and puts fragments together (RFC 5216, Section 2.1.5). Each end has at most
// one flight under way, and the other acknowledges each fragment but the last with an empty message.
type tlsFrames struct {
	size int // of the largest EAP packet

	out  []byte
	more bool // out is the rest of a flight of which some was sent

	in    []byte
	want  uint32 // TLS Message Length, 0 if it was not given
	total int    // of all that came
}

// tlsOverhead is what an EAP packet has before the TLS Data and the TLS Message Length: header, type and flags.
const tlsOverhead = 6

func (f *tlsFrames) queue(b []byte) { f.out, f.more = b, false }

// sending reports whether part of a flight has yet to be sent.
func (f *tlsFrames) sending() bool { return len(f.out) > 0 }

// next returns the next fragment, an empty one if there is none. The length stands in the first of several.
func (f *tlsFrames) next() ppp.EAPTLS {
	m := ppp.EAPTLS{Type: ppp.EAPTypeTLS}
	room := f.size - tlsOverhead
	if len(f.out) > room {
		m.Flags |= ppp.EAPTLSMoreFragments
		if !f.more {
			m.Flags |= ppp.EAPTLSLengthIncluded
			m.Length = uint32(len(f.out))
			room -= 4
		}
	}
	n := min(room, len(f.out))
	m.Fragment, f.out, f.more = bytes.Clone(f.out[:n]), f.out[n:], true
	return m
}

// take adds a fragment. With the last one it returns the flight, which is valid until the next call.
func (f *tlsFrames) take(m ppp.EAPTLS) (flight []byte, whole bool, err *Error) {
	if len(f.in) == 0 {
		f.want = 0
	}
	if m.Flags&ppp.EAPTLSLengthIncluded != 0 {
		if f.want != 0 && m.Length != f.want {
			return nil, false, badFrames("one fragment says that the flight has %d octets, another %d", f.want, m.Length)
		}
		f.want = m.Length
	}
	f.total += len(m.Fragment)
	more := m.Flags&ppp.EAPTLSMoreFragments != 0
	n := len(f.in) + len(m.Fragment)
	switch {
	case f.want > maxTLSMessage || n > maxTLSMessage:
		return nil, false, badFrames("a flight has more than %d octets", maxTLSMessage)
	case f.total > maxTLSTotal:
		return nil, false, badFrames("the handshake has more than %d octets", maxTLSTotal)
	case more && len(m.Fragment) == 0:
		return nil, false, badFrames("a fragment is empty and not the last")
	case f.want != 0 && (n > int(f.want) || !more && n < int(f.want)):
		return nil, false, badFrames("a flight of %d octets was announced, and another came", f.want)
	}
	f.in = append(f.in, m.Fragment...)
	if more {
		return nil, false, nil
	}
	flight, f.in = f.in, f.in[:0]
	return flight, true, nil
}

func badFrames(format string, args ...any) *Error {
	return &Error{Method: EAPTLS, Reason: BadMessage, Text: "the other end's fragments do not fit: " + fmt.Sprintf(format, args...)}
}
