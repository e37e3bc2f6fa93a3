package sstpref

import (
	"net"
	"time"
)

// A slowReader reads rate bytes a second at most.
type slowReader struct {
	net.Conn
	rate int
}

// Read implements net.Conn.
func (s *slowReader) Read(b []byte) (int, error) {
	const slices = 20 // a second
	n, err := s.Conn.Read(b[:min(len(b), max(s.rate/slices, 1))])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(s.rate))
	return n, err
}
