package sstpref

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
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

// Addresses returns the addresses of both ends, once the session is up.
func (s *Session) Addresses() pppref.Addresses {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addresses
}

// MTU returns the largest IP packet that may be sent.
func (s *Session) MTU() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link.MTU()
}

// do runs f on the automata, and settles what follows from it.
func (s *Session) do(f func(now time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	f(now)
	s.settle(now)
}

// settle brings the timer and what packets of data go by up to date.
func (s *Session) settle(now time.Time) {
	if s.leaving {
		s.leaving = false
		s.call.Disconnect(now)
	}
	for i, p := range [...]ppp.Protocol{ppp.ProtocolIPv4, ppp.ProtocolIPv6} {
		s.passes[i].Store(!s.ended && s.call.MaySend(false) && s.link.Ready(p))
		s.headers[i].Store(s.header(p))
	}
	next, ok := s.call.Deadline()
	if at, has := s.link.Deadline(); has && (!ok || at.Before(next)) {
		next, ok = at, true
	}
	if !ok || s.ended {
		s.timer.Stop()
		return
	}
	s.timer.Reset(max(next.Sub(now), 0))
}

func (s *Session) header(p ppp.Protocol) uint64 {
	acfc, pfc := s.link.DataForm()
	b := ppp.Frame{Protocol: p, ACFC: acfc, PFC: pfc}.Append(make([]byte, 0, 4))
	packed := uint64(len(b))
	for i, c := range b {
		packed |= uint64(c) << (8 * (i + 1))
	}
	return packed
}

// expire is the timer's.
func (s *Session) expire() {
	s.do(func(now time.Time) {
		if s.ended {
			return
		}
		if heard := s.heard.Load(); heard > 0 && s.connected {
			at := s.began.Add(time.Duration(heard))
			s.call.Data(at, false)
			if s.idleEcho {
				s.link.Heard(at)
			}
		}
		if at, ok := s.call.Deadline(); ok && !at.After(now) {
			s.call.Expire(now)
		}
		if at, ok := s.link.Deadline(); ok && !at.After(now) {
			s.link.Expire(now)
		}
	})
}

// run drives the session until it is over. Begin does the HTTP exchange and opens
// the call; it returns what was read beyond.
func (s *Session) run(begin func() (early []byte, err error)) {
	var writing sync.WaitGroup
	writing.Go(func() {
		if err := s.out.run(); err != nil {
			s.do(func(now time.Time) { s.call.TransportClosed(now, err) })
			_ = s.raw.Close() // nothing can be told
		}
		_ = s.conn.Close() // all that can be told is told
		if p := s.port.Load(); p != nil {
			_ = (*p).Close() // it holds nothing that could be lost
		}
	})
	early, err := begin()
	if err == nil {
		err = s.read(early)
	}
	s.do(func(now time.Time) {
		if s.out.gaveUp() {
			err = errNotReading // which is why nothing can be read any more
		}
		if _, ok := errors.AsType[*StepError](err); ok && s.err == nil && !s.wanted {
			s.err = err
		}
		s.call.TransportClosed(now, err)
		s.end()
	})
	writing.Wait()
	if s.release != nil {
		s.release()
	}
	s.farewell()
	close(s.done)
}

// open opens the call.
func (s *Session) open() {
	s.do(func(now time.Time) {
		s.at = StepSSTP
		s.call.Open(now)
	})
}

// end has what is pending written, and the connection closed. The lock is held.
func (s *Session) end() {
	if s.ended {
		return
	}
	s.ended = true
	const grace = 2 * time.Second                      // for a peer that does not read
	_ = s.conn.SetWriteDeadline(time.Now().Add(grace)) // if it cannot, the connection is gone
	s.out.close()
}

// read reads packets until the connection is over.
func (s *Session) read(early []byte) error {
	buf := make([]byte, max(32<<10, len(early)+sstp.MaxPacketLen))
	have := copy(buf, early)
	for {
		used, err := s.packets(buf[:have])
		if err != nil {
			return err
		}
		if used > 0 {
			s.heard.Store(int64(time.Since(s.began)) + 1)
		}
		have = copy(buf, buf[used:have])
		n, err := s.conn.Read(buf[have:])
		have += n
		if n == 0 && err != nil {
			if errors.Is(err, io.EOF) && have > 0 {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
}

// packets handles the packets in b, and returns the length of those that are
// whole.
func (s *Session) packets(b []byte) (used int, err error) {
	for {
		p, n, err := sstp.ParsePacket(b[used:])
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return used, nil
		}
		if err != nil {
			return used, err // MS-SSTP 3.1.5.1: closed without a message
		}
		used += n
		if p.Control {
			s.do(func(now time.Time) { s.control(now, p) })
			continue
		}
		if err := s.data(p.Data); err != nil {
			return used, err
		}
	}
}

func (s *Session) control(now time.Time, p sstp.Packet) {
	if !s.ended {
		s.call.Receive(now, p)
	}
}

// data takes one PPP frame.
func (s *Session) data(b []byte) error {
	f, err := ppp.ParseFrame(b)
	if err != nil {
		s.counts.dropped.Add(1)
		return nil
	}
	if f.Protocol != ppp.ProtocolIPv4 && f.Protocol != ppp.ProtocolIPv6 {
		s.do(func(now time.Time) {
			if !s.ended && s.call.Data(now, f.Protocol.IsControl()) {
				s.link.Receive(now, f)
			}
		})
		return nil
	}
	family := 0
	if f.Protocol == ppp.ProtocolIPv6 {
		family = 1
	}
	if !s.passes[family].Load() {
		s.do(func(now time.Time) {
			if !s.ended {
				s.call.Data(now, false) // some servers take data for Call Connected
			}
		})
	}
	port := s.port.Load()
	if !s.passes[family].Load() || port == nil {
		s.counts.dropped.Add(1)
		return nil
	}
	s.counts.packetsIn.Add(1)
	s.counts.bytesIn.Add(uint64(len(f.Payload)))
	if err := (*port).Deliver(f.Payload); err != nil {
		return failed(StepData, err, "")
	}
	return nil
}

// WritePacket sends an IP packet to the other end. It waits while the connection
// takes no more, and the packet is the caller's again when it returns. A packet
// that may not pass now is dropped and counted; the error says that the session is
// over.
func (s *Session) WritePacket(p []byte) error {
	family := 0
	if len(p) > 0 && p[0]>>4 == 6 {
		family = 1
	}
	packed := s.headers[family].Load()
	head := int(packed & 0xff)
	if !s.passes[family].Load() || len(p) == 0 || head+len(p) > sstp.MaxDataLen {
		s.counts.dropped.Add(1)
		select {
		case <-s.done:
			return errClosed
		default:
			return nil
		}
	}
	var b [sstp.HeaderLen + 4]byte
	size := sstp.HeaderLen + head + len(p)
	b[0], b[2], b[3] = sstp.Version, s.lengthReserved<<4|byte(size>>8), byte(size)
	for i := range head {
		b[sstp.HeaderLen+i] = byte(packed >> (8 * (i + 1)))
	}
	s.counts.packetsOut.Add(1)
	s.counts.bytesOut.Add(uint64(len(p)))
	return s.out.data(b[:sstp.HeaderLen+head], p, s.faults.of(kindData))
}

// sendControl is the call's.
func (s *Session) sendControl(t sstp.MessageType, p sstp.Packet) {
	s.out.control(p, s.faults.of(t.String()))
}

// sendFrame is the link's.
func (s *Session) sendFrame(f ppp.Frame) {
	if !s.call.MaySend(true) {
		return
	}
	b := f.Append(make([]byte, 0, 4+len(f.Payload)))
	s.out.control(sstp.Packet{LengthReserved: s.lengthReserved, Data: b}, s.faults.of(kindPPP))
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
