package httphead

import "strings"

// targetOddities checks the form of the request target (RFC 9112, Section 3.2).
func (r Request) targetOddities() Oddity {
	t := r.Target
	switch {
	case r.Method == "CONNECT":
		a, err := ParseAuthority(t)
		if err != nil {
			return InvalidTarget
		}
		return a.Oddities
	case t[0] == '/', t == "*" && r.Method == "OPTIONS", isAbsolute(t):
		return 0
	default:
		return InvalidTarget
	}
}

// isAbsolute reports whether t has absolute-form, which here means a scheme, "://"
// and something more.
func isAbsolute(t string) bool {
	scheme, rest, ok := strings.Cut(t, "://")
	if !ok || rest == "" || scheme == "" || isDigit(scheme[0]) {
		return false
	}
	for i := range len(scheme) {
		if c := scheme[i]; !isAlphanumeric(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// hostOddities checks the Host field (RFC 9112, Section 3.2).
func (r Request) hostOddities() Oddity {
	var odd Oddity
	seen := false
	for i := range r.Fields {
		if !equalFold(r.Fields[i].Name, "Host") {
			continue
		}
		if seen {
			odd |= DuplicateHost
		}
		seen = true
		value := r.Fields[i].Value
		if value == "" {
			continue // right when the target has no authority
		}
		a, err := ParseAuthority(value)
		if err != nil || a.Oddities.Has(DoublePort) {
			odd |= InvalidHost
		}
		odd |= a.Oddities & UnbracketedIPv6
	}
	if !seen && r.Version != HTTP10 {
		odd |= MissingHost
	}
	return odd
}
