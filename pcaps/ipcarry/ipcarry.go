package ipcarry

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// A Tunnel is the way to the other end of an SSTP connection.
type Tunnel interface {
	// WritePacket sends one IP packet. It may block, which holds up only what goes
	// through this tunnel. The packet is the caller's again when it returns. It is safe
	// for concurrent use.
	WritePacket(p []byte) error
}

// A Port is where the packets of one tunnel go.
type Port interface {
	// Deliver takes one IP packet that came out of the tunnel. The packet is valid only
	// during the call. It may block, which holds up the tunnel's other end; it never
	// waits for the Tunnel that the Port writes to. Packets that are malformed or not
	// allowed are dropped and counted: an error means that the Port is closed. It is not
	// safe for concurrent use with itself.
	Deliver(p []byte) error
	// Close ends the Port. No WritePacket begins afterwards, but one may still be under
	// way: to be rid of that, end the tunnel.
	Close() error
}

// ErrClosed says that a Port, a Device or a Stack is used after its end.
var ErrClosed = errors.New("ipcarry: closed")

// Sizes of packets that tunnels can have, in bytes.
const (
	minMTU = 68    // RFC 791, Section 3.2
	maxMTU = 65535 // the largest that IPv4 can say
)

func checkMTU(mtu int) error {
	if mtu < minMTU || mtu > maxMTU {
		return fmt.Errorf("an MTU of %d is out of range: %d to %d bytes", mtu, minMTU, maxMTU)
	}
	return nil
}

// checkOwn tells whether a client can have these addresses: single ones, or whole
// prefixes of IPv6 in which it picks its own (RFC 4862).
func checkOwn(own []netip.Prefix) error {
	if len(own) == 0 {
		return errors.New("a client without an address can send nothing: give at least one")
	}
	for _, p := range own {
		switch {
		case !p.IsValid() || p != p.Masked():
			return fmt.Errorf("%v is no prefix of a client's addresses", p)
		case p.Addr().Is4In6():
			return fmt.Errorf("%v is IPv4 written as IPv6: write it as IPv4", p)
		}
	}
	return nil
}

// Own turns single addresses into the prefixes that Attach takes.
func Own(addrs ...netip.Addr) []netip.Prefix {
	own := make([]netip.Prefix, len(addrs))
	for i, a := range addrs {
		own[i] = netip.PrefixFrom(a, a.BitLen())
	}
	return own
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// hangUp closes what has nothing to say about it.
func hangUp(c io.Closer) { _ = c.Close() }
