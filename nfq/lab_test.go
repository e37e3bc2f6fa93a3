package nfq

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	client4 = netip.MustParseAddrPort("192.0.2.1:51000")
	server4 = netip.MustParseAddrPort("198.51.100.7:443")
	client6 = netip.MustParseAddrPort("[2001:db8::1]:51000")
	server6 = netip.MustParseAddrPort("[2001:db8:f::7]:443")
	began   = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
)

// TCP flags.
const (
	fin = 1 << iota
	syn
	rst
	_
	ack
)

// announced is a CONNECT whose connection carries SSTP: proof by its header.
const announced = "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\nSSTPVERSION: 1.0\r\n\r\n"

// dropping is the default policy in short, but for that it logs the rest.
var dropping = policies.DeciderFunc(func(_ context.Context, in policies.Input) (policies.Decision, error) {
	d := policies.Decision{Action: policies.ActionLog, Reason: "Not SSTP.", Rule: "test.rest", Revision: "1"}
	if in.Detection.Verdict.Strength() >= inspect.VerdictSuspected.Strength() {
		d = policies.Decision{Action: policies.ActionDrop, Reason: "SSTP.", Rule: "test.sstp", Revision: "1", Reset: true}
	}
	return d, nil
})

// always answers the same about everything.
func always(d policies.Decision) policies.DeciderFunc {
	return func(context.Context, policies.Input) (policies.Decision, error) {
		d.Reason, d.Rule, d.Revision = "Because.", "test.always", "1"
		return d, nil
	}
}

var ruleset = sync.OnceValue(rules.Default)

// A bench is a Worker without a kernel.
type bench struct {
	*Worker
	t      testing.TB
	now    time.Time
	events []event.Event
	log    bytes.Buffer
}

func newBench(t testing.TB, d policies.Decider, change func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, now: began}
	in := inspect.NewInspector(inspect.Options{Rules: ruleset(), Memory: inspect.NewMemory(inspect.MemoryOptions{})})
	c := Config{
		Inspector: func() *inspect.Inspector { return in },
		Gate:      &policies.Gate{Decider: d, Point: policies.PointNFQ},
		Emit:      func(e *event.Event) { b.events = append(b.events, *e) },
		Log:       slog.New(slog.NewTextHandler(&b.log, nil)),
	}
	if change != nil {
		change(&c)
	}
	b.Worker = New(c)
	t.Cleanup(b.Close)
	return b
}

// take has a packet judged, a millisecond after the one before.
func (b *bench) take(packet []byte) Verdict {
	b.now = b.now.Add(time.Millisecond)
	return b.Packet(packet, b.now)
}

// want has packets judged.
func (b *bench) want(want Verdict, packets ...[]byte) {
	b.t.Helper()
	for i, p := range packets {
		if got := b.take(p); got != want {
			b.t.Errorf("packet %d: %+v, want %+v", i+1, got, want)
		}
	}
}

// states are those of the events, with their actions: "open log".
func (b *bench) states() []string {
	var out []string
	for i := range b.events {
		e := &b.events[i]
		s := e.State + " " + e.Decision.Action
		if e.Decision.Action == string(policies.ActionDrop) && !e.Decision.Enforced {
			s += " (not enforced)"
		}
		out = append(out, s)
	}
	return out
}

var accepted = Verdict{Action: Accept}

// A conn makes the packets of a connection.
type conn struct {
	client, server netip.AddrPort
	next           [2]uint32 // sequence numbers, the client's first
}

func newConn(client, server netip.AddrPort) *conn {
	return &conn{client: client, server: server, next: [2]uint32{1000, 5000}}
}

// from is a packet of the client, 0, or the server, 1.
func (c *conn) from(side int, flags byte, data string) []byte {
	src, dst := c.client, c.server
	if side == 1 {
		src, dst = dst, src
	}
	p := packet(src, dst, flags, c.next[side], c.next[1-side], data)
	c.next[side] += uint32(len(data))
	if flags&(syn|fin) != 0 {
		c.next[side]++
	}
	return p
}

// handshake is what a connection begins with.
func (c *conn) handshake() [][]byte {
	return [][]byte{c.from(0, syn, ""), c.from(1, syn|ack, ""), c.from(0, ack, "")}
}

func (c *conn) says(data string) []byte    { return c.from(0, ack, data) }
func (c *conn) answers(data string) []byte { return c.from(1, ack, data) }

// packet makes an IP packet of TCP, without checksums: those are not looked at.
func packet(src, dst netip.AddrPort, flags byte, seq, ackd uint32, data string) []byte {
	tcp := make([]byte, 20, 20+len(data))
	binary.BigEndian.PutUint16(tcp, src.Port())
	binary.BigEndian.PutUint16(tcp[2:], dst.Port())
	binary.BigEndian.PutUint32(tcp[4:], seq)
	if flags&ack != 0 {
		binary.BigEndian.PutUint32(tcp[8:], ackd)
	}
	tcp[12], tcp[13] = 5<<4, flags
	tcp = append(tcp, data...)
	return ip(src.Addr(), dst.Addr(), tcp)
}

func ip(src, dst netip.Addr, tcp []byte) []byte {
	if src.Is4() {
		b := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0}
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(tcp)))
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		return append(b, tcp...)
	}
	b := []byte{0x60, 0, 0, 0, 0, 0, 6, 64}
	binary.BigEndian.PutUint16(b[4:], uint16(len(tcp)))
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return append(b, tcp...)
}
