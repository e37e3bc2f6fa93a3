package probe

import "time"

// A bucket holds tokens: burst of them when it is full, and rate come back a second.
// The zero value is full.
type bucket struct {
	spent float64 // tokens that are missing
	at    time.Time
}

// refill brings the bucket up to date.
func (b *bucket) refill(now time.Time, rate float64) {
	b.spent = max(0, b.spent-rate*now.Sub(b.at).Seconds())
	b.at = now
}

func (b *bucket) has(burst int) bool { return b.spent+1 <= float64(burst) }
func (b *bucket) take()              { b.spent++ }

// full says that the bucket need not be kept.
func (b *bucket) full() bool { return b.spent == 0 }
