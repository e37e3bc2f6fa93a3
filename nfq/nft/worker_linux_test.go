package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"
	"testing"

	"github.com/florianl/go-nfqueue/v2"
	"golang.org/x/sys/unix"
)

// A packet is what a reader of queues sees.
type packet struct {
	queue    uint16
	hook     uint8 // as of the kernel
	from, to netip.AddrPort
	flags    byte
	payload  int
	mark     uint32
}

// server is the end with the lower port.
func (p packet) server() netip.AddrPort {
	if p.from.Port() < p.to.Port() {
		return p.from
	}
	return p.to
}

func (p packet) client() netip.AddrPort {
	if p.from.Port() < p.to.Port() {
		return p.to
	}
	return p.from
}

func (p packet) fromClient() bool { return p.from == p.client() }

// A decision is what a reader does with a packet.
type decision int

const (
	pass decision = iota
	settle
	block
	timeOut
	dropPacket
)

// A reader stands for the inspector: it reads queues and decides.
type reader struct {
	mu      sync.Mutex
	packets []packet
	judge   func(packet) decision
	marks   Marks
}

// read binds the queues of the options. Without judge everything passes.
func (h *host) read(o InspectOptions, judge func(packet) decision) *reader {
	h.t.Helper()
	o = o.withDefaults()
	r := &reader{judge: judge, marks: o.Marks()}
	for i := range o.Queues {
		ctx, cancel := context.WithCancel(context.Background())
		var q *nfqueue.Nfqueue
		h.t.Cleanup(func() {
			cancel()
			if q != nil {
				q.Close()
			}
		})
		h.do(func() (err error) {
			q, err = openQueue(ctx, o.Queue+i, r)
			return err
		})
	}
	return r
}

// openQueue reads a queue of the thread's namespace.
func openQueue(ctx context.Context, number uint16, r *reader) (*nfqueue.Nfqueue, error) {
	q, err := nfqueue.Open(&nfqueue.Config{
		NfQueue: number, MaxPacketLen: 0xffff, MaxQueueLen: 4096, Copymode: nfqueue.NfQnlCopyPacket,
		Flags: nfqueue.NfQaCfgFlagGSO, AfFamily: unix.AF_UNSPEC,
	})
	if err != nil {
		return nil, err
	}
	if err := q.Con.SetReadBuffer(8 << 20); err != nil {
		return nil, errors.Join(err, q.Close())
	}
	err = q.RegisterWithErrorFunc(ctx, func(a nfqueue.Attribute) int {
		r.handle(q, number, a)
		return 0
	}, func(error) int {
		if ctx.Err() != nil {
			return 1
		}
		return 0
	})
	if err != nil {
		return nil, errors.Join(err, q.Close())
	}
	return q, nil
}

func (r *reader) handle(q *nfqueue.Nfqueue, number uint16, a nfqueue.Attribute) {
	p := packet{queue: number, hook: *a.Hook}
	if a.Mark != nil {
		p.mark = *a.Mark
	}
	p.parse(*a.Payload)
	r.mu.Lock()
	r.packets = append(r.packets, p)
	d := pass
	if r.judge != nil {
		d = r.judge(p)
	}
	r.mu.Unlock()
	verdict, mark := nfqueue.NfRepeat, p.mark
	switch d {
	case settle:
		mark = r.marks.Settle(p.mark)
	case block:
		mark = r.marks.Block(p.mark)
	case timeOut:
		mark = r.marks.Drop(p.mark)
	case dropPacket:
		verdict = nfqueue.NfDrop
	default:
		verdict = nfqueue.NfAccept
	}
	if mark == p.mark {
		q.SetVerdict(*a.PacketID, verdict)
		return
	}
	q.SetVerdictWithOption(*a.PacketID, verdict, nfqueue.WithMark(mark))
}

// parse reads IP and TCP headers, those of IPv6 without extensions.
func (p *packet) parse(b []byte) {
	var from, to netip.Addr
	var tcp []byte
	if b[0]>>4 == 4 {
		from, to = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		tcp = b[int(b[0]&15)*4:]
	} else {
		from, to = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		tcp = b[40:]
	}
	p.from = netip.AddrPortFrom(from, binary.BigEndian.Uint16(tcp))
	p.to = netip.AddrPortFrom(to, binary.BigEndian.Uint16(tcp[2:]))
	p.flags = tcp[tcpFlags]
	p.payload = len(tcp) - int(tcp[12]>>4)*4
}

// seen are the packets until now.
func (r *reader) seen() []packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]packet(nil), r.packets...)
}

// of counts packets that match.
func (r *reader) of(match func(packet) bool) int {
	n := 0
	for _, p := range r.seen() {
		if match(p) {
			n++
		}
	}
	return n
}

func (r *reader) decide(judge func(packet) decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.judge = judge
}

func (h *host) inspect(o InspectOptions) *Inspection {
	h.t.Helper()
	var in *Inspection
	h.do(func() (err error) {
		in, err = SetupInspect(o)
		return err
	})
	h.t.Cleanup(func() {
		if err := in.Close(); err != nil {
			h.t.Error(err)
		}
	})
	if err := in.Warning(); err != nil {
		h.t.Errorf("warning: %v", err)
	}
	return in
}

func counters(t *testing.T, in *Inspection) map[string]Counter {
	t.Helper()
	c, err := in.Counters()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
