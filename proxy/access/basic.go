package access

import (
	"encoding/base64"
	"strings"
)

// ParseBasic reads Basic credentials (RFC 7617, Section 2) from the value of a
// Proxy-Authorization field. The user's name has no colon; name and password may be
// empty or hold any other byte.
//
// It takes what httphead.BasicUser takes, so that events and logins tell of the same
// user: line breaks, white space and missing padding are tolerated, because sstpc
// breaks its base64 with LF after 64 characters and at the end.
func ParseBasic(value string) (user, password string, ok bool) {
	const scheme = "Basic"
	value = strings.TrimLeft(value, " \t")
	if len(value) <= len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) || !strings.ContainsAny(value[len(scheme):len(scheme)+1], " \t") {
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
	user, password, ok = strings.Cut(string(credentials), ":")
	if !ok {
		return "", "", false
	}
	return user, password, true
}
