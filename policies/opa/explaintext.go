package opa

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"sstpwarden/policies/event"
)

// WriteText writes e for a terminal. Whatever is not printable, or would change
// the order of the text around it, is written as Go escapes it.
func (e *Explanation) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	line := func(format string, args ...string) {
		values := make([]any, len(args))
		for i, a := range args {
			values[i] = event.Printable(a)
		}
		fmt.Fprintf(b, format+"\n", values...)
	}
	if e.Err != nil {
		line("no decision")
		for l := range strings.Lines(e.Err.Error()) {
			line("  %s", strings.TrimSuffix(l, "\n"))
		}
	} else {
		line("%s by %s (revision %s)", string(e.Decision.Action), e.Decision.Rule, e.Decision.Revision)
		line("  %s", e.Decision.Reason)
	}
	line("definitions of %s", e.EntryPoint)
	for _, d := range e.Definitions {
		line("  %-7s %s", string(d.Outcome), d.Location)
		if d.Description != "" {
			line("          %s", d.Description)
		}
		if d.Value != "" {
			line("          gives %s", d.Value)
		}
		if d.Stop != nil {
			d.Stop.write(line)
		}
	}
	if len(e.Helpers) > 0 {
		line("helpers")
	}
	for _, h := range e.Helpers {
		if len(h.Values) > 0 {
			line("  %s = %s", h.Name, strings.Join(h.Values, ", "))
			continue
		}
		line("  %s is undefined", h.Name)
		for _, s := range h.Stops {
			s.write(line)
		}
	}
	for _, facts := range []struct {
		title string
		list  []Fact
	}{{"input that was looked at", e.Input}, {"data that was looked at", e.Data}} {
		if len(facts.list) > 0 {
			line(facts.title)
		}
		for _, f := range facts.list {
			line("  %s", equation(f.Path, f.Value))
		}
	}
	if e.Omitted > 0 {
		line("%s more were left out", strconv.Itoa(e.Omitted))
	}
	return b.Flush()
}

func (s *Stop) write(line func(format string, args ...string)) {
	line("          stopped at %s: %s", s.Location, s.Text)
	for _, v := range s.Values {
		line("            %s", v.String())
	}
}
