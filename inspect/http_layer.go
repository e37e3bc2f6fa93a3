package inspect

import (
	"errors"
	"io"
	"math"
	"strings"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/sstp"
)

// httpLayer follows HTTP/1.x on one stream: heads are read, bodies passed
// over. CONNECT and SSTP_DUPLEX_POST turn the stream into a tunnel.
type httpLayer struct {
	depth    int
	sides    [2]httpSide
	requests []pendingRequest // without a response yet, oldest first
	inner    layer            // what runs in the tunnel
	dead     bool
}

type pendingRequest struct {
	request *httphead.Request
	connect bool
	head    bool // the response has no body whatever it says
	duplex  bool // asks for an endless exchange
}

// maxPipelined is how many requests may wait for their responses.
const maxPipelined = 64

type httpSide struct {
	state   httpState
	buf     []byte
	scanner httphead.Scanner
	body    uint64 // left of the body
	chunks  chunks
}

type httpState uint8

const (
	httpHead    httpState = iota
	httpBody              // body bytes with a known length
	httpChunked           // a chunked body
	httpUntilEnd          // a body that ends with the connection
	httpRaw               // the tunnel's bytes
	httpLost              // bytes were lost; nothing can be read any more
)

func (h *httpLayer) feed(f *Flow, s Segment) {
	if h.dead {
		return
	}
	side := &h.sides[s.Direction.index()]
	if s.Missing > 0 {
		h.lose(side, uint64(s.Missing))
	}
	for len(s.Data) > 0 && !h.dead && !f.closed {
		if h.answersTunnel(s.Direction, side) {
			side.state = httpRaw
		}
		switch side.state {
		case httpHead:
			s.Data = h.readHead(f, side, s)
		case httpBody:
			n := min(side.body, uint64(len(s.Data)))
			s.Data = s.Data[n:]
			if side.body -= n; side.body == 0 {
				side.state = httpHead
			}
		case httpChunked:
			n, done := side.chunks.skip(s.Data)
			s.Data = s.Data[n:]
			if done {
				side.state, side.chunks = httpHead, chunks{}
			}
		case httpRaw:
			h.readRaw(f, s)
			return
		default:
			return
		}
		s.Missing = 0
	}
}

// answersTunnel says that the server's body is in truth its half of a tunnel
// that the client has begun, whatever the heads said.
func (h *httpLayer) answersTunnel(d Direction, side *httpSide) bool {
	return d == ServerToClient && h.sides[0].state == httpRaw &&
		(side.state == httpBody || side.state == httpChunked || side.state == httpUntilEnd)
}

// lose copes with lost bytes: a body may have held them, a tunnel copes
// itself, anything else is over.
func (h *httpLayer) lose(side *httpSide, missing uint64) {
	switch {
	case side.state == httpRaw:
	case side.state == httpBody && side.body > missing:
		side.body -= missing
	case side.state == httpBody && side.body == missing:
		side.state = httpHead
	default:
		side.state, side.buf = httpLost, nil
	}
}

// readHead takes what it can of a head and returns the bytes behind it.
func (h *httpLayer) readHead(f *Flow, side *httpSide, s Segment) (rest []byte) {
	whole := s.Data
	if len(side.buf) > 0 {
		side.buf = append(side.buf, s.Data...)
		whole = side.buf
	}
	if len(whole) >= sstp.HeaderLen && looksLikeControl(whole) {
		return h.enterRaw(f, side, s, whole)
	}
	var n int
	var err error
	if s.Direction == ClientToServer {
		if h.tunnelAsked() && classifyTLS(whole) {
			return h.enterRaw(f, side, s, whole)
		}
		var req httphead.Request
		if req, n, err = side.scanner.Request(whole); err == nil {
			h.request(f, side, &req)
		}
	} else {
		var resp httphead.Response
		if resp, n, err = side.scanner.Response(whole); err == nil {
			h.response(f, &resp, s)
		}
	}
	switch {
	case err == nil:
		side.scanner = httphead.Scanner{}
		rest = whole[n:]
		if len(side.buf) > 0 { // rest aliases buf, which is not written to again
			side.buf = nil
		}
		return rest
	case errors.Is(err, io.ErrUnexpectedEOF):
		if len(side.buf) == 0 {
			side.buf = append(side.buf, s.Data...)
		}
		return nil
	}
	side.state, side.buf = httpLost, nil
	if h.sides[0].state == httpLost && h.sides[1].state == httpLost && h.depth == 0 {
		h.dead = true
		f.close()
	}
	return nil
}

// tunnelAsked says that the newest request was a CONNECT.
func (h *httpLayer) tunnelAsked() bool {
	n := len(h.requests)
	return n > 0 && h.requests[n-1].connect
}

func classifyTLS(b []byte) bool {
	protocol, known := classify(ClientToServer, b)
	return known && protocol == "tls"
}

