package interop

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"sstpwarden/pcaps/netlab/labtest"

	"golang.org/x/net/websocket"
)

// Sizes of downloads and uploads.
const (
	bulk = 10 << 20
	some = 1 << 20 // more than sockets and pipes hold at first
)

// noise compresses badly and is always the same.
var noise = sync.OnceValue(func() []byte {
	b := make([]byte, bulk)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // it never fails
	return b
})

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// A web is the web server of a lab, at all addresses of the server: port 80, port
// 443 with HTTP/2 and port 8443 without.
type web struct {
	lab *lab
	mu  sync.Mutex
	// gates are what streams wait for before they go on.
	gates map[string]chan struct{}
	seen  map[string]int // connections by the address they came from
	taken int            // connections in all
}

// seer is what GET /whoami answers.
type seer struct{ Remote, Proto, Host, Server, Via, UserAgent string }

func (l *lab) web() *web {
	l.T.Helper()
	w := l.plainWeb()
	w.serve(":443", &tls.Config{Certificates: []tls.Certificate{labtest.Shared.Leaf}, NextProtos: []string{"h2", "http/1.1"}})
	w.serve(":8443", &tls.Config{Certificates: []tls.Certificate{labtest.Shared.Leaf}, NextProtos: []string{"http/1.1"}})
	return w
}

// plainWeb is on port 80 alone, and leaves the others to others.
func (l *lab) plainWeb() *web {
	l.T.Helper()
	w := &web{lab: l, gates: map[string]chan struct{}{}, seen: map[string]int{}}
	w.serve(":80", nil)
	return w
}

func (w *web) serve(address string, config *tls.Config) {
	ln := w.lab.Listen(w.lab.Server, address)
	s := &http.Server{
		Handler: w.handler(), TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0),
		ReadHeaderTimeout: time.Minute, ConnState: w.count,
	}
	if config == nil {
		s.Protocols = new(http.Protocols)
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetUnencryptedHTTP2(true)
		go func() { _ = s.Serve(ln) }() // ends with Close
	} else {
		go func() { _ = s.ServeTLS(ln, "", "") }()
	}
	w.lab.T.Cleanup(func() { _ = s.Close() })
}

func (w *web) count(conn net.Conn, state http.ConnState) {
	if state != http.StateNew {
		return
	}
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[host]++
	w.taken++
}

func (w *web) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken
}

// gate is what the stream of that name waits for.
func (w *web) gate(name string) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gates[name] == nil {
		w.gates[name] = make(chan struct{})
	}
	return w.gates[name]
}

func (w *web) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /whoami", whoami)
	mux.HandleFunc("GET /noise/{n}", func(rw http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		rw.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(rw, r, "", time.Unix(1, 0), bytes.NewReader(noise()[:n]))
	})
	mux.HandleFunc("GET /small/{n}", small)
	mux.HandleFunc("GET /endless", endless)
	mux.HandleFunc("PUT /sum", sumUp)
	mux.HandleFunc("POST /sum", sumUp)
	mux.HandleFunc("GET /trailers", trailers)
	mux.HandleFunc("GET /events/{name}", w.events)
	mux.HandleFunc("GET /page", page())
	mux.Handle("GET /websocket", websocket.Server{Handler: echo})
	return mux
}

func whoami(rw http.ResponseWriter, r *http.Request) {
	s := seer{Remote: r.RemoteAddr, Proto: r.Proto, Host: r.Host, Via: r.Header.Get("Via"), UserAgent: r.UserAgent()}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		s.Server = a.String()
	}
	_ = json.NewEncoder(rw).Encode(s)
}

// small is a resource of a page: n bytes and a few headers.
func small(rw http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n > bulk {
		http.Error(rw, "no such size", http.StatusBadRequest)
		return
	}
	rw.Header().Set("Access-Control-Allow-Origin", "*")
	rw.Header().Set("Timing-Allow-Origin", "*")
	rw.Header().Set("Cache-Control", "no-store")
	rw.Header().Set("Content-Type", "application/octet-stream")
	_, _ = rw.Write(noise()[:n])
}

// endless sends until nobody listens.
func endless(rw http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := rw.Write(noise()[:1<<16]); err != nil {
			return
		}
	}
}

func sumUp(rw http.ResponseWriter, r *http.Request) {
	s := sha256.New()
	n, err := io.Copy(s, r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(rw, "%d %x %v", n, s.Sum(nil), r.TransferEncoding)
}

func trailers(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Trailer", "X-Sum")
	for part := range 5 {
		fmt.Fprintf(rw, "part %d\n", part)
		_ = http.NewResponseController(rw).Flush()
	}
	rw.Header().Set("X-Sum", "5 parts")
}

// events sends an event, waits to be told that it has arrived, and sends another.
func (w *web) events(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(rw, "data: first\n\n")
	_ = http.NewResponseController(rw).Flush()
	select {
	case <-w.gate(r.PathValue("name")):
		fmt.Fprint(rw, "data: second\n\n")
	case <-time.After(labtest.Patience):
		fmt.Fprint(rw, "data: nobody saw the first\n\n")
	}
}

// echo sends every message back.
func echo(ws *websocket.Conn) {
	for {
		var text string
		if websocket.Message.Receive(ws, &text) != nil || websocket.Message.Send(ws, text) != nil {
			return
		}
	}
}

// noiseFile is a file of noise to be uploaded.
func (l *lab) noiseFile(n int) string {
	l.T.Helper()
	path := filepath.Join(l.Dir, "noise-"+strconv.Itoa(n))
	if err := os.WriteFile(path, noise()[:n], 0o644); err != nil {
		l.T.Fatal(err)
	}
	return path
}
