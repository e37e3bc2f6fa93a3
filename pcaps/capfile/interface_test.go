package capfile

import (
	"math"
	mathbig "math/big"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	for _, test := range []struct {
		name       string
		resolution byte
		offset     int64
		stamp      uint64
		want       time.Time
	}{
		{"seconds", 0, 0, 1700000000, at(1700000000, 0)},
		{"milliseconds", 3, 0, 1700000000123, at(1700000000, 123000000)},
		{"microseconds", 6, 0, 1700000000123456, at(1700000000, 123456000)},
		{"nanoseconds", 9, 0, 1700000000123456789, at(1700000000, 123456789)},
		{"picoseconds", 12, 0, 1000000123456, at(1, 123)},
		{"10^-19 s", 19, 0, 15000000000000000000, at(1, 500000000)},
		{"10^-20 s, less than a second", 20, 0, math.MaxUint64, at(0, 184467440)},
		{"10^-28 s, less than two nanoseconds", 28, 0, 15000000000000000000, at(0, 1)},
		{"10^-127 s, nothing", 127, 0, math.MaxUint64, at(0, 0)},
		{"2^0 s", 0x80, 0, 7, at(7, 0)},
		{"2^-20 s, rounded down", 0x80 | 20, 0, 1<<20 + 1, at(1, 953)},
		{"2^-63 s", 0x80 | 63, 0, 1<<63 + 1<<62, at(1, 500000000)},
		{"2^-64 s", 0x80 | 64, 0, 1 << 63, at(0, 500000000)},
		{"2^-127 s", 0x80 | 127, 0, math.MaxUint64, at(0, 0)},
		{"offset", 6, 1700000000, 5, at(1700000000, 5000)},
		{"last second of 9999", 0, 0, maxTime, at(maxTime, 0)},
		{"year 10000", 0, 0, maxTime + 1, time.Time{}},
		{"year 10000 by offset", 0, math.MaxInt64, maxTime, time.Time{}},
		{"before 1970 by offset", 0, -8, 7, time.Time{}},
		{"largest stamp", 6, 0, math.MaxUint64, time.Time{}},
	} {
		c := newClock(test.resolution, test.offset)
		if got := c.time(test.stamp); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// TestClockExact compares every resolution with arithmetic that cannot overflow.
func TestClockExact(t *testing.T) {
	for resolution := range 256 {
		exponent := mathbig.NewInt(int64(resolution & 0x7f))
		second := new(mathbig.Int).Exp(mathbig.NewInt(10), exponent, nil)
		if resolution&0x80 != 0 {
			second.Exp(mathbig.NewInt(2), exponent, nil)
		}
		c := newClock(byte(resolution), 0)
		for _, stamp := range []uint64{0, 1, 999999, 1700000000123456789, 1<<63 - 1, 1 << 63, math.MaxUint64} {
			whole, rest := new(mathbig.Int).DivMod(new(mathbig.Int).SetUint64(stamp), second, new(mathbig.Int))
			rest.Div(rest.Mul(rest, mathbig.NewInt(1e9)), second)
			if s, n := c.split(stamp); s != whole.Uint64() || n != rest.Uint64() {
				t.Errorf("resolution %#x, stamp %d: got %d s %d ns, want %d s %d ns", resolution, stamp, s, n, whole, rest)
			}
		}
	}
}
