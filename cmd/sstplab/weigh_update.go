package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"sstpwarden/inspect"
	"sstpwarden/pcaps/weigh"
	"sstpwarden/rules"
)

var (
	ruleLine     = regexp.MustCompile(`^( *)- id: *(\S+)`)
	measuredLine = regexp.MustCompile(`^ *measured:`)
	matchLine    = regexp.MustCompile(`^ *match:`)
)

// update writes what was counted into a rules file: a line in front of each
// rule's match, in place of the one that is there.
func update(path string, r *weigh.Result) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("updating rules: %w", err)
	}
	counted := map[string]*inspect.Measured{}
	for i := range r.Rules {
		counted[r.Rules[i].ID] = r.Rules[i].Measured
	}
	var b strings.Builder
	var m *inspect.Measured // of the rule that is being passed
	indent := ""
	for line := range strings.Lines(string(text)) {
		if at := ruleLine.FindStringSubmatch(line); at != nil {
			indent, m = at[1]+"  ", counted[at[2]]
		}
		switch {
		case m != nil && measuredLine.MatchString(line):
			continue
		case m != nil && matchLine.MatchString(line) && strings.HasPrefix(line, indent+"match"):
			fmt.Fprintf(&b, "%smeasured: {%s}\n", indent, flow(m))
			m = nil
		}
		b.WriteString(line)
	}
	if _, err := rules.Parse([]byte(b.String()), path); err != nil {
		fmt.Fprintln(os.Stderr, "sstplab: weigh: the file wants more changes:", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("updating rules: %w", err)
	}
	if err := os.WriteFile(path, []byte(b.String()), info.Mode()); err != nil {
		return fmt.Errorf("updating rules: %w", err)
	}
	return nil
}

// flow writes counts in YAML's flow style, without the braces.
func flow(m *inspect.Measured) string {
	s := fmt.Sprintf("positives: %s, negatives: %s, low: %d, high: %d", m.Positives, m.Negatives, m.Low, m.High)
	if m.Coarse != nil {
		s += ", coarse: {" + flow(m.Coarse) + "}"
	}
	return s
}
