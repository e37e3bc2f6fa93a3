package record_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/pcaps/capfile"
	"sstpwarden/pcaps/sstpref/record"
)

// A disk is full after so many bytes.
type disk struct {
	file
	room int
}

func (d *disk) Write(b []byte) (int, error) {
	n := min(len(b), d.room)
	d.room -= n
	d.file.Write(b[:n])
	if n < len(b) {
		return n, &net.OpError{Op: "write", Err: syscall.ENOSPC}
	}
	return n, nil
}

// echo has a peer that sends back what a connection in memory brings.
func echo(t testing.TB) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		io.Copy(far, far)
		far.Close()
	})
	t.Cleanup(func() { near.Close(); wg.Wait() })
	return near
}

// exchange sends bytes to an echo and back.
func exchange(t testing.TB, conn net.Conn, b []byte) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		if n, err := conn.Write(b); n != len(b) || err != nil {
			t.Errorf("wrote %d: %v", n, err)
		}
	})
	got := make([]byte, len(b))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, b) {
		t.Errorf("read %s: %v", short(got), err)
	}
	wg.Wait()
}

// TestDiskFull: wherever the file ends, the session does not notice, and Close
// tells.
func TestDiskFull(t *testing.T) {
	if _, err := record.NewCapture(&disk{room: 100}, "x"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("no room for the beginning: %v", err)
	}
	for _, room := range []int{300, 400, 70_000, 500_000} {
		d := &disk{room: room}
		c, err := record.NewCapture(d, "x")
		if err != nil {
			t.Fatal(err)
		}
		conn := c.Conn(echo(t), false)
		for range 20 {
			exchange(t, conn, repeat("0123456789", 50_000))
			fmt.Fprintln(c.KeyLog(), "CLIENT_RANDOM 00 00")
		}
		for range 2 {
			if err := c.Close(); !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "writing the capture: ") {
				t.Errorf("%d bytes: %v", room, err)
			}
		}
		exchange(t, c.Conn(conn, false), []byte("afterwards"))
		if n := len(d.bytes()); n != room {
			t.Errorf("%d bytes of %d", n, room)
		}
	}
}

// TestFullWhileUsed: after the error nothing is kept in memory or waited for.
func TestFullWhileUsed(t *testing.T) {
	c, err := record.NewCapture(&disk{room: 1000}, "x")
	if err != nil {
		t.Fatal(err)
	}
	conn := c.Conn(&scripted{read: says("x", nil), write: func(b []byte) (int, error) { return len(b), nil }}, true)
	for range 3 * record.HardLimit >> 16 {
		conn.Write(make([]byte, 64<<10))
	}
	if err := c.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

func TestComment(t *testing.T) {
	for comment, want := range map[string]string{
		"":                 "The bytes of the connections are real;",
		"one":              "one\nThe bytes of the connections are real;",
		"two\nlines \xff!": "two\nlines \uFFFD!\nThe bytes",
	} {
		var f file
		c, err := record.NewCapture(&f, comment)
		if err != nil {
			t.Fatal(err)
		}
		if got := finish(t, c, &f); !bytes.Contains(got, []byte(want)) {
			t.Errorf("%q", got)
		}
	}
	if _, err := record.NewCapture(io.Discard, strings.Repeat("x", 65_536)); err == nil {
		t.Error("a comment of 65,536 bytes")
	}
}

// TestClosed: a connection can be used when its capture is closed.
func TestClosed(t *testing.T) {
	c, f := begin(t)
	conn := c.Conn(echo(t), false)
	exchange(t, conn, []byte("recorded"))
	got := finish(t, c, f)
	exchange(t, conn, []byte("not recorded"))
	exchange(t, c.Conn(echo(t), true), []byte("nor this"))
	fmt.Fprintln(c.KeyLog(), "nor that")
	conn.Close()
	if again := finish(t, c, f); !bytes.Equal(got, again) {
		t.Error("the file was changed")
	}
	if n := len(lines(t, got)); n != 5 {
		t.Errorf("%d packets", n)
	}
}

// TestKeyLog: lines in pieces, long ones, and several writers.
func TestKeyLog(t *testing.T) {
	c, f := begin(t)
	a, b := c.KeyLog(), c.KeyLog()
	long := strings.Repeat("x", 5000)
	for _, w := range []struct {
		to   io.Writer
		text string
	}{
		{a, "ONE"},
		{b, "TWO 2\nTHR"},
		{a, " 1\n"},
		{b, "EE 3"},
		{a, ""},
		{a, long},
		{a, long + "\nFOUR 4\n"},
		{b, "\n"},
		{a, strings.Repeat("y", 4<<10) + "\n"},
		{b, "not complete"},
	} {
		if n, err := io.WriteString(w.to, w.text); n != len(w.text) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	err := c.Close()
	if err == nil || !strings.Contains(err.Error(), " 0 bytes and 2 lines of TLS secrets are missing") {
		t.Error(err)
	}
	var got []byte
	each(t, f.bytes(), nil, func(b []byte) { got = append(got, b...) })
	if want := "TWO 2\nONE 1\nFOUR 4\nTHREE 3\n"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestManySecrets: a capture that runs for long has no more secrets than can be
// read, however they are spread over blocks.
func TestManySecrets(t *testing.T) {
	const budget = 100_000
	c, f := begin(t)
	c.SetBudget(budget)
	conn := c.Conn(&scripted{write: func(b []byte) (int, error) { return len(b), nil }}, true)
	for range 3000 {
		fmt.Fprintln(c.KeyLog(), "CLIENT_RANDOM 0 0")
		conn.Write(make([]byte, 5_000)) // so that they stand in several blocks
	}
	conn.Close()
	if err := c.Close(); err == nil || !strings.Contains(err.Error(), " 0 bytes and 1000 lines") {
		t.Error(err)
	}
	blocks, kept := 0, 0
	each(t, f.bytes(), func(capfile.Packet) {}, func(b []byte) {
		blocks += 20 + (len(b)+3)&^3
		kept += bytes.Count(b, []byte("\n"))
	})
	if kept != 2000 || blocks > budget {
		t.Errorf("%d lines in %d bytes", kept, blocks)
	}
}

// TestHold: packets wait for secrets, but not for ever.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := begin(t)
		inFile := func() []string {
			synctest.Wait()
			return lines(t, f.bytes())
		}
		conn := c.Conn(&scripted{write: func(b []byte) (int, error) { return len(b), nil }}, false)
		conn.Write([]byte("hello"))
		time.Sleep(record.HoldTime - time.Millisecond)
		if got := inFile(); got != nil {
			t.Errorf("too early: %q", got)
		}
		fmt.Fprintln(c.KeyLog(), "SECRET 1")
		conn.Write([]byte("later"))
		time.Sleep(2 * time.Millisecond)
		want := slices.Concat([]string{"secrets"}, opening, []string{"> PA hello"})
		if d := cmp.Diff(want, inFile()); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
		time.Sleep(record.HoldTime)
		want = append(want, "> PA later")
		if d := cmp.Diff(want, inFile()); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
		fmt.Fprintln(c.KeyLog(), "SECRET 2")
		for range record.HoldBytes >> 14 {
			conn.Write(make([]byte, 16<<10))
		}
		got := inFile()
		if n := len(got) - len(want); n < 100 || n > 2000 || got[len(want)] != "secrets" {
			t.Errorf("%d more packets, the first %q", n, got[len(want)])
		}
		finish(t, c, f)
	})
}

