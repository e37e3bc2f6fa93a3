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
	depth    int // TLS sessions around this stream
	hops     int // CONNECTs around it
	sides    [2]httpSide
	requests []pendingRequest // without a response yet, oldest first
	count    int              // requests so far
	shown    int              // number of the request in the facts
	proxied  bool             // a CONNECT made the tunnel: anything may run in it
	inner    layer            // what runs in the tunnel
	dead     bool
}

// A pendingRequest is what matters of a request until its response comes.
type pendingRequest struct {
	number  int // from 1; 0 where the request was not seen
	connect bool
	head    bool // the response has no body whatever it says
	duplex  bool // asks for an endless exchange
}

// maxPipelined is how many requests may wait for their responses.
const maxPipelined = 64

func (h *httpLayer) feed(f *Flow, s Segment) {
	if h.dead {
		return
	}
	side := &h.sides[s.Direction.index()]
	if s.Missing > 0 {
		side.lose(uint64(s.Missing))
	}
	for len(s.Data) > 0 && !h.dead && !f.closed {
		if h.answersTunnel(s.Direction, side) {
			s.Data = h.enterAnswer(f, side, s)
		}
		switch side.state {
		case httpHead:
			s.Data = h.readHead(f, side, s)
		case httpFirst:
			s.Data = h.readFirst(f, side, s)
		case httpBody:
			n := min(side.body, uint64(len(s.Data)))
			s.Data = s.Data[n:]
			if side.body -= n; side.body == 0 {
				side.state = httpHead
			}
		case httpChunked:
			s.Data = h.readChunks(f, side, s)
		case httpRaw:
			s.Data = h.readTunnel(f, side, s)
		case httpLost:
			if !side.resumes(s) {
				return
			}
		default:
			return
		}
		s.Missing = 0
	}
}

// readHead takes what it can of a head and returns the bytes behind it.
func (h *httpLayer) readHead(f *Flow, side *httpSide, s Segment) (rest []byte) {
	cut := len(side.buf) > 0
	whole := side.take(s.Data)
	switch yes, maybe := h.leavesHTTP(s.Direction, whole); {
	case yes:
		h.enterRaw(f, side, s, whole)
		return nil
	case maybe:
		side.hold(whole, cut)
		return nil
	}
	var n int
	var err error
	if s.Direction == ClientToServer {
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
		return whole[n:]
	case errors.Is(err, io.ErrUnexpectedEOF):
		side.hold(whole, cut)
		return nil
	}
	side.state = httpLost
	if h.sides[0].state == httpLost && h.sides[1].state == httpLost && h.depth == 0 {
		h.dead = true
		f.close()
	}
	return nil
}

// readFirst looks at a body's first bytes. A server that does not keep to HTTP
// may take anything for the request of SSTP.
func (h *httpLayer) readFirst(f *Flow, side *httpSide, s Segment) (rest []byte) {
	cut := len(side.buf) > 0
	whole := side.take(s.Data)
	yes, maybe := beginsControl(whole)
	if !yes && !maybe && h.count == 0 && side.after == httpUntilEnd && s.Direction == ServerToClient {
		// Behind a CONNECT that was not seen, perhaps.
		if yes, maybe = beginsRecord(whole); yes {
			h.proxied = true
			f.obs.Protocol = "connect"
			f.note(onStream)
		}
	}
	switch {
	case yes:
		h.enterRaw(f, side, s, whole)
		return nil
	case maybe:
		side.hold(whole, cut)
		return nil
	}
	side.state = side.after
	return whole
}

// readChunks passes over a chunked body and returns what it has not read yet. At
// the first bytes of the data it looks as readFirst does.
func (h *httpLayer) readChunks(f *Flow, side *httpSide, s Segment) (rest []byte) {
	data, n, done := side.chunks.next(s.Data)
	rest = s.Data[n:]
	if done {
		side.state, side.buf, side.chunks = httpHead, nil, chunks{}
		return rest
	}
	if len(data) == 0 || side.chunks.looked {
		return rest
	}
	cut := len(side.buf) > 0
	whole := side.take(data)
	yes, maybe := beginsControl(whole)
	if maybe {
		side.hold(whole, cut)
		return rest
	}
	side.chunks.looked = true
	if yes {
		side.framed = true
		h.enterRaw(f, side, s, whole)
	}
	return rest
}

func (h *httpLayer) request(f *Flow, side *httpSide, req *httphead.Request) {
	h.count++
	p := pendingRequest{number: h.count, connect: req.Method == "CONNECT", head: strings.EqualFold(req.Method, "HEAD")}
	n, given, err := req.Fields.ContentLength()
	p.duplex = strings.EqualFold(req.Method, sstp.Method) || given && n > math.MaxInt64
	if len(h.requests) < maxPipelined {
		h.requests = append(h.requests, p)
	}
	switch {
	case p.connect:
	case p.duplex:
		side.state = httpRaw
	case err != nil:
		side.state, side.after = httpFirst, httpLost
	case chunked(req.Fields):
		side.state, side.after = httpFirst, httpChunked
	case n > 0:
		side.state, side.after, side.body = httpFirst, httpBody, n
	}
	user, _, _ := httphead.ParseBasic(req.Fields.Get("Proxy-Authorization"))
	req.Raw, req.Fields = "", withoutCredentials(req.Fields)
	if p.connect && h.depth == 0 {
		h.connect(f, req, user)
		return
	}
	facts := f.httpFacts()
	facts.Exchanges++
	if facts.Request == nil || asksForSSTP(req, p.duplex) {
		facts.Request, facts.Response = req, nil
		f.moment("http_request")
		h.shown = p.number
	}
	if id, ok := req.Fields.Lookup(sstp.HeaderCorrelationID); ok && id.Value != "" {
		f.sstpFacts().CorrelationID = id.Value
	}
	f.note(onHTTP | onStream)
}

// asksForSSTP says that a request has something of SSTP's: such a one is shown
// instead of an ordinary one in front of it.
func asksForSSTP(req *httphead.Request, duplex bool) bool {
	if duplex {
		return true
	}
	if _, ok := req.Fields.Lookup(sstp.HeaderCorrelationID); ok {
		return true
	}
	path, _, _ := strings.Cut(req.Target, "?")
	return strings.EqualFold(path, sstp.URIPath)
}

func (h *httpLayer) connect(f *Flow, req *httphead.Request, user string) {
	c := &ConnectFacts{Request: *req, User: user}
	if a, err := httphead.ParseAuthority(req.Target); err == nil {
		c.Host, c.Port = a.Host, a.Port
	}
	f.obs.Connect = c
	f.obs.Protocol = "connect"
	f.moment("connect_request")
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
	server.bodyOf(resp, p)
	if p.connect {
		h.connectAnswer(f, resp, s)
		if h.depth == 0 {
			return
		}
	}
	if p.duplex && resp.Status != 200 && h.inner == nil {
		h.sides[0].state = httpHead // refused: ordinary requests may follow
	}
	resp.Raw, resp.Fields = "", withoutCredentials(resp.Fields)
	facts := f.httpFacts()
	if p.number == h.shown || facts.Request == nil {
		if facts.Response == nil {
			f.moment("http_response")
		}
		facts.Response = resp
	}
	f.note(onHTTP)
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
