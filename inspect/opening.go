package inspect

import (
	"bytes"
	"errors"
	"io"
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/sstp"
	"sstpwarden/inspect/tlswire"
)

const (
	// maxOpening is how much is held back of each direction until the
	// protocol shows. A record's header or a head's first line suffices.
	maxOpening = 16 << 10
	// maxStretches is how often the sides may take turns until then.
	maxStretches = 64
	// maxDepth is how many TLS sessions may lie in one another before
	// reading stops, maxHops how many CONNECTs.
	maxDepth = 2
	maxHops  = 4
)

// opening finds out what a stream speaks and makes way for that layer. What
// it finds depends on the bytes alone, not on how they are cut.
type opening struct {
	depth int // TLS sessions around this stream
	hops  int // CONNECTs around it
	sides [2]openingSide
	held  []stretch
	gap   bool // bytes of the stream's beginning are missing
	next  layer
}

type openingSide struct {
	buf     []byte
	scanner httphead.Scanner
}

// A stretch is what one side sent before the other did: the next n bytes of
// its buffer.
type stretch struct {
	from    Direction
	n       int
	missing int // bytes lost in front of it
	time    time.Time
}

func (o *opening) feed(f *Flow, s Segment) {
	if o.next == nil {
		if !o.recognise(f, s) {
			return
		}
		o.release(f)
	}
	o.next.feed(f, s)
}

// recognise makes the layer for what the stream speaks, once its beginning tells,
// and holds back what comes until then.
//
// Not inlined: what it needs of the stack would lie under all layers' share of it,
// and have the stacks of connections' goroutines grow once more.
//
//go:noinline
func (o *opening) recognise(f *Flow, s Segment) bool {
	side := &o.sides[s.Direction.index()]
	if s.Missing > 0 {
		o.lose(f, s.Direction)
	}
	if len(s.Data) == 0 {
		return false
	}
	whole := s.Data
	if len(side.buf) > 0 {
		side.buf = append(side.buf, s.Data...)
		whole = side.buf
	}
	protocol, known := side.classify(s.Direction, whole[:min(len(whole), maxOpening)])
	switch {
	case known && protocol == "" && o.gap && o.depth > 0:
		o.drop(s.Direction) // the middle of something: what follows may tell
		return false
	case !known && len(whole) >= maxOpening:
		protocol = "http" // nothing else leaves it open for so long
	case !known && len(o.held) < maxStretches:
		o.hold(s, len(side.buf) > 0)
		return false
	}
	o.next = o.enter(f, protocol)
	return true
}

// lose copes with lost bytes: what came before them tells nothing any more.
func (o *opening) lose(f *Flow, d Direction) {
	o.gap = true
	if o.depth == 0 {
		f.obs.Midstream = true
	}
	o.drop(d)
}

// drop forgets what one side sent so far.
func (o *opening) drop(d Direction) {
	o.sides[d.index()] = openingSide{}
	kept := o.held[:0]
	for _, h := range o.held {
		if h.from != d {
			kept = append(kept, h)
		}
	}
	o.held = kept
}

// hold keeps a segment, which stands in the side's buffer already where that
// was not empty.
func (o *opening) hold(s Segment, buffered bool) {
	if side := &o.sides[s.Direction.index()]; !buffered {
		side.buf = bytes.Clone(s.Data)
	}
	if n := len(o.held); n > 0 && o.held[n-1].from == s.Direction && s.Missing == 0 {
		o.held[n-1].n += len(s.Data)
		o.held[n-1].time = s.Time
		return
	}
	o.held = append(o.held, stretch{s.Direction, len(s.Data), s.Missing, s.Time})
}

// release gives the layer what was held back.
func (o *opening) release(f *Flow) {
	for _, h := range o.held {
		b := &o.sides[h.from.index()].buf
		o.next.feed(f, Segment{Direction: h.from, Time: h.time, Data: (*b)[:h.n:h.n], Missing: h.missing})
		*b = (*b)[h.n:]
	}
	o.held, o.sides = nil, [2]openingSide{}
}

// enter makes the layer for what the stream speaks.
func (o *opening) enter(f *Flow, protocol string) layer {
	if protocol == "" {
		protocol = "other"
		if f.obs.Midstream && o.depth == 0 {
			protocol = "tls" // cut in the middle of a record, perhaps
		}
	}
	if protocol == "tls" && o.depth >= maxDepth {
		protocol = "other"
	}
	if f.obs.Protocol == "" {
		f.obs.Protocol = protocol
		f.note(onStream)
	}
	switch protocol {
	case "tls":
		return newTLSLayer(f, o.depth+1)
	case "http":
		return &httpLayer{depth: o.depth, hops: o.hops}
	case "sstp":
		return &tunnel{}
	}
	if o.depth == 0 {
		return &preface{left: maxPreface}
	}
	return ignore{}
}

// classify names the protocol that b begins. Known is false while b may still
// become one of them; the name is "" where it is none.
func (o *openingSide) classify(d Direction, b []byte) (protocol string, known bool) {
	switch _, _, err := tlswire.ParseRecordHeader(b); {
	case err == nil:
		return "tls", true
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "", false
	}
	switch yes, maybe := beginsControl(b); {
	case yes:
		return "sstp", true
	case maybe:
		return "", false
	}
	// The first line tells: what may be wrong behind it must not, or more
	// bytes at a time would tell something else.
	start := len(b) - len(bytes.TrimLeft(b, "\r\n"))
	end := bytes.IndexByte(b[start:], '\n')
	if end >= 0 {
		b = b[:start+end+1]
	}
	var err error
	if d == ClientToServer {
		_, _, err = o.scanner.Request(b)
	} else {
		_, _, err = o.scanner.Response(b)
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", true
	}
	return "http", end >= 0
}

// beginsControl says whether b begins like an SSTP control message: 10 01, the
// number of a message, and a length that has room for its attributes. Maybe
// stands for a b that is too short to tell.
func beginsControl(b []byte) (yes, maybe bool) {
	const mostAttributes = 16 // none has more than one, but for a Nak
	for i, c := range b[:min(len(b), sstp.ControlHeaderLen)] {
		ok := true
		switch i {
		case 0:
			ok = c == sstp.Version
		case 1:
			ok = c&1 != 0
		case 4, 6:
			ok = c == 0
		case 5:
			ok = c >= byte(sstp.MessageCallConnectRequest) && c <= byte(sstp.MessageEchoResponse)
		case 7:
			n := int(b[2]&0x0f)<<8 | int(b[3])
			ok = c <= mostAttributes && n >= sstp.ControlHeaderLen+int(c)*sstp.AttributeHeaderLen
		}
		if !ok {
			return false, false
		}
	}
	return len(b) >= sstp.ControlHeaderLen, len(b) < sstp.ControlHeaderLen
}

// ignore reads nothing.
type ignore struct{}

func (ignore) feed(*Flow, Segment) {}
