//go:build interop

package interop

import (
	"bytes"
	"io"
	"sync"
	"testing"
)

// A turns takes what several writers write at the same time, and passes it on as if
// they did so one after another: what the first writes at once, the others' when all
// before them have ended.
type turns struct {
	mu      sync.Mutex
	w       io.Writer
	writers []*turn
	first   int // of the writers that have not ended
}

// A turn is one of the writers.
type turn struct {
	all   *turns
	place int
	held  bytes.Buffer
	ended bool
}

// writer gives the next writer.
func (t *turns) writer() io.Writer {
	one := &turn{all: t, place: len(t.writers)}
	t.writers = append(t.writers, one)
	return one
}

// Write fails if passing on does.
func (one *turn) Write(p []byte) (int, error) {
	t := one.all
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.place == t.first {
		return t.w.Write(p)
	}
	return one.held.Write(p)
}

// end says that a writer has ended.
func (t *turns) end(place int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writers[place].ended = true
	for t.first < len(t.writers) {
		if !t.writers[t.first].ended {
			return nil
		}
		t.first++
		if t.first < len(t.writers) {
			if _, err := t.writers[t.first].held.WriteTo(t.w); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestTurns(t *testing.T) {
	var out bytes.Buffer
	all := turns{w: &out}
	a, b, c := all.writer(), all.writer(), all.writer()
	say := func(w io.Writer, text, want string) {
		t.Helper()
		if n, err := io.WriteString(w, text); n != len(text) || err != nil {
			t.Errorf("writing %q: %d, %v", text, n, err)
		}
		if out.String() != want {
			t.Errorf("after %q there is %q, want %q", text, out.String(), want)
		}
	}
	end := func(place int, want string) {
		t.Helper()
		if err := all.end(place); err != nil || out.String() != want {
			t.Errorf("when %d ends there is %q, want %q; %v", place, out.String(), want, err)
		}
	}
	say(b, "b1 ", "")
	say(a, "a1 ", "a1 ")
	say(c, "c1 ", "a1 ")
	end(1, "a1 ")
	say(a, "a2 ", "a1 a2 ")
	end(0, "a1 a2 b1 c1 ")
	say(c, "c2", "a1 a2 b1 c1 c2")
	end(2, "a1 a2 b1 c1 c2")
}
