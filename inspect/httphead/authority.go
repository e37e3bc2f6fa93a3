package httphead

import (
	"net/netip"
	"strconv"
	"strings"
)

// An Authority is the host and the port that a CONNECT asks for or that a Host
// field names (RFC 9112, Section 3.2.3; RFC 9110, Section 7.2).
type Authority struct {
	Host     string // name or address as sent; IPv6 without brackets, with its zone
	Port     uint16 // 0 if there is none
	Oddities Oddity // MissingPort, DoublePort, UnbracketedIPv6
}

// String returns "host:port" with an IPv6 address in brackets, or the host alone
// when there is no port.
func (a Authority) String() string {
	s := a.Host
	if strings.Contains(s, ":") {
		s = "[" + s + "]"
	}
	if a.Port != 0 {
		s += ":" + strconv.Itoa(int(a.Port))
	}
	return s
}

// ParseAuthority parses a host and its port, 1 to 65535. A missing port is odd,
// not an error.
//
// sstpc writes the server it was given, then ":443". So "host:9443:443" is host,
// port 9443, and an IPv6 address without brackets ends at the last colon if both
// sides of it make sense: "2001:db8::1:443" has port 443.
//
// The error is a [*SyntaxError].
func ParseAuthority(s string) (Authority, error) {
	host, rest, odd := splitAuthority(s)
	if i := invalidHostByte(host, odd.Has(ipv6)); i >= 0 {
		i += strings.Index(s, host) // a bracket may stand before it
		return Authority{}, &SyntaxError{Section: "RFC 3986, Section 3.2.2", Field: "host", Offset: i, Value: excerpt(s)}
	}
	a := Authority{Host: host, Oddities: odd &^ ipv6}
	if rest == "" || rest == ":" {
		a.Oddities |= MissingPort
		return a, nil
	}
	first, second, double := strings.Cut(rest[1:], ":")
	port, ok := parsePort(first)
	if double && ok {
		a.Oddities |= DoublePort
		_, ok = parsePort(second)
	}
	if rest[0] != ':' || !ok {
		return Authority{}, &SyntaxError{
			Section: "RFC 3986, Section 3.2.3", Field: "port", Offset: len(s) - len(rest), Value: excerpt(rest),
		}
	}
	a.Port = port
	return a, nil
}

// ipv6 tells an IPv6 address from a name inside this file. It never leaves it.
const ipv6 Oddity = 1 << 31

// splitAuthority parts the host from what follows it, which is empty or begins
// with ':' if it is valid.
func splitAuthority(s string) (host, rest string, odd Oddity) {
	if strings.HasPrefix(s, "[") {
		if end := strings.IndexByte(s, ']'); end > 0 && isIPv6(s[1:end]) {
			return s[1:end], s[end+1:], ipv6
		}
		return s, "", 0 // no name has a bracket
	}
	if strings.Count(s, ":") > 1 {
		last := strings.LastIndexByte(s, ':')
		if _, ok := parsePort(s[last+1:]); ok && isIPv6(s[:last]) {
			return s[:last], s[last:], ipv6 | UnbracketedIPv6
		}
		if isIPv6(s) {
			return s, "", ipv6 | UnbracketedIPv6
		}
	}
	if i := strings.IndexByte(s, ':'); i >= 0 {
		return s[:i], s[i:], 0
	}
	return s, "", 0
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6()
}

func parsePort(s string) (port uint16, ok bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && n != 0
}

// invalidHostByte returns the offset of the first byte that no host can have, -1
// if there is none. Bytes from 0x80 up pass: clients send names in UTF-8.
func invalidHostByte(host string, ipv6 bool) int {
	for i := range len(host) {
		c := host[i]
		if !isAlphanumeric(c) && c < 0x80 && strings.IndexByte("-._~!$&'()*+,;=%", c) < 0 && (c != ':' || !ipv6) {
			return i
		}
	}
	if host == "" {
		return 0
	}
	return -1
}
