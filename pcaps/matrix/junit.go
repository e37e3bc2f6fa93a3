package matrix

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// The elements of JUnit's XML that build servers read.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string     `xml:"name,attr"`
		Class   string     `xml:"classname,attr"`
		Time    string     `xml:"time,attr"`
		Failure *junitText `xml:"failure,omitempty"`
		Error   *junitText `xml:"error,omitempty"`
		Skipped *junitText `xml:"skipped,omitempty"`
		Out     string     `xml:"system-out,omitempty"`
	}
	junitText struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
	}
)

// WriteJUnit writes a report as JUnit's XML: a group is a suite, a cell a test, and a mark a
// failure.
func (r *Report) WriteJUnit(w io.Writer) error {
	all := junitSuites{Name: "sstplab matrix", Time: seconds(r.Seconds)}
	index := map[string]int{}
	for i := range r.Cells {
		c := &r.Cells[i]
		n, ok := index[c.Group]
		if !ok {
			n = len(all.Suites)
			index[c.Group] = n
			all.Suites = append(all.Suites, junitSuite{Name: c.Group, Timestamp: r.Started.UTC().Format(time.RFC3339)})
		}
		s := &all.Suites[n]
		t := junitCase{Name: c.ID, Class: "matrix." + c.Group, Time: seconds(c.Seconds), Out: xmlText(c.story())}
		status := c.Status()
		switch {
		case c.Skipped:
			t.Skipped = &junitText{Message: xmlText(c.Reason)}
			s.Skipped++
		case status == MarkError:
			t.Error = &junitText{Message: xmlText(c.Reason), Type: status}
			s.Errors++
		case len(c.Marks) > 0:
			t.Failure = &junitText{Message: xmlText(strings.Join(c.Marks, ", ") + ": " + c.connection()), Type: status}
			s.Failures++
		}
		s.Tests++
		s.Cases = append(s.Cases, t)
	}
	for i := range all.Suites {
		s := &all.Suites[i]
		sum := 0.0
		for j := range r.Cells {
			if r.Cells[j].Group == s.Name {
				sum += r.Cells[j].Seconds
			}
		}
		s.Time = seconds(sum)
		all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors, all.Skipped+s.Skipped
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

// story is what is known of a cell, in lines.
func (r *CellResult) story() string {
	var b strings.Builder
	if r.Outcome != nil {
		fmt.Fprintf(&b, "connection: %s; expected: %s\n", r.connection(), r.Expected)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s: %s\n", f.Judge, detail(&f))
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "  %+d %s: %s\n", e.Weight, e.Rule, e.Detail)
		}
	}
	if r.Capture != "" {
		fmt.Fprintf(&b, "capture: %s\n", r.Capture)
	}
	return b.String()
}

// xmlText leaves out what XML cannot hold: evidence may quote the wire.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
