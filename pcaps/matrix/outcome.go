package matrix

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sstpwarden/pcaps/sstpref"
)

// A Result is what became of a cell's connection.
type Result string

// The results.
const (
	Passed    Result = "passed"    // data went through
	Connected Result = "connected" // it was set up, and carried nothing
	Cut       Result = "cut"       // it was not set up
)

// stages are the steps of a connection, in their order.
var stages = []string{
	string(sstpref.StepTCP), string(sstpref.StepProxy), string(sstpref.StepTLS), string(sstpref.StepCertificate), string(sstpref.StepHTTP), string(sstpref.StepSSTP),
	string(sstpref.StepLCP), string(sstpref.StepAuthentication), string(sstpref.StepIPCP), string(sstpref.StepData),
}

// An Outcome is what a cell's client saw.
type Outcome struct {
	Result Result `json:"result"`
	// Stage is the step at which it ended, where it did not pass: tcp, proxy, tls, http,
	// sstp, lcp, authentication, ipcp, data.
	Stage string `json:"stage,omitempty"`
	// How it ended there: reset, close, refusal (a proxy said no), silence.
	How string `json:"how,omitempty"`
	// Error is what the client says of it.
	Error string `json:"error,omitempty"`
	// Up and Down are bytes on the wire by then, client to server and back, without
	// the headers of packets, and Milliseconds the time since the client dialled.
	Up           int64   `json:"bytes_up"`
	Down         int64   `json:"bytes_down"`
	Milliseconds float64 `json:"milliseconds"`
	// Carried is how many bytes came out of the tunnel at the client's end.
	Carried int64 `json:"bytes_carried"`
}

// A wiretap counts what goes over a cell's connections and sees how they end. It also
// gives them addresses for the capture.
type wiretap struct {
	began    time.Time
	up, down atomic.Int64

	mu   sync.Mutex
	how  string        // how the last connection ended
	at   time.Duration // when
	done bool          // the client is ending it itself
}

// A tapped connection is watched by a wiretap.
type tapped struct {
	net.Conn
	tap           *wiretap
	local, remote net.Addr // nil for the connection's own
}

func (t *tapped) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.tap.down.Add(int64(n))
	if err != nil {
		t.tap.ended(err)
	}
	return n, err
}

func (t *tapped) Write(b []byte) (int, error) {
	n, err := t.Conn.Write(b)
	t.tap.up.Add(int64(n))
	if err != nil {
		t.tap.ended(err)
	}
	return n, err
}

func (t *tapped) LocalAddr() net.Addr {
	if t.local != nil {
		return t.local
	}
	return t.Conn.LocalAddr()
}

func (t *tapped) RemoteAddr() net.Addr {
	if t.remote != nil {
		return t.remote
	}
	return t.Conn.RemoteAddr()
}

// ended notes how a connection ended, if it was the other side that ended it.
func (w *wiretap) ended(err error) {
	how := howOf(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done || how == "" {
		return
	}
	w.how, w.at = how, time.Since(w.began)
}

// finish says that what follows is the client's own doing.
func (w *wiretap) finish() {
	w.mu.Lock()
	w.done = true
	w.mu.Unlock()
}

// quietly is how a connection ended that nobody was seen to end: TLS may say so first.
func quietly(err error) string {
	var e net.Error
	if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.Timeout() {
		return "silence"
	}
	return "close"
}

func howOf(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNREFUSED):
		return "reset"
	case errors.Is(err, io.EOF):
		return "close"
	}
	return ""
}

// outcome is what the tap knows of a connection that ended at a stage, "" for none.
func (w *wiretap) outcome(r Result, stage string, err error) Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := Outcome{Result: r, Stage: stage, Up: w.up.Load(), Down: w.down.Load()}
	at := time.Since(w.began)
	if r != Passed {
		o.How = w.how
		if o.How == "" {
			o.How = quietly(err)
		}
		if w.at > 0 {
			at = w.at
		}
		if err != nil {
			o.Error = err.Error()
		}
	}
	o.Milliseconds = float64(at.Microseconds()) / 1000
	return o
}
