package probe

import "net"

// A tapConn keeps the beginnings of both directions. What it reads is bounded by
// who reads: crypto/tls a handshake, and this package an answer.
type tapConn struct {
	net.Conn
	hello []byte // what was sent before anything came: the ClientHello
	first []byte // what came first, up to maxFirst
}

const (
	maxHello = 32 << 10
	maxFirst = 64
)

func (c *tapConn) Write(b []byte) (int, error) {
	if len(c.first) == 0 && len(c.hello)+len(b) <= maxHello {
		c.hello = append(c.hello, b...)
	}
	return c.Conn.Write(b)
}

func (c *tapConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.first = append(c.first, b[:min(n, maxFirst-len(c.first))]...)
	return n, err
}
