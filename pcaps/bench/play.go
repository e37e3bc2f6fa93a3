package main

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// A path is what the packets of a flow meet on their way. The capture is made
// at the client's edge, so that all the delay is on the server's side.
type path struct {
	roundTrip time.Duration
	spacing   time.Duration // between full segments
	// impaired is how many in a thousand segments are lost or overtaken.
	impaired int
}

// lan is how long the client's packets take to the place of the capture and back.
const lan = 600 * time.Microsecond

// keepAlive is how long a connection may be silent before TCP probes it.
const keepAlive = 30 * time.Second

// How a connection ends.
type ending int

const (
	closed    ending = iota // FIN both ways
	reset                   // the client's RST
	abandoned               // nothing more is seen
)

// A player turns a conversation into the packets of a flow.
type player struct {
	flow    *flow
	path    path
	random  *rand.Rand
	now     time.Duration
	next    [2]uint32 // sequence number of each direction's next byte; [1] is the client's
	packets []packet
}

const (
	fromServer = 0
	fromClient = 1
)

// play gives the packets in the order of capture.
func play(c *conversation, f *flow, p path, start time.Duration, how ending, r *rand.Rand) []packet {
	pl := &player{flow: f, path: p, random: r, now: start, next: [2]uint32{r.Uint32(), r.Uint32()}}
	pl.packets = make([]packet, 0, 8+c.size()/f.room()*3/2+3*len(c.turns))
	pl.open()
	for _, t := range c.turns {
		pl.idle(t.wait)
		pl.turn(t)
	}
	pl.close(how)
	return pl.packets
}

func (p *player) emit(at time.Duration, from int, flags tcpFlags, seq, acked uint32, payload []byte) {
	p.packets = append(p.packets, packet{
		at: at, flow: p.flow, toServer: from == fromClient,
		flags: flags, seq: seq, ack: acked, payload: payload,
	})
}

func (p *player) open() {
	p.emit(p.now, fromClient, syn, p.next[fromClient], 0, nil)
	p.next[fromClient]++
	p.now += p.path.roundTrip
	p.emit(p.now, fromServer, syn|ack, p.next[fromServer], p.next[fromClient], nil)
	p.next[fromServer]++
	p.now += lan
	p.emit(p.now, fromClient, ack, p.next[fromClient], p.next[fromServer], nil)
}

// idle lets time pass, with the probes that long silence brings.
func (p *player) idle(wait time.Duration) {
	for ; wait > keepAlive; wait -= keepAlive {
		p.now += keepAlive
		p.emit(p.now, fromClient, ack, p.next[fromClient]-1, p.next[fromServer], nil)
		p.emit(p.now+p.path.roundTrip, fromServer, ack, p.next[fromServer], p.next[fromClient], nil)
	}
	p.now += wait
}

// answer is how long the other end's reaction takes, as seen at the edge.
func (p *player) answer(from int) time.Duration {
	if from == fromClient {
		return p.path.roundTrip
	}
	return lan
}

func (p *player) close(how ending) {
	switch how {
	case abandoned:
	case reset:
		p.emit(p.now, fromClient, rst|ack, p.next[fromClient], p.next[fromServer], nil)
	case closed:
		p.emit(p.now, fromClient, fin|ack, p.next[fromClient], p.next[fromServer], nil)
		p.next[fromClient]++
		p.now += p.path.roundTrip
		p.emit(p.now, fromServer, fin|ack, p.next[fromServer], p.next[fromClient], nil)
		p.next[fromServer]++
		p.now += lan
		p.emit(p.now, fromClient, ack, p.next[fromClient], p.next[fromServer], nil)
	}
}

// A segment is one sending of some bytes, as it passes the edge.
type segment struct {
	at      time.Duration
	seq     uint32
	payload []byte
	arrives bool // at the receiver
	last    bool // of the turn
}

// turn sends one end's bytes and the other's acknowledgements.
func (p *player) turn(t turn) {
	from := fromServer
	if t.client {
		from = fromClient
	}
	to := 1 - from
	segments := p.segments(t.data, from)
	acks := p.acknowledge(segments, p.next[from], p.answer(from))
	p.next[from] += uint32(len(t.data))

	first := len(p.packets)
	for _, s := range segments {
		flags := ack
		if s.last {
			flags |= psh
		}
		p.emit(s.at, from, flags, s.seq, p.next[to], s.payload)
	}
	for _, a := range acks {
		p.emit(a.at, to, ack, p.next[to], a.seq, nil)
	}
	sent := p.packets[first:]
	slices.SortStableFunc(sent, func(a, b packet) int { return cmp.Compare(a.at, b.at) })
	p.now = sent[len(sent)-1].at + p.answer(from)/4
}

// segments cuts a turn into segments; some are lost and sent again, or come
// late. In the order of their passing.
func (p *player) segments(data []byte, from int) []segment {
	var out []segment
	at, seq := p.now, p.next[from]
	repeat := p.path.roundTrip + 3*p.path.spacing
	for chunk := range slices.Chunk(data, p.flow.room()) {
		s := segment{at: at, seq: seq, payload: chunk, arrives: true}
		if p.random.IntN(1000) < p.path.impaired {
			switch p.random.IntN(3) {
			case 0: // lost on the way to the edge: seen once, late
				s.at += repeat
			case 1: // lost behind it: seen twice
				lost := s
				lost.arrives = false
				out = append(out, lost)
				s.at += repeat
			case 2: // overtaken
				s.at += 5 * p.path.spacing / 2
			}
		}
		out = append(out, s)
		at += p.path.spacing
		seq += uint32(len(chunk))
	}
	out[len(out)-1].last = true
	slices.SortStableFunc(out, func(a, b segment) int { return cmp.Compare(a.at, b.at) })
	return out
}

// acknowledge gives what the receiver says to the segments: one
// acknowledgement for two segments in order and at the end, one at once for
// each that leaves or fills a gap. Of the result only at and seq are set.
func (p *player) acknowledge(segments []segment, next uint32, delay time.Duration) []segment {
	var out []segment
	early := map[uint32]uint32{} // beyond a gap: first byte to the one after the last
	unacknowledged := 0
	for i, s := range segments {
		if !s.arrives {
			continue
		}
		now := len(early) > 0 || s.seq != next
		end := s.seq + uint32(len(s.payload))
		if s.seq != next {
			early[s.seq] = end
		} else {
			for found := true; found; {
				next = end
				end, found = early[next]
				delete(early, next)
			}
		}
		if unacknowledged++; now || unacknowledged == 2 || i == len(segments)-1 {
			out = append(out, segment{at: s.at + delay, seq: next})
			unacknowledged = 0
		}
	}
	return out
}
