package tcpflow_test

import (
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
)

// A connection that is forgotten is told of as closed, and its next packet begins another.
func TestForget(t *testing.T) {
	k := newChecked(t, tcpflow.Config{}, func(*tcpflow.Conn) tcpflow.Stream { return &recorder{t: t} })
	d := tcpflow.NewDecoder(tcpflow.Config{})
	take := func(p seg) *tcpflow.Conn {
		var s tcpflow.Segment
		b := p.ip()
		d.Decode(&s, tcpflow.LinkRaw, began, b, len(b))
		found := k.table.Find(&s)
		r := k.table.Segment(&s)
		if found != nil && found != r.Conn {
			t.Errorf("found %v, and the packet is of %v", found.Key(), r.Conn.Key())
		}
		if s.Opens() != (p.flags == SYN) {
			t.Errorf("flags %#x: opens is %v", p.flags, s.Opens())
		}
		return r.Conn
	}
	take(c(SYN, 1, 0, ""))
	take(s(SYN|ACK, 1, 2, ""))
	take(c(ACK, 2, 2, ""))
	conn := take(c(ACK, 2, 2, "abc"))
	take(c(ACK, 9, 2, "early"))
	k.table.Forget(conn)
	k.check()
	if k.table.Len() != 0 || k.ends != 1 || k.table.Stats().LeftOpen != 1 {
		t.Errorf("%d connections, %d closed, stats %+v", k.table.Len(), k.ends, k.table.Stats())
	}
	conn = take(c(ACK, 14, 2, "more"))
	if !conn.Midstream() || conn.Traffic(inspect.ClientToServer).Packets != 1 {
		t.Errorf("after it was forgotten: midstream %v", conn.Midstream())
	}
	k.finish()
}

// Nothing is found for what is no TCP.
func TestFindNothing(t *testing.T) {
	k := newChecked(t, tcpflow.Config{}, func(*tcpflow.Conn) tcpflow.Stream { return &recorder{t: t} })
	d := tcpflow.NewDecoder(tcpflow.Config{})
	var seg tcpflow.Segment
	d.Decode(&seg, tcpflow.LinkRaw, began, []byte{0x45}, 1)
	if k.table.Find(&seg) != nil || seg.Opens() {
		t.Error("a packet that cannot be read has a connection")
	}
	k.finish()
}

// Fragments of a datagram that was never completed go when time passes without packets.
func TestDecoderAdvance(t *testing.T) {
	d := tcpflow.NewDecoder(tcpflow.Config{FragmentTimeout: time.Second})
	var seg tcpflow.Segment
	b := frag4(hello4.ip(), 1, 0, 8)
	d.Decode(&seg, tcpflow.LinkRaw, began, b, len(b))
	d.Advance(began.Add(time.Minute))
	if n := d.Stats().FragmentsExpired; n != 1 {
		t.Errorf("%d fragments expired, want 1", n)
	}
}
