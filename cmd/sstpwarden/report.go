package main

import (
	"io"
	"time"

	"sstpwarden/cmd/cli"
	"sstpwarden/inspect"
	"sstpwarden/pcaps/report"
	"sstpwarden/policies/event"
)

// A reporter takes an audit's events and, last, its summary.
type reporter interface {
	Event(e *event.Event) error
	End(s *event.Summary) error
}

func (f *auditFlags) reporter(w io.Writer, colour bool, rs *inspect.Ruleset, paths []string) reporter {
	switch f.format {
	case "json":
		return jsonReport{event.NewEncoder(w)}
	case "csv":
		return report.NewCSV(w)
	case "html":
		return report.NewHTML(w, report.HTMLOptions{
			Program: "sstpwarden " + cli.Version(), Generated: time.Now(), Inputs: paths,
			Settings: rs.Settings(), RulesRevision: rs.Revision(), All: f.all,
		})
	}
	return &tableReport{w: w, colour: colour, header: header}
}

// jsonReport writes one object a line as they come.
type jsonReport struct{ enc *event.Encoder }

func (r jsonReport) Event(e *event.Event) error { return r.enc.Event(e) }
func (r jsonReport) End(s *event.Summary) error { return r.enc.Summary(s) }
