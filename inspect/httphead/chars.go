package httphead

import "strings"

// tokenChars are the characters of a token (RFC 9110, Section 5.6.2).
var tokenChars = func() (t [256]bool) {
	for c := byte('0'); c <= 'z'; c++ {
		t[c] = isAlphanumeric(c)
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	return t
}()

// lineOddities tells for each byte what it makes odd in a field line whose line
// end is cut off.
var lineOddities = func() (t [256]Oddity) {
	for c := range t {
		switch {
		case c == 0:
			t[c] = NUL
		case c == '\r':
			t[c] = BareCR
		case c == '\t':
		case c < ' ' || c == 0x7f:
			t[c] = ControlChar
		case c >= 0x80:
			t[c] = NonASCII
		}
	}
	return t
}()

func isAlphanumeric(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func isToken(s string) bool {
	for i := range len(s) {
		if !tokenChars[s[i]] {
			return false
		}
	}
	return s != ""
}

// trimSpace cuts optional white space (RFC 9110, Section 5.6.3) off both ends.
func trimSpace(s string) string { return strings.Trim(s, " \t") }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
