package interop

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"sstpwarden/pcaps/netlab/labtest"
)

// noise compresses badly and is always the same. A page is its beginning, repeated.
var noise = sync.OnceValue(func() []byte {
	b := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // it never fails
	return b
})

// pageOf reads a page.
func pageOf(n int64) io.Reader { return io.LimitReader(&repeated{}, n) }

type repeated struct{ at int }

func (r *repeated) Read(b []byte) (int, error) {
	n := copy(b, noise()[r.at:])
	r.at = (r.at + n) % len(noise())
	return n, nil
}

// sumOf is the SHA-256 of a page.
func sumOf(n int64) string {
	h := sha256.New()
	_, _ = io.Copy(h, pageOf(n)) // neither fails
	return hex.EncodeToString(h.Sum(nil))
}

// A web is the web server of a lab, at all addresses of the server: port 80, port 443
// with HTTP/2 and port 8443 without.
type web struct{ taken atomic.Int64 } // connections

// web serves a page of n bytes as /n, and one with much to load as /page.
func (l *lab) web() *web {
	l.T.Helper()
	w := &web{}
	w.serve(l, ":80", nil)
	w.serve(l, ":443", &tls.Config{Certificates: []tls.Certificate{labtest.Shared.Leaf}, NextProtos: []string{"h2", "http/1.1"}})
	w.serve(l, ":8443", &tls.Config{Certificates: []tls.Certificate{labtest.Shared.Leaf}, NextProtos: []string{"http/1.1"}})
	return w
}

// plainWeb is on port 80 alone, and leaves the others to others.
func (l *lab) plainWeb() *web {
	l.T.Helper()
	w := &web{}
	w.serve(l, ":80", nil)
	return w
}

func (w *web) serve(l *lab, address string, config *tls.Config) {
	ln := l.Listen(l.Server, address)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{n}", sized)
	mux.HandleFunc("GET /page", page())
	s := &http.Server{
		Handler: mux, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				w.taken.Add(1)
			}
		},
	}
	if config == nil {
		go func() { _ = s.Serve(ln) }() // ends with Close
	} else {
		go func() { _ = s.ServeTLS(ln, "", "") }()
	}
	l.T.Cleanup(func() { _ = s.Close() })
}

func sized(rw http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil {
		http.NotFound(rw, r)
		return
	}
	rw.Header().Set("Access-Control-Allow-Origin", "*")
	rw.Header().Set("Timing-Allow-Origin", "*")
	rw.Header().Set("Cache-Control", "no-store")
	rw.Header().Set("Content-Type", "application/octet-stream")
	rw.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	_, _ = io.Copy(rw, pageOf(n)) // the client notices
}
