package event

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A replacer replaces users and addresses within texts. The zero replacer
// replaces nothing.
type replacer struct {
	*pseudonyms
	needles []needle // the longest first
	// starts says by its first byte whether an address or a needle may stand
	// at a place.
	starts [256]uint8
}

const (
	startsAddress = 1 << iota
	startsNeedle
)

// A needle is to be replaced wherever it occurs.
type needle struct {
	text string
	by   string // "" until it is wanted
	user bool   // in any case; else an address, as it stands
	word bool   // only where it is a word by itself
}

// learnUser has a name replaced, and the account in it without its domain.
func (t *replacer) learnUser(name string) {
	t.learn(name, true)
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		t.learn(name[i+1:], true)
	}
	if account, _, ok := strings.Cut(name, "@"); ok {
		t.learn(account, true)
	}
}

// learnAddress has an address replaced, also in the form that names of hosts are
// made of. All forms that are addresses by themselves are found without.
func (t *replacer) learnAddress(a netip.Addr) {
	a = plain(a)
	if stays(a) {
		return
	}
	t.learn(a.String(), false)
	if a.Is4() {
		t.learn(strings.ReplaceAll(a.String(), ".", "-"), false)
	}
}

// wordLength is from how many characters on a name is looked for within words.
const wordLength = 3

func (t *replacer) learn(text string, user bool) {
	same := func(n needle) bool { return n.user == user && n.text == text }
	if text == "" || slices.ContainsFunc(t.needles, same) {
		return
	}
	t.needles = append(t.needles, needle{text: text, user: user, word: user && utf8.RuneCountInString(text) < wordLength})
}

// prepare makes ready for replace.
func (t *replacer) prepare() {
	slices.SortStableFunc(t.needles, func(a, b needle) int { return cmp.Compare(len(b.text), len(a.text)) })
	if t.opts.Addresses != RedactKeep {
		for c := range t.starts {
			if isAddressByte(byte(c)) {
				t.starts[c] = startsAddress
			}
		}
	}
	for _, n := range t.needles {
		if n.user {
			t.prepareUser(n.text)
		} else {
			t.starts[n.text[0]] |= startsNeedle
		}
	}
}

// prepareUser marks the bytes that a name in any case may begin with.
func (t *replacer) prepareUser(name string) {
	first, _ := utf8.DecodeRuneInString(name)
	t.starts[name[0]] |= startsNeedle
	for r := unicode.SimpleFold(first); r != first; r = unicode.SimpleFold(r) {
		t.starts[string(r)[0]] |= startsNeedle
	}
}

func lower(c byte) byte {
	if isUpper(c) {
		c += 'a' - 'A'
	}
	return c
}

// replace gives s with users and addresses replaced.
func (t *replacer) replace(s string) string {
	if t.pseudonyms == nil {
		return s
	}
	var out []byte
	kept := 0 // up to here s is in out
	for i := 0; i < len(s); {
		if t.starts[s[i]] == 0 {
			i++
			continue
		}
		n, by := t.at(s, i)
		if n == 0 {
			i++
			continue
		}
		out = append(append(out, s[kept:i]...), by...)
		i += n
		kept = i
	}
	if kept == 0 {
		return s
	}
	return string(append(out, s[kept:]...))
}

// at says how many bytes at i are to be replaced, and by what.
func (t *replacer) at(s string, i int) (n int, by string) {
	if t.starts[s[i]]&startsAddress != 0 {
		if a, n := addressAt(s, i); n > 0 && !stays(a) {
			return n, t.addressText(a, s, i, n)
		}
	}
	if t.starts[s[i]]&startsNeedle == 0 {
		return 0, ""
	}
	for k := range t.needles {
		c := &t.needles[k]
		n := 0
		switch {
		case c.user:
			n = foldPrefix(s[i:], c.text)
		case strings.HasPrefix(s[i:], c.text):
			n = len(c.text)
		}
		if n == 0 || c.word && !isWord(s, i, n) {
			continue
		}
		if c.by == "" {
			c.by = t.needleText(c)
		}
		return n, c.by
	}
	return 0, ""
}

func (t *replacer) needleText(c *needle) string {
	if c.user {
		return t.user(c.text)
	}
	a, err := netip.ParseAddr(strings.ReplaceAll(c.text, "-", "."))
	if err != nil || t.opts.Addresses == RedactRemove {
		return removed
	}
	return t.address(a).String()
}

