package daemon

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"sstpwarden/policies/event"
	"sstpwarden/policies/nearest"
)

// A ConfigError says what is wrong at one place of a configuration.
type ConfigError struct {
	File         string // "" where no file says so
	Line, Column int    // from 1; 0 where unknown
	Key          string // "proxy.listen[0]"; "" for the whole
	Problem      string
	Remedy       string // what to do; may be ""
}

// Error gives e in one line, as compilers do: "file:line:column: key: problem;
// remedy".
func (e *ConfigError) Error() string {
	var parts []string
	switch {
	case e.File != "" && e.Column != 0:
		parts = append(parts, fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column))
	case e.File != "" && e.Line != 0:
		parts = append(parts, fmt.Sprintf("%s:%d", e.File, e.Line))
	case e.File != "":
		parts = append(parts, e.File)
	}
	if e.Key != "" {
		parts = append(parts, e.Key)
	}
	what := e.Problem
	if e.Remedy != "" {
		what += "; " + e.Remedy
	}
	return strings.Join(append(parts, what), ": ")
}

// ConfigErrors are all that is wrong with a configuration, in the order of its
// lines, up to a hundred. There is at least one.
type ConfigErrors []*ConfigError

// Error gives one error a line.
func (e ConfigErrors) Error() string {
	var b strings.Builder
	for i, one := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(one.Error())
	}
	if len(e) == maxErrors {
		b.WriteString("\nand maybe more")
	}
	return b.String()
}

// Unwrap gives the errors one by one.
func (e ConfigErrors) Unwrap() []error {
	out := make([]error, len(e))
	for i := range e {
		out[i] = e[i]
	}
	return out
}

const (
	maxErrors = 100 // that are told
	maxShown  = 80  // characters of a text that an error repeats
)

// A position is where a key or an item of a list stands in a file.
type position struct{ line, column int }

// problems collects what is wrong.
type problems struct {
	file  string
	lines map[string]position // of what the file gives, by key
	errs  ConfigErrors
}

func (p *problems) at(pos position, key, problem, remedy string) {
	if len(p.errs) < maxErrors {
		p.errs = append(p.errs, &ConfigError{p.file, pos.line, pos.column, key, problem, remedy})
	}
}

// wrong tells of a key, with the place where the file gives it, if it does.
func (p *problems) wrong(key, problem, remedy string) {
	p.at(p.lines[key], key, problem, remedy)
}

// err gives what was collected, nil for nothing.
func (p *problems) err() error {
	if len(p.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(p.errs, func(a, b *ConfigError) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return p.errs
}

// shown quotes a text, shortened.
func shown(s string) string {
	if utf8.RuneCountInString(s) > maxShown {
		s = string([]rune(s)[:maxShown]) + "…"
	}
	return strconv.Quote(s)
}

// keyShown gives a key as it is, unless it would be misread.
func keyShown(key string) string {
	if key == "" || len(key) > maxShown || key != event.Printable(key) || strings.ContainsAny(key, " .[]:\"") {
		return shown(key)
	}
	return key
}

// listed joins words as a sentence does.
func listed(words []string, conjunction string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}

// allowed says what may stand in place of a word, the nearest first.
func allowed(word string, words []string) string {
	if w := nearest.Word(word, words); w != "" {
		return fmt.Sprintf("did you mean %s? Allowed: %s", w, listed(words, "or"))
	}
	return "use " + listed(words, "or")
}
