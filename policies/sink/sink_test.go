package sink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long tests wait for what must come.
const patience = 20 * time.Second

// quick are Options that lose no time.
func quick(t testing.TB) Options {
	t.Helper()
	return Options{
		Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond,
		HTTP:    HTTPOptions{Interval: time.Millisecond},
		OnError: func(err error) { t.Log(err) },
	}
}

func mustOpen(t testing.TB, dest string, o Options) *Sink {
	t.Helper()
	s, err := Open(dest, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Close(ctx)
	})
	return s
}

func write(t testing.TB, s *Sink, records ...string) {
	t.Helper()
	for _, r := range records {
		if n, err := s.Write([]byte(r)); n != len(r) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", r, n, err)
		}
	}
}

// drain closes s, and all must have been taken.
func drain(t testing.TB, s *Sink) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func wantCounts(t testing.TB, s *Sink, written, lost uint64) {
	t.Helper()
	if w, l := s.Written(), s.Lost(); w != written || l != lost {
		t.Errorf("%d written and %d lost, want %d and %d", w, l, written, lost)
	}
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came: %s", what)
		}
	}
}

func wantFile(t testing.TB, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", filepath.Base(path), diff)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	for dest, want := range map[string]string{
		"":                              "is empty",
		"syslog:host:514":               "no // behind its scheme",
		"https:host":                    "no // behind its scheme",
		"ftp://host/x":                  "the scheme ftp is not known",
		"syslog://":                     "names no host",
		"syslog+tcp:///dev/log":         "a server of syslog has no path: leave out /dev/log",
		"syslog+tcp://:601":             "names no host",
		"http:///logs":                  "names no host",
		"https://me:secret@host:port/x": "invalid port",
		"http://me:secret@[::1/x":       "http://me:xxxxx@[::1/x",
		"ftp://me:secret@host/":         "ftp://me:xxxxx@host/",
		"http://me:sec/secret@host/":    "http://me:xxxxx@host/",
		"http#://me:secret@host/":       "http#://me:xxxxx@host/",
		filepath.Join(dir, "no", "x"):   "no such file",
		dir:                             "is a directory",
	} {
		s, err := Open(dest, Options{})
		if err == nil {
			drain(t, s)
			t.Errorf("Open(%q): no error", dest)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q): %v, want %q", dest, err, want)
		}
	}
	for _, o := range []Options{{Facility: "local8"}, {AppName: "two words"}, {AppName: strings.Repeat("x", 49)}} {
		if _, err := Open("syslog://localhost", o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if _, err := Open("http://localhost/", Options{HTTP: HTTPOptions{TokenFile: filepath.Join(dir, "none")}}); err == nil {
		t.Error("a token that is not there: no error")
	}
}

func TestDefaultPorts(t *testing.T) {
	for dest, want := range map[string]string{
		"syslog://h": "h:514", "syslog+tcp://h": "h:601", "syslog+tls://[::1]": "[::1]:6514", "syslog://h:1": "h:1", "syslog:///dev/log": "/dev/log",
	} {
		got, _, err := open(dest, &Options{Facility: "daemon", AppName: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if got := got.(*syslog).address; got != want {
			t.Errorf("%s: %s, want %s", dest, got, want)
		}
	}
}

func TestStandardOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	old := os.Stdout
	os.Stdout = w
	s := mustOpen(t, "-", quick(t))
	os.Stdout = old
	write(t, s, "one\n", "two")
	drain(t, s)
	if err := s.Reopen(); err != nil {
		t.Error(err)
	}
	if _, err := w.WriteString("three\n"); err != nil {
		t.Errorf("standard output was closed: %v", err)
	}
	w.Close()
	got := make([]byte, 100)
	n, _ := r.Read(got)
	if string(got[:n]) != "one\ntwo\nthree\n" {
		t.Errorf("%q", got[:n])
	}
}

// Nothing ends a write to a terminal that was stopped. Close does not wait for
// it, and what it says later changes nothing.
func TestStandardOutputStuck(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	old := os.Stdout
	os.Stdout = w
	s := mustOpen(t, "-", quick(t))
	os.Stdout = old
	write(t, s, strings.Repeat("x", 10<<20))
	eventually(t, "it is taken", s.queue.isEmpty)
	write(t, s, "two")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Close(ctx); err == nil || !strings.Contains(err.Error(), "2 records") {
		t.Errorf("Close: %v", err)
	}
	wantCounts(t, s, 0, 2)
	r.Close()
	<-s.done
	wantCounts(t, s, 0, 2)
}

// stuck is a target that takes nothing until it is released.
type stuck struct {
	entered chan struct{}
	release chan struct{}
}

func (t *stuck) deliver(ctx context.Context, b *batch, s *Sink) {
	t.entered <- struct{}{}
	select {
	case <-t.release:
		s.settle(b, 0, b.len(), true)
	case <-ctx.Done():
		s.settle(b, 0, b.len(), false)
	}
}

func (t *stuck) close() error { return nil }

func newStuck(t *testing.T, o Options) (*Sink, *stuck) {
	o.setDefaults()
	target := &stuck{entered: make(chan struct{}, 100), release: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	s := &Sink{dest: "stuck", queue: newQueue(&o, atOnce), target: target, report: reporter{on: o.OnError}, cancel: cancel, done: make(chan struct{})}
	go s.run(ctx)
	return s, target
}

func TestQueueFull(t *testing.T) {
	for name, o := range map[string]Options{
		"records": {Queue: 4},
		"bytes":   {QueueBytes: 4*len("record\n") + 1},
	} {
		t.Run(name, func(t *testing.T) {
			var told []error
			o.OnError = func(err error) { told = append(told, err) }
			s, target := newStuck(t, o)
			write(t, s, "record")
			<-target.entered // it is still in the queue's bounds
			for range 9 {
				write(t, s, "record")
			}
			wantCounts(t, s, 0, 6)
			close(target.release)
			drain(t, s)
			wantCounts(t, s, 4, 6)
			if len(told) != 1 || !errors.Is(told[0], errFull) || !strings.Contains(told[0].Error(), "6 records lost so far") {
				t.Errorf("told %v", told)
			}
		})
	}
}

func TestTooLargeForQueue(t *testing.T) {
	s, target := newStuck(t, Options{QueueBytes: 10, Block: true})
	close(target.release)
	write(t, s, strings.Repeat("x", 10), strings.Repeat("x", 9))
	drain(t, s)
	wantCounts(t, s, 1, 1)
}

func TestBlock(t *testing.T) {
	s, target := newStuck(t, Options{Queue: 2, Block: true})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { write(t, s, "record") })
	}
	<-target.entered
	wantCounts(t, s, 0, 0)
	close(target.release)
	wg.Wait()
	drain(t, s)
	wantCounts(t, s, 50, 0)
}

func TestCloseWakesBlocked(t *testing.T) {
	s, target := newStuck(t, Options{Queue: 1, Block: true})
	write(t, s, "record")
	<-target.entered
	failed := make(chan error)
	go func() {
		_, err := s.Write([]byte("record"))
		failed <- err
	}()
	eventually(t, "somebody waits", func() bool {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		return s.queue.pressed
	})
	ctx, cancel := context.WithCancel(context.Background())
	closed := make(chan error)
	go func() { closed <- s.Close(ctx) }()
	if err := <-failed; !errors.Is(err, ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	cancel()
	err := <-closed
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 records were not taken in time") {
		t.Errorf("Close: %v", err)
	}
	if again := s.Close(context.Background()); !errors.Is(again, err) {
		t.Errorf("Close again: %v", again)
	}
	if _, err := s.Write([]byte("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	wantCounts(t, s, 0, 3)
}

// What was still in the queue is lost as well as what was being delivered.
func TestCloseInTime(t *testing.T) {
	s, target := newStuck(t, Options{})
	write(t, s, "one")
	<-target.entered
	write(t, s, "two", "three")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Close(ctx); err == nil || !strings.Contains(err.Error(), "3 records") {
		t.Errorf("Close: %v", err)
	}
	wantCounts(t, s, 0, 3)
}

func TestErrorsAreRare(t *testing.T) {
	var told int
	r := reporter{on: func(error) { told++ }}
	for range 100 {
		r.report(func() error { return errFull })
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	r.next = time.Time{}
	r.report(func() error { return errFull })
	if told != 2 {
		t.Errorf("told %d times", told)
	}
}

func TestRetrier(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := retrier{first: time.Microsecond, most: 3 * time.Microsecond, total: time.Hour}
	if !r.begin(ctx) || r.pause != 0 {
		t.Error("waits without a failure")
	}
	for i, want := range []time.Duration{2, 3, 3} {
		if !r.failed(ctx) || r.pause != want*time.Microsecond {
			t.Errorf("after failure %d: %v", i, r.pause)
		}
	}
	r.total = 0
	if r.failed(ctx) {
		t.Error("goes on after all")
	}
	if !r.begin(ctx) {
		t.Error("does not begin again")
	}
	r.succeeded()
	cancel()
	if r.begin(ctx) || r.failed(ctx) {
		t.Error("goes on after the end")
	}
}

// Whatever fails, every record is counted once.
func TestCountsAddUp(t *testing.T) {
	server := newFlaky(t)
	o := quick(t)
	o.Queue, o.Retry = 64, time.Nanosecond
	o.OnError = nil
	s := mustOpen(t, "http://"+server, o)
	var wg sync.WaitGroup
	const writers, each = 8, 500
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				fmt.Fprintf(s, `{"w":%d,"i":%d}`, w, i)
			}
		})
	}
	wg.Wait()
	drain(t, s)
	if sum := s.Written() + s.Lost(); sum != writers*each {
		t.Errorf("%d written and %d lost, want %d in all", s.Written(), s.Lost(), writers*each)
	}
}

func BenchmarkWrite(b *testing.B) {
	record := []byte(strings.Repeat("x", 3000) + "\n")
	for _, c := range []struct {
		name string
		dest func(*testing.B) string
	}{
		{"null", func(*testing.B) string { return os.DevNull }},
		{"file", func(b *testing.B) string { return filepath.Join(b.TempDir(), "log") }},
		{"udp", func(b *testing.B) string { return "syslog://" + listenUDP(b).LocalAddr().String() }},
		{"tcp", func(b *testing.B) string { return "syslog+tcp://" + swallow(b) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := mustOpen(b, c.dest(b), Options{Block: true})
			b.SetBytes(int64(len(record)))
			b.ReportAllocs()
			for b.Loop() {
				s.Write(record)
			}
			drain(b, s)
			b.ReportMetric(float64(s.Lost()), "lost")
		})
	}
}

// BenchmarkWriteOnly is what a caller pays who does not wait.
func BenchmarkWriteOnly(b *testing.B) {
	record := []byte(strings.Repeat("x", 3000) + "\n")
	s := mustOpen(b, os.DevNull, Options{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Write(record)
		}
	})
	b.ReportMetric(float64(s.Lost())/float64(b.N), "lost/op")
}
