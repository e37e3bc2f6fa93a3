package matrix

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteTable writes a report for people on a terminal: what is wrong, by transform, and
// the sums. All has cells that are right listed too.
func (r *Report) WriteTable(w io.Writer, colour, all bool) error {
	p := &printer{w: w, colour: colour}
	p.cells(r, all)
	p.changes(r)
	p.skipped(r)
	p.transforms(r)
	p.cuts(r)
	p.scores(r)
	p.sums(r)
	return p.err
}

type printer struct {
	w      io.Writer
	colour bool
	err    error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// table writes rows in columns, the first of which is a head.
func (p *printer) table(rows [][]string) {
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(t, strings.Join(row, "\t")); err != nil && p.err == nil {
			p.err = err
		}
	}
	if err := t.Flush(); err != nil && p.err == nil {
		p.err = err
	}
}

// bad and dim colour text.
func (p *printer) bad(text string) string { return p.in("31", text) }
func (p *printer) dim(text string) string { return p.in("2", text) }

func (p *printer) in(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// cells lists cells with something wrong, or all of them.
func (p *printer) cells(r *Report, all bool) {
	rows := [][]string{{"CELL", "CONNECTION", "WITHOUT KEYS", "WITH KEYS", "RESULT"}}
	for i := range r.Cells {
		c := &r.Cells[i]
		if c.Skipped || len(c.Marks) == 0 && !all {
			continue
		}
		rows = append(rows, []string{c.ID, c.connection(), detail(c.Finding(Passive)), detail(c.Finding(Opened)), c.verdict()})
	}
	if !slices.ContainsFunc(r.Cells, func(c CellResult) bool { return c.Outcome != nil }) {
		for i := range rows { // of a corpus
			rows[i] = slices.Delete(rows[i], 1, 2)
		}
	}
	if len(rows) > 1 {
		p.table(rows)
		p.printf("\n")
	}
}

// verdict says what is wrong, and why it could not be run.
func (r *CellResult) verdict() string {
	text := cmp.Or(strings.Join(r.Marks, ", "), "right")
	if r.Reason != "" && slices.Contains(r.Marks, MarkError) {
		text += ": " + r.Reason
	}
	return text
}

// connection is the outcome in a few words.
func (r *CellResult) connection() string {
	o := r.Outcome
	switch {
	case o == nil:
		return "-"
	case o.Result == Passed:
		return "passed"
	}
	return fmt.Sprintf("%s at %s by %s after %d bytes, %.0f ms", o.Result, o.Stage, o.How, o.Up+o.Down, o.Milliseconds)
}

func detail(f *Finding) string {
	if f == nil {
		return "-"
	}
	return cmp.Or(f.Error, f.Detail, map[bool]string{true: "found", false: "not found"}[f.Found])
}

func (p *printer) changes(r *Report) {
	if r.Baseline == "" {
		return
	}
	rows := [][]string{{"CHANGED SINCE " + r.Baseline, "NOW", "THEN"}}
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Was != "" {
			rows = append(rows, []string{c.ID, c.Status(), c.Was})
		}
	}
	if len(rows) == 1 {
		p.printf("Nothing changed since %s.\n", r.Baseline)
	} else {
		p.table(rows)
	}
	const most = 3 // for those who chose a few cells
	switch n := len(r.Missing); {
	case n > most:
		p.printf("%d of its cells were not run: %s, and others.\n", n, join(r.Missing[:most]))
	case n > 0:
		p.printf("%s not run: %s.\n", plural(n, "of its cells was", "of its cells were"), join(r.Missing))
	}
	p.printf("\n")
}

// plural is a number of things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// skipped tells of cells that were not run, by reason.
func (p *printer) skipped(r *Report) {
	reasons := map[string]int{}
	var order []string
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Skipped {
			if reasons[c.Path+": "+c.Reason]++; reasons[c.Path+": "+c.Reason] == 1 {
				order = append(order, c.Path+": "+c.Reason)
			}
		}
	}
	for _, text := range order {
		name, reason, _ := strings.Cut(text, ": ")
		what := plural(reasons[text], "cell", "cells") + " on path " + name
		if name == "" {
			what = plural(reasons[text], "capture", "captures") // of a corpus
		}
		p.printf("%s: skipped: %s\n", what, reason)
	}
	if len(order) > 0 {
		p.printf("\n")
	}
}

// A transformSum is how often a transform evades.
type transformSum struct {
	name, about       string
	watched, evasions int
	opened, leaks     int
	enforced          int
}

