package tcpflow

import "fmt"

// An Outcome says what became of a packet.
type Outcome uint8

// The outcomes. Those from OutcomeTruncated on are undecodable packets.
const (
	OutcomeTracked         Outcome = iota // it belongs to Result.Conn
	OutcomeNotIP                          // ARP, LLDP, PPPoE discovery, ...
	OutcomeNotTCP                         // UDP, ICMP, ...
	OutcomeFragment                       // kept until its datagram is complete
	OutcomeFragmentDropped                // refused; Stats says why
	OutcomeStray                          // RST or bare FIN of an unknown connection
	OutcomeBadFlags                       // TCP flags that no stack takes
	OutcomeConflict                       // of Result.Conn, and not taken: see Config.Recall
	OutcomeTruncated                      // the capture cut a header short
	OutcomeBadLink                        // malformed tags, labels, PPPoE or GRE
	OutcomeBadIP                          // malformed IP header
	OutcomeBadTCP                         // malformed TCP header
	OutcomeUnknownLink                    // a link type not in this package
	numOutcomes
)

var outcomeNames = [numOutcomes]string{
	"tracked", "not IP", "not TCP", "fragment", "fragment dropped", "stray", "bad TCP flags", "conflicting bytes",
	"truncated header", "bad link header", "bad IP header", "bad TCP header", "unknown link type",
}

func (o Outcome) String() string {
	if o >= numOutcomes {
		return fmt.Sprintf("Outcome(%d)", uint8(o))
	}
	return outcomeNames[o]
}

// Undecodable says that the packet's headers could not be read.
func (o Outcome) Undecodable() bool { return o >= OutcomeTruncated && o < numOutcomes }

// Outcomes counts packets by what became of them.
type Outcomes [numOutcomes]uint64

// Stats counts what a [Table] saw, did and dropped. It holds no pointers: a
// copy is a snapshot.
type Stats struct {
	Packets uint64 // given to the table
	Bytes   uint64 // of those, on the wire
	TCP     uint64 // TCP packets with a readable header; a fragmented one counts once
	// Outcomes of all packets; they sum up to Packets.
	Outcomes Outcomes

	Opened   uint64 // connections, half-open ones included
	Streams  uint64 // connections that carried payload
	Finished uint64 // closed after FIN both ways
	Reset    uint64 // closed after RST
	Replaced uint64 // closed because a new connection uses the same ports
	// Idle and HalfOpenIdle connections were closed because nothing came.
	Idle, HalfOpenIdle uint64
	// FlowsEvicted and HalfOpenEvicted were closed because the table was full.
	FlowsEvicted, HalfOpenEvicted uint64
	// LeftOpen connections were closed by Flush.
	LeftOpen uint64

	OutOfOrder    uint64 // segments that came before those they follow
	RepeatedBytes uint64 // payload seen before: retransmissions, overlaps
	MissingBytes  uint64 // payload that was skipped
	// HolesTimedOut and HolesOverLimit are gaps skipped for HoleTimeout and
	// for the buffer limits; others were acknowledged, or their connection
	// ended.
	HolesTimedOut, HolesOverLimit uint64
	// FlowLimitSegments and TotalLimitSegments were dropped early segments
	// of a gap that the receiver waits for too: over MaxBufferedPerFlow and
	// MaxBuffered.
	FlowLimitSegments, TotalLimitSegments uint64
	// IgnoredSegments, IgnoredResets and IgnoredSyns have sequence numbers
	// that the connection's receiver would not take.
	IgnoredSegments, IgnoredResets, IgnoredSyns uint64
	// SynDataIgnored segments carried payload in a SYN without TCP Fast Open.
	SynDataIgnored uint64

	Fragments   uint64 // seen
	Reassembled uint64 // datagrams put together
	// Dropped fragments: of IPv6 datagrams with overlaps (RFC 5722), with
	// impossible offsets, cut short by the capture, over the limits, too late.
	FragmentsOverlapping, FragmentsMalformed, FragmentsTruncated uint64
	FragmentsEvicted, FragmentsExpired                           uint64
}

// Undecodable is the number of packets whose headers could not be read.
func (s *Stats) Undecodable() uint64 {
	var n uint64
	for o := OutcomeTruncated; o < numOutcomes; o++ {
		n += s.Outcomes[o]
	}
	return n
}

// Add adds the counts of another table, as where each worker has its own.
func (s *Stats) Add(o Stats) {
	for i := range s.Outcomes {
		s.Outcomes[i] += o.Outcomes[i]
	}
	to, from := s.counters(), o.counters()
	for i := range to {
		*to[i] += *from[i]
	}
}

// counters lists every counter but Outcomes.
func (s *Stats) counters() []*uint64 {
	return []*uint64{
		&s.Packets, &s.Bytes, &s.TCP,
		&s.Opened, &s.Streams, &s.Finished, &s.Reset, &s.Replaced, &s.Idle, &s.HalfOpenIdle,
		&s.FlowsEvicted, &s.HalfOpenEvicted, &s.LeftOpen,
		&s.OutOfOrder, &s.RepeatedBytes, &s.MissingBytes, &s.HolesTimedOut, &s.HolesOverLimit,
		&s.FlowLimitSegments, &s.TotalLimitSegments, &s.IgnoredSegments, &s.IgnoredResets, &s.IgnoredSyns,
		&s.SynDataIgnored,
		&s.Fragments, &s.Reassembled, &s.FragmentsOverlapping, &s.FragmentsMalformed,
		&s.FragmentsTruncated, &s.FragmentsEvicted, &s.FragmentsExpired,
	}
}
