package nfq

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"syscall"
	"time"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	"golang.org/x/sys/unix"

	"sstpwarden/nfq/nlqueue"
)

const (
	// tick is how often the worker is told the time where no packets come.
	tick = 250 * time.Millisecond
	// batch is how many packets may be judged before the verdicts are sent. It bounds
	// how long the first of them waits.
	batch = 32
	// readBuffer has room for the largest packet that the kernel copies, 64 KiB, and for
	// what it says about it.
	readBuffer = 1 << 17
	// parting is how long packets are taken after the end, so that those which wait are
	// not dropped.
	parting = 100 * time.Millisecond
	// maxTries is how often verdicts are sent again that the kernel does not take.
	maxTries = 1000
	// stall is how long a simulated overflow holds up each packet.
	stall = 20 * time.Millisecond
)

// A loop reads packets into one buffer, and sends verdicts from another. Several packets
// that merely pass share one verdict.
type loop struct {
	q    *Queue
	conn syscall.RawConn
	in   []byte
	out  []byte

	receive func(fd uintptr) bool // what conn.Read calls, made once
	err     error                 // of receive
	now     time.Time

	last    uint32 // packet's ID
	begun   bool   // there was one
	passing bool   // last and those before it pass, and the kernel does not know yet

	dropped uint32 // for the queue's length, as the kernel counts
}

func (l *loop) init(q *Queue, conn syscall.RawConn) {
	*l = loop{q: q, conn: conn, in: make([]byte, readBuffer)}
	l.receive = l.take
}

// run reads until ctx is done.
func (l *loop) run(ctx context.Context) error {
	deadline := l.q.nf.Con.SetReadDeadline
	defer context.AfterFunc(ctx, func() { _ = deadline(past) })()
	var next time.Time
	for {
		if now := time.Now(); !now.Before(next) {
			l.full(now)
			l.q.worker.Tick(now)
			next = now.Add(tick)
			if err := deadline(next); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return l.part()
		}
		err := l.conn.Read(l.receive)
		if l.err != nil {
			return l.err
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// full takes note of packets that the kernel dropped because as many waited as may. They
// have no IDs that would be missing.
func (l *loop) full(now time.Time) {
	k, err := l.q.kernel.counts(l.q.config.Number)
	if err != nil {
		return // Counts says so
	}
	if n := uint64(uint32(k.Dropped) - l.dropped); n > 0 {
		l.dropped = uint32(k.Dropped)
		l.overflow(n, now)
	}
}

func (l *loop) overflow(n uint64, now time.Time) {
	l.q.counts.overflow.Add(n)
	l.q.worker.now = now
	l.q.worker.exception(CauseOverflow, n, "")
}

// part judges the packets that wait.
func (l *loop) part() error {
	err := l.conn.Control(func(fd uintptr) {
		for end := time.Now().Add(parting); time.Now().Before(end) && l.take(fd) && l.err == nil; {
		}
	})
	return errors.Join(err, l.err)
}

// take reads what is there, up to a batch, and sends the verdicts. It says whether there
// was anything, or an error.
func (l *loop) take(fd uintptr) (some bool) {
	l.now = time.Now()
	for range batch {
		n, err := unix.Read(int(fd), l.in)
		switch {
		case err == nil:
			l.q.counts.reads.Add(1)
			some = true
			l.messages(l.in[:n])
		case errors.Is(err, unix.EAGAIN):
			l.send(fd)
			return some || l.err != nil
		case errors.Is(err, unix.ENOBUFS):
			some = true
			l.q.counts.overruns.Add(1)
		case !errors.Is(err, unix.EINTR):
			l.err = os.NewSyscallError("read", err)
			return true
		}
	}
	l.send(fd)
	return true
}

// messages takes a datagram.
func (l *loop) messages(b []byte) {
	for len(b) > 0 {
		m, n, err := nlqueue.Parse(b)
		switch {
		case err != nil:
			l.q.counts.malformed.Add(1)
		case m.Kind == nlqueue.KindPacket:
			l.packet(&m.Packet)
		case m.Kind == nlqueue.KindError && m.Errno != 0:
			l.q.counts.refused.Add(1)
		}
		if n == 0 {
			return
		}
		b = b[n:]
	}
}

// packet judges a packet.
func (l *loop) packet(p *nlqueue.Packet) {
	w := l.q.worker
	if missed := p.ID - l.last - 1; l.begun && missed > 0 {
		l.overflow(uint64(missed), l.now)
	}
	if w.simulated[CauseOverflow] {
		time.Sleep(stall)
	}
	v := l.judge(p)
	if v.Action != Accept {
		l.pass() // those before
	}
	l.last, l.begun = p.ID, true
	if v.Action == Accept {
		l.passing = true
		return
	}
	n := nlqueue.Verdict{Queue: l.q.config.Number, ID: p.ID, Code: nlqueue.Drop}
	if v.Action != Drop {
		// The chain that queued the packet sees it once more, and finds the mark.
		n.Code, n.SetMark, n.Mark = nlqueue.Repeat, true, l.q.config.mark(p.Mark, v)
	}
	l.out = n.Append(l.out)
}

// judge has the worker judge a packet, but for one that its receiver drops because of its
// checksum: who sends such ones could else tell us something that the other end never hears.
// The kernel, which looks at checksums to track connections, says of most that they are right.
func (l *loop) judge(p *nlqueue.Packet) Verdict {
	const questionable = nlqueue.InfoChecksumNotVerified | nlqueue.InfoChecksumNotReady | nlqueue.InfoGSO
	if p.Info&questionable == nlqueue.InfoChecksumNotVerified && checksumFails(p.Payload) {
		return l.q.worker.corrupt(p.Length, l.now)
	}
	return l.q.worker.packet(p.Payload, p.Length, l.now)
}

// pass puts down that all packets up to the last one pass.
func (l *loop) pass() {
	if l.passing {
		l.passing = false
		n := nlqueue.Verdict{Queue: l.q.config.Number, ID: l.last, UpTo: true, Code: nlqueue.Accept}
		l.out = n.Append(l.out)
	}
}

// send sends the verdicts.
func (l *loop) send(fd uintptr) {
	l.pass()
	if len(l.out) == 0 {
		return
	}
	for tries := 0; ; tries++ {
		_, err := unix.Write(int(fd), l.out)
		if err == nil {
			break
		}
		if tries == maxTries {
			l.err = os.NewSyscallError("write", err)
			return
		}
		if !errors.Is(err, unix.EINTR) {
			time.Sleep(time.Millisecond) // the kernel has no memory just now
		}
	}
	l.q.counts.writes.Add(1)
	l.out = l.out[:0]
}

// early takes a packet that the library received and read.
func (l *loop) early(a *nfqueue.Attribute) {
	if a.PacketID == nil {
		l.q.counts.malformed.Add(1)
		return
	}
	l.now = time.Now()
	p := nlqueue.Packet{Queue: l.q.config.Number, ID: *a.PacketID}
	if a.Mark != nil {
		p.Mark = *a.Mark
	}
	if a.SkbInfo != nil && len(*a.SkbInfo) >= 4 {
		p.Info = nlqueue.Info(binary.BigEndian.Uint32(*a.SkbInfo))
	}
	if a.Payload != nil {
		p.Payload = *a.Payload
	}
	p.Length = len(p.Payload)
	if a.CapLen != nil {
		p.Length = max(p.Length, int(*a.CapLen))
	}
	l.packet(&p)
	if err := l.conn.Control(l.send); err != nil {
		l.err = err
	}
}
