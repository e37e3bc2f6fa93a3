package export

import (
	"fmt"
	"slices"
	"strings"

	"sstpwarden/inspect"
	"sstpwarden/inspect/httphead"
)

// A dialect is how a kind of regular expression writes what is not to be taken
// for an operator.
type dialect struct {
	quote func(c byte) string
	// any is any text in a line.
	any string
}

// letter says that a byte means itself in every expression.
func letter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// pcre is for signatures, whose options end with a semicolon and stand in
// quotes: what is no letter is written as a number.
var pcre = dialect{func(c byte) string {
	if strings.IndexByte("-_ ,", c) >= 0 {
		return string(c)
	}
	if c < 0x80 && c > ' ' && strings.IndexByte(`"';|:\/`, c) < 0 {
		return `\` + string(c)
	}
	return fmt.Sprintf(`\x%02x`, c)
}, `[^\r\n]*`}

// text quotes s for the dialect.
func (d dialect) text(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if letter(s[i]) {
			b.WriteByte(s[i])
		} else {
			b.WriteString(d.quote(s[i]))
		}
	}
	return b.String()
}

// glob writes a pattern in which '*' stands for anything.
func (d dialect) glob(pattern string) string {
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = d.text(parts[i])
	}
	return strings.Join(parts, d.any)
}

// either writes alternatives as one expression.
func either(list []string, each func(string) string) string {
	var out []string
	for _, s := range list {
		out = append(out, each(s))
	}
	if len(out) == 1 {
		return out[0]
	}
	return "(" + strings.Join(out, "|") + ")"
}

// loose writes a header's name as rules compare it: whatever '-' and '_' stand
// between its letters.
func (d dialect) loose(name string) string {
	name = httphead.NormalizedName(name)
	var b strings.Builder
	b.WriteString("[-_]*")
	for i := range len(name) {
		b.WriteString(d.text(name[i : i+1]))
		b.WriteString("[-_]*")
	}
	return b.String()
}

// spellings are the ways to write a header's name for engines that want it
// exact: its words apart by '-', by '_' or by nothing. SSTPVERSION has two.
func spellings(name string) []string {
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' })
	if len(words) == 1 && len(name) > len("SSTP") && strings.EqualFold(name[:len("SSTP")], "SSTP") {
		words = []string{name[:len("SSTP")], name[len("SSTP"):]}
	}
	out := []string{name}
	for _, between := range []string{"", "-", "_"} {
		if s := strings.Join(words, between); !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, s) }) {
			out = append(out, s)
		}
	}
	return out
}

// longest gives the longest text between a pattern's stars.
func longest(pattern string) string {
	out := ""
	for part := range strings.SplitSeq(pattern, "*") {
		if len(part) > len(out) {
			out = part
		}
	}
	return out
}

// order is a list of headers as rules write it, without its spaces.
func order(list string) []string {
	return strings.Split(strings.ReplaceAll(list, " ", ""), ",")
}

const maxStatus = 999

// statuses writes the numbers from 100 to 999 that are in l, for the expressions
// of all dialects.
func statuses(l inspect.Lengths) string {
	has := func(n int) bool { return l.Match(inspect.Size{Lo: n, Hi: n}) }
	var out []string
	for century := 100; century <= maxStatus; century += 100 {
		var some []string
		for n := century; n < century+100; n++ {
			if has(n) {
				some = append(some, fmt.Sprint(n))
			}
		}
		if len(some) == 100 {
			some = []string{fmt.Sprintf("%d[0-9][0-9]", century/100)}
		}
		out = append(out, some...)
	}
	switch len(out) {
	case 0:
		return "none"
	case 1:
		return out[0]
	}
	return "(" + strings.Join(out, "|") + ")"
}

// repeat writes how often the thing before stands there.
func repeat(s inspect.Size) string {
	const most = 65535 // more is not to be written in PCRE
	switch {
	case s.Hi >= most:
		return fmt.Sprintf("{%d,}", min(s.Lo, most))
	case s.Exact():
		return fmt.Sprintf("{%d}", s.Lo)
	}
	return fmt.Sprintf("{%d,%d}", s.Lo, s.Hi)
}

// extended is for the regular expressions of proxies, in files whose words end
// with white space: POSIX extended, which PCRE reads the same.
var extended = dialect{func(c byte) string {
	switch {
	case c == ' ' || c == '\t':
		return "[[:space:]]"
	case c < ' ' || c >= 0x7f || c == '\'':
		return "."
	case c == '-' || c == '_' || c == ',':
		return string(c)
	case c == '^':
		return `\^`
	case c == '\\':
		return `\\`
	}
	return "[" + string(c) + "]"
}, ".*"}

// word says that s can stand in a proxy's file as it is: names of methods,
// headers and hosts can.
func word(s string) bool {
	for i := range len(s) {
		if !letter(s[i]) && strings.IndexByte("-_.!$&*+^|~", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// words says that all of the lists are words.
func words(lists ...[]string) bool {
	for _, l := range lists {
		if slices.ContainsFunc(l, func(s string) bool { return !word(s) }) {
			return false
		}
	}
	return true
}

// hostNames gives the names of a list without "-", which stands for no name,
// and without those that another takes in.
func hostNames(list []string) (names []string, none bool) {
	for i, name := range list {
		name = strings.ToLower(name)
		switch {
		case name == "-":
			none = true
		case !slices.ContainsFunc(list[:i], func(o string) bool { return strings.EqualFold(o, name) }) &&
			!slices.ContainsFunc(list, func(o string) bool { return covers(strings.ToLower(o), name) }):
			names = append(names, name)
		}
	}
	return names, none
}

// covers says that suffix takes in name and is not the same.
func covers(suffix, name string) bool {
	return strings.HasPrefix(suffix, ".") && suffix != name && (strings.HasSuffix(name, suffix) || name == suffix[1:])
}
