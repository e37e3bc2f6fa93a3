package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"sstpwarden/inspect"
	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/sstp"
	"sstpwarden/policies/event"
)

// A stream is a request of HTTP/2 and its response, whose bodies may be a tunnel,
// which the inspector does not see in the connection's bytes: it is shown them as
// the same exchange in HTTP/1.1. Almost all requests are ruled out by their
// method and the first byte of their bodies.
type stream struct {
	*interception
	req *http.Request

	mu     sync.Mutex
	begun  bool
	looked bool          // at how the body begins
	flow   *inspect.Flow // nil while nothing speaks for a tunnel
	status int           // of the response; 0 once its head was shown
}

// watch gives a request and what its response is written to, both watched.
func (i *interception) watch(w http.ResponseWriter, req *http.Request) (http.ResponseWriter, *http.Request) {
	s := &stream{interception: i, req: req, status: http.StatusOK}
	s.looked = strings.EqualFold(req.Method, sstp.Method)
	if req.Body == nil || req.Body == http.NoBody {
		return w, req
	}
	watched := *req
	watched.Body = streamBody{req.Body, s}
	return streamWriter{w, s}, &watched
}

// shown shows bytes of a body to the inspector. The error is why they may not go on.
func (s *stream) shown(d inspect.Direction, b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(b) == 0 || !s.begin(d, b) {
		return nil
	}
	if d == inspect.ServerToClient && s.status != 0 {
		s.feed(d, fmt.Sprintf("HTTP/1.1 %d %s\r\nTransfer-Encoding: chunked\r\n\r\n", s.status, http.StatusText(s.status)))
		s.status = 0
	}
	s.feed(d, fmt.Sprintf("%x\r\n%s\r\n", len(b), b))
	found := s.flow.Detection()
	if found.Verdict.Strength() < inspect.VerdictSuspected.Strength() {
		return nil
	}
	err := s.found(found)
	switch {
	case errors.Is(err, errDropped):
		s.end(event.EndDropped, nil)
	case errors.Is(err, errTunnel):
		s.remember()
	}
	return err
}

// begin says whether the stream is one to look at, which its client's first byte
// tells.
func (s *stream) begin(d inspect.Direction, b []byte) bool {
	if !s.begun && (s.looked || d == inspect.ClientToServer) {
		s.begun = true
		if s.looked || b[0] == sstp.Version {
			s.flow = s.srv.config.Inspector().Open(s.info.Key, s.srv.now())
			head := httphead.Request{Method: s.req.Method, Target: s.req.RequestURI, Version: httphead.HTTP11}
			head.Fields = append(head.Fields,
				httphead.Field{Name: "Host", Value: s.req.Host}, httphead.Field{Name: "Transfer-Encoding", Value: "chunked"})
			s.feed(inspect.ClientToServer, string(head.Append(nil)))
		}
	}
	return s.flow != nil && !s.flow.Settled()
}

func (s *stream) feed(d inspect.Direction, b string) {
	s.flow.Feed(inspect.Segment{Direction: d, Time: s.srv.now(), Data: []byte(b)})
}

// found has the connection's flow learn what speaks for a tunnel in a stream.
func (i *interception) found(d inspect.Detection) error {
	i.mu.Lock()
	changed := false
	for _, e := range d.Evidence {
		changed = i.flow.Learn(e) || changed
	}
	err := i.judge(changed)
	dry := i.decision.DryRun
	i.unlock()
	if err == nil && !dry {
		return errTunnel
	}
	return err
}

// A streamBody is the body of a stream's request.
type streamBody struct {
	io.ReadCloser
	stream *stream
}

// Read implements io.Reader.
func (b streamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if told := b.stream.shown(inspect.ClientToServer, p[:n]); told != nil {
		return 0, told
	}
	return n, err
}

// A streamWriter is what a stream's response is written to.
type streamWriter struct {
	http.ResponseWriter
	stream *stream
}

// WriteHeader implements http.ResponseWriter.
func (w streamWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.stream.mu.Lock()
		w.stream.status = status
		w.stream.mu.Unlock()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w streamWriter) Write(p []byte) (int, error) {
	if err := w.stream.shown(inspect.ServerToClient, p); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
