package pppauth

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// A tlsEngine runs one end of a TLS handshake step by step. crypto/tls wants to read from a connection until it has what
// it needs, so it runs in a goroutine of its own, and step lends it the processor: only one of both runs at any time, and
// all fields are of the one that does. The goroutine ends with the handshake or with close.
type tlsEngine struct {
	config *tls.Config
	server bool

	in, out []byte
	resume  chan []byte    // what came in, for the goroutine
	parked  chan tlsResult // the goroutine waits, or is done

	running, closed bool
}

// A tlsResult is where TLS stands after a step.
type tlsResult struct {
	out  []byte // to be sent
	done bool   // nothing more is needed from the other end, or err
	err  error

	state tls.ConnectionState // valid iff done without err, as is key
	key   []byte              // the MSK: 64 octets
}

func newTLSEngine(config *tls.Config, server bool) *tlsEngine {
	return &tlsEngine{config: config, server: server, resume: make(chan []byte, 1), parked: make(chan tlsResult, 1)}
}

// step gives TLS what came in and returns when it wants more or has ended, after which there must be no further step.
func (e *tlsEngine) step(in []byte) tlsResult {
	switch {
	case e.closed:
		return tlsResult{done: true, err: net.ErrClosed}
	case e.running:
		e.resume <- in
	default:
		e.in, e.running = in, true
		go e.run()
	}
	r := <-e.parked
	r.out, e.out = e.out, nil
	if r.done {
		e.running, e.closed = false, true
	}
	return r
}

// close ends the goroutine and waits until it has.
func (e *tlsEngine) close() {
	if e.running {
		close(e.resume)
		<-e.parked
		e.running = false
	}
	e.closed = true
}

func (e *tlsEngine) run() {
	r := tlsResult{done: true}
	r.state, r.key, r.err = e.handshake()
	e.parked <- r
}

func (e *tlsEngine) handshake() (tls.ConnectionState, []byte, error) {
	var conn *tls.Conn
	if e.server {
		conn = tls.Server((*engineConn)(e), e.config)
	} else {
		conn = tls.Client((*engineConn)(e), e.config)
	}
	var state tls.ConnectionState
	if err := conn.Handshake(); err != nil {
		return state, nil, err
	}
	state = conn.ConnectionState()
	key, err := masterSessionKey(&state)
	if err != nil {
		return state, nil, err
	}
	if state.Version >= tls.VersionTLS13 {
		err = e.commit(conn)
	}
	return state, key, err
}

// commit is the protected success indication of EAP with TLS 1.3: the server says with one octet of application data, 0,
// that it sends no more handshake messages (RFC 9190, Section 2.1.1).
func (e *tlsEngine) commit(conn *tls.Conn) error {
	if e.server {
		_, err := conn.Write([]byte{0})
		return err
	}
	var b [2]byte
	n, err := conn.Read(b[:])
	if err != nil {
		return err
	}
	if n != 1 || b[0] != 0 {
		return errors.New("the server sent data where RFC 9190, Section 2.1.1 wants one octet of 0")
	}
	return nil
}

// mskLen is the size of the MSK in octets (RFC 3748, Section 7.10).
const mskLen = 64

// masterSessionKey derives the MSK (RFC 5216, Section 2.3; RFC 9190, Section 2.3). TLS 1.3 takes the length into the
// derivation, so that the EMSK has to be derived along with it.
func masterSessionKey(s *tls.ConnectionState) ([]byte, error) {
	label, context := "client EAP encryption", []byte(nil)
	if s.Version >= tls.VersionTLS13 {
		label, context = "EXPORTER_EAP_TLS_Key_Material", []byte{13} // the type of EAP-TLS
	}
	material, err := s.ExportKeyingMaterial(label, context, 2*mskLen)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoKey, err)
	}
	return material[:mskLen], nil
}

// An engineConn is a tlsEngine as crypto/tls's connection.
type engineConn tlsEngine

// Read implements net.Conn. It gives the processor back until something comes in.
func (c *engineConn) Read(b []byte) (int, error) {
	for len(c.in) == 0 {
		if c.closed {
			return 0, net.ErrClosed
		}
		c.parked <- tlsResult{}
		in, ok := <-c.resume
		if !ok {
			c.closed = true
			return 0, net.ErrClosed
		}
		c.in = in
	}
	n := copy(b, c.in)
	c.in = c.in[n:]
	return n, nil
}

// Write implements net.Conn.
func (c *engineConn) Write(b []byte) (int, error) {
	c.out = append(c.out, b...)
	return len(b), nil
}

// Close implements net.Conn.
func (c *engineConn) Close() error { return nil }

// LocalAddr implements net.Conn.
func (c *engineConn) LocalAddr() net.Addr { return nowhere{} }

// RemoteAddr implements net.Conn.
func (c *engineConn) RemoteAddr() net.Addr { return nowhere{} }

// SetDeadline implements net.Conn.
func (c *engineConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (c *engineConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (c *engineConn) SetWriteDeadline(time.Time) error { return nil }

// nowhere is the address of a connection that has none.
type nowhere struct{}

// Network implements net.Addr.
func (nowhere) Network() string { return "eap" }

// String implements net.Addr.
func (nowhere) String() string { return "eap" }
