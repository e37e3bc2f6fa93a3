package mitm

import (
	"crypto/tls"
	"net"
	"sync"
)

// recordLen is how much plaintext a TLS record has at most (RFC 8446, Section 5.1).
const recordLen = 16 << 10

// A Conn is an opened TLS connection, which is read and written more than a record
// at a time where there is more: a read takes all records that have come and a
// write of many leaves as one piece. Neither keeps anything back: who reads gets
// what there is as soon as there is something, and what was written is under way
// when Write returns.
//
// It is a *[tls.Conn] in all else, for who wants no other.
type Conn struct {
	*tls.Conn
	wire *wire

	rd, wr sync.Mutex
}

// newConn gives the connection that shake makes of raw or of what stands for it.
func newConn(raw net.Conn, shake func(net.Conn) *tls.Conn) *Conn {
	w, raw := newWire(raw)
	return &Conn{Conn: shake(raw), wire: w}
}

// Read implements [net.Conn]. It waits for the first record only.
func (c *Conn) Read(p []byte) (int, error) {
	c.rd.Lock()
	defer c.rd.Unlock()
	n, err := c.Conn.Read(p)
	// A full record is how bulk shows. Whatever else is not worth trying: most
	// often it is all that there is.
	if err != nil || n < recordLen || len(p)-n < recordLen || !c.wire.direct() {
		return n, err
	}
	c.wire.waitless = true
	for len(p)-n >= recordLen {
		more, err := c.Conn.Read(p[n:])
		if n += more; err != nil {
			break // that nothing more has come, or what the next Read finds as well
		}
	}
	c.wire.waitless = false
	return n, nil
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (n int, err error) {
	c.wr.Lock()
	defer c.wr.Unlock()
	if len(p) > recordLen && c.wire.direct() {
		c.wire.more.Store(true)
		n, err = c.Conn.Write(p[:(len(p)-1)/recordLen*recordLen])
		c.wire.more.Store(false)
		if err != nil {
			return n, err
		}
	}
	last, err := c.Conn.Write(p[n:])
	return n + last, err
}
