package matrix

import (
	"fmt"
	"strconv"
	"strings"
)

// A Limit is how much of something a run may have.
type Limit struct {
	What string
	// Max is a number, or a percentage of those that it could have been if Percent is
	// set.
	Max     float64
	Percent bool
}

// limits are what a run can be held to, and of how many each is a part.
var limits = []struct {
	name, about string
	count       func(*Counts) (n, of int)
}{
	{"evasions", "tunnels that nothing cuts, and that are not found in their capture without keys", func(c *Counts) (int, int) { return c.Evasions, c.Watched }},
	{"opened-evasions", "tunnels that are not found with keys either", func(c *Counts) (int, int) { return c.OpenedEvasions, c.Watched }},
	{"leaks", "tunnels that carried data past what should cut them", func(c *Counts) (int, int) { return c.Leaks, c.Enforced }},
	{"false-alarms", "benign connections that were found, or cut", func(c *Counts) (int, int) { return c.FalseAlarms, c.Benign }},
	{"errors", "cells that could not be run", func(c *Counts) (int, int) { return c.Errors, c.Cells }},
	{"skipped", "cells that were skipped", func(c *Counts) (int, int) { return c.Skipped, c.Cells }},
	{"changes", "cells that came out otherwise than in the baseline", func(c *Counts) (int, int) { return c.Changes, c.Cells }},
}

// LimitNames returns what a run can be held to, and what each counts.
func LimitNames() (out, about []string) {
	for _, l := range limits {
		out, about = append(out, l.name), append(about, l.about)
	}
	return out, about
}

// ParseLimits reads a list such as "evasions=5%,false-alarms=0".
func ParseLimits(text string) ([]Limit, error) {
	var out []Limit
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		all, _ := LimitNames()
		if i := findLimit(name); i < 0 {
			return nil, fmt.Errorf("%q is nothing that can be required: %s", name, instead(name, all))
		}
		number, percent := strings.CutSuffix(value, "%")
		most, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil || most < 0 || !percent && most != float64(int(most)) || percent && most > 100 {
			return nil, fmt.Errorf("%q says no limit: write %s=0, or %s=5%%", part, name, name)
		}
		out = append(out, Limit{name, most, percent})
	}
	return out, nil
}

func findLimit(name string) int {
	for i, l := range limits {
		if l.name == name {
			return i
		}
	}
	return -1
}

// Check returns what goes beyond a limit, in words.
func (c *Counts) Check(list []Limit) []string {
	var out []string
	for _, l := range list {
		n, of := limits[findLimit(l.What)].count(c)
		most := l.Max
		if l.Percent {
			most = l.Max / 100 * float64(of)
		}
		if float64(n) > most {
			share := ""
			if of > 0 {
				share = fmt.Sprintf(" (%.1f %% of %d)", 100*float64(n)/float64(of), of)
			}
			out = append(out, fmt.Sprintf("%s: %d%s, and at most %s are allowed", l.What, n, share, l))
		}
	}
	return out
}

// String is the limit as it is written.
func (l Limit) String() string {
	text := strconv.FormatFloat(l.Max, 'f', -1, 64)
	if l.Percent {
		text += "%"
	}
	return text
}
