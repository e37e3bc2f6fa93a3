package guard

import (
	"net"
	"testing"
	"time"
)

// deadlined tells of the deadline that it was given last.
type deadlined struct {
	net.Conn
	set time.Time
}

func (d *deadlined) SetWriteDeadline(t time.Time) error {
	d.set = t
	return nil
}

// TestMayWrite gives a write its time by its length, and no less because an earlier
// one had some left.
func TestMayWrite(t *testing.T) {
	for _, c := range []struct {
		name   string
		each   time.Duration
		before time.Duration // what is left of an earlier write's
		n      int
		want   time.Duration
	}{
		{name: "nothing", each: time.Minute, n: 0, want: time.Minute},
		{name: "a unit", each: time.Minute, n: writeUnit, want: time.Minute},
		{name: "a byte more", each: time.Minute, n: writeUnit + 1, want: 2 * time.Minute},
		{name: "four units", each: time.Minute, n: 4 * writeUnit, want: 4 * time.Minute},
		{name: "most is left", each: time.Minute, before: 50 * time.Second, n: 1, want: 50 * time.Second},
		{name: "little is left", each: time.Minute, before: 40 * time.Second, n: 1, want: time.Minute},
		{name: "too much is left", each: time.Minute, before: 4 * time.Minute, n: 1, want: time.Minute},
		{name: "too little for more", each: time.Minute, before: time.Minute, n: 4 * writeUnit, want: 4 * time.Minute},
		{name: "no limit", each: forever, n: 100 * writeUnit, want: forever},
		{name: "hardly a limit", each: forever / 2, n: 100 * writeUnit, want: forever / 2},
	} {
		raw := &deadlined{}
		now := time.Now()
		conn := newConn(raw, nil, Options{WriteTimeout: c.each})
		if c.before > 0 {
			conn.write.ours = now.Add(c.before)
			_ = conn.setWrite()
		}
		conn.mayWrite(now, c.n)
		if got := raw.set.Sub(now); got != c.want {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
}
