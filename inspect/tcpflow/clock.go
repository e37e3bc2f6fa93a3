package tcpflow

import "time"

const (
	// stepBack is how far time may go back without it being a new beginning,
	// as where captures were concatenated.
	stepBack = int64(time.Minute)
	// sweepEvery is how often timeouts are looked at.
	sweepEvery = int64(100 * time.Millisecond)
)

// A clock makes of packet times one that never steps back. A [Decoder] and a
// [Table] each have one; the same packets make them show the same.
type clock struct {
	now    int64 // ns
	offset int64 // from packet time to now
	swept  int64 // when timeouts were looked at last
	begun  bool
}

// advance takes a packet's time and says whether timeouts are to be looked
// at.
func (k *clock) advance(ts time.Time) (due bool) {
	now := ts.UnixNano() + k.offset
	switch {
	case !k.begun:
		k.begun, k.swept = true, now
	case now < k.now-stepBack:
		k.offset += k.now - now
		return false
	case now <= k.now:
		return false
	}
	k.now = now
	if now-k.swept < sweepEvery {
		return false
	}
	k.swept = now
	return true
}
