package probe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/sstp"
)

// received is what came for an answer.
type received struct {
	bytes []byte // as they came, heads in front of the answer's included
	head  httphead.Response
	size  int // of the head
}

// exchange sends the request and reads the head of its answer.
func exchange(c io.ReadWriter, request []byte) (received, error) {
	if _, err := c.Write(request); err != nil {
		return received{}, err
	}
	return readAnswer(c)
}

const (
	// maxInterim is how many heads with a status of 1xx may stand in front of the
	// answer (RFC 9110, Section 15.2).
	maxInterim = 4
	readSize   = 4096
)

// readAnswer reads up to the end of the head of the answer. An error is that of
// reading, io.ErrUnexpectedEOF for one that ends within the head, or a
// *[httphead.SyntaxError]; what came is given with it.
func readAnswer(from io.Reader) (got received, err error) {
	var scanner httphead.Scanner
	buf := make([]byte, readSize)
	start, interim := 0, 0
	for {
		head, n, err := scanner.Response(got.bytes[start:])
		switch {
		case err == nil && head.Status/100 == 1 && head.Status != 101:
			if interim++; interim > maxInterim {
				return got, fmt.Errorf("more than %d heads with a status of 1xx", maxInterim)
			}
			start += n
			continue
		case err == nil:
			got.head, got.size = head, n
			return got, nil
		case !errors.Is(err, io.ErrUnexpectedEOF):
			return got, err
		}
		n, err = from.Read(buf)
		got.bytes = append(got.bytes, buf[:n]...)
		if n == 0 && err != nil {
			if errors.Is(err, io.EOF) && len(got.bytes) > start {
				err = io.ErrUnexpectedEOF
			}
			return got, err
		}
	}
}

// judge says what an answer means.
func (a *attempt) judge(got received, err error) {
	r := a.result
	if err != nil {
		a.noAnswer(got, err)
	} else {
		h := &got.head
		r.HTTP = httpFacts(h, got.size)
		r.SSTP, r.Reason = meaning(h)
	}
	if r.SSTP != Yes && r.Name == "" && a.stopped() == nil {
		r.Reason += "; it was asked without a name"
	}
}

// meaning says whether a head is that of SSTP, and why.
func meaning(h *httphead.Response) (answer Answer, reason string) {
	status := strings.TrimSpace(fmt.Sprintf("%d %s", h.Status, cut(h.Reason, maxText)))
	length, given, err := h.Fields.ContentLength()
	switch {
	case h.Status == 200 && given && err == nil && length == sstp.ContentLength:
		return Yes, "200 with the endless Content-Length of SSTP"
	case h.Status == 200:
		return No, "200 without the endless Content-Length of SSTP: a web server that takes any method"
	case unsaid[h.Status]:
		return Unclear, "the server answered " + status + ", which says nothing of SSTP"
	}
	return No, "the server answered " + status + " to the request of SSTP"
}

// unsaid are the statuses by which a server, or one in front of it, speaks of
// itself or of the one who asks, and not of the request.
var unsaid = map[int]bool{
	403: true, 407: true, 408: true, 421: true, 425: true, 429: true,
	500: true, 502: true, 503: true, 504: true, 511: true,
}

// noAnswer words what came instead of one.
func (a *attempt) noAnswer(got received, err error) {
	const step = StepAnswer
	_, syntax := errors.AsType[*httphead.SyntaxError](err)
	network, isNetwork := errors.AsType[net.Error](err)
	switch {
	case syntax:
		a.result.fail(step, fmt.Errorf("the server answered with %s: %w", excerpt(got.bytes[:min(maxFirst, len(got.bytes))]), err), "the answer is no HTTP/1")
		a.result.SSTP = No
	case errors.Is(err, io.EOF):
		a.fail(step, errors.New("the server closed the connection instead of an answer"), "no answer: SSTP may have another path or name there")
	case errors.Is(err, io.ErrUnexpectedEOF) && len(got.bytes) > 0:
		a.fail(step, errors.New("the connection ended within the head of the answer"), "no whole answer")
	case isNetwork && network.Timeout() && len(got.bytes) > 0:
		a.fail(step, err, "no whole answer")
	default:
		a.fail(step, err, "no answer")
	}
}

func httpFacts(h *httphead.Response, size int) *HTTP {
	facts := &HTTP{
		Status: h.Status, Reason: cut(h.Reason, maxText), Bytes: size,
		Server: cut(h.Fields.Get("Server"), maxText),
	}
	if n, ok, err := h.Fields.ContentLength(); ok && err == nil {
		facts.ContentLength = &n
	}
	for _, f := range h.Fields[:min(maxNames, len(h.Fields))] {
		facts.Headers = append(facts.Headers, cut(f.Name, maxText))
	}
	return facts
}
