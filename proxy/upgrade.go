package proxy

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// asksForUpgrade says that a request wants its connection to become something else
// (RFC 9110, Section 7.8).
func asksForUpgrade(h http.Header) bool {
	return h.Get("Upgrade") != "" && listed(h.Values("Connection"), "upgrade")
}

// listed says that a field has a value in its list.
func listed(field []string, value string) bool {
	for _, line := range field {
		for v := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(v), value) {
				return true
			}
		}
	}
	return false
}

// upgraded is the body of a response by which a server agreed to an upgrade.
// Goproxy knows what to do of WebSocket only, and copies the body of others to the
// client: this one then carries both directions.
type upgraded struct{ io.ReadWriteCloser }

// withUpgrade gives a response such a body where the server agreed.
func withUpgrade(resp *http.Response) *http.Response {
	if resp == nil || resp.StatusCode != http.StatusSwitchingProtocols ||
		asksForUpgrade(resp.Header) && listed(resp.Header.Values("Upgrade"), "websocket") {
		return resp
	}
	if body, ok := resp.Body.(io.ReadWriteCloser); ok {
		resp.Body = upgraded{body}
	}
	return resp
}

var errNoHijack = errors.New("the client's connection cannot be taken over")

// WriteTo implements io.WriterTo, which io.Copy prefers. W is where the
// response's head was written to.
func (u upgraded) WriteTo(w io.Writer) (int64, error) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return 0, errNoHijack
	}
	client, rw, err := hijacker.Hijack()
	if err != nil {
		return 0, err
	}
	end := func() {
		_ = client.Close()
		_ = u.Close()
	}
	defer end()
	var both sync.WaitGroup
	both.Go(func() { carry(u.ReadWriteCloser, io.MultiReader(held(rw.Reader), client), end) })
	both.Go(func() { carry(client, u.ReadWriteCloser, end) })
	both.Wait()
	return 0, nil
}

// held is what was read behind the request.
func held(r *bufio.Reader) io.Reader { return io.LimitReader(r, int64(r.Buffered())) }

// carry copies one direction. An end in order is passed on, and the other
// direction goes on; anything else ends both.
func carry(dst io.Writer, src io.Reader, end func()) {
	_, err := carryAll(dst, src)
	half, ok := dst.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		end()
	}
}
