package ipcarry

import "sync/atomic"

// Stats counts since the start what a Forwarder or a Device did.
type Stats struct {
	Clients int // attached now
	Conns   int // TCP connections now
	Flows   int // UDP flows now

	Malformed uint64 // packets that are no IP packets
	Spoofed   uint64 // packets from addresses that are not the client's
	Ignored   uint64 // packets to multicast or link-local addresses, router solicitations among them
	Refused   uint64 // connections, flows and pings to what clients may not reach
	TooMany   uint64 // connections, flows and pings beyond a bound
	Failed    uint64 // connections and flows that could not be opened
	Unpinged  uint64 // pings that this host may not send
	Dropped   uint64 // packets dropped for want of room
}

type counters struct {
	malformed, spoofed, ignored, refused, tooMany, failed, unpinged, dropped atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Malformed: c.malformed.Load(), Spoofed: c.spoofed.Load(), Ignored: c.ignored.Load(),
		Refused: c.refused.Load(), TooMany: c.tooMany.Load(), Failed: c.failed.Load(),
		Unpinged: c.unpinged.Load(), Dropped: c.dropped.Load(),
	}
}

// Stats returns the Forwarder's counters.
func (f *Forwarder) Stats() Stats {
	s := f.count.stats()
	s.Conns, s.Flows = int(f.conns.Load()), int(f.flows.Load())
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Clients = len(f.clients)
	for c := range f.clients {
		s.Dropped += c.link.dropIn.Load() + c.link.dropOut.Load()
	}
	return s
}

// A verdict is what becomes of a packet that a client sent.
type verdict uint8

const (
	pass verdict = iota
	drop
)

// screen drops and counts what no client may send.
func (c *counters) screen(p *packet, ok bool, owns func(*packet) bool) verdict {
	switch {
	case !ok:
		c.malformed.Add(1)
	case p.dst.IsMulticast() || p.src.IsLinkLocalUnicast() && p.src.Is6() || p.dst.IsLinkLocalUnicast() && p.dst.Is6():
		c.ignored.Add(1)
	case !owns(p):
		c.spoofed.Add(1)
	default:
		return pass
	}
	return drop
}
