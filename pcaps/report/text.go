package report

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks may stand on a character. Writing
// systems do with two; piles of them cover the lines around.
const maxMarks = 2

// A piece is a part of a text from the wire: as it stands, or an escape that
// stands for one or more characters.
type piece struct {
	Text    string
	Escaped bool
}

// A scanner goes through a text and finds what is not safe to show.
type scanner struct {
	rest  string
	marks int // combining marks since the last character
}

// scan begins with a text; a mark needs something to stand on.
func scan(s string) scanner { return scanner{s, maxMarks} }

// next takes a character, and gives its length in bytes and what is to stand
// for it, "" for itself.
func (sc *scanner) next() (n int, escape string) {
	r, n := utf8.DecodeRuneInString(sc.rest)
	if unicode.In(r, unicode.Mn, unicode.Me) {
		sc.marks++
	} else {
		sc.marks = 0
	}
	switch {
	case r == utf8.RuneError && n == 1:
		escape = `\x` + strconv.FormatUint(uint64(sc.rest[0])|0x100, 16)[1:]
	case sc.marks > maxMarks || !visible(r):
		q := strconv.QuoteRuneToASCII(r)
		escape = q[1 : len(q)-1]
	}
	if escape != "" {
		sc.marks = maxMarks
	}
	sc.rest = sc.rest[n:]
	return n, escape
}

// pieces gives s in parts that are safe to show: what is not printable, or
// cannot be seen, or would change the order of the text around it, is written
// as Go does, "\x1b" or "\u202e".
func pieces(s string) []piece {
	if plainASCII(s) {
		return []piece{{Text: s}}
	}
	var out []piece
	var run strings.Builder // of escapes
	from, at := 0, 0        // what is not in out yet
	flush := func() {
		if run.Len() > 0 {
			out = append(out, piece{run.String(), true})
			run.Reset()
		}
		if from < at {
			out = append(out, piece{s[from:at], false})
		}
	}
	for sc := scan(s); sc.rest != ""; {
		n, escape := sc.next()
		if escape != "" {
			if from < at {
				flush()
			}
			run.WriteString(escape)
			from = at + n
		}
		at += n
	}
	flush()
	return out
}

// inert gives the same as one text, for attributes and for CSV.
func inert(s string) string {
	parts := pieces(s)
	if len(parts) == 1 {
		return parts[0].Text
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// visible says that r leaves a mark where it stands, or is the plain space,
// and leaves the order of the text alone.
func visible(r rune) bool {
	const brailleBlank = '\u2800' // a symbol by its category, and empty
	return unicode.IsPrint(r) && r != brailleBlank &&
		!unicode.In(r, unicode.Bidi_Control, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// cut gives the beginning of s that takes n characters when shown, escapes as
// long as they are, and how many characters of s are left out.
func cut(s string, n int) (head string, left int) {
	if len(s) <= n && plainASCII(s) {
		return s, 0
	}
	shown := 0
	for sc := scan(s); sc.rest != ""; {
		at := len(s) - len(sc.rest)
		_, escape := sc.next()
		if shown += max(1, len(escape)); shown > n {
			return s[:at], utf8.RuneCountInString(s[at:])
		}
	}
	return s, 0
}

// short cuts s to n characters and marks that it did.
func short(s string, n int) string {
	if _, left := cut(s, n); left == 0 {
		return s
	}
	head, _ := cut(s, n-1)
	return head + "…"
}
