package nfq

import (
	"testing"
	"time"

	"sstpwarden/inspect/tcpflow"
)

// FuzzPacket: each packet of the input is a length byte and so many bytes, the last one
// whatever is left. Whatever they are, each has a verdict, and the counts add up.
func FuzzPacket(f *testing.F) {
	for _, connect := range both() {
		c := connect()
		var b []byte
		for _, p := range append(c.handshake(), c.says(announced), c.answers(banner), c.from(0, syn, "")) {
			b = append(append(b, byte(len(p))), p...)
		}
		f.Add(b, byte(0))
		f.Add(b, byte(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, how byte) {
		choice := func(shift int) Choice { return Choice(how >> shift & 3) }
		b := newBench(t, dropping, func(c *Config) {
			c.Exceptions = Exceptions{choice(0), choice(2), choice(4), choice(6), choice(1)}
			c.Limits = tcpflow.Config{MaxFlows: 2, MaxHalfOpen: 2}
			c.Budget = 200
		})
		packets := uint64(0)
		for len(data) > 0 {
			n := min(int(data[0]), len(data)-1)
			p := data[1 : 1+n : 1+n]
			data = data[1+n:]
			b.now = b.now.Add(time.Duration(n) * 20 * time.Millisecond)
			packets++
			if v := b.Packet(p, b.now); v.Action == 0 || v.Action >= numActions {
				t.Fatalf("%+v", v)
			}
		}
		b.Close()
		k := b.Counts()
		if k.Packets != packets || k.Watched != 0 || k.Settled+k.Blocked > k.Flows || b.table.Len() != 0 {
			t.Fatalf("%d packets, counts %+v", packets, k)
		}
	})
}
