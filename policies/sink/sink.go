package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options of a Sink. The zero value stands for the defaults.
type Options struct {
	// Queue is how many records may wait, those being delivered among them;
	// 0 stands for 8192. QueueBytes is how many bytes they may have together;
	// 0 stands for 32 MiB.
	Queue, QueueBytes int
	// Block makes Write wait for room in the queue, instead of losing the
	// record.
	Block bool
	// Timeout of one attempt to connect, to write or to post; 0 stands for
	// ten seconds.
	Timeout time.Duration
	// Retry is how long a server is tried that fails; what waits is lost
	// then, and what comes after it gets one attempt, until one succeeds. 0
	// stands for an hour, and with Block for a minute.
	Retry time.Duration
	// Backoff is the first pause after a failure, MaxBackoff the longest; 0
	// stands for half a second and for half a minute.
	Backoff, MaxBackoff time.Duration
	// Facility of syslog, "local0" if it is empty.
	Facility string
	// AppName that syslog messages and requests carry, "sstpwarden" if it is
	// empty.
	AppName string
	// TLS for syslog+tls and https; nil stands for the system's authorities.
	TLS *tls.Config
	// HTTP says how records are posted.
	HTTP HTTPOptions
	// OnError, if set, is told what goes wrong, at once and then at most every
	// ten seconds. It is called by one goroutine at a time; records wait for
	// it to return.
	OnError func(error)
}

// HTTPOptions say how records are posted.
type HTTPOptions struct {
	// BatchRecords and BatchBytes, before compression, are when a batch is
	// full; 0 stands for 1000 and 512 KiB. Interval is how long one waits to
	// become full; 0 stands for five seconds.
	BatchRecords, BatchBytes int
	Interval                 time.Duration
	// TokenFile holds the bearer token to send. It is read again for each
	// attempt.
	TokenFile string
}

func (o *Options) setDefaults() {
	set(&o.Queue, 8192)
	set(&o.QueueBytes, 32<<20)
	set(&o.Timeout, 10*time.Second)
	if o.Block {
		set(&o.Retry, time.Minute)
	}
	set(&o.Retry, time.Hour)
	set(&o.Backoff, 500*time.Millisecond)
	set(&o.MaxBackoff, 30*time.Second)
	if o.Facility == "" {
		o.Facility = "local0"
	}
	if o.AppName == "" {
		o.AppName = "sstpwarden"
	}
	set(&o.HTTP.BatchRecords, 1000)
	set(&o.HTTP.BatchBytes, 512<<10)
	set(&o.HTTP.Interval, 5*time.Second)
}

// set gives v its default unless it has a value.
func set[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// ErrClosed is what Write returns after Close.
var ErrClosed = errors.New("the sink is closed")

// errFull is told when records were lost because they came too fast.
var errFull = errors.New("the queue is full: records come faster than they are taken")

// A Sink carries records to one destination. Its methods may be called from any
// goroutine.
type Sink struct {
	dest   string
	queue  *queue
	target target
	report reporter

	cancel context.CancelFunc // ends deliveries
	done   chan struct{}      // closed when the last is over
	once   sync.Once          // of Close
	err    error              // of Close
}

// A target takes batches, from one goroutine.
type target interface {
	// deliver settles each record of b, in order. It gives up when ctx is
	// done.
	deliver(ctx context.Context, b *batch, s *Sink)
	close() error
}

// Open makes a Sink; see the package for the destinations. A file is opened at
// once. Servers are not: Open succeeds whether they can be reached or not.
func Open(dest string, o Options) (*Sink, error) {
	o.setDefaults()
	t, limits, err := open(dest, &o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sink{
		dest:   redacted(dest),
		queue:  newQueue(&o, limits),
		target: t,
		report: reporter{on: o.OnError},
		cancel: cancel,
		done:   make(chan struct{}),
	}
	go s.run(ctx)
	return s, nil
}

func (s *Sink) run(ctx context.Context) {
	defer close(s.done)
	for b := s.queue.take(); b != nil; b = s.queue.take() {
		b.clean()
		s.target.deliver(ctx, b, s)
		s.queue.giveBack(b)
		if s.queue.overflowed() {
			s.fail(ctx, errFull)
		}
	}
}

// fail tells what went wrong, unless Close made it.
func (s *Sink) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	s.report.report(func() error {
		return fmt.Errorf("%s: %w (%d records lost so far)", s.dest, err, s.Lost())
	})
}

// Write takes p as one record and keeps no hold of it. A newline at its end may
// be left out; a record of nothing is none. The error is nil also where the
// record is lost for want of room: that is for [Sink.Lost] to tell. After Close
// it is ErrClosed.
func (s *Sink) Write(p []byte) (int, error) {
	line := bytes.TrimRight(p, "\r\n")
	if len(line) > 0 && !s.queue.put(line, time.Now()) {
		return 0, ErrClosed
	}
	return len(p), nil
}

// Lost counts the records that were not recorded: the queue was full, the
// destination did not take them, or the Sink was closed.
func (s *Sink) Lost() uint64 {
	_, lost := s.queue.counts()
	return lost
}

// Written counts the records that the destination took.
func (s *Sink) Written() uint64 {
	written, _ := s.queue.counts()
	return written
}

// Dest is the destination, without a password that it may hold.
func (s *Sink) Dest() string { return s.dest }

// Reopen makes a file anew whose name was given to another, as logrotate does
// it; records that were written before may end up in either. If that fails, the
// old file is kept. There is nothing to do for other destinations.
func (s *Sink) Reopen() error {
	if f, ok := s.target.(*file); ok {
		return f.reopen()
	}
	return nil
}

// abandonTime is how long Close waits for a delivery that it interrupted.
const abandonTime = time.Second

// Close stops taking records and waits until those that wait are delivered, or
// ctx is done: what is left then is lost, and the error says so. Calls after
// the first do nothing and return the same.
func (s *Sink) Close(ctx context.Context) error {
	s.once.Do(func() { s.err = s.close(ctx) })
	return s.err
}

func (s *Sink) close(ctx context.Context) error {
	defer s.cancel()
	s.queue.close()
	select {
	case <-s.done:
		return s.closeTarget()
	case <-ctx.Done():
	}
	before := s.Lost()
	s.cancel()
	var err error
	select {
	case <-s.done:
		err = s.closeTarget()
	case <-time.After(abandonTime):
		// A write that nothing interrupts, to a terminal that was stopped
		// for example. The target is still in use.
	}
	s.queue.abandon()
	if lost := s.Lost() - before; lost > 0 {
		err = errors.Join(fmt.Errorf("closing %s: %d records were not taken in time: %w", s.dest, lost, ctx.Err()), err)
	}
	return err
}

func (s *Sink) closeTarget() error {
	if err := s.target.close(); err != nil {
		return fmt.Errorf("closing %s: %w", s.dest, err)
	}
	return nil
}

// reportEvery is the least time between two errors that are told.
const reportEvery = 10 * time.Second

// A reporter tells errors, not too often.
type reporter struct {
	on   func(error)
	next time.Time // before this nothing is told
}

func (r *reporter) report(err func() error) {
	now := time.Now()
	if r.on == nil || now.Before(r.next) {
		return
	}
	r.on(err())
	r.next = now.Add(reportEvery)
}