// transformSums counts by transform, those that evade most first.
func (r *Report) transformSums() []transformSum {
	sums := map[string]*transformSum{}
	for i := range r.Cells {
		c := &r.Cells[i]
		if !c.SSTP || c.Skipped || slices.Contains(c.Marks, MarkError) || c.Transform == "" {
			continue
		}
		s := sums[c.Transform]
		if s == nil {
			s = &transformSum{name: c.Transform}
			if t, err := TransformByName(c.Transform); err == nil {
				s.about = t.About
			}
			sums[c.Transform] = s
		}
		if c.Expected == Cut {
			s.enforced++
		} else {
			s.watched++
		}
		for mark, n := range map[string]*int{MarkEvasion: &s.evasions, MarkOpenedEvasion: &s.opened, MarkLeak: &s.leaks} {
			if slices.Contains(c.Marks, mark) {
				*n++
			}
		}
	}
	var out []transformSum
	for _, s := range sums {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b transformSum) int {
		return cmp.Or(b.evasions+b.leaks-a.evasions-a.leaks, strings.Compare(a.name, b.name))
	})
	return out
}

func (p *printer) transforms(r *Report) {
	rows := [][]string{{"TRANSFORM", "EVADES", "WITH KEYS", "LEAKS", "WHAT IT DOES"}}
	for _, s := range r.transformSums() {
		if s.evasions+s.opened+s.leaks == 0 {
			continue
		}
		rows = append(rows, []string{
			s.name, outOf(s.evasions, s.watched), outOf(s.opened, s.watched), outOf(s.leaks, s.enforced), s.about,
		})
	}
	if len(rows) > 1 {
		p.table(rows)
		p.printf("\n")
	}
}

// outOf is a part of some, if there are any.
func outOf(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d", n, of)
}

// cuts says where connections ended that something was to judge.
func (p *printer) cuts(r *Report) {
	rows := [][]string{{"CUT AT", "BY", "TUNNELS", "OTHERS", "BYTES BY THEN", "TIME BY THEN"}}
	for _, k := range r.Cuts() {
		rows = append(rows, []string{k.Stage, k.How, fmt.Sprint(k.Tunnels), fmt.Sprint(k.Benign), fmt.Sprintf("up to %d", k.Bytes), fmt.Sprintf("up to %.0f ms", k.Milliseconds)})
	}
	if len(rows) > 1 {
		p.table(rows)
		p.printf("\n")
	}
}

func (p *printer) scores(r *Report) {
	rows := [][]string{{"JUDGE", "FOUND", "MISSED", "FALSE ALARMS", "RIGHTLY LEFT", "COULD NOT"}}
	for _, s := range r.Scores {
		rows = append(rows, []string{
			s.Judge, share(s.TruePositives, s.TruePositives+s.FalseNegatives), fmt.Sprint(s.FalseNegatives),
			fmt.Sprint(s.FalsePositives), fmt.Sprint(s.TrueNegatives), fmt.Sprint(s.Errors),
		})
	}
	p.table(rows)
	for _, s := range r.Scores {
		if s.Errors > 0 {
			p.printf("%s\n", p.bad(r.Failure(s.Judge)))
		}
	}
	p.printf("\n")
}

// Failure says what a judge could not judge, and why it could not the first time.
func (r *Report) Failure(judge string) string {
	n, first := 0, ""
	for i := range r.Cells {
		if f := r.Cells[i].Finding(judge); f != nil && f.Error != "" {
			n++
			first = cmp.Or(first, f.Error)
		}
	}
	return fmt.Sprintf("%s could not judge %s: %s", judge, plural(n, "capture", "captures"), first)
}

func share(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d (%.1f %%)", n, 100*float64(n)/float64(of))
}

func (p *printer) sums(r *Report) {
	c := r.Counts
	seed := ""
	if r.Seed != 0 {
		seed = fmt.Sprintf(", seed %d", r.Seed)
	}
	p.printf("%s in %.0f s%s: %d right", plural(c.Cells, "cell", "cells"), r.Seconds, seed, c.Right)
	for _, s := range []struct {
		n    int
		what string
		bad  bool
	}{
		{c.Evasions, "evasions without keys", true},
		{c.OpenedEvasions, "with keys", true},
		{c.Leaks, "leaks", true},
		{c.FalseAlarms, "false alarms", true},
		{c.Errors, "errors", true},
		{c.Skipped, "skipped", false},
	} {
		switch text := fmt.Sprintf("%d %s", s.n, s.what); {
		case s.n == 0:
			p.printf(", %s", p.dim(text))
		case s.bad:
			p.printf(", %s", p.bad(text))
		default:
			p.printf(", %s", text)
		}
	}
	p.printf("\n")
}
