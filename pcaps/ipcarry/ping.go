package ipcarry

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Ping sends an echo request with that many bytes of data through the tunnel and returns
// how long its reply took.
func (s *Stack) Ping(ctx context.Context, to netip.Addr, size int) (time.Duration, error) {
	to = to.Unmap().WithZone("")
	proto, request, reply := icmp.ProtocolNumber4, uint8(echoRequest4), uint8(echoReply4)
	if to.Is6() {
		proto, request, reply = icmp.ProtocolNumber6, echoRequest6, echoReply6
	}
	var queue waiter.Queue
	ep, terr := s.stack.NewEndpoint(proto, family(to), &queue)
	if terr != nil {
		return 0, fmt.Errorf("pinging %v: %w", to, stackError(terr))
	}
	defer ep.Close()
	entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventErr)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)

	if err := ep.Connect(fullAddress(netip.AddrPortFrom(to, 0))); err != nil {
		return 0, fmt.Errorf("pinging %v: %w", to, stackError(err))
	}
	e := echo{seq: uint16(rand.Uint32()), data: make([]byte, size)} // the stack chooses the id
	message := e.appendEcho([]byte{request, 0, 0, 0})
	start := time.Now()
	if _, err := ep.Write(bytes.NewReader(message), tcpip.WriteOptions{}); err != nil {
		return 0, fmt.Errorf("pinging %v: %w", to, stackError(err))
	}
	var answer bytes.Buffer
	for {
		answer.Reset()
		_, err := ep.Read(&answer, tcpip.ReadOptions{})
		if _, wait := err.(*tcpip.ErrWouldBlock); wait {
			select {
			case <-readable:
				continue
			case <-ctx.Done():
				return 0, fmt.Errorf("pinging %v: no answer: %w", to, ctx.Err())
			}
		}
		if err != nil {
			return 0, fmt.Errorf("pinging %v: %w", to, stackError(err))
		}
		b := answer.Bytes()
		if len(b) == len(message) && b[0] == reply && binary.BigEndian.Uint16(b[6:]) == e.seq {
			return time.Since(start), nil
		}
	}
}
