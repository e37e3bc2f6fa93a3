package matrix

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// writes keeps what is written, each write by itself.
type writes struct {
	net.Conn
	list [][]byte
}

func (w *writes) Write(b []byte) (int, error) {
	w.list = append(w.list, bytes.Clone(b))
	return len(b), nil
}

func (w *writes) sizes() (out []int) {
	for _, b := range w.list {
		out = append(out, len(b))
	}
	return out
}

// What is cut adds up, and how it is cut is as told.
func TestCutter(t *testing.T) {
	text := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	for _, tt := range []struct {
		name  string
		size  func(int) int
		limit int
		want  []int
	}{
		{"each 10", each(10), 100, []int{10, 10, 10, 6, 10, 10, 10, 6}},
		{"until 15", each(10), 15, []int{10, 10, 16, 36}},
		{"nothing", each(0), 100, []int{36, 36}},
		{"by place", func(before int) int { return before + 1 }, 100, []int{1, 2, 4, 8, 16, 5, 36}},
	} {
		w := &writes{}
		c := cutting(tt.size, tt.limit, 0)(w)
		for range 2 {
			if n, err := c.Write(text); n != len(text) || err != nil {
				t.Fatal(n, err)
			}
		}
		if !slices.Equal(w.sizes(), tt.want) || !bytes.Equal(bytes.Join(w.list, nil), append(bytes.Clone(text), text...)) {
			t.Errorf("%s: %v, want %v", tt.name, w.sizes(), tt.want)
		}
	}
}

func TestEdits(t *testing.T) {
	request := []byte{0x10, 0x01, 0x00, 0x0e, 0x00, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00, 0x06, 0x00, 0x01}
	for _, tt := range []struct {
		name string
		wrap wrapper
		want []int
	}{
		{"second in two", cutSecond(4), []int{4, 4, 10, 5}},
		{"second by bytes", cutSecond(count(1, 13)...), []int{4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5}},
		{"beyond its end", cutSecond(6, 99), []int{4, 6, 8, 5}},
		{"joined to the head", joinHead(5), []int{9, 9, 5}},
	} {
		w := &writes{}
		c, err := tt.wrap(w)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{[]byte("head"), request, []byte("after")} {
			if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(w.sizes(), tt.want) || string(bytes.Join(w.list, nil)) != "head"+string(request)+"after" {
			t.Errorf("%s: %v, want %v", tt.name, w.sizes(), tt.want)
		}
	}
	c, err := joinHead(5)(&writes{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("head"))
	if _, err := c.Write([]byte("no request")); err == nil {
		t.Error("what is no request was joined")
	}
}

// Padded records carry the same, in records of the length wanted, with each suite of TLS
// 1.3 that has a nonce of its own.
func TestPadding(t *testing.T) {
	lab, err := NewLab(1)
	if err != nil {
		t.Fatal(err)
	}
	const pad = 200
	for range 3 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		near, far := newSecrets(), newSecrets()
		served := make(chan error, 1)
		go func() {
			raw, err := ln.Accept()
			if err != nil {
				served <- err
				return
			}
			c := tls.Server(padding(far, serverLabels, multiple(pad))(raw), &tls.Config{Certificates: []tls.Certificate{lab.certificate}, KeyLogWriter: far, MinVersion: tls.VersionTLS13})
			_, err = io.Copy(c, c)
			served <- errorsOf(err, c.Close())
		}()
		raw, err := net.DialTimeout("tcp", ln.Addr().String(), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		seen := &seen{Conn: raw}
		c := tls.Client(padding(near, clientLabels, multiple(pad))(seen), &tls.Config{InsecureSkipVerify: true, KeyLogWriter: near})
		text := bytes.Repeat([]byte("padded "), 1000)
		got := make([]byte, len(text))
		for range 5 {
			if _, err := c.Write(text); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, text) {
				t.Fatal("what came back is not what was sent: ", err)
			}
		}
		if err := errorsOf(c.CloseWrite(), <-served, ln.Close(), raw.Close()); err != nil {
			t.Fatal(err)
		}
		for i, n := range seen.records() {
			if i >= 1 && (n-17)%pad != 0 { // the first is the Finished
				t.Errorf("record %d has %d bytes", i, n)
			}
		}
		if len(seen.records()) < 6 {
			t.Errorf("records %v", seen.records())
		}
	}
}

// seen keeps what is written.
type seen struct {
	net.Conn
	all []byte
}

func (s *seen) Write(b []byte) (int, error) {
	s.all = append(s.all, b...)
	return s.Conn.Write(b)
}

// records are the lengths of the records of application data.
func (s *seen) records() (out []int) {
	for b := s.all; len(b) >= recordHeader; {
		n := int(b[3])<<8 | int(b[4])
		if b[0] == applicationData {
			out = append(out, n)
		}
		b = b[min(len(b), recordHeader+n):]
	}
	return out
}
