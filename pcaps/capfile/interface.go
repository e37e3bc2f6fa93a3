package capfile

import (
	"math/bits"
	"time"
)

// The options of an Interface Description Block that matter to its packets
// (draft-ietf-opsawg-pcapng, Section 4.2).
const (
	optEndOfOpt   = 0
	optIfTSResol  = 9
	optIfTSOffset = 14
)

// interfaceDescription reads an Interface Description Block (Section 4.2).
//
//	 0                   1                   2                   3
//	+-------------------------------+-------------------------------+
//	|            LinkType           |           Reserved            |
//	+-------------------------------+-------------------------------+
//	|                            SnapLen                            |
//	+---------------------------------------------------------------+
//	/                      Options (variable)                       /
//	+---------------------------------------------------------------+
func (r *Reader) interfaceDescription(length uint32) error {
	body, err := r.holdBlock(blockInterfaceDescription, length)
	if err != nil {
		return err
	}
	if len(body) < 8 {
		return r.malformed("the interface description at %s is too short", r.where())
	}
	if len(r.ng.interfaces) == maxInterfaces {
		return r.malformed("the section has more than %d interfaces at %s", maxInterfaces, r.where())
	}
	resolution, offset := byte(6), int64(0)
	for opts := body[8:]; len(opts) >= 4; {
		code, n := r.u16(opts), int(r.u16(opts[2:]))
		if code == optEndOfOpt {
			break
		}
		value := opts[4:]
		if n > len(value) || code == optIfTSResol && n != 1 || code == optIfTSOffset && n != 8 {
			return r.malformed("the interface description at %s has option %d with an impossible length of %d bytes", r.where(), code, n)
		}
		switch code {
		case optIfTSResol:
			resolution = value[0]
		case optIfTSOffset:
			offset = r.i64(value)
		}
		opts = value[min((n+3)&^3, len(value)):]
	}
	r.ng.interfaces = append(r.ng.interfaces, iface{
		link:    linkTypeOf(r.u16(body)),
		snapLen: r.u32(body[4:]),
		clock:   newClock(resolution, offset),
	})
	return nil
}

// i64 reads a signed integer in the section's byte order.
func (r *Reader) i64(b []byte) int64 {
	first, second := uint64(r.u32(b)), uint64(r.u32(b[4:]))
	if r.bigEndian {
		return int64(first<<32 | second)
	}
	return int64(second<<32 | first)
}

// maxTime is the last second of the year 9999, the last that RFC 3339 can write.
const maxTime = 253402300799

// clock turns an interface's time stamps into time (Section 4.2, if_tsresol and
// if_tsoffset).
type clock struct {
	offset   int64  // seconds added to every stamp
	exponent uint   // a unit is 2 or 10 to the minus exponent of a second; at most 127
	binary   bool   // 2
	second   uint64 // 10: the units in a second, 0 if they are 2^64 or more
	mul, div uint64 // 10: units to nanoseconds; div 0 if a stamp is always less than one
}

// newClock reads an if_tsresol byte: the highest bit tells base 2 from base 10.
func newClock(resolution byte, offset int64) clock {
	c := clock{offset: offset, exponent: uint(resolution & 0x7f), binary: resolution&0x80 != 0}
	if c.binary {
		return c
	}
	c.second, c.mul, c.div = pow10(c.exponent), 1, 1
	if c.exponent <= 9 {
		c.mul = pow10(9 - c.exponent)
	} else {
		c.div = pow10(c.exponent - 9)
	}
	return c
}

// pow10 is 10^n, 0 if that is 2^64 or more.
func pow10(n uint) uint64 {
	if n > 19 {
		return 0
	}
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// time is what stamp stands for, in UTC; zero outside the years 1970 to 9999.
func (c *clock) time(stamp uint64) time.Time {
	seconds, nanos := c.split(stamp)
	if seconds > maxTime {
		return time.Time{}
	}
	unix := int64(seconds) + c.offset
	if unix < 0 || unix > maxTime {
		return time.Time{}
	}
	return time.Unix(unix, int64(nanos)).UTC()
}

// split parts stamp into seconds and nanoseconds, rounding down.
func (c *clock) split(stamp uint64) (seconds, nanos uint64) {
	switch {
	case c.binary && c.exponent < 64:
		seconds = stamp >> c.exponent
		high, low := bits.Mul64(stamp-seconds<<c.exponent, 1e9)
		return seconds, high<<(64-c.exponent) | low>>c.exponent
	case c.binary:
		high, _ := bits.Mul64(stamp, 1e9)
		return 0, high >> (c.exponent - 64)
	case c.second != 0:
		seconds = stamp / c.second
		nanos = (stamp - seconds*c.second) * c.mul
		if c.div != 1 {
			nanos /= c.div
		}
		return seconds, nanos
	case c.div != 0:
		return 0, stamp / c.div
	default:
		return 0, 0
	}
}
