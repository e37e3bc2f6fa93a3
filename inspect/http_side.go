package inspect

import (
	"bytes"
	"math"
	"strings"

	"sstpwarden/inspect/httphead"
)

// httpSide is one direction of HTTP: where in a message it stands.
type httpSide struct {
	state   httpState
	after   httpState // what follows httpFirst
	missed  bool      // bytes were lost
	buf     []byte
	scanner httphead.Scanner
	body    uint64 // left of the body
	chunks  chunks
	framed  bool // the tunnel's bytes come in chunks
}

type httpState uint8

const (
	httpHead     httpState = iota
	httpFirst              // a body's first bytes, which may be SSTP whatever the head says
	httpBody               // body bytes with a known length
	httpChunked            // a chunked body
	httpUntilEnd           // a body that ends with the connection
	httpRaw                // the tunnel's bytes
	httpLost               // the place in the stream is lost
)

// take gives the bytes held back and those that follow them.
func (side *httpSide) take(b []byte) []byte {
	if len(side.buf) == 0 {
		return b
	}
	b = append(side.buf, b...)
	side.buf = nil // b aliases it, and it is not written to again
	return b
}

// hold keeps bytes until more have come. Whole is what take gave.
func (side *httpSide) hold(whole []byte, cut bool) {
	if cut {
		side.buf = whole
		return
	}
	side.buf = bytes.Clone(whole)
}

// lose copes with lost bytes: a body may have held them, a tunnel copes
// itself, anything else is over.
func (side *httpSide) lose(missing uint64) {
	side.missed = true
	if side.state == httpFirst {
		held := uint64(len(side.buf))
		side.state, side.buf = side.after, nil
		if side.state == httpBody {
			missing += held
		}
	}
	switch {
	case side.state == httpRaw:
		side.framed = false // where a chunk begins is not known any more
	case side.state == httpUntilEnd:
	case side.state == httpBody && side.body > missing:
		side.body -= missing
	case side.state == httpBody && side.body == missing:
		side.state = httpHead
	default:
		side.state, side.buf, side.scanner = httpLost, nil, httphead.Scanner{}
	}
}

// resumes says that a segment behind a loss begins with something that can be
// read again.
func (side *httpSide) resumes(s Segment) bool {
	if !side.missed {
		return false
	}
	var probe openingSide
	protocol, _ := probe.classify(s.Direction, s.Data)
	if protocol != "http" && protocol != "sstp" {
		return false
	}
	side.state = httpHead
	return true
}

// bodyOf sets out for what stands behind a response's head (RFC 9112,
// Section 6.3).
func (side *httpSide) bodyOf(resp *httphead.Response, p pendingRequest) {
	n, given, _ := resp.Fields.ContentLength()
	switch {
	case resp.Status == 101, p.duplex && resp.Status == 200, given && n > math.MaxInt64, p.connect && resp.Status/100 == 2:
		side.state = httpRaw
	case p.head, resp.Status == 204, resp.Status == 304:
	case chunked(resp.Fields):
		side.state, side.after = httpFirst, httpChunked
	case given && n > 0:
		side.state, side.after, side.body = httpFirst, httpBody, n
	case !given:
		side.state, side.after = httpFirst, httpUntilEnd
	}
}

// chunked says that a body's end is in the body.
func chunked(fields httphead.Fields) bool {
	return strings.Contains(strings.ToLower(strings.Join(fields.Values("Transfer-Encoding"), ",")), "chunked")
}
