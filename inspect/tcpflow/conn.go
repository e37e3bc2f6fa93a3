package tcpflow

import (
	"fmt"
	"time"

	"sstpwarden/inspect"
)

// An End says how a connection ended, as far as was seen.
type End uint8

// The ends.
const (
	EndOpen     End = iota // it had not, when it was last heard of
	EndFIN                 // FIN both ways
	EndRST                 // either side reset it
	EndIdle                // nothing came for the timeout
	EndEvicted             // the table was full
	EndReplaced            // a new connection began between the same ports
)

var endNames = [...]string{"open", "fin", "rst", "idle", "evicted", "replaced"}

func (e End) String() string {
	if int(e) >= len(endNames) {
		return fmt.Sprintf("End(%d)", uint8(e))
	}
	return endNames[e]
}

// Traffic counts one direction of a connection.
type Traffic struct {
	Packets uint64
	Bytes   uint64 // on the wire, all headers included
	Payload uint64 // bytes of TCP payload, repeated ones included
	Missing uint64 // bytes that the stream skipped, until it settled
}

// Marks of one end of a connection.
const (
	endKnown     uint8 = 1 << iota // next is set
	endSYN                         // its SYN was seen, isn is set
	endConfirmed                   // the peer acknowledged its SYN
	endAcked                       // ack is set
	endFIN                         // its FIN was reached
	endRST
)

// Marks of a connection.
const (
	connSYN      uint8 = 1 << iota // a SYN without ACK was seen
	connSYNACK                     // a SYN with ACK was seen
	connOriented                   // client is final
	connMidstream
	connStarted // payload was seen
	connSettled // nobody wants bytes any more, or ever did
)

// half is what a connection keeps for one end, as the sender.
type half struct {
	Traffic
	isn  uint32
	next uint32 // the sequence number after what was delivered or skipped
	ack  uint32 // the peer has all before it
}

// A Conn is one TCP connection. It belongs to its [Table], and is valid until
// [Config.Closed] returns for it; the table then uses it for another
// connection. Reading it is safe only where the table does not run.
//
// Half-open connections come by the million in a SYN flood, and most others
// lose nothing: what putting bytes in order needs is in assembly. What every
// packet needs stands first.
type Conn struct {
	stream Stream
	asm    *assembly // nil until bytes come early or are missing, and once settled
	active int64     // table clock of the last packet
	last   int64     // Unix time, ns
	ends   [2]uint8
	client uint8 // which end is the client
	flags  uint8
	in     listID
	end    End
	vlan   [2]uint16
	half   [2]half

	links[Conn]
	key    connKey
	start  int64 // Unix time, ns
	number uint64
}

func (c *Conn) link() *links[Conn] { return &c.links }

// Key names the connection's two ends. Before the first payload of a
// connection whose SYN was not seen, client and server may yet swap.
func (c *Conn) Key() inspect.FlowKey {
	return inspect.FlowKey{Client: c.key.end(int(c.client)), Server: c.key.end(1 - int(c.client))}
}

// Stream is what Config.Open returned, nil before the first payload.
func (c *Conn) Stream() Stream { return c.stream }

// Start is the capture time of the first packet.
func (c *Conn) Start() time.Time { return time.Unix(0, c.start).UTC() }

// Last is the capture time of the packet that came last.
func (c *Conn) Last() time.Time { return time.Unix(0, c.last).UTC() }

// Traffic counts one direction. An invalid direction has none.
func (c *Conn) Traffic(d inspect.Direction) Traffic {
	switch d {
	case inspect.ClientToServer:
		return c.half[c.client].Traffic
	case inspect.ServerToClient:
		return c.half[1-c.client].Traffic
	}
	return Traffic{}
}

// SYN says that the client's SYN was seen.
func (c *Conn) SYN() bool { return c.flags&connSYN != 0 }

// SYNACK says that the server's SYN was seen.
func (c *Conn) SYNACK() bool { return c.flags&connSYNACK != 0 }

// Midstream says that the connection was already running when its first
// packet was seen, or that its SYN did not fit what followed.
func (c *Conn) Midstream() bool { return c.flags&connMidstream != 0 }

// End is final in Config.Closed. Before, it is EndOpen, EndFIN or EndRST, and
// can go back to EndOpen: a reset that its sender did not mean is a way to
// hide a connection.
func (c *Conn) End() End { return c.end }

// VLANs are the outermost two VLAN identifiers of the first packet, 0 where
// there are none.
func (c *Conn) VLANs() (outer, inner uint16) { return c.vlan[0], c.vlan[1] }

// FirstPacket is the number of the connection's first packet, counting from 1
// all that the table was given.
func (c *Conn) FirstPacket() uint64 { return c.number }

// live says that the stream wants bytes.
func (c *Conn) live() bool { return c.flags&(connStarted|connSettled) == connStarted }

// held are the pieces from one end that came early.
func (c *Conn) held(from int) []piece {
	if c.asm == nil {
		return nil
	}
	return c.asm.dir[from].held.list
}

// direction of what end from sends.
func (c *Conn) direction(from int) inspect.Direction {
	if from == int(c.client) {
		return inspect.ClientToServer
	}
	return inspect.ServerToClient
}
