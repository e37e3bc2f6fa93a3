package event

import (
	"strconv"
	"strings"
	"unicode"

	"sstpwarden/inspect/httphead"
)

// text gives s as valid UTF-8, so that every reader of an event sees the same.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// texts gives a copy of list, each as valid UTF-8; nil if it is empty.
func texts(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = text(s)
	}
	return out
}

// target gives a request target without what may be secret: the user
// information in front of the host (RFC 3986, Section 3.2.1) becomes "xxxxx",
// and a query is cut off after its question mark.
func target(t string) string {
	if !strings.HasPrefix(t, "/") {
		start := 0
		if i := strings.Index(t, "://"); i >= 0 {
			start = i + len("://")
		}
		// A password with '?' or '#' in it is wrong, yet still one.
		end := len(t)
		if i := strings.IndexByte(t[start:], '/'); i >= 0 {
			end = start + i
		}
		if at := strings.LastIndexByte(t[start:end], '@'); at >= 0 {
			t = t[:start] + "xxxxx" + t[start+at:]
		}
	}
	if i := strings.IndexByte(t, '?'); i >= 0 {
		t = t[:i+1]
	}
	return text(t)
}

// peerMessage gives the text that ends a PPP authentication without the
// server's response, which MS-CHAPv2 sends as S=40 hexadecimal digits (RFC
// 2759, Section 5), and without a new challenge, C=16 or 32 of them (Section 6).
func peerMessage(s string) string {
	words := strings.Split(s, " ")
	kept := words[:0]
	for _, w := range words {
		if !secretWord(w) {
			kept = append(kept, w)
		}
	}
	return text(strings.Join(kept, " "))
}

func secretWord(w string) bool {
	const enough = 8 // digits that no error code has
	digits, ok := strings.CutPrefix(w, "S=")
	if !ok {
		digits, ok = strings.CutPrefix(w, "C=")
	}
	if !ok || len(digits) < enough {
		return false
	}
	return strings.IndexFunc(digits[:enough], func(r rune) bool {
		return !strings.ContainsRune("0123456789abcdefABCDEF", r)
	}) < 0
}

// hostName gives a name as it is compared: lower case and without the dot that
// ends a fully qualified one.
func hostName(s string) string {
	return strings.ToLower(strings.TrimSuffix(text(s), "."))
}

// headerNames gives the names of the fields as spelled. A line without a colon
// has none; what it holds may be the rest of broken credentials.
func headerNames(fields httphead.Fields) []string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		if f.Name != "" {
			names = append(names, text(f.Name))
		}
	}
	return names
}

// oddities names what is odd about a head: BareLF is "bare_lf".
func oddities(o httphead.Oddity) []string {
	if o == 0 {
		return nil
	}
	names := strings.Split(o.String(), "|")
	for i, name := range names {
		names[i] = snake(name)
	}
	return names
}

// snake turns CamelCase into snake_case.
func snake(name string) string {
	b := make([]byte, 0, len(name)+4)
	for i := range len(name) {
		c := name[i]
		if isUpper(c) && i > 0 && !isUpper(name[i-1]) {
			b = append(b, '_')
		}
		b = append(b, c)
	}
	return strings.ToLower(string(b))
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// Printable makes text from the wire safe to print on a terminal: what is not printable, or
// would change the order of the text around it, is shown as Go writes it.
func Printable(s string) string {
	safe := func(r rune) bool { return unicode.IsPrint(r) && !unicode.Is(unicode.Bidi_Control, r) }
	if !strings.ContainsFunc(s, func(r rune) bool { return !safe(r) || r == unicode.ReplacementChar }) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case safe(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}
