package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"sstpwarden/policies/event"
)

// isTerminal says that a person reads w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// wantsColour says that a person reads w, on a terminal that has colours, and
// did not ask for none (https://no-color.org).
func wantsColour(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// escapeLines is event.Printable for text of several lines, each of which tells of
// something.
func escapeLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = event.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}
