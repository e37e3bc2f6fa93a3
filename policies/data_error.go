package policies

import (
	"fmt"
	"strconv"
	"strings"
)

// A DataError says what is wrong at one place of a data document.
type DataError struct {
	File    string // "" for a document that is of no file
	Line    int    // from 1; 0 where unknown
	Path    string // "sanctioned.servers[2].name"; "" for the whole document
	Problem string
	Remedy  string // what to do; may be ""
}

func (e *DataError) Error() string {
	var parts []string
	switch {
	case e.File != "" && e.Line != 0:
		parts = append(parts, fmt.Sprintf("%s:%d", e.File, e.Line))
	case e.File != "":
		parts = append(parts, e.File)
	}
	if e.Path != "" {
		parts = append(parts, e.Path)
	}
	what := e.Problem
	if e.Remedy != "" {
		what += "; " + e.Remedy
	}
	return strings.Join(append(parts, what), ": ")
}

// DataErrors are all that is wrong with a data document, up to a thousand, in the
// order of its lines. There is at least one. The text tells the first hundred.
type DataErrors []*DataError

const (
	maxErrors = 1000
	maxTold   = 100
)

func (e DataErrors) Error() string {
	var b strings.Builder
	for i, one := range e {
		if i == maxTold {
			fmt.Fprintf(&b, "\nand at least %d more", len(e)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(one.Error())
	}
	return b.String()
}

// Unwrap gives the errors one by one.
func (e DataErrors) Unwrap() []error {
	out := make([]error, len(e))
	for i := range e {
		out[i] = e[i]
	}
	return out
}

// A dataPath leads to a value in a document: keys (string) and indexes (int).
type dataPath []any

func (p dataPath) String() string {
	var b strings.Builder
	for i, step := range p {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", step)
		case string:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(keyText(step))
		}
	}
	return b.String()
}

// keyText gives a key as it is, or in quotes where it would be misread.
func keyText(key string) string {
	odd := func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if key != "" && len(key) <= maxShown && !strings.ContainsFunc(key, odd) {
		return key
	}
	return shown(key)
}

// maxShown bounds how much of a text an error repeats, in characters.
const maxShown = 80

// shown quotes a text, shortened.
func shown(s string) string {
	if r := []rune(s); len(r) > maxShown {
		s = string(r[:maxShown]) + "…"
	}
	return strconv.Quote(s)
}

// listing joins words as a sentence does.
func listing(words []string, conjunction string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}
