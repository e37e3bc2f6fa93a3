package proxy

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"

	"sstpwarden/proxy/guard"
)

// keepSpelling has the target of a request go on as the client spelt it. What
// net/url makes of it has the same meaning for most servers, but not for all: some
// sign it, and not every path that browsers ask for is one by RFC 3986. With whole
// the next to read it is a proxy, which takes whole URLs.
func keepSpelling(req *http.Request, whole bool) {
	_, path, _ := guard.SplitTarget(req.RequestURI)
	if req.URL.Opaque != "" || !strings.HasPrefix(path, "/") || req.URL.EscapedPath() == path {
		return
	}
	if whole || strings.HasPrefix(path, "//") { // which net/url would take for a host
		path = "//" + req.URL.Host + path
	}
	req.URL.Opaque = path
}

// endToEnd takes out what concerns a single connection (RFC 9110, Section 7.6.1).
// Connection itself is for net/http and goproxy.
func endToEnd(h http.Header) {
	trailers := listed(h["Te"], "trailers")
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(h, http.CanonicalHeaderKey(textproto.TrimString(name)))
		}
	}
	for _, name := range []string{"Keep-Alive", "Proxy-Connection", "Te", "Upgrade"} {
		delete(h, name)
	}
	if trailers { // these go through, and servers of gRPC ask for it
		h.Set("Te", "trailers")
	}
}

// do has the server answer a request.
func (x *roundTrip) do(req *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { x.connected.Store(true) }}
	if x.client != nil {
		trace.Got1xxResponse = x.early
	}
	req = x.againable(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	resp, err := x.transport.RoundTrip(req)
	if x.http1 != nil && wantsHTTP1(err) {
		resp, err = x.byHTTP1(req, err)
	}
	x.mu.Lock()
	x.done = true
	x.mu.Unlock()
	if err == nil {
		x.received(resp)
	}
	return resp, err
}

// early passes on what a server says before its response, such as early hints (RFC
// 9110, Section 15.2). A 100 is between the two ends of a connection here: net/http
// says it to the client once the server wants the body.
func (x *roundTrip) early(status int, fields textproto.MIMEHeader) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done || status == http.StatusContinue {
		return nil
	}
	h := x.client.Header()
	maps.Copy(h, fields)
	endToEnd(h)
	x.client.WriteHeader(status)
	clear(h)
	return nil
}

// A watched body remembers that its server did not finish it.
type watched struct {
	io.ReadCloser
	cut *bool
	// open says that nothing but the connection's end tells where the body ends.
	open bool
}

// received prepares a response for the client, unless its connection has become
// something else.
func (x *roundTrip) received(resp *http.Response) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return
	}
	endToEnd(resp.Header)
	_, sized := resp.Header["Content-Length"]
	x.headOnly = resp.ProtoMajor == 2 && x.http2 && resp.ContentLength == 0 && !sized
	open := resp.ProtoMajor == 1 && resp.ContentLength < 0 && len(resp.TransferEncoding) == 0
	resp.Body = &watched{resp.Body, &x.cut, open}
}

// Read implements io.Reader.
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.ReadCloser.Read(b)
	switch {
	case err == nil, errors.Is(err, io.EOF):
	case w.open && errors.Is(err, io.ErrUnexpectedEOF):
		// TLS without a last word, which many servers leave out.
		err = io.EOF
	default:
		*w.cut = true
	}
	return n, err
}
