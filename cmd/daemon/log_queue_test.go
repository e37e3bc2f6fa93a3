package daemon

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"sstpwarden/policies"
)

// Lines come out as they went in, and once the queue is closed without a wait.
func TestLogQueue(t *testing.T) {
	var out buffer
	q := newLogQueue(&out, Default().Log)
	var want strings.Builder
	line := make([]byte, 0, 16)
	for i := range logQueueLines / 2 {
		line = fmt.Appendf(line[:0], "line %d\n", i)
		want.Write(line)
		if n, err := q.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	q.close()
	q.close()
	fmt.Fprintln(q, "the end")
	want.WriteString("the end\n")
	if got := out.String(); got != want.String() {
		t.Errorf("%d bytes, want %d", len(got), want.Len())
	}
}

// A stuck writer takes a line when it is let.
type stuckWriter struct {
	let chan struct{}
	out bytes.Buffer
}

func (w *stuckWriter) Write(b []byte) (int, error) {
	<-w.let
	return w.out.Write(b)
}

// Who does not read holds up nobody, and is told how much was lost.
func TestLogQueueStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuckWriter{let: make(chan struct{})}
		q := newLogQueue(w, Default().Log)
		fmt.Fprintln(q, "first")
		synctest.Wait() // it is being written
		const more = 7
		for i := range logQueueLines + more {
			fmt.Fprintln(q, "line", i)
		}
		close(w.let)
		q.close()
		lines := strings.Split(strings.TrimSuffix(w.out.String(), "\n"), "\n")
		if len(lines) != 1+logQueueLines+1 || !strings.Contains(lines[1], fmt.Sprintf("lines=%d", more)) || lines[len(lines)-1] != fmt.Sprint("line ", logQueueLines-1) {
			t.Errorf("%d lines: %q, %q ... %q", len(lines), lines[0], lines[1], lines[len(lines)-1])
		}
	})
}

// Nor does who does not read hold up the end.
func TestLogQueueStuckAtEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuckWriter{let: make(chan struct{})}
		q := newLogQueue(w, Default().Log)
		fmt.Fprintln(q, "first")
		q.close()
		if n, err := fmt.Fprintln(q, "late"); n != len("late\n") || err != nil {
			t.Error(n, err)
		}
		close(w.let)
		<-q.ended
		if got := w.out.String(); got != "first\n" {
			t.Errorf("%q", got)
		}
	})
}

func init() {
	children["stuck"] = stuckChild
}

// stuckChild logs more than a pipe and the queue hold, to a standard error that nobody reads.
func stuckChild() error {
	d, err := New(context.Background(), Default(), policies.PointNFQ)
	if err != nil {
		return err
	}
	text := strings.Repeat("x", 1<<10)
	for range 2 * logQueueLines {
		d.Logger().Info(text)
	}
	fmt.Println("logged")
	return d.Close()
}

func TestStuckLog(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() // and nothing is read from it
	defer w.Close()
	cmd := child(t, "stuck")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, w
	if err := cmd.Run(); err != nil || out.String() != "logged\n" {
		t.Errorf("%v: %q", err, &out)
	}
}
