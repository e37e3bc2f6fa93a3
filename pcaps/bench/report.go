package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// A printer remembers that it could not print.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

var headings = []string{
	"", "runs", "wall s", "min..max", "CPU s", "peak MiB", "MB/s", "kpackets/s", "times ours", "min..max",
}

// table is the contenders' figures. The first of them is what the others are
// compared with.
func table(contenders []*contender, m *manifest) string {
	rows := [][]string{headings}
	for _, c := range contenders {
		rows = append(rows, c.row(contenders[0], m))
	}
	return align(rows)
}

// align lays rows out in columns as the first, the headings, has them. A row
// that is shorter has a remark in place of figures.
func align(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		if len(row) < len(widths) {
			widths[0] = max(widths[0], utf8.RuneCountInString(row[0]))
			continue
		}
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var all strings.Builder
	for _, row := range rows {
		var line strings.Builder
		fmt.Fprintf(&line, "  %-*s", widths[0], row[0])
		for i, cell := range row[1:] {
			width := widths[i+1]
			if len(row) < len(widths) {
				width = 0 // a remark runs on
			}
			fmt.Fprintf(&line, "  %*s", width, cell)
		}
		fmt.Fprintln(&all, strings.TrimRight(line.String(), " "))
	}
	return all.String()
}

// row is the contender's cells, or its name and a remark.
func (c *contender) row(ours *contender, m *manifest) []string {
	if c.missing != "" {
		return []string{c.name, c.missing}
	}
	wall, cpu, memory := c.wall(), c.cpu(), c.memory()
	row := []string{
		c.name,
		fmt.Sprint(len(c.runs)),
		seconds(wall.median),
		seconds(wall.low) + ".." + seconds(wall.high),
		seconds(cpu.median),
		mebibytes(memory.high),
		fmt.Sprintf("%.0f", float64(m.FileSize)/mb/wall.median.Seconds()),
		fmt.Sprintf("%.0f", float64(m.Packets)/1000/wall.median.Seconds()),
		"", "",
	}
	if c != ours {
		times := c.times(ours, wallOf)
		row[8], row[9] = ratio(times.median), ratio(times.low)+".."+ratio(times.high)
	}
	return row
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f", float64(n)/(1<<20)) }

// A target is a figure that was set before anything was measured. Missing one
// is said, and fails nothing: on a busy machine any of them can be missed.
type target struct {
	what     string
	want     string // with the unit
	aim      string // twice as good
	got      string
	met, out bool // out: twice as good was reached
	note     string
}

// faster is the target of being at least so many times as fast as another.
func faster(than, ours *contender, times float64) target {
	t := target{
		what: "speed, " + than.name,
		want: fmt.Sprintf("%gx", times), aim: fmt.Sprintf("%gx", 2*times),
		got: "not measured",
	}
	if len(than.runs) > 0 {
		got := than.times(ours, wallOf).median
		t.got, t.met, t.out = ratio(got)+"x", got >= times, got >= 2*times
		t.note = fmt.Sprintf(" (%sx by CPU time)", ratio(than.times(ours, cpuOf).median))
	}
	return t
}

// smaller is the target of keeping within so much memory.
func smaller(what string, ours *contender, limit int64) target {
	got := ours.memory().high
	return target{
		what: what,
		want: mebibytes(limit) + " MiB", aim: mebibytes(limit/2) + " MiB",
		got: mebibytes(got) + " MiB", met: got <= limit, out: got <= limit/2,
	}
}

func targetList(targets []target) string {
	var all strings.Builder
	fmt.Fprintln(&all, "\nTargets, by wall time; CPU time suffers less from what else runs. The aim is twice as good.")
	for _, t := range targets {
		word := "missed"
		switch {
		case t.got == "not measured":
			word = ""
		case t.out:
			word = "met, and the aim"
		case t.met:
			word = "met"
		}
		line := fmt.Sprintf("  %-44s  target %-8s  aim %-8s  got %-12s  %s%s", t.what, t.want, t.aim, t.got, word, t.note)
		fmt.Fprintln(&all, strings.TrimRight(line, " "))
	}
	return all.String()
}

// noise says how quiet the machine was.
func noise(before, after string, contenders []*contender, took time.Duration) string {
	worst, name := 0.0, ""
	for _, c := range contenders {
		if len(c.runs) < 2 {
			continue
		}
		wall := c.wall()
		if s := float64(wall.high-wall.low) / float64(wall.median); s > worst {
			worst, name = s, c.name
		}
	}
	spread := ""
	if name != "" {
		spread = fmt.Sprintf("; widest spread of wall times %.0f %% (%s)", worst*100, name)
	}
	return fmt.Sprintf("\nNoise: load average %s before, %s after%s. All took %s.\n", before, after, spread, took.Round(time.Second))
}
