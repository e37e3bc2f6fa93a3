package inspect

import (
	"fmt"
	"net/netip"
)

// Direction says who sent a segment. The zero value is invalid.
type Direction uint8

// The two directions of a connection. The client is the side that opened it.
const (
	_ Direction = iota
	ClientToServer
	ServerToClient
)

// Reverse gives the other direction.
func (d Direction) Reverse() Direction {
	switch d {
	case ClientToServer:
		return ServerToClient
	case ServerToClient:
		return ClientToServer
	}
	return d
}

// index gives 0 for the client's bytes and 1 for the server's.
func (d Direction) index() int { return int(d-ClientToServer) & 1 }

func (d Direction) String() string {
	switch d {
	case ClientToServer:
		return "client to server"
	case ServerToClient:
		return "server to client"
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// A FlowKey names one TCP connection by its two ends.
type FlowKey struct {
	Client, Server netip.AddrPort
}

func (k FlowKey) String() string {
	return k.Client.String() + " > " + k.Server.String()
}
