package guard

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"sstpwarden/inspect/httphead"
)

// limit makes sure that a handler of HTTP/2 does not wait for the client longer
// than on a connection of HTTP/1.x. A client that answers pings may yet send
// nothing of a body and leave no window for a response, on all its streams.
func (c *http2Conn) limit(r *http.Request, w http.ResponseWriter, head *httphead.Request) *limitedWriter {
	rc := http.NewResponseController(w)
	if r.ContentLength != 0 {
		r.Body = &limitedBody{ReadCloser: r.Body, rc: rc, o: c.o, head: head, credit: c.o.Grace}
	}
	return &limitedWriter{ResponseWriter: w, rc: rc, limit: c.o.WriteTimeout}
}

// A limitedBody is the body of a request of HTTP/2.
type limitedBody struct {
	io.ReadCloser
	rc     *http.ResponseController
	o      *Options
	head   *httphead.Request
	credit time.Duration
	timer  *time.Timer
}

// Read implements [io.Reader].
func (b *limitedBody) Read(p []byte) (int, error) {
	start := time.Now()
	if b.timer == nil {
		b.timer = time.AfterFunc(b.credit, func() { _ = b.rc.SetReadDeadline(longAgo) }) // fails when there is no stream
	} else {
		b.timer.Reset(b.credit)
	}
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	b.credit = b.o.earn(b.credit-time.Since(start), n)
	if errors.Is(err, os.ErrDeadlineExceeded) && b.credit <= 0 {
		b.o.refused(b.head, http.StatusRequestTimeout, b.o.tooSlow())
	}
	return n, err
}

// A limitedWriter writes a response of HTTP/2.
type limitedWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	limit time.Duration
	timer *time.Timer
}

// Write implements [io.Writer].
func (w *limitedWriter) Write(p []byte) (int, error) {
	w.begin()
	defer w.timer.Stop()
	return w.ResponseWriter.Write(p)
}

// WriteString implements [io.StringWriter].
func (w *limitedWriter) WriteString(s string) (int, error) {
	w.begin()
	defer w.timer.Stop()
	return io.WriteString(w.ResponseWriter, s)
}

// FlushError is what [http.ResponseController] looks for.
func (w *limitedWriter) FlushError() error {
	w.begin()
	defer w.timer.Stop()
	return w.rc.Flush()
}

// Flush implements [http.Flusher].
func (w *limitedWriter) Flush() { _ = w.FlushError() } // writing will fail, too

// Unwrap is what [http.ResponseController] looks for.
func (w *limitedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// begin sets the time for a write, which ends its stream.
func (w *limitedWriter) begin() {
	if w.timer == nil {
		w.timer = time.AfterFunc(w.limit, func() { _ = w.rc.SetWriteDeadline(longAgo) }) // fails when there is no stream
		return
	}
	w.timer.Reset(w.limit)
}

// finish sets the time for what is still to be written when the handler is done.
func (w *limitedWriter) finish() {
	_ = w.rc.SetWriteDeadline(time.Now().Add(w.limit)) // fails when there is no stream
}
