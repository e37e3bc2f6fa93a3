package mitm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// ErrUnanswered says that a client's hello has nothing that we can do, such as no
// cipher suite or no signature of ours. The client has not been sent anything, and
// its bytes so far may go to the server as they are.
var ErrUnanswered = errors.New("the client's hello has no answer")

// Accept makes a TLS connection of a client's, as the server that config
// ([ServerConfig]) has the certificate of. It waits no longer than DefaultTimeout
// where ctx has no deadline. After an error, client is left to the caller to close,
// and of no more use unless that is ErrUnanswered.
//
// Unlike [tls.Conn.HandshakeContext] it sees an alert that is not encrypted where
// it should be. OpenSSL, and with it curl, rejects certificates in TLS 1.3 that
// way, and crypto/tls calls that a bad record.
func Accept(ctx context.Context, client net.Conn, config *tls.Config) (*Conn, error) {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
	}
	watch := &alertWatch{}
	conn := newConn(client, func(raw net.Conn) *tls.Conn {
		watch.Conn = raw
		return tls.Server(watch, config)
	})
	err := conn.HandshakeContext(ctx)
	watch.done = true
	if err == nil {
		return conn, nil
	}
	if watch.unanswered {
		return nil, fmt.Errorf("opening TLS of %s: %w: %w", client.RemoteAddr(), ErrUnanswered, err)
	}
	_, told := Rejected(err)
	if _, rejects := rejections[tls.AlertError(watch.alert)]; rejects || !told && watch.alert != 0 {
		err = &net.OpError{Op: "remote error", Err: tls.AlertError(watch.alert)}
	}
	return nil, fmt.Errorf("opening TLS of %s: %w", client.RemoteAddr(), err)
}

// An alertWatch looks for an alert in clear among the records that are read, and
// holds one back that would be the first that is written.
type alertWatch struct {
	net.Conn
	done  bool // set when nobody reads
	alert uint8

	wrote, unanswered bool

	header [recordHeader]byte // of the record that is being read
	have   int                // of header
	body   []byte             // of an alert, as far as it was read
	left   int                // of the record
}

const (
	recordHeader = 5  // RFC 8446, Section 5.1
	recordAlert  = 21 // ContentType alert
	alertLength  = 2  // level, description; an encrypted one is longer
)

func (w *alertWatch) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if !w.done {
		w.see(p[:n])
	}
	return n, err
}

// Write implements [net.Conn].
func (w *alertWatch) Write(p []byte) (int, error) {
	if !w.wrote {
		w.wrote = true
		w.unanswered = len(p) > 0 && p[0] == recordAlert
	}
	if w.unanswered {
		return len(p), nil
	}
	return w.Conn.Write(p)
}

// NetConn returns the client's connection.
func (w *alertWatch) NetConn() net.Conn { return w.Conn }

func (w *alertWatch) see(b []byte) {
	for len(b) > 0 {
		if w.left == 0 {
			n := copy(w.header[w.have:], b)
			b = b[n:]
			if w.have += n; w.have == recordHeader {
				w.left, w.have, w.body = int(w.header[3])<<8|int(w.header[4]), 0, nil
			}
			continue
		}
		n := min(w.left, len(b))
		if w.left -= n; w.isAlert() {
			w.body = append(w.body, b[:n]...)
			if w.left == 0 {
				w.alert = w.body[1]
			}
		}
		b = b[n:]
	}
}

func (w *alertWatch) isAlert() bool {
	return w.header[0] == recordAlert && w.header[3] == 0 && w.header[4] == alertLength
}
