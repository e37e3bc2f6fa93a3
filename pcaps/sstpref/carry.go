package sstpref

import (
	"net/netip"

	"sstpwarden/pcaps/pppref"
)

// A Tunnel takes IP packets for the other end of a session, which it is.
type Tunnel interface {
	// WritePacket sends one IP packet. It waits while the connection takes no more,
	// and the packet is the caller's again when it returns. The error says that the
	// session is over.
	WritePacket(p []byte) error
}

// A Port is where the packets of one tunnel go.
type Port interface {
	// Deliver takes one IP packet, which is valid only during the call. While it
	// waits, nothing more is read from the other end. An error ends the session.
	Deliver(p []byte) error
	// Close is called when the session is over. A Deliver that waits then has to
	// return.
	Close() error
}

// A Carrier is called once IP may pass in a session, and returns where its packets
// go. It must call nothing of the session but WritePacket, and that not before it
// has returned.
type Carrier func(Up, Tunnel) (Port, error)

// An Up is what a tunnel is like once IP may pass.
type Up struct {
	User      string         // "" on a client
	Peer      netip.AddrPort // the other end of the connection
	Addresses pppref.Addresses
	MTU       int // the largest IP packet that the other end takes
}

// A Lease is what a server gives a client that has logged in.
type Lease struct {
	Addresses pppref.Addresses
	Carry     Carrier
	Release   func() // called when the session is over; nil for nothing to do
}
