package sstpref

import (
	"errors"
	"io"
	"sync"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

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
