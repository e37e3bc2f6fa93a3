package sstpref

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/sstp"
)

// A headReader reads heads from a connection and keeps what came behind them.
type headReader struct {
	from io.Reader
	buf  []byte
}

// read reads one head with parse, which is a method of a [httphead.Scanner].
func read[H any](r *headReader, parse func([]byte) (H, int, error)) (H, error) {
	for {
		h, n, err := parse(r.buf)
		if err == nil {
			r.buf = r.buf[n:]
			return h, nil
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			return h, err
		}
		if err := r.more(); err != nil {
			if errors.Is(err, io.EOF) && len(r.buf) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return h, err
		}
	}
}

func (r *headReader) more() error {
	const step = 2048
	if cap(r.buf)-len(r.buf) < step {
		r.buf = append(make([]byte, 0, len(r.buf)+2*step), r.buf...)
	}
	n, err := r.from.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

// readResponse reads the server's answer, and says whether it opens SSTP
// (MS-SSTP 3.2.4.1).
func readResponse(r *headReader) (httphead.Response, error) {
	var s httphead.Scanner
	h, err := read(r, s.Response)
	switch {
	case errors.Is(err, io.EOF):
		return h, failed(StepHTTP, errors.New("the server closed the connection instead of an answer"),
			"is it an SSTP server, and does it know this name?")
	case isTimeout(err):
		return h, failed(StepHTTP, fmt.Errorf("no answer within %v", httpTimeout), lookTimeout[StepHTTP])
	case err != nil:
		if _, ok := errors.AsType[*httphead.SyntaxError](err); ok {
			err = fmt.Errorf("the answer is no HTTP: %w", err)
		}
		return h, failed(StepHTTP, err, "")
	case h.Status != 200:
		return h, failed(StepHTTP, fmt.Errorf("the server answered %s to %s", strings.TrimSpace(fmt.Sprint(h.Status, " ", printable(h.Reason))), sstp.Method),
			"it is a web server, or SSTP has another path or name there")
	}
	if n, ok, err := h.Fields.ContentLength(); err != nil || !ok || n != sstp.ContentLength {
		return h, failed(StepHTTP, fmt.Errorf("the server answered 200 with Content-Length %q, and SSTP says %d", printable(h.Fields.Get("Content-Length")), sstp.ContentLength),
			"it is a web server that takes any method")
	}
	return h, nil
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// printable makes text from the wire fit for one line.
func printable(s string) string {
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// readRequest reads a client's request. The status is 0 if it opens SSTP, and
// what to answer if not (MS-SSTP 3.3.5.1). If lenient, method and Content-Length do not
// matter.
func readRequest(r *headReader, path string, lenient bool) (h httphead.Request, status int, err error) {
	var s httphead.Scanner
	h, err = read(r, s.Request)
	if err != nil {
		if _, ok := errors.AsType[*httphead.SyntaxError](err); ok || errors.Is(err, httphead.ErrHTTP2Preface) {
			return h, 400, err
		}
		return h, 0, err
	}
	target, _, _ := strings.Cut(h.Target, "?") // tenantid: MS-SSTP 3.2.4.1
	switch {
	case h.Method != sstp.Method && !lenient:
		return h, 405, fmt.Errorf("method %q", printable(h.Method))
	case !strings.EqualFold(target, path):
		return h, 404, fmt.Errorf("path %q", printable(target))
	case h.MustRefuse()&^httphead.MissingHost != 0: // SSTP has no use for it
		return h, 400, fmt.Errorf("the head: %v", h.MustRefuse())
	}
	if n, ok, err := h.Fields.ContentLength(); !lenient && (err != nil || !ok || n != sstp.ContentLength) {
		return h, 400, fmt.Errorf("Content-Length %q", printable(h.Fields.Get("Content-Length")))
	}
	return h, 0, nil
}
