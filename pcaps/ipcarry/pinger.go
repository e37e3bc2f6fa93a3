package ipcarry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	// pingsOpen and pingsOpenPerClient bound pings without an answer yet.
	pingsOpen          = 4096
	pingsOpenPerClient = 64
	// pingTime is how long an answer is waited for.
	pingTime = 10 * time.Second
)

// A pinger sends the pings of clients as pings of this host: through the kernel's ping
// sockets if the sysctl net.ipv4.ping_group_range lets this user have them, else through
// raw sockets, which take CAP_NET_RAW. Without both pings get no answer.
type pinger struct {
	v4, v6 *pingSocket
	count  *counters
	log    *slog.Logger
	once   sync.Once // says that pings do not work
	tasks  sync.WaitGroup
}

// A pingSocket carries the pings of one family. Each has a sequence number of the socket's
// own, by which the answer is known.
type pingSocket struct {
	conn *icmp.PacketConn
	raw  bool
	six  bool
	id   uint16 // a ping socket's is chosen by the kernel

	mu   sync.Mutex
	open map[uint16]ping
	next uint16
	last uint16 // the oldest that may be open
}

type ping struct {
	client   *client
	from, to netip.Addr
	id, seq  uint16
	at       time.Time
}

func newPinger(log *slog.Logger, count *counters) *pinger {
	p := &pinger{count: count, log: log}
	p.v4 = p.open("udp4", "ip4:icmp", "0.0.0.0")
	p.v6 = p.open("udp6", "ip6:ipv6-icmp", "::")
	return p
}

// open returns nil if this host does not let us ping.
func (p *pinger) open(unprivileged, raw, address string) *pingSocket {
	s := &pingSocket{open: map[uint16]ping{}, six: address == "::", id: uint16(rand.Uint32())}
	conn, err := icmp.ListenPacket(unprivileged, address)
	if err != nil {
		s.raw = true
		if conn, err = icmp.ListenPacket(raw, address); err != nil {
			return nil
		}
		if err := s.filter(conn); err != nil {
			hangUp(conn)
			return nil
		}
	}
	s.conn = conn
	p.tasks.Go(func() { s.receive() })
	return s
}

// filter keeps from a raw socket all that is no echo reply.
func (s *pingSocket) filter(conn *icmp.PacketConn) error {
	if s.six {
		var f ipv6.ICMPFilter
		f.SetAll(true)
		f.Accept(ipv6.ICMPTypeEchoReply)
		return conn.IPv6PacketConn().SetICMPFilter(&f)
	}
	var f ipv4.ICMPFilter
	f.SetAll(true)
	f.Accept(ipv4.ICMPTypeEchoReply)
	return conn.IPv4PacketConn().SetICMPFilter(&f)
}

func (p *pinger) close() {
	for _, s := range []*pingSocket{p.v4, p.v6} {
		if s != nil {
			hangUp(s.conn)
		}
	}
	p.tasks.Wait()
}

// send passes a client's ping on.
func (p *pinger) send(c *client, from, to netip.Addr, e *echo) {
	s := p.v4
	if to.Is6() {
		s = p.v6
	}
	if s == nil {
		p.count.unpinged.Add(1)
		p.once.Do(func() {
			p.log.Warn("clients' pings get no answer: this user may not ping; " +
				"add its group to the sysctl net.ipv4.ping_group_range, or give the program CAP_NET_RAW")
		})
		return
	}
	seq, ok := s.register(ping{client: c, from: from, to: to, id: e.id, seq: e.seq, at: time.Now()})
	if !ok {
		p.count.tooMany.Add(1)
		return
	}
	if err := s.write(to, seq, e.data); err != nil {
		s.take(seq, to)
		p.count.failed.Add(1)
		if errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) {
			c.refuseEcho(from, to, e, unreachableHost)
		}
	}
}

// register finds a sequence number for a ping, unless too many are open.
func (s *pingSocket) register(p ping) (uint16, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.last != s.next; s.last++ {
		if old, ok := s.open[s.last]; ok {
			if p.at.Sub(old.at) < pingTime {
				break
			}
			s.remove(s.last, old)
		}
	}
	if s.next+1 == s.last || len(s.open) >= pingsOpen {
		return 0, false
	}
	if n := p.client.pings.Add(1); n > pingsOpenPerClient {
		p.client.pings.Add(-1)
		return 0, false
	}
	seq := s.next
	s.next++
	s.open[seq] = p
	return seq, true
}

func (s *pingSocket) remove(seq uint16, p ping) {
	delete(s.open, seq)
	p.client.pings.Add(-1)
}

// take ends the ping that an answer from there belongs to.
func (s *pingSocket) take(seq uint16, from netip.Addr) (ping, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.open[seq]
	if !ok || p.to != from {
		return ping{}, false
	}
	s.remove(seq, p)
	return p, true
}

func (s *pingSocket) write(to netip.Addr, seq uint16, data []byte) error {
	kind := uint8(echoRequest4)
	if s.six {
		kind = echoRequest6
	}
	e := echo{id: s.id, seq: seq, data: data}
	b := e.appendEcho([]byte{kind, 0, 0, 0})
	if !s.six { // the kernel does it for IPv6
		binary.BigEndian.PutUint16(b[2:], fold(sum(0, b)))
	}
	var where net.Addr = &net.UDPAddr{IP: to.AsSlice()}
	if s.raw {
		where = &net.IPAddr{IP: to.AsSlice()}
	}
	_, err := s.conn.WriteTo(b, where)
	return err
}

// receive passes answers on until the socket is closed.
func (s *pingSocket) receive() {
	buf := make([]byte, 65535)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // of a ping that was sent before; should it last, do not spin
			time.Sleep(10 * time.Millisecond)
			continue
		}
		addr, err := hostOf(from)
		if err != nil {
			continue
		}
		s.answer(buf[:n], addr)
	}
}

func (s *pingSocket) answer(b []byte, from netip.Addr) {
	want := uint8(echoReply4)
	if s.six {
		want = echoReply6
	}
	if len(b) < icmpHeader || b[0] != want || s.raw && binary.BigEndian.Uint16(b[4:]) != s.id {
		return
	}
	if p, ok := s.take(binary.BigEndian.Uint16(b[6:]), from); ok {
		p.client.answer(p.from, p.to, &echo{id: p.id, seq: p.seq, data: b[icmpHeader:]})
	}
}

// hostOf returns the address without port and zone.
func hostOf(a net.Addr) (netip.Addr, error) {
	var ip net.IP
	switch a := a.(type) {
	case *net.UDPAddr:
		ip = a.IP
	case *net.IPAddr:
		ip = a.IP
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.Addr{}, fmt.Errorf("%v is no IP address", a)
	}
	return addr.Unmap(), nil
}
