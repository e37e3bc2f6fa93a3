package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// exchangePatience is how long opening a tunnel and the exchange in it may take.
const exchangePatience = 10 * time.Second

// A service is one of the peer's.
type service int

const (
	echoing service = iota
	https
)

// services are the peer's addresses.
type services [2]string

// A way leads to the peer: straight, through a CONNECT proxy, or through what
// passes everything on to the peer.
type way struct {
	proxy string // its address
	hops  *services
	pairs []pair // of which each connection is made between the next
	next  *atomic.Uint32
	// control sees to a socket before a pair's address is bound to it.
	control func(network, address string, c syscall.RawConn) error
}

// A pair is where a connection begins and where it leads.
type pair struct {
	from net.Addr
	to   services
}

// open opens a connection to a service.
func (w way) open(ctx context.Context, peer services, s service) (*net.TCPConn, error) {
	first := peer[s]
	d := net.Dialer{Timeout: exchangePatience}
	switch {
	case w.pairs != nil:
		p := w.pairs[int(w.next.Add(1))%len(w.pairs)]
		d.LocalAddr, d.Control, first = p.from, w.control, p.to[s]
	case w.proxy != "":
		first = w.proxy
	case w.hops != nil:
		first = w.hops[s]
	}
	conn, err := d.DialContext(ctx, "tcp", first)
	if err != nil {
		return nil, err
	}
	c := conn.(*net.TCPConn)
	err = c.SetDeadline(time.Now().Add(exchangePatience))
	if err == nil && w.proxy != "" {
		err = connect(c, peer[s])
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func connect(c io.ReadWriter, target string) error {
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n\r\n", target, target); err != nil {
		return err
	}
	head, err := readHead(c)
	if err != nil {
		return fmt.Errorf("reading the answer to CONNECT: %w", err)
	}
	status, _, _ := bytes.Cut(head, []byte("\r\n"))
	if fields := bytes.Fields(status); len(fields) < 2 || string(fields[1]) != "200" {
		return fmt.Errorf("CONNECT %s: %s", target, status)
	}
	return nil
}

// clientConfig is the TLS of a client. It sees to it that the server is the
// peer itself, or that it is not where the proxy is to open TLS: speed that
// comes from leaving something out is none.
func clientConfig(origin *issued, opened bool) *tls.Config {
	config := &tls.Config{
		ServerName: originName,
		NextProtos: []string{"http/1.1"},
		// Verifying costs this program, not what it measures. Who it is, is
		// checked below.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			switch own := bytes.Equal(s.PeerCertificates[0].Raw, origin.certificate.Raw); {
			case opened && own:
				return errors.New("the proxy did not open TLS")
			case !opened && !own:
				return errors.New("the proxy opened TLS")
			}
			return nil
		},
	}
	if opened {
		config.CurvePreferences = plainGroup // else the peer sees to it
	}
	return config
}

// exchanged sends a few plain bytes and has them back.
func exchanged(c io.ReadWriter) error {
	sent := bytes.Repeat([]byte("0123456789"), 10)
	if _, err := c.Write(sent); err != nil {
		return err
	}
	back := make([]byte, len(sent))
	if _, err := io.ReadFull(c, back); err != nil {
		return err
	}
	if !bytes.Equal(sent, back) {
		return errNotFromPeer
	}
	return nil
}

// recordedHello is the first flight of a client's.
func recordedHello(config *tls.Config) ([]byte, error) {
	rec := &helloRecorder{}
	if err := tls.Client(rec, config).Handshake(); !errors.Is(err, errRecorded) {
		return nil, fmt.Errorf("recording a ClientHello: %w", err)
	}
	return rec.hello, nil
}

var errRecorded = errors.New("recorded")

// helloRecorder is a connection on which nobody answers.
type helloRecorder struct {
	net.Conn // nil: a handshake reads and writes
	hello    []byte
}

func (r *helloRecorder) Write(b []byte) (int, error) {
	r.hello = append(r.hello, b...)
	return len(b), nil
}

func (*helloRecorder) Read([]byte) (int, error) { return 0, errRecorded }
