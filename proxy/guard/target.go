package guard

import "strings"

// SplitTarget parts a request's target in what is before its path (scheme and
// authority of absolute-form), the path as it was sent, and the query with its
// question mark. Of authority-form the whole comes before the path.
func SplitTarget(target string) (before, path, query string) {
	if !strings.HasPrefix(target, "/") {
		end := len(target)
		if i := strings.Index(target, "://"); i >= 0 {
			if n := strings.IndexAny(target[i+3:], "/?"); n >= 0 {
				end = i + 3 + n
			}
		}
		before, target = target[:end], target[end:]
	}
	if i := strings.IndexByte(target, '?'); i >= 0 {
		return before, target[:i], target[i:]
	}
	return before, target, ""
}

// parseable gives the target as net/http parses it: a percent sign in the path that
// begins no escape is escaped itself. RFC 3986 does not allow such paths, but sites
// link to them ("/100%"), and browsers ask for them as they are.
func parseable(target string) string {
	if !strings.Contains(target, "%") {
		return target
	}
	before, path, query := SplitTarget(target)
	var b strings.Builder
	for i := range len(path) {
		b.WriteByte(path[i])
		if path[i] == '%' && !beginsEscape(path[i:]) {
			b.WriteString("25")
		}
	}
	return before + b.String() + query
}

func beginsEscape(s string) bool { return len(s) > 2 && isHex(s[1]) && isHex(s[2]) }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
