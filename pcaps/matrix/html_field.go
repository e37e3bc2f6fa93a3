package matrix

import (
	"fmt"
	"strings"
)

// field is a cell in a map.
func (r *Report) field(c *CellResult, i int) *pageField {
	classes, texts := []string{c.Status()}, []string{glyphs[c.Status()]}
	if c.Status() == "right" && !c.SSTP {
		classes[0] = "left"
	}
	if r.Counts.Enforced > 0 {
		class, text := cutClass(c)
		classes, texts = append(classes, class), append(texts, text)
	}
	for _, j := range r.Judges {
		class, text := findingClass(c, c.Finding(j))
		classes, texts = append(classes, class), append(texts, text)
	}
	f := &pageField{Anchor: anchor(i), Class: classes[0], Text: texts[0], Classes: strings.Join(classes, "|"), Texts: strings.Join(texts, "|"), Changed: c.Was != ""}
	f.Title = c.ID + ": " + c.Status()
	if c.Outcome != nil && enforcing(c.Path) {
		f.Title += "; " + c.connection()
	}
	if passive := c.Finding(Passive); passive != nil {
		f.Title += "; without keys " + detail(passive)
	}
	if c.Was != "" {
		f.Title += "; was " + c.Was
	}
	return f
}

// glyphs stand for a status where colours do not do.
var glyphs = map[string]string{
	"right": "✓", MarkEvasion: "✗", MarkOpenedEvasion: "✗✗", MarkLeak: "⇥", MarkFalseAlarm: "!", MarkError: "E", "skipped": "–",
}

// cutClass is where a connection was cut, or what became of it.
func cutClass(c *CellResult) (class, text string) {
	switch {
	case c.Outcome == nil || !enforcing(c.Path):
		return "none", ""
	case c.Outcome.Result == Passed && c.SSTP:
		return MarkLeak, "passed"
	case c.Outcome.Result == Passed:
		return "left", "passed"
	case !c.SSTP:
		return MarkFalseAlarm, c.Outcome.Stage
	case c.Outcome.Carried > 0:
		return MarkLeak, c.Outcome.Stage
	}
	return "right", c.Outcome.Stage
}

// findingClass is how strongly a judge is right or wrong.
func findingClass(c *CellResult, f *Finding) (class, text string) {
	switch {
	case f == nil:
		return "none", ""
	case f.Error != "":
		return MarkError, "E"
	}
	text = map[bool]string{true: "✓", false: "–"}[f.Found]
	level := 2
	if f.Verdict != "" {
		text = fmt.Sprint(f.Score)
		level = heat(f.Score)
	}
	switch {
	case c.SSTP && f.Found:
		return fmt.Sprintf("found h%d", level), text
	case c.SSTP && c.Expected == Cut:
		return "none", text // there was not much to be found
	case c.SSTP:
		return "missed", text
	case f.Found:
		return MarkFalseAlarm, text
	}
	return "left", text
}