func (h *httpLayer) request(f *Flow, side *httpSide, req *httphead.Request) {
	p := pendingRequest{request: req, connect: req.Method == "CONNECT", head: strings.EqualFold(req.Method, "HEAD")}
	n, given, err := req.Fields.ContentLength()
	p.duplex = strings.EqualFold(req.Method, sstp.Method) || given && n > math.MaxInt64
	if len(h.requests) < maxPipelined {
		h.requests = append(h.requests, p)
	}
	switch {
	case p.connect:
		h.connect(f, req)
		return
	case p.duplex:
		side.state = httpRaw
	case err != nil:
		side.state = httpLost
	case chunked(req.Fields):
		side.state = httpChunked
	case n > 0:
		side.state, side.body = httpBody, n
	}
	facts := f.httpFacts()
	facts.Exchanges++
	if facts.Request == nil || p.duplex || strings.EqualFold(facts.Request.Method, sstp.Method) == p.duplex && facts.Response == nil {
		facts.Request, facts.Response = req, nil
	}
	if id := req.Fields.Get(sstp.HeaderCorrelationID); id != "" {
		f.sstpFacts().CorrelationID = id
	}
	f.note(onHTTP | onStream)
}

func (h *httpLayer) connect(f *Flow, req *httphead.Request) {
	c := &ConnectFacts{Request: *req}
	if a, err := httphead.ParseAuthority(req.Target); err == nil {
		c.Host, c.Port = a.Host, a.Port
	}
	if v := req.Fields.Get("Proxy-Authorization"); v != "" {
		c.User, _ = httphead.BasicUser(v)
	}
	f.obs.Connect = c
	f.obs.Protocol = "connect"
	f.note(onConnect | onStream)
}

func (h *httpLayer) response(f *Flow, resp *httphead.Response, s Segment) {
	server := &h.sides[ServerToClient.index()]
	if resp.Status >= 100 && resp.Status < 200 && resp.Status != 101 {
		return // another response follows (RFC 9110, Section 15.2)
	}
	var p pendingRequest
	if len(h.requests) > 0 {
		p, h.requests = h.requests[0], h.requests[1:]
	}
	if p.connect && f.obs.Connect != nil {
		f.obs.Connect.Response = resp
		f.note(onConnect)
		if resp.Status/100 == 2 {
			server.state = httpRaw
			h.releaseClient(f, s)
			return
		}
	}
	n, given, _ := resp.Fields.ContentLength()
	switch {
	case resp.Status == 101, p.duplex && resp.Status == 200, given && n > math.MaxInt64:
		server.state = httpRaw
	case p.head, resp.Status == 204, resp.Status == 304:
	case chunked(resp.Fields):
		server.state = httpChunked
	case given && n > 0:
		server.state, server.body = httpBody, n
	case !given:
		server.state = httpUntilEnd
	}
	if p.connect {
		return
	}
	if p.duplex && resp.Status != 200 && h.inner == nil {
		h.sides[0].state = httpHead // refused: ordinary requests may follow
	}
	facts := f.httpFacts()
	if p.request == facts.Request || facts.Request == nil {
		facts.Response = resp
	}
	f.note(onHTTP)
}

// releaseClient hands on what the client sent before the proxy agreed.
func (h *httpLayer) releaseClient(f *Flow, s Segment) {
	client := &h.sides[ClientToServer.index()]
	early := client.buf
	client.state, client.buf = httpRaw, nil
	if len(early) > 0 {
		h.readRaw(f, Segment{Direction: ClientToServer, Time: s.Time, Data: early})
	}
}

func chunked(fields httphead.Fields) bool { return fields.Get("Transfer-Encoding") != "" }

// enterRaw turns both sides into a tunnel from these bytes on.
func (h *httpLayer) enterRaw(f *Flow, side *httpSide, s Segment, whole []byte) (rest []byte) {
	side.state, side.buf = httpRaw, nil
	if side == &h.sides[0] && h.tunnelAsked() {
		h.sides[0].state = httpRaw
	}
	s.Data = whole
	h.readRaw(f, s)
	return nil
}

// readRaw hands the tunnel's bytes to what runs in it: anything behind a
// CONNECT, SSTP behind a request that never ends.
func (h *httpLayer) readRaw(f *Flow, s Segment) {
	if c := f.obs.Connect; c != nil && h.depth == 0 {
		if s.Direction == ClientToServer && !c.Tunnel {
			c.Tunnel = true
			f.note(onConnect)
		}
		if h.inner == nil {
			h.inner = &opening{depth: h.depth}
		}
	}
	if h.inner == nil {
		h.inner = &tunnel{}
	}
	h.inner.feed(f, s)
}

func (f *Flow) httpFacts() *HTTPFacts {
	if f.obs.HTTP == nil {
		f.obs.HTTP = &HTTPFacts{}
	}
	return f.obs.HTTP
}

func (f *Flow) sstpFacts() *SSTPFacts {
	if f.obs.SSTP == nil {
		f.obs.SSTP = &SSTPFacts{}
	}
	return f.obs.SSTP
}

func (f *Flow) pppFacts() *PPPFacts {
	if f.obs.PPP == nil {
		f.obs.PPP = &PPPFacts{}
	}
	return f.obs.PPP
}
