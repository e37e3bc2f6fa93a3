package httphead

import (
	"encoding/base64"
	"strings"
)

// ParseBasic returns the user's name and password from the value of an Authorization
// or Proxy-Authorization field, and whether the value is Basic credentials (RFC
// 7617, Section 2). The name has no colon; name and password may be empty or hold
// any other byte.
//
// Line breaks, white space and missing padding are tolerated: sstpc breaks its
// base64 with LF after 64 characters and at the end.
func ParseBasic(value string) (user, password string, ok bool) {
	const scheme = "Basic"
	value = strings.TrimLeft(value, " \t")
	if len(value) <= len(scheme) || !equalFold(value[:len(scheme)], scheme) || !isSpace(value[len(scheme)]) {
		return "", "", false
	}
	encoded := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, value[len(scheme):])
	credentials, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return "", "", false
	}
	if user, password, ok = strings.Cut(string(credentials), ":"); !ok {
		return "", "", false
	}
	return user, password, true
}