// A pipe takes nothing until it is let go.
type pipe struct {
	file
	wait chan struct{}
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.wait != nil {
		<-p.wait
	}
	return p.file.Write(b)
}

// TestStuck: a file that takes nothing does not hold up the session for long.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &pipe{}
		c, err := record.NewCapture(f, "")
		if err != nil {
			t.Fatal(err)
		}
		f.wait = make(chan struct{})
		began := time.Now()
		conn := c.Conn(&scripted{read: says("x", nil), write: func(b []byte) (int, error) { return len(b), nil }}, false)
		sent := 0
		for sent < 2*record.HardLimit {
			conn.Write(make([]byte, 64<<10))
			sent += 64 << 10
		}
		if took := time.Since(began); took != record.Patience {
			t.Errorf("the session was held up for %v", took)
		}
		close(f.wait)
		synctest.Wait()
		conn.Write([]byte("again"))
		conn.Close()
		err = c.Close()
		if err == nil || !strings.HasPrefix(err.Error(), "the capture is not complete") || !strings.HasSuffix(err.Error(), " bytes and 0 lines of TLS secrets are missing") {
			t.Error(err)
		}
		payload := 0
		each(t, f.bytes(), func(p capfile.Packet) { payload += max(0, len(p.Data)-60) }, nil)
		if payload < record.HardLimit/2 || payload > record.HardLimit {
			t.Errorf("%d bytes are in the file", payload)
		}
		if !bytes.Contains(f.bytes(), []byte("again")) {
			t.Error("the recording did not go on")
		}
	})
}

// TestSlow: a file that is slow slows the session down and has all of it.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &slow{}
		c, err := record.NewCapture(f, "")
		if err != nil {
			t.Fatal(err)
		}
		conn := c.Conn(&scripted{write: func(b []byte) (int, error) { return len(b), nil }}, false)
		for range 2 * record.HardLimit >> 16 {
			conn.Write(make([]byte, 64<<10))
		}
		finish(t, c, &f.file)
	})
}

type slow struct{ file }

func (s *slow) Write(b []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return s.file.Write(b)
}

// TestClockSetBack: neither the time nor the waiting depend on the clock's hands.
func TestClockSetBack(t *testing.T) {
	hands := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	var mu sync.Mutex
	f := &file{}
	c, err := record.NewCaptureBy(f, "", func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		hands = hands.Add(-time.Minute)
		return hands
	})
	if err != nil {
		t.Fatal(err)
	}
	conn := c.Conn(&scripted{read: says("x", nil), write: func(b []byte) (int, error) { return len(b), nil }}, false)
	for range 100 {
		conn.Write([]byte("x"))
		conn.Read(make([]byte, 1))
	}
	if n := len(lines(t, finish(t, c, f))); n != 203 {
		t.Errorf("%d packets", n)
	}
}
