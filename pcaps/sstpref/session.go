package sstpref

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/sstpref/call"
	"sstpwarden/pcaps/sstpref/profile"
)

// A Session is one SSTP connection with PPP on it, seen from either end. All of
// its methods may be called concurrently.
//
// One goroutine reads, one writes what must not wait, and whoever sends a packet
// writes it. Packets of data touch no lock but the writer's: the automata of SSTP
// and PPP see control frames, and learn of the rest by its time.
type Session struct {
	conn   net.Conn
	raw    net.Conn // below TLS: to close it without a word, which would wait for a peer that does not read
	peer   netip.AddrPort
	out    *writer
	faults Faults
	log    *slog.Logger
	began  time.Time

	// Of the profile, and of the end that this is.
	isClient       bool
	lengthReserved uint8
	idleEcho       bool // packets put off LCP's echo
	ending         profile.Ending
	carry          Carrier
	authenticated  func()            // it is no stranger's any more
	loggedIn       func(name string) // likewise
	failedLogin    func(name string)

	// mu is for the automata and what they call.
	mu        sync.Mutex
	call      *call.Call
	link      *pppref.Link
	timer     *time.Timer
	user      string
	claimed   string   // the name of a login that failed
	at        Step     // what is under way
	pending   networks // those that are neither up nor down yet
	networks  networks // those that are up
	connected bool     // the call is
	wanted    bool     // this end wants it to end
	leaving   bool     // the call is to be disconnected once the link's answer is sent
	ended     bool
	addresses pppref.Addresses
	release   func() // of the addresses
	err       error  // valid without mu when done is closed

	port    atomic.Pointer[Port]
	passes  [2]atomic.Bool   // IPv4, IPv6: data may pass
	headers [2]atomic.Uint64 // of a frame of data: its length, and the octets behind
	heard   atomic.Int64     // when a packet came last, after began
	counts  counters

	up   chan struct{}
	done chan struct{}
}

// networks is a set of network protocols.
type networks uint8

const (
	ipv4 networks = 1 << iota
	ipv6
)

// ErrDisconnected is that the other end ended the session in good order.
var ErrDisconnected = errors.New("the other end disconnected")

type counters struct {
	packetsIn, packetsOut, bytesIn, bytesOut, dropped atomic.Uint64
}

// Counts are what went through a session's tunnel. A packet is dropped that comes
// when none may: before the call is connected, or for a protocol that is not up.
type Counts struct {
	PacketsIn, PacketsOut, BytesIn, BytesOut, Dropped uint64
}

// Counts returns the counts so far.
func (s *Session) Counts() Counts {
	c := &s.counts
	return Counts{c.packetsIn.Load(), c.packetsOut.Load(), c.bytesIn.Load(), c.bytesOut.Load(), c.dropped.Load()}
}

// Up is closed when IP may pass.
func (s *Session) Up() <-chan struct{} { return s.up }

// reached returns the step that is under way.
func (s *Session) reached() Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// Done is closed when the session is over. [Session.Err] then says why.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended: nil while it has not, and where this end
// wanted it so; [ErrDisconnected]; or a [*StepError].
func (s *Session) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Disconnect ends the session as its profile does, and waits for that. When ctx is
// done, the connection is closed.
func (s *Session) Disconnect(ctx context.Context, why string) error {
	s.do(func(now time.Time) {
		if s.ended || s.wanted {
			return
		}
		s.wanted = true
		switch {
		case s.ending == profile.EndTLS:
			s.end()
		case s.ending == profile.EndSSTP, !s.call.MaySend(true):
			s.call.Disconnect(now)
		default:
			s.link.Close(now, why)
		}
	})
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		s.Close()
		<-s.done
		return ctx.Err()
	}
}

// Close closes the connection at once.
func (s *Session) Close() {
	s.do(func(time.Time) {
		s.wanted = true
		s.end()
	})
	s.out.abandon(errClosed)
	_ = s.raw.Close() // it is over either way
}
