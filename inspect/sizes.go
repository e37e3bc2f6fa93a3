package inspect

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Size is what is known of the length of some plaintext, in bytes: Lo == Hi
// where the cipher shows it to the byte, a range where it pads to blocks.
type Size struct {
	Lo, Hi int
}

// Exact says that the length is known to the byte.
func (s Size) Exact() bool { return s.Lo == s.Hi }

func (s Size) plus(t Size) Size { return Size{s.Lo + t.Lo, s.Hi + t.Hi} }

// less takes n bytes from what is known to hold as many.
func (s Size) less(n int) Size { return Size{max(0, s.Lo-n), max(0, s.Hi-n)} }

func (s Size) overlaps(t Size) bool { return s.Lo <= t.Hi && t.Lo <= s.Hi }

func (s Size) String() string {
	if s.Exact() {
		return strconv.Itoa(s.Lo)
	}
	return fmt.Sprintf("%d..%d", s.Lo, s.Hi)
}

// Lengths is a set of lengths in bytes, written as numbers and ranges
// separated by commas: "14", "84, 115-125", "4096-".
type Lengths []Size

// Match says that s may be one of the lengths.
func (l Lengths) Match(s Size) bool {
	for _, r := range l {
		if r.overlaps(s) {
			return true
		}
	}
	return false
}

// Holds says that s is one of the lengths, whichever of its range it is.
func (l Lengths) Holds(s Size) bool {
	for _, r := range l {
		if r.Lo <= s.Lo && s.Hi <= r.Hi {
			return true
		}
	}
	return false
}

// UnmarshalText reads the written form.
func (l *Lengths) UnmarshalText(text []byte) error {
	var out Lengths
	for part := range strings.SplitSeq(string(text), ",") {
		part = strings.TrimSpace(part)
		lo, hi, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseUint(strings.TrimSpace(lo), 10, 31)
		if err != nil {
			return fmt.Errorf("%q is not a length: write a number of bytes, or a range such as 84-125", part)
		}
		r := Size{int(a), int(a)}
		switch hi = strings.TrimSpace(hi); {
		case isRange && hi == "":
			r.Hi = math.MaxInt32
		case isRange:
			b, err := strconv.ParseUint(hi, 10, 31)
			if err != nil || int(b) < r.Lo {
				return fmt.Errorf("%q is not a range: write the smaller length first, such as 84-125", part)
			}
			r.Hi = int(b)
		}
		out = append(out, r)
	}
	*l = out
	return nil
}

// MarshalText gives the written form.
func (l Lengths) MarshalText() ([]byte, error) {
	var b []byte
	for i, r := range l {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendInt(b, int64(r.Lo), 10)
		switch {
		case r.Hi == math.MaxInt32:
			b = append(b, '-')
		case r.Hi != r.Lo:
			b = append(b, '-')
			b = strconv.AppendInt(b, int64(r.Hi), 10)
		}
	}
	return b, nil
}

func (l Lengths) String() string {
	b, _ := l.MarshalText()
	return string(b)
}
