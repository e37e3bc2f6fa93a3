package main

import (
	"net/netip"
	"time"
)

// A flow is one TCP connection or UDP exchange of the generated capture.
type flow struct {
	client, server netip.AddrPort // of one family
	vlan           uint16         // 0: not tagged
	udp            bool
	timestamps     bool // TCP's timestamp option
}

// A packet is one of a flow's packets, not yet written out. Sequence numbers
// count as they do on the wire, SYN and FIN included.
type packet struct {
	at       time.Duration // since the capture began
	flow     *flow
	toServer bool
	flags    tcpFlags
	seq, ack uint32
	payload  []byte // shared between flows: only read
}

type tcpFlags uint8

const (
	fin tcpFlags = 1 << iota
	syn
	rst
	psh
	ack
)
