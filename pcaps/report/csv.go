package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"sstpwarden/policies/event"
)

// CSV writes a table (RFC 4180): a line of names, then a row for every event,
// in UTF-8 without a byte order mark. The summary has no row.
//
// A column is named as the event's JSON names the field, with what it stands
// in before it: "detection_score", "ppp_client_ip". The names and their order
// stay; new columns come at the end. A cell is empty where the event leaves
// the field out. Times are RFC 3339, durations seconds, sizes bytes, and lists
// stand in one cell with "; " between their parts; evidence is written as
// "rule weight", with "proof" behind it where it is one.
//
// Text is made safe for what opens such files. Control characters and those
// that cannot be seen or turn the text are escaped as Go writes them. A text
// that a spreadsheet would take for a formula gets an apostrophe before it, at
// its beginning and behind a semicolon, at which some divide a line; numbers,
// times and addresses stay as they are.
type CSV struct {
	w    *csv.Writer
	head bool // the line of names is written
	row  []string
}

// NewCSV makes a CSV that writes to w, one line for each Write.
func NewCSV(w io.Writer) *CSV {
	c := &CSV{w: csv.NewWriter(w), row: make([]string, len(columns))}
	c.w.UseCRLF = true
	return c
}

// Event writes the row of e.
func (c *CSV) Event(e *event.Event) error {
	if err := c.names(); err != nil {
		return err
	}
	for i := range columns {
		c.row[i] = columns[i].value(e)
	}
	return c.line()
}

// End completes the table: without events it is the line of names.
func (c *CSV) End(*event.Summary) error { return c.names() }

func (c *CSV) names() error {
	if c.head {
		return nil
	}
	c.head = true
	for i := range columns {
		c.row[i] = columns[i].name
	}
	return c.line()
}

func (c *CSV) line() error {
	err := c.w.Write(c.row)
	c.w.Flush()
	if err == nil {
		err = c.w.Error()
	}
	if err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

// cell makes text safe to open in a spreadsheet.
func cell(s string) string {
	s = inert(s)
	if startsFormula(s) {
		s = "'" + s
	}
	if !strings.Contains(s, ";") {
		return s
	}
	var b strings.Builder
	for i, part := range strings.SplitAfter(s, ";") {
		rest := strings.TrimLeft(part, ` "`)
		if i > 0 && startsFormula(rest) {
			part = part[:len(part)-len(rest)] + "'" + rest
		}
		b.WriteString(part)
	}
	return b.String()
}

// startsFormula says that a spreadsheet computes s. The wide forms do so where
// East Asian text is expected. Tab and carriage return, which are skipped
// before a formula, are escaped by then.
func startsFormula(s string) bool {
	for _, sign := range []string{"=", "+", "-", "@", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(s, sign) {
			return true
		}
	}
	return false
}
