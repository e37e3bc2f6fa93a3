package main

import (
	"io"
	"os"

	"golang.org/x/term"
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
