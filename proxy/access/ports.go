package access

import (
	"fmt"
	"strconv"
	"strings"
)

// A PortRange is ports from First to Last, both of them among it.
type PortRange struct{ First, Last uint16 }

// Ports are ranges of ports; none means all of them.
type Ports []PortRange

// Contains says whether the port is one of them.
func (p Ports) Contains(port uint16) bool {
	for _, r := range p {
		if r.First <= port && port <= r.Last {
			return true
		}
	}
	return len(p) == 0
}

// String gives the ports as ParsePorts reads them, with commas between.
func (p Ports) String() string {
	var s []string
	for _, r := range p {
		if r.First == r.Last {
			s = append(s, strconv.Itoa(int(r.First)))
		} else {
			s = append(s, fmt.Sprintf("%d-%d", r.First, r.Last))
		}
	}
	return strings.Join(s, ", ")
}

// ParsePorts reads ports such as 443 and ranges such as 8000-8999.
func ParsePorts(list []string) (Ports, error) {
	var p Ports
	for _, s := range list {
		first, last, isRange := strings.Cut(s, "-")
		if !isRange {
			last = first
		}
		a, ok1 := parsePort(first)
		b, ok2 := parsePort(last)
		if !ok1 || !ok2 || a > b {
			return nil, fmt.Errorf("%s is no port: write one such as 443, or a range such as 8000-8999", strconv.Quote(s))
		}
		p = append(p, PortRange{a, b})
	}
	return p, nil
}

func parsePort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	return uint16(n), err == nil && n > 0
}
