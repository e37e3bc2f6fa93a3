package ipcarry

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/icmp"
)

func TestForwarderGatewayAnswers(t *testing.T) {
	f := newForwarder(t, ForwarderConfig{Gateways: []netip.Addr{addr("10.9.0.1"), addr("2001:db8::1")}})
	s := connect(t, f, nil, nil, addr("10.9.0.2"), addr("2001:db8::2"))
	for _, to := range []string{"10.9.0.1", "2001:db8::1"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := s.Ping(ctx, addr(to), 1000); err != nil {
			t.Error(err)
		}
		cancel()
	}
}

func TestForwarderRefusesPings(t *testing.T) {
	r := newRecorder()
	f := newForwarder(t, ForwarderConfig{Gateways: []netip.Addr{addr("10.9.0.1")}})
	p, err := f.Attach(Own(addr("10.9.0.2"), addr("2001:db8::2")), testMTU, r)
	if err != nil {
		t.Fatal(err)
	}
	e := echo{id: 7, seq: 9}
	for _, tt := range []struct {
		from, to   string
		request    uint8
		by         string
		kind, code uint8
	}{
		{"10.9.0.2", "127.0.0.1", echoRequest4, "10.9.0.1", 3, 13},
		{"2001:db8::2", "::1", echoRequest6, "::1", 1, 1},
	} {
		if err := p.Deliver(appendICMP(nil, addr(tt.from), addr(tt.to), 64, tt.request, 0, e.appendEcho(nil))); err != nil {
			t.Fatal(err)
		}
		got, ok := parsePacket(r.next(t))
		if !ok || got.src != addr(tt.by) || got.data()[0] != tt.kind || got.data()[1] != tt.code {
			t.Errorf("%s: got %+v", tt.to, got)
		}
	}
}

func TestPingerBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &pingSocket{open: map[uint16]ping{}, next: 0xfff0, last: 0xfff0}
		c := &client{}
		to := addr("192.0.2.1")
		for i := range pingsOpenPerClient {
			if _, ok := s.register(ping{client: c, to: to, at: time.Now()}); !ok {
				t.Fatalf("no room for ping %d", i)
			}
		}
		if _, ok := s.register(ping{client: c, to: to, at: time.Now()}); ok {
			t.Error("one too many for a client")
		}
		if _, ok := s.register(ping{client: &client{}, to: to, at: time.Now()}); !ok {
			t.Error("another client has no room")
		}
		if _, ok := s.take(0xfff0, addr("192.0.2.2")); ok {
			t.Error("an answer from elsewhere was taken")
		}
		if _, ok := s.take(0xfff0, to); !ok {
			t.Error("the answer was not taken")
		}
		if _, ok := s.take(0xfff0, to); ok {
			t.Error("an answer was taken twice")
		}
		time.Sleep(pingTime)
		if _, ok := s.register(ping{client: c, to: to, at: time.Now()}); !ok || len(s.open) != 1 || c.pings.Load() != 1 {
			t.Errorf("%d are open after their time, %d of the client", len(s.open), c.pings.Load())
		}
	})
}

func TestPingerAnswers(t *testing.T) {
	s := &pingSocket{open: map[uint16]ping{}, raw: true, id: 77}
	good := []byte{echoReply4, 0, 0, 0, 0, 77, 0, 0}
	for name, b := range map[string][]byte{
		"short":      good[:7],
		"a request":  append([]byte{echoRequest4}, good[1:]...),
		"another id": append(good[:5:5], 78, 0, 0),
		"nobody's":   good,
	} {
		s.answer(b, addr("192.0.2.1")) // none of them has a client to go to
		if len(s.open) != 0 {
			t.Error(name)
		}
	}
}

func TestPingerWithout(t *testing.T) {
	var log strings.Builder
	count := &counters{}
	p := &pinger{count: count, log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 3 {
		p.send(&client{}, addr("10.9.0.2"), addr("192.0.2.1"), &echo{})
	}
	if n := strings.Count(log.String(), "ping_group_range"); n != 1 || count.unpinged.Load() != 3 {
		t.Errorf("said %d times, counted %d", n, count.unpinged.Load())
	}
}

// The ICMP messages are what another implementation reads.
func TestAppendICMP(t *testing.T) {
	e := echo{id: 0x1234, seq: 0x5678, data: []byte("abcde")}
	for _, tt := range []struct {
		src, dst string
		kind     uint8
		proto    int
	}{
		{"192.0.2.1", "192.0.2.2", echoRequest4, protoICMP},
		{"2001:db8::1", "2001:db8::2", echoRequest6, protoICMPv6},
	} {
		p, ok := parsePacket(appendICMP(nil, addr(tt.src), addr(tt.dst), 9, tt.kind, 0, e.appendEcho(nil)))
		if !ok || p.src != addr(tt.src) || p.dst != addr(tt.dst) {
			t.Fatalf("%+v", p)
		}
		m, err := icmp.ParseMessage(tt.proto, p.data())
		if err != nil {
			t.Fatal(err)
		}
		body, ok := m.Body.(*icmp.Echo)
		if !ok || body.ID != 0x1234 || body.Seq != 0x5678 || string(body.Data) != "abcde" {
			t.Errorf("%+v", m)
		}
		acc := uint32(0)
		if p.src.Is6() {
			acc = pseudo6(p.src, p.dst, protoICMPv6, len(p.data()))
		} else if fold(sum(0, p.bytes[:ipv4Header])) != 0 {
			t.Error("the header's checksum is wrong")
		}
		if fold(sum(acc, p.data())) != 0 || binary.BigEndian.Uint16(p.data()[2:]) == 0 {
			t.Error("the checksum is wrong")
		}
	}
}
