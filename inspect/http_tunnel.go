package inspect

import (
	"errors"
	"io"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/tlswire"
)

// answersTunnel says that the server's body is in truth its half of a tunnel
// that the client has begun, whatever the heads said.
func (h *httpLayer) answersTunnel(d Direction, side *httpSide) bool {
	if d != ServerToClient || h.sides[0].state != httpRaw {
		return false
	}
	switch side.state {
	case httpFirst:
		return side.after != httpChunked // there its first bytes tell whether it is
	case httpBody, httpChunked, httpUntilEnd:
		return true
	case httpLost:
		return side.missed
	default:
		return false
	}
}

// enterAnswer turns the server's body into the tunnel's other half, and returns
// what is to be read of it.
func (h *httpLayer) enterAnswer(f *Flow, side *httpSide, s Segment) []byte {
	if side.state != httpChunked {
		side.state = httpRaw
		return side.take(s.Data)
	}
	side.state, side.framed = httpRaw, true
	if held := side.take(nil); len(held) > 0 {
		h.readRaw(f, Segment{Direction: s.Direction, Time: s.Time, Data: held})
	}
	return s.Data
}

// leavesHTTP says that b, where a head would stand, is an SSTP control
// message, or TLS behind a CONNECT. Maybe stands for a b that is too short to
// tell.
func (h *httpLayer) leavesHTTP(d Direction, b []byte) (yes, maybe bool) {
	if d == ClientToServer && h.tunnelAsked() {
		if yes, maybe = beginsRecord(b); yes || maybe {
			return yes, maybe
		}
	}
	return beginsControl(b)
}

func beginsRecord(b []byte) (yes, maybe bool) {
	_, _, err := tlswire.ParseRecordHeader(b)
	return err == nil, errors.Is(err, io.ErrUnexpectedEOF)
}

// readTunnel hands on the tunnel's bytes and returns those that it has not read
// yet: where they come in chunks, one chunk's at a time.
func (h *httpLayer) readTunnel(f *Flow, side *httpSide, s Segment) (rest []byte) {
	if side.framed {
		data, n, done := side.chunks.next(s.Data)
		switch {
		case side.chunks.broken:
			side.framed = false
		case done:
			side.state, side.framed, side.chunks = httpHead, false, chunks{}
			return s.Data[n:]
		default:
			s.Data, rest = data, s.Data[n:]
		}
	}
	if len(s.Data) > 0 {
		h.readRaw(f, s)
	}
	return rest
}

// tunnelAsked says that the newest request was a CONNECT.
func (h *httpLayer) tunnelAsked() bool {
	n := len(h.requests)
	return n > 0 && h.requests[n-1].connect
}

// connectAnswer takes a proxy's answer to a CONNECT.
func (h *httpLayer) connectAnswer(f *Flow, resp *httphead.Response, s Segment) {
	client := &h.sides[ClientToServer.index()]
	accepted := resp.Status/100 == 2
	if accepted {
		h.proxied = true
	} else if h.proxied {
		// The client did not wait, and has to ask again.
		h.proxied, h.inner, client.state = false, nil, httpHead
	}
	if c := f.obs.Connect; c != nil && h.depth == 0 {
		resp.Raw, resp.Fields = "", withoutCredentials(resp.Fields)
		c.Response = resp
		f.moment("connect_response")
		f.note(onConnect)
	}
	if !accepted {
		return
	}
	early := client.buf
	client.state, client.buf = httpRaw, nil
	if len(early) > 0 {
		h.readRaw(f, Segment{Direction: ClientToServer, Time: s.Time, Data: early})
	}
}

// enterRaw turns a side into a tunnel from these bytes on.
func (h *httpLayer) enterRaw(f *Flow, side *httpSide, s Segment, whole []byte) {
	side.state = httpRaw
	h.proxied = h.proxied || side == &h.sides[0] && h.tunnelAsked()
	s.Data = whole
	h.readRaw(f, s)
}

// readRaw hands the tunnel's bytes to what runs in it: anything behind a
// CONNECT, SSTP behind a request that never ends.
func (h *httpLayer) readRaw(f *Flow, s Segment) {
	if c := f.obs.Connect; c != nil && h.proxied && h.depth == 0 && s.Direction == ClientToServer && !c.Tunnel {
		c.Tunnel = true
		f.note(onConnect)
	}
	if h.inner == nil {
		switch {
		case !h.proxied:
			h.inner = &tunnel{}
		case h.hops < maxHops:
			h.inner = &opening{depth: h.depth, hops: h.hops + 1}
		default:
			h.inner = ignore{}
		}
	}
	h.inner.feed(f, s)
}
