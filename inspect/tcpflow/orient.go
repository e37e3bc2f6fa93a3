package tcpflow

import "bytes"

// httpsPort is where SSTP servers are.
const httpsPort = 443

// guessClient says which end is the client by ports: the server has port
// 443, or else the lower one; where that does not tell, first is the client.
func (k *connKey) guessClient(first int) int {
	a, b := k.port[0], k.port[1]
	switch {
	case a == b:
		return first
	case a == httpsPort:
		return 1
	case b == httpsPort:
		return 0
	case a < b:
		return 1
	}
	return 0
}

// Requests that begin a connection's first payload.
var httpMethods = [...]string{
	"GET ", "POST ", "CONNECT ", "SSTP_DUPLEX_POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "TRACE ",
}

// TLS handshake message types (RFC 8446, Section 4).
const (
	tlsClientHello = 1
	tlsServerHello = 2
)

// speaks says who sends such a payload first: 1 a client, -1 a server, 0 it
// does not tell.
func speaks(payload []byte) int {
	if len(payload) >= 6 && payload[0] == 0x16 && payload[1] == 3 { // a TLS handshake record
		switch payload[5] {
		case tlsClientHello:
			return 1
		case tlsServerHello:
			return -1
		}
		return 0
	}
	if bytes.HasPrefix(payload, []byte("HTTP/1.")) {
		return -1
	}
	for _, m := range httpMethods {
		if len(payload) >= len(m) && string(payload[:len(m)]) == m {
			return 1
		}
	}
	return 0
}

// orient settles who is the client, at the first payload, unless a SYN did.
func (c *Conn) orient(from int, payload []byte) {
	if c.flags&connOriented != 0 {
		return
	}
	c.flags |= connOriented
	switch speaks(payload) {
	case 1:
		c.client = uint8(from)
	case -1:
		c.client = uint8(1 - from)
	}
}
