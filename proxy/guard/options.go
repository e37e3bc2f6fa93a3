package guard

import (
	"log"
	"net/http"
	"time"

	"sstpwarden/inspect/httphead"
)

// Options are what Serve needs to know. Handler is required. Durations and rates
// that are zero have the defaults stated; negative ones are no limit.
//
// The functions may be nil. What they are given is valid until they return. They
// must not touch the connection, except for closing it. Read and Judge are
// called by one goroutine at a time, and so is Written, but the two sides run
// at the same time. In HTTP/2 Judge and Refused are called by many at a time.
type Options struct {
	// Handler serves the requests. Its request contexts carry the values of
	// Serve's context and end with the connection, not with Serve's context.
	Handler http.Handler
	// Judge is asked about every request head, before anything of it is
	// delivered and after its bytes were told to Read. Heads that are refused in
	// any case do not come to it. A CONNECT for which it says Pass is taken.
	Judge func(head *httphead.Request) Verdict
	// Read is told every byte of the client exactly as sent, heads and bodies, in
	// order and before it is delivered; those of a refused head, and of one that
	// is taken, too, but nothing of what comes behind a taken head. An error
	// ends the connection at once, and Serve returns it.
	Read func(b []byte) error
	// Written is told every byte that goes to the client before it is sent. An
	// error ends the connection at once, and Serve returns it.
	Written func(b []byte) error
	// Refused is told of every request that was not served and why; status is what
	// the client was answered, unless a response was under way, or 0 for no
	// answer. The head is nil if there was none to speak of.
	Refused func(head *httphead.Request, status int, why string)
	// ErrorLog is for panics of the handler and for what the HTTP/2 server has to
	// say. If nil, it is the log package's standard logger.
	ErrorLog *log.Logger

	// HeadTimeout is how long a head may take from its first byte to its last:
	// 30 s. What is slower is answered with 408.
	HeadTimeout time.Duration
	// IdleTimeout is how long a connection may be silent before a head: 60 s. It
	// is closed then.
	IdleTimeout time.Duration
	// MinRate is the rate in bytes a second, 500 by default, below which a body is
	// too slow, and Grace (30 s) the time that a client may lag behind it. A client
	// that is faster saves time up, though never more than twice Grace. Only time
	// spent waiting for the client counts. What is slower is answered with 408.
	MinRate int
	Grace   time.Duration
	// WriteTimeout is how long a client may take to accept what is written at
	// once: 60 s for each 32 KiB of it or part of them.
	WriteTimeout time.Duration
	// HalfClosed is for how long nothing may be written to a client that has
	// stopped sending, before it counts as gone and its request is cancelled: 60 s.
	HalfClosed time.Duration
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&o.HeadTimeout, 30 * time.Second},
		{&o.IdleTimeout, time.Minute},
		{&o.Grace, 30 * time.Second},
		{&o.WriteTimeout, time.Minute},
		{&o.HalfClosed, time.Minute},
	} {
		switch {
		case *d.value == 0:
			*d.value = d.fallback
		case *d.value < 0:
			*d.value = forever
		}
	}
	if o.ErrorLog == nil {
		o.ErrorLog = log.Default()
	}
	if o.MinRate == 0 {
		o.MinRate = 500
	}
	if o.MinRate < 0 {
		o.Grace = forever
	}
}

// writeUnit is what WriteTimeout is for.
const writeUnit = 32 << 10

// forever is no limit, yet short enough to be added to any time and doubled.
const forever = 100 * 365 * 24 * time.Hour

// refused tells of a request that is not served.
func (o *Options) refused(head *httphead.Request, status int, why string) {
	if o.Refused != nil {
		o.Refused(head, status, why)
	}
}

func (o *Options) judge(head *httphead.Request) Verdict {
	if o.Judge == nil {
		return Pass()
	}
	return o.Judge(head)
}

// A Verdict is what Judge says about a request head. The zero value is Pass.
type Verdict struct {
	action action
	status int
	text   string
	fields httphead.Fields
}

type action uint8

const (
	actionPass action = iota
	actionTake
	actionClose
	actionRefuse
)

// Pass lets the request be served by the handler.
func Pass() Verdict { return Verdict{} }

// Take makes Serve return with the connection, alive.
func Take() Verdict { return Verdict{action: actionTake} }

// Close ends the connection without an answer.
func Close() Verdict { return Verdict{action: actionClose} }

// Refuse answers with status (400 to 599), a body of plain text and the
// fields given, and ends the connection.
func Refuse(status int, text string, fields ...httphead.Field) Verdict {
	return Verdict{action: actionRefuse, status: status, text: text, fields: fields}
}
