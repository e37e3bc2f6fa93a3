package call

import (
	"errors"

	"sstpwarden/inspect/sstp"
)

// SetCertHash stands in for a certificate of which only a hash is published.
func (c *Call) SetCertHash(h sstp.HashProtocol, hash []byte) {
	c.certHash = func(p sstp.HashProtocol) ([]byte, error) {
		if p != h {
			return nil, errors.New("not published")
		}
		return hash, nil
	}
}

// Pending returns how many packets and events wait for a callback.
func (c *Call) Pending() int { return len(c.out) }
