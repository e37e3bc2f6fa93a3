package sstpref

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect/sstp"
)

// A sink keeps the writes apart.
type sink struct {
	mu     sync.Mutex
	writes []string
	times  []time.Time
	block  chan struct{} // nil, or what a write waits for
}

func (s *sink) Write(b []byte) (int, error) {
	if s.block != nil {
		<-s.block
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, fmt.Sprintf("%x", b))
	s.times = append(s.times, time.Now())
	return len(b), nil
}

func frame(body string) sstp.Packet { return sstp.Packet{Data: []byte(body)} }

// What is pending is joined as far as the writer may, and cut as the faults say.
func TestWriterShapes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		join   int
		faults Faults
		want   []string
	}{
		{"apart", 0, Faults{}, []string{"1000000561", "100000066262", "10000007636363"}},
		{"two in one", 11, Faults{}, []string{"1000000561100000066262", "10000007636363"}},
		{"all in one", 100, Faults{}, []string{"100000056110000006626210000007636363"}},
		{"split", 100, Faults{Split: []int{1, 4}}, []string{"10", "00000561", "10", "00000662", "62", "10000007", "63", "6363"}},
		{"headers apart", 100, Faults{SplitHeader: true}, []string{"10000005", "61", "10000006", "6262", "10000007", "636363"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var to sink
				w := newWriter(&to, tt.join, tt.faults)
				w.hold()
				for _, body := range []string{"a", "bb", "ccc"} {
					w.control(frame(body), packetFault{})
				}
				w.release()
				w.close()
				if err := w.run(); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(to.writes, tt.want) {
					t.Errorf("got  %v\nwant %v", to.writes, tt.want)
				}
			})
		})
	}
}

func TestWriterFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to sink
		w := newWriter(&to, 100, Faults{})
		began := time.Now()
		w.hold()
		w.control(frame("a"), packetFault{})
		w.control(frame("b"), packetFault{drop: true})
		w.control(frame("c"), packetFault{bad: true})
		w.control(frame("d"), packetFault{delay: time.Second})
		w.release()
		ended := make(chan error)
		go func() { ended <- w.run() }()
		time.Sleep(time.Minute)
		w.control(frame("e"), packetFault{delay: time.Hour})
		time.Sleep(time.Minute)
		w.close() // what is delayed then goes out at once
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if want := []string{"1000000561100000059c", "1000000564", "1000000565"}; !slices.Equal(to.writes, want) {
			t.Errorf("got %v, want %v", to.writes, want)
		}
		if got := to.times[1].Sub(began); got != time.Second {
			t.Errorf("delayed by %v", got)
		}
		if got := to.times[2].Sub(began); got != 2*time.Minute {
			t.Errorf("what was delayed at the end went out after %v", got)
		}
	})
}

// Held back until enough is there, or for the time.
func TestWriterJoinFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to sink
		w := newWriter(&to, 0, Faults{Join: 100, JoinTime: 20 * time.Millisecond})
		ended := make(chan error)
		go func() { ended <- w.run() }()
		for range 3 {
			w.control(frame("a"), packetFault{})
			time.Sleep(5 * time.Millisecond)
		}
		w.close()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if want := []string{"100000056110000005611000000561"}; !slices.Equal(to.writes, want) {
			t.Errorf("got %v, want %v", to.writes, want)
		}
	})
}

// Data waits while the peer does not read; control packets do not, and a peer
// that makes too many of them is given up.
func TestWriterBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &sink{block: make(chan struct{})}
		w := newWriter(to, 0, Faults{})
		ended := make(chan error)
		go func() { ended <- w.run() }()
		header, body := []byte{sstp.Version, 0, 4, 4}, make([]byte, 1024)
		written := 0
		go func() {
			for w.data(header, body, packetFault{}) == nil {
				written++
			}
		}()
		go func() {
			for w.data(header, body, packetFault{}) == nil {
				written++
			}
		}()
		synctest.Wait()
		if most := maxPending/len(body) + 2; written > most {
			t.Errorf("%d packets were taken, want %d at most", written, most)
		}
		for range maxControl {
			w.control(frame(""), packetFault{})
		}
		close(to.block)
		if err := <-ended; !errors.Is(err, errNotReading) {
			t.Errorf("got %v", err)
		}
		synctest.Wait() // the senders end
	})
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWriterError(t *testing.T) {
	w := newWriter(failing{io.ErrClosedPipe}, 0, Faults{})
	_ = w.data([]byte("a"), nil, packetFault{})
	if err := w.data([]byte("a"), nil, packetFault{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
	if err := w.run(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("run: got %v", err)
	}
	w = newWriter(&bytes.Buffer{}, 0, Faults{})
	w.close()
	if err := w.data([]byte("a"), nil, packetFault{}); !errors.Is(err, errClosed) {
		t.Errorf("closed: got %v", err)
	}
	w.abandon(errClosed)
	if err := w.run(); !errors.Is(err, errClosed) {
		t.Errorf("abandoned: got %v", err)
	}
}

// Many senders at once, and no packet is torn.
func TestWriterConcurrent(t *testing.T) {
	var to bytes.Buffer
	w := newWriter(&to, 16<<10, Faults{})
	ended := make(chan error)
	go func() { ended <- w.run() }()
	const senders, packets = 8, 200
	var sending sync.WaitGroup
	for i := range senders {
		sending.Go(func() {
			for j := range packets {
				if i == 0 {
					w.control(frame(string(rune('a'+i))), packetFault{})
					continue
				}
				body := bytes.Repeat([]byte{byte('a' + i)}, j)
				if err := w.data([]byte{sstp.Version, 0, byte((4 + j) >> 8), byte(4 + j)}, body, packetFault{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sending.Wait()
	w.close()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	rest, next := to.Bytes(), [senders]int{}
	for len(rest) > 0 {
		p, n, err := sstp.ParsePacket(rest)
		if err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
		if len(p.Data) == 0 {
			continue
		}
		i := p.Data[0] - 'a'
		if i > 0 {
			if next[i]++; next[i] != len(p.Data) {
				t.Fatalf("sender %d: packet %d has %d bytes", i, next[i], len(p.Data))
			}
		} else {
			next[0]++
		}
	}
	for i, n := range next {
		if want := packets - min(i, 1); n != want {
			t.Errorf("sender %d: %d packets came, want %d", i, n, want)
		}
	}
}
