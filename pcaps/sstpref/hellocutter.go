package sstpref

import (
	"encoding/binary"
	"net"
)

// A helloCutter cuts the first write of a connection, the ClientHello, into
// pieces of size bytes: TCP writes, or TLS records (RFC 8446, Section 5.1).
type helloCutter struct {
	net.Conn
	size    int
	records bool
	done    bool
}

// Write implements net.Conn.
func (h *helloCutter) Write(b []byte) (int, error) {
	const header = 5
	if h.done || len(b) <= header {
		return h.Conn.Write(b)
	}
	h.done = true
	if h.records {
		var cut []byte
		for body := b[header:]; len(body) > 0; {
			n := min(h.size, len(body))
			cut = append(cut, b[:3]...)
			cut = binary.BigEndian.AppendUint16(cut, uint16(n))
			cut = append(cut, body[:n]...)
			body = body[n:]
		}
		if _, err := h.Conn.Write(cut); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	written := 0
	for written < len(b) {
		n, err := h.Conn.Write(b[written:min(len(b), written+h.size)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
