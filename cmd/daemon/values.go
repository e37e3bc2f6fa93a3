package daemon

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"sstpwarden/proxy/access"
)

// A Size is a number of bytes, written "512", "64KiB", "32MiB" or "1GiB".
type Size int64

var units = []struct {
	name string
	size Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String gives the written form.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

var errSize = errors.New(`a size is a number with a unit: "512", "64KiB", "32MiB" or "1GiB"`)

// ParseSize reads the written form.
func ParseSize(text string) (Size, error) {
	digits, unit := text, Size(1)
	for _, u := range units {
		if before, ok := strings.CutSuffix(text, u.name); ok {
			digits, unit = strings.TrimSpace(before), u.size
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, errSize
	case err != nil || Size(n) > math.MaxInt64/unit:
		return 0, fmt.Errorf("%s is more than there is", text)
	}
	return Size(n) * unit, nil
}

// Set reads the written form, for flags.
func (s *Size) Set(text string) (err error) {
	*s, err = ParseSize(text)
	return err
}

// Type names the value in the help of flags.
func (*Size) Type() string { return "size" }

// A PortRange is a range of TCP ports, both ends included, written "443" or
// "8000-9000".
type PortRange = access.PortRange

// parsePorts reads the written form of one.
func parsePorts(text string) (PortRange, error) {
	p, err := access.ParsePorts([]string{text})
	if err != nil {
		return PortRange{}, errors.New("write one such as 443, or a range such as 8000-8999")
	}
	return p[0], nil
}

// parseDuration reads a time as Go writes it.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil && isDigits(text):
		return 0, fmt.Errorf("a time needs a unit: %ss, %sm or %sh", text, text, text)
	case err != nil:
		return 0, errors.New("a time is a number with a unit: 500ms, 30s, 15m, 2h or 1h30m")
	}
	return d, nil
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
