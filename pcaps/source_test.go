package pcaps

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"sstpwarden/inspect/tcpflow"
	"sstpwarden/pcaps/capfile"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
)

// capture is a large pcap made of one that is small, so often that it takes
// more batches than there are.
func capture(t *testing.T) []byte {
	t.Helper()
	small, err := os.ReadFile("testdata/positive/ac-tls12-AES128GCM-ping.pcap")
	if err != nil {
		t.Fatal(err)
	}
	const header = 24
	return slices.Concat(small[:header], bytes.Repeat(small[header:], (8<<20)/len(small)))
}

func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantNoSource fails if a source still runs. The last thing that a goroutine
// does can take a moment after all others saw it done.
func wantNoSource(t *testing.T) {
	t.Helper()
	buf := make([]byte, 1<<20)
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		stacks := buf[:runtime.Stack(buf, true)]
		if !bytes.Contains(stacks, []byte("(*source).run")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a source was left behind:\n%s", stacks)
		}
	}
}

// TestSourceOrder takes batches slowly and quickly: the segments are those of
// the file in their order, and are not touched while they are in use.
func TestSourceOrder(t *testing.T) {
	file := capture(t)
	path := write(t, "large.pcap", file)
	want, packets := trace(t, path, false)
	if packets < 10_000 {
		t.Fatalf("only %d packets", packets)
	}
	if got, _ := trace(t, path, true); !bytes.Equal(want, got) {
		t.Error("the packets differ when their batches are given back late")
	}
	r, err := capfile.Open(path, capfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var all []byte
	for {
		p, err := r.Next()
		if err != nil {
			break
		}
		all = append(all, p.Data...)
	}
	if !bytes.Equal(want, all) {
		t.Error("the packets are not those that a Reader gives")
	}
	wantNoSource(t)
}

// trace gives the bytes of all packets that a source hands on, looked at as
// late as possible if late is set.
func trace(t *testing.T, path string, late bool) (all []byte, packets int) {
	t.Helper()
	s := openSource(path, tcpflow.NewDecoder(tcpflow.Config{}))
	defer s.end()
	var held []*batch
	look := func() {
		for _, b := range held {
			for i := range b.raw.Packets {
				all = append(all, b.raw.Packets[i].Data...)
			}
			packets += len(b.segments)
			s.free <- b
		}
		held = held[:0]
	}
	for b := range s.full {
		held = append(held, b)
		if !late || len(held) == batchesAhead-1 {
			look()
		}
	}
	look()
	if !errors.Is(s.err, io.EOF) {
		t.Fatal(s.err)
	}
	return all, packets
}

// TestSourceStops ends sources at every stage: nothing is left behind, and
// nobody waits for ever.
func TestSourceStops(t *testing.T) {
	path := write(t, "large.pcap", capture(t))
	for taken := range batchesAhead + 2 {
		s := openSource(path, tcpflow.NewDecoder(tcpflow.Config{}))
		for i := range taken {
			b := <-s.full
			if i%2 == 0 || taken >= batchesAhead {
				s.free <- b
			}
		}
		s.end()
	}
	wantNoSource(t)
}

func config(emit func(*event.Event) error) Config {
	gate := &policies.Gate{Decider: allow{}, Point: policies.PointAudit}
	return Config{Rules: rules.Default(), Gate: gate, All: true, Emit: emit}
}

// allow is a policy.
type allow struct{}

func (allow) Decide(context.Context, policies.Input) (policies.Decision, error) {
	return policies.Decision{Action: policies.ActionAllow, Rule: "test.allow", Reason: "A test."}, nil
}

// TestRunCutOff has a capture that ends in the middle: all before it counts.
func TestRunCutOff(t *testing.T) {
	file := capture(t)
	emitted := 0
	emit := func(*event.Event) error { emitted++; return nil }
	whole, err := Run(t.Context(), []Input{{Name: "whole", Path: write(t, "whole.pcap", file)}}, config(emit))
	if err != nil || len(whole.Errors) != 0 || whole.Packets < 10_000 {
		t.Fatalf("%+v, %v", whole, err)
	}
	emitted = 0
	cut, err := Run(t.Context(), []Input{{Name: "cut", Path: write(t, "cut.pcap", file[:len(file)-3])}}, config(emit))
	if err != nil || len(cut.Errors) != 1 || cut.Packets != whole.Packets-1 {
		t.Errorf("%d packets of %d, errors %v, %v", cut.Packets, whole.Packets, cut.Errors, err)
	}
	if emitted == 0 {
		t.Error("no connection was told of")
	}
	wantNoSource(t)
}

// TestRunStopped cancels an audit: it ends early, with an error that says so.
func TestRunStopped(t *testing.T) {
	path := write(t, "large.pcap", capture(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := Run(ctx, []Input{{Name: "large", Path: path}}, config(func(*event.Event) error { return nil }))
	if !errors.Is(err, context.Canceled) || len(s.Errors) != 1 {
		t.Errorf("errors %v, %v", s.Errors, err)
	}
	if s.Packets != 0 {
		t.Errorf("stopped after %d packets", s.Packets)
	}
	wantNoSource(t)
}

// TestRunHangs cancels an audit of a pipe that nobody writes to.
func TestRunHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s, err := Run(ctx, []Input{{Name: "pipe", Path: path}}, config(func(*event.Event) error { return nil }))
	if !errors.Is(err, context.DeadlineExceeded) || len(s.Errors) != 1 {
		t.Errorf("errors %v, %v", s.Errors, err)
	}
	// With a writer that comes and goes, what still waits ends.
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	wantNoSource(t)
}

// TestRunEmitFails ends an audit when its result cannot be written.
func TestRunEmitFails(t *testing.T) {
	broken := errors.New("disk full")
	path := write(t, "large.pcap", capture(t))
	_, err := Run(t.Context(), []Input{{Name: "large", Path: path}}, config(func(*event.Event) error { return broken }))
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	wantNoSource(t)
}

// TestRunSecretsAtTheEnd has nothing but secrets that cannot be read: they are
// looked at, though no packet follows.
func TestRunSecretsAtTheEnd(t *testing.T) {
	file := "\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00" + // section
		"\x0a\x00\x00\x00\x18\x00\x00\x00KSLT\x03\x00\x00\x00bad\x00\x18\x00\x00\x00" // secrets
	s, err := Run(t.Context(), []Input{{Name: "secrets", Path: write(t, "secrets.pcapng", []byte(file))}}, config(nil))
	if err != nil || len(s.Errors) != 1 {
		t.Errorf("errors %v, %v; want one, about the secrets", s.Errors, err)
	}
}
