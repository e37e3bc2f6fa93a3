package mitm

import (
	"net"
	"sync/atomic"
	"time"
)

// A slowWriter sends a few bytes at a time once it is told to.
type slowWriter struct {
	net.Conn
	slow atomic.Bool
}

func (w *slowWriter) Write(p []byte) (n int, err error) {
	for w.slow.Load() && len(p)-n > 5000 && err == nil {
		var m int
		m, err = w.Conn.Write(p[n : n+5000])
		n += m
		time.Sleep(2 * time.Millisecond)
	}
	if err != nil {
		return n, err
	}
	m, err := w.Conn.Write(p[n:])
	return n + m, err
}
