package inspect

import (
	"bytes"
	"errors"
	"io"

	"sstpwarden/inspect/tlswire"
)

const (
	// maxPreface is how many bytes of both sides are looked at in search of
	// TLS behind something else. Mail servers, directories and databases come
	// to it within two kilobytes.
	maxPreface = 16 << 10
	// helloStart is how many bytes tell a ClientHello: a record's header, the
	// handshake message's, and a version.
	helloStart = tlswire.RecordHeaderLen + 4 + 2
)

// preface reads what is no protocol that is known, for as long as TLS may yet
// begin in it: some protocols agree on it first (STARTTLS), and a greeting in
// front of a tunnel must not hide it.
type preface struct {
	left int    // bytes that are still looked at
	tail []byte // the client's last, where a ClientHello may begin in them
	next layer
}

func (p *preface) feed(f *Flow, s Segment) {
	if p.next != nil {
		p.next.feed(f, s)
		return
	}
	n := min(p.left, len(s.Data))
	p.left -= n
	if s.Direction == ClientToServer {
		if s.Missing > 0 {
			p.tail = nil
		}
		whole := s.Data[:n]
		if len(p.tail) > 0 {
			whole = append(p.tail, whole...)
		}
		at, yes := findHello(whole)
		if yes {
			s.Data, s.Missing = append(whole[at:len(whole):len(whole)], s.Data[n:]...), 0
			p.enter(f, s)
			return
		}
		p.tail = bytes.Clone(whole[at:])
	}
	if p.left == 0 {
		f.close()
	}
}

// enter goes on with TLS that begins with s.
func (p *preface) enter(f *Flow, s Segment) {
	p.tail, p.next = nil, newTLSLayer(f, 1)
	if f.obs.Protocol == "other" {
		f.obs.Protocol = "tls"
		f.note(onStream)
	}
	p.next.feed(f, s)
}

// findHello says where a ClientHello begins in b, or where one may begin of which
// there is too little to tell.
func findHello(b []byte) (at int, yes bool) {
	for at < len(b) {
		i := bytes.IndexByte(b[at:], byte(tlswire.ContentHandshake))
		if i < 0 {
			break
		}
		at += i
		switch yes, maybe := beginsHello(b[at:]); {
		case yes:
			return at, true
		case maybe:
			return at, false
		}
		at++
	}
	return len(b), false
}

// beginsHello says whether b begins with a record that begins with a
// ClientHello; a record may be shorter than what tells one.
func beginsHello(b []byte) (yes, maybe bool) {
	h, _, err := tlswire.ParseRecordHeader(b)
	if err != nil {
		return false, errors.Is(err, io.ErrUnexpectedEOF)
	}
	if h.Type != tlswire.ContentHandshake || h.Length == 0 {
		return false, false
	}
	b = b[:min(len(b), helloStart, tlswire.RecordHeaderLen+h.Length)]
	want := min(helloStart, tlswire.RecordHeaderLen+h.Length)
	for i, c := range b[tlswire.RecordHeaderLen:] {
		ok := true
		switch i {
		case 0:
			ok = c == byte(tlswire.HandshakeClientHello)
		case 1:
			ok = c == 0 // none has 64 KiB
		case 4:
			ok = c == 3
		case 5:
			ok = c <= 4
		}
		if !ok {
			return false, false
		}
	}
	return len(b) == want, len(b) < want
}
