package record

import "time"

// TCP flags (RFC 9293, Section 3.1).
type flags uint8

const (
	fin flags = 1 << iota
	syn
	rst
	psh
	ack
)

// mss4 and mss6 are what a segment holds where packets have 1500 bytes.
const (
	mss4 = 1460
	mss6 = 1440
)

// A packet is a TCP segment of a connection.
type packet struct {
	at       time.Duration
	src, dst int // index into the connection's ends
	ends     *ends
	seq, ack uint32
	flags    flags
	mss      int // announced in a SYN
	payload  []byte
}

// A talk makes up the TCP of a connection: it turns events into segments.
type talk struct {
	ends ends
	mss  int
	next [2]uint32 // sequence number that either side sends next
	owed [2]int    // bytes that either side sent and the other has not acknowledged
	left [2]int    // bytes of the unit that either side is sending: a TLS record
}

// newTalk begins the capture's connection with that number. Connections between
// the same ports do not share sequence numbers: the later one would look like
// repetitions of the one before.
func newTalk(e ends, number uint32) *talk {
	t := &talk{ends: e, mss: mss4}
	if e[client].Addr().Is6() {
		t.mss = mss6
	}
	t.next = [2]uint32{number * 0x9e3779b1, number*0x9e3779b1 + 0x80000000}
	return t
}

// take gives the segments that an event stands for to emit, until one fails.
func (t *talk) take(e *event, emit func(*packet) error) (err error) {
	send := func(from side, f flags, payload []byte) {
		if err == nil {
			err = emit(t.segment(from, f, payload, e.at))
		}
	}
	for i, n := range e.lost {
		t.next[i] += uint32(n)
		t.left[i] = max(t.left[i]-n, 0)
	}
	switch from := e.from; e.kind {
	case opened:
		send(client, syn, nil)
		send(server, syn|ack, nil)
		send(client, ack, nil)
	case sent:
		for rest := e.data; len(rest) > 0; {
			payload := rest[:t.cut(from, rest)]
			rest = rest[len(payload):]
			f := ack
			if len(rest) == 0 {
				f |= psh
			}
			send(from, f, payload)
			// At least every second full segment is acknowledged (RFC 9293,
			// Section 3.8.6.3).
			if t.owed[from] >= 2*t.mss {
				send(from.other(), ack, nil)
			}
		}
	case finished:
		send(from, fin|ack, nil)
		send(from.other(), ack, nil)
	case aborted:
		send(from, rst|ack, nil)
	}
	return err
}

// cut returns the length of the next segment of what a side sends: a TLS record has
// segments of its own, because Wireshark opens of several SSTP packets in one
// segment the first alone, where they are of some protocols.
func (t *talk) cut(from side, b []byte) int {
	const header = 5 // RFC 8446, Section 5.1
	if t.left[from] == 0 {
		t.left[from] = len(b)
		if len(b) >= header && b[0] >= 20 && b[0] <= 23 && b[1] == 3 {
			t.left[from] = header + int(b[3])<<8 + int(b[4])
		}
	}
	n := min(len(b), t.left[from], t.mss)
	t.left[from] -= n
	return n
}

// segment makes a side's next segment.
func (t *talk) segment(from side, f flags, payload []byte, at time.Duration) *packet {
	p := &packet{
		at: at, src: int(from), dst: int(from.other()), ends: &t.ends,
		seq: t.next[from], flags: f, payload: payload,
	}
	if f&syn != 0 {
		p.mss = t.mss
		t.next[from]++
	}
	if f&fin != 0 {
		t.next[from]++
	}
	if f&ack != 0 {
		p.ack = t.next[from.other()]
		t.owed[from.other()] = 0
	}
	t.next[from] += uint32(len(payload))
	t.owed[from] += len(payload)
	return p
}
