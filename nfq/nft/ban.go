package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// A Ban refuses new connections, and ends those that are not settled.
type Ban struct {
	Client netip.Addr     // the zero Addr for all clients
	Server netip.AddrPort // of the same address family
	// For is how long it lasts, in milliseconds; in a list, what is left of it.
	For time.Duration
}

// A BanError says which ban cannot be made.
type BanError struct {
	Ban Ban
	Err error
}

func (e *BanError) Error() string {
	client := "all clients"
	if e.Ban.Client.IsValid() {
		client = e.Ban.Client.String()
	}
	return fmt.Sprintf("banning %v for %s: %v", e.Ban.Server, client, e.Err)
}

func (e *BanError) Unwrap() error { return e.Err }

// ErrBansFull means that there are as many bans of a kind as there may be: with a client,
// without one, and each of those for IPv4 and IPv6 are kinds.
var ErrBansFull = errors.New("there are as many bans as there may be")

func (b Ban) check() error {
	switch {
	case !b.Server.IsValid() || b.Server.Port() == 0:
		return &BanError{b, errors.New("a server has an address and a port")}
	case b.Client.IsValid() && b.Client.Is4() != b.Server.Addr().Is4():
		return &BanError{b, errors.New("client and server are of different address families")}
	case b.Client.Zone() != "" || b.Server.Addr().Zone() != "":
		return &BanError{b, errors.New("an address here has no zone")}
	case b.For < time.Millisecond:
		return &BanError{b, errors.New("it has to last a millisecond at least")}
	}
	return nil
}
