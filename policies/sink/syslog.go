package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// A syslog is the target that is a syslog server.
type syslog struct {
	networks []string // tried in this order
	address  string
	tls      *tls.Config // nil for none
	timeout  time.Duration
	format   *format
	retry    retrier

	conn    net.Conn // nil if there is none
	network string   // of conn
	// gone is closed when the server ended conn, stop ends the watch for it.
	gone chan struct{}
	stop func() bool

	frames []byte
	ends   []int // of the frames
}

func newSyslog(u *url.URL, o *Options) (*syslog, error) {
	t := &syslog{timeout: o.Timeout, retry: newRetrier(o)}
	local, port := false, "514"
	switch {
	case u.Scheme == "syslog" && u.Host == "" && u.Path != "":
		local = true
		t.networks, t.address = []string{"unixgram", "unix"}, u.Path
	case u.Scheme == "syslog":
		t.networks = []string{"udp"}
	case u.Scheme == "syslog+tcp":
		t.networks, port = []string{"tcp"}, "601"
	case u.Scheme == "syslog+tls":
		t.networks, port = []string{"tcp"}, "6514"
		t.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		if o.TLS != nil {
			t.tls = o.TLS.Clone()
		}
		if t.tls.ServerName == "" {
			t.tls.ServerName = u.Hostname()
		}
	}
	if !local {
		if strings.Trim(u.Path, "/") != "" {
			return nil, fmt.Errorf("destination %s: a server of syslog has no path: leave out %s", redacted(u.String()), u.Path)
		}
		var err error
		if t.address, err = hostPort(u, port); err != nil {
			return nil, err
		}
	}
	var err error
	t.format, err = newFormat(o, local)
	return t, err
}

func (t *syslog) deliver(ctx context.Context, b *batch, s *Sink) {
	i := 0
	defer func() { s.settle(b, i, b.len(), false) }()
	if !t.retry.begin(ctx) {
		return
	}
	for i < b.len() {
		n, err := t.send(ctx, b, i)
		s.settle(b, i, i+n, true)
		i += n
		switch {
		case err == nil:
			t.retry.succeeded()
		case t.isDatagram() && (errors.Is(err, syscall.EMSGSIZE) || t.network == "udp" && errors.Is(err, syscall.ECONNREFUSED)):
			// The first is about this datagram, the second about an earlier
			// one that counts as written: on the whole one is lost.
			s.settle(b, i, i+1, false)
			i++
			s.fail(ctx, err)
		default:
			t.hangUp()
			s.fail(ctx, err)
			if !t.retry.failed(ctx) {
				return
			}
		}
	}
}

func (t *syslog) isDatagram() bool { return t.network == "udp" || t.network == "unixgram" }

// errGone is why a stream that the server ended takes no more.
var errGone = errors.New("the server ended the connection")

// send sends records from i on and returns how many went.
func (t *syslog) send(ctx context.Context, b *batch, i int) (int, error) {
	if t.conn != nil && isClosed(t.gone) {
		t.hangUp()
	}
	if t.conn == nil {
		if err := t.dial(ctx); err != nil {
			return 0, err
		}
	}
	j := b.len()
	if t.isDatagram() {
		j = i + 1
	}
	t.frames, t.ends = t.frames[:0], t.ends[:0]
	for k := i; k < j; k++ {
		t.frames = t.format.appendFrame(t.frames, t.network, b.times[k], b.line(k))
		t.ends = append(t.ends, len(t.frames))
	}
	if err := t.conn.SetWriteDeadline(time.Now().Add(t.timeout)); err != nil {
		return 0, t.wording(err)
	}
	n, err := t.conn.Write(t.frames)
	if err == nil {
		return j - i, nil
	}
	sent := 0
	for sent < len(t.ends) && t.ends[sent] <= n {
		sent++
	}
	return sent, t.wording(err)
}

// wording tells a connection that the server closed from one that we did.
func (t *syslog) wording(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return errGone
	}
	return err
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// dial connects. While a stream is open, somebody waits for its end: servers of
// syslog say nothing, so that would not be noticed before records are lost.
func (t *syslog) dial(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	for i, network := range t.networks {
		conn, err := t.dialOne(within, network)
		if errors.Is(err, syscall.EPROTOTYPE) && i+1 < len(t.networks) {
			continue // a local socket of the other kind
		}
		if err != nil {
			return err
		}
		t.conn, t.network, t.gone = conn, network, make(chan struct{})
		t.stop = context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends a write
		if !t.isDatagram() {
			go watch(conn, t.gone)
		}
		return nil
	}
	return nil // not reached: the last network connects or fails
}

func (t *syslog) dialOne(ctx context.Context, network string) (net.Conn, error) {
	if t.tls != nil {
		return (&tls.Dialer{Config: t.tls}).DialContext(ctx, network, t.address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, t.address)
}

// watch closes conn when the server does.
func watch(conn net.Conn, gone chan<- struct{}) {
	defer close(gone)
	_, _ = io.Copy(io.Discard, conn) // any error is an end
	_ = conn.Close()                 // it may be closed already
}

// hangUp closes the connection, if there is one.
func (t *syslog) hangUp() {
	if t.conn == nil {
		return
	}
	t.stop()
	_ = t.conn.Close() // what was not sent is sent again
	if !t.isDatagram() {
		<-t.gone
	}
	t.conn, t.network = nil, ""
}

func (t *syslog) close() error {
	t.hangUp()
	return nil
}
