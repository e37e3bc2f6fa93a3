package inspect

import (
	"bytes"
	"errors"
	"io"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/sstp"
	"sstpwarden/inspect/tlswire"
)

const (
	// maxOpening is how much is held back of both directions until the
	// protocol shows. A head's first line or a record's header suffices.
	maxOpening = 16 << 10
	// maxDepth is how many TLS sessions may lie in one another before
	// reading stops.
	maxDepth = 2
)

// opening finds out what a stream speaks and makes way for that layer.
type opening struct {
	depth int // TLS sessions around this stream
	held  []Segment
	size  int
	bufs  [2][]byte
	next  layer
}

func (o *opening) feed(f *Flow, s Segment) {
	if o.next != nil {
		o.next.feed(f, s)
		return
	}
	if s.Missing > 0 && o.bufs[s.Direction.index()] == nil && o.depth == 0 {
		f.obs.Midstream = true
	}
	i := s.Direction.index()
	whole := s.Data
	if o.bufs[i] != nil {
		whole = append(o.bufs[i], s.Data...)
	}
	protocol, known := classify(s.Direction, whole)
	if !known && o.size+len(s.Data) <= maxOpening {
		s.Data = bytes.Clone(s.Data)
		o.held = append(o.held, s)
		o.size += len(s.Data)
		o.bufs[i] = bytes.Clone(whole)
		return
	}
	o.next = o.enter(f, protocol)
	held := o.held
	o.held, o.bufs = nil, [2][]byte{}
	for _, h := range held {
		o.next.feed(f, h)
	}
	o.next.feed(f, s)
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
		return &httpLayer{depth: o.depth}
	case "sstp":
		return &tunnel{}
	}
	if o.depth == 0 {
		f.close()
	}
	return ignore{}
}

// classify names the protocol that b begins. Known is false while b may still
// become one of them; the name is "" where it is none.
func classify(d Direction, b []byte) (protocol string, known bool) {
	if len(b) == 0 {
		return "", false
	}
	if _, _, err := tlswire.ParseRecordHeader(b); err == nil {
		return "tls", true
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		return "", false
	}
	if looksLikeControl(b) {
		return "sstp", true
	}
	var err error
	if d == ClientToServer {
		_, _, err = httphead.ParseRequest(b)
	} else {
		_, _, err = httphead.ParseResponse(b)
	}
	if err == nil {
		return "http", true
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "http", bytes.IndexByte(b, ' ') > 0
	}
	return "", true
}

// looksLikeControl says that b begins with a whole SSTP control message whose
// type is known: 10 01 and a length that its attributes fill.
func looksLikeControl(b []byte) bool {
	p, _, err := sstp.ParsePacket(b)
	if err != nil || !p.Control {
		return false
	}
	m, err := p.ControlMessage()
	return err == nil && m.Type >= sstp.MessageCallConnectRequest && m.Type <= sstp.MessageEchoResponse
}

// ignore reads nothing.
type ignore struct{}

func (ignore) feed(*Flow, Segment) {}