// addressText gives what stands for the address of n bytes at i: in brackets
// where an address of IPv6 needs them and one of IPv4 does not.
func (t *replacer) addressText(a netip.Addr, s string, i, n int) string {
	if t.opts.Addresses == RedactRemove {
		return removed
	}
	text := t.address(a).String()
	port := i+n+1 < len(s) && s[i+n] == ':' && '0' <= s[i+n+1] && s[i+n+1] <= '9'
	host := strings.HasSuffix(s[:i], "//") || strings.HasSuffix(s[:i], "@")
	if a.Unmap().Is4() && (port || host) && !strings.HasSuffix(s[:i], "[") {
		text = "[" + text + "]"
	}
	return text
}

func isAddressByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' || c == '.' || c == ':'
}

// longestAddress is that of the longest form of an address.
const longestAddress = len("0000:0000:0000:0000:0000:0000:255.255.255.255")

// addressAt finds an address at i, as long as possible, where what could be one
// begins.
func addressAt(s string, i int) (netip.Addr, int) {
	switch {
	case i == 0 || s[i-1] == ':':
	case isAddressByte(s[i-1]), s[i] != ':' && isLetterOrDigit(s, i-1):
		return netip.Addr{}, 0
	}
	end := i
	for end < len(s) && end-i <= longestAddress && isAddressByte(s[end]) {
		end++
	}
	// Behind an address may stand the end of a sentence, or a port.
	for run := s[i:end]; run != ""; {
		if len(run) <= longestAddress && mayBeAddress(run) {
			if a, err := netip.ParseAddr(run); err == nil && !isVersion(s, i, a) {
				return a.Unmap(), len(run)
			}
		}
		cut := strings.TrimRight(run, ".:")
		if len(cut) == len(run) {
			cut = run[:max(strings.LastIndexByte(run, ':'), 0)]
		}
		run = cut
	}
	return netip.Addr{}, 0
}

// mayBeAddress spares most of what is none the full look.
func mayBeAddress(run string) bool {
	switch strings.Count(run, ":") {
	case 0, 6:
		return strings.Count(run, ".") == 3
	case 7:
		return true
	}
	return strings.Contains(run, "::")
}

// isVersion tells the version of a product, "Chrome/120.0.0.0", from an address:
// no host has one that ends so.
func isVersion(s string, i int, a netip.Addr) bool {
	if i == 0 || s[i-1] != '/' || !a.Is4() {
		return false
	}
	b := a.As4()
	return b[1] == 0 && b[2] == 0 && b[3] == 0
}

func isLetterOrDigit(s string, i int) bool {
	r, _ := utf8.DecodeLastRuneInString(s[:i+1])
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// isWord says that neither a letter nor a digit stands beside the n bytes at i.
func isWord(s string, i, n int) bool {
	if i > 0 && isLetterOrDigit(s, i-1) {
		return false
	}
	after, _ := utf8.DecodeRuneInString(s[i+n:])
	return !unicode.IsLetter(after) && !unicode.IsDigit(after)
}

// foldPrefix says how many bytes at the beginning of s are text, but for case.
func foldPrefix(s, text string) int {
	n := 0
	for text != "" {
		if n == len(s) {
			return 0
		}
		a, b := s[n], text[0]
		if a < utf8.RuneSelf && b < utf8.RuneSelf {
			if lower(a) != lower(b) {
				return 0
			}
			n++
			text = text[1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s[n:])
		want, wantSize := utf8.DecodeRuneInString(text)
		if !equalFold(r, want) {
			return 0
		}
		n += size
		text = text[wantSize:]
	}
	return n
}

func equalFold(a, b rune) bool {
	if a == b {
		return true
	}
	for f := unicode.SimpleFold(a); f != a; f = unicode.SimpleFold(f) {
		if f == b {
			return true
		}
	}
	return false
}

// computerName gives the name in a text of LCP Identification, as Windows sends
// it: "MSRAS-0-" and the name.
func computerName(text string) string {
	rest, ok := strings.CutPrefix(text, "MSRAS-")
	if !ok {
		return ""
	}
	_, name, _ := strings.Cut(rest, "-")
	return name
}
