package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/schollz/progressbar/v3"

	"sstpwarden/policies/event"
	"sstpwarden/proxy/probe"
)

// A probeTally counts answers.
type probeTally struct {
	yes, no, unclear uint64
	unreached        uint64 // of the unclear ones
}

func (t *probeTally) add(r *probe.Result) {
	switch r.SSTP {
	case probe.Yes:
		t.yes++
	case probe.No:
		t.no++
	default:
		t.unclear++
	}
	if r.Step == probe.StepResolve || r.Step == probe.StepConnect {
		t.unreached++
	}
}

// A probeReport writes results: JSON as they come, a table at the end.
type probeReport struct {
	json  *json.Encoder // nil for a table
	w     io.Writer
	table tableReport
	grid  strings.Builder
	tab   *tabwriter.Writer
	below []string // the lines under each row
	paint []string
}

func newProbeReport(format string, w io.Writer, colour bool) *probeReport {
	r := &probeReport{w: w, table: tableReport{colour: colour}}
	if format == "json" {
		r.json = json.NewEncoder(w)
		r.json.SetEscapeHTML(false)
		return r
	}
	r.tab = tabwriter.NewWriter(&r.grid, 0, 0, 2, ' ', 0)
	fmt.Fprintln(r.tab, "SERVER\tADDRESS\tSSTP\tPROGRAM\tTLS\tCERTIFICATE\tANSWERED IN")
	return r
}

func (r *probeReport) result(p *probe.Result) error {
	if r.json != nil {
		return r.json.Encode(p)
	}
	cells := []string{p.Target, "", p.SSTP.String(), p.Implementation, "", "", ""}
	if p.Server.IsValid() && p.Server.String() != p.Target {
		cells[1] = p.Server.Addr().String()
	}
	if p.TLS != nil {
		cells[4], cells[5] = strings.TrimPrefix(p.TLS.Version, "TLS "), p.TLS.Subject
	}
	if p.HTTP != nil {
		cells[6] = fmt.Sprintf("%.0f ms", p.Timing.Connect+p.Timing.TLS+p.Timing.Answer)
	}
	for i := range cells {
		cells[i] = cmp.Or(shorten(event.Printable(cells[i]), 48), "-")
	}
	fmt.Fprintln(r.tab, strings.Join(cells, "\t"))
	below := p.Reason
	if p.Err != "" {
		below += ": " + p.Err
	}
	below = "  " + shorten(event.Printable(below), 200)
	for _, e := range p.Evidence {
		if e.Rule != probe.RuleAnswer {
			below += "\n  " + shorten(event.Printable(e.Detail), 200)
		}
	}
	r.below = append(r.below, below)
	r.paint = append(r.paint, map[probe.Answer]string{probe.Yes: red, probe.No: green, probe.Unclear: yellow}[p.SSTP])
	return nil
}

func (r *probeReport) end(t *probeTally) error {
	if r.json != nil {
		return nil
	}
	if err := r.tab.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(r.grid.String(), "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if i == 0 {
			b.WriteString(r.table.paint(bold, line) + "\n")
			continue
		}
		b.WriteString(r.table.paint(r.paint[i-1], line) + "\n")
		b.WriteString(r.table.paint(dim, r.below[i-1]) + "\n")
	}
	fmt.Fprintf(&b, "\n%s: %d yes, %d no, %d unclear\n", count(t.yes+t.no+t.unclear, "result"), t.yes, t.no, t.unclear)
	_, err := io.WriteString(r.w, b.String())
	return err
}

// A probeBar shows a person how many were asked.
type probeBar struct{ bar *progressbar.ProgressBar }

func newProbeBar(n int, stderr io.Writer, busy bool) *probeBar {
	if n < 2 || busy || !isTerminal(stderr) {
		return &probeBar{}
	}
	return &probeBar{progressbar.NewOptions(n,
		progressbar.OptionSetWriter(stderr),
		progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetDescription("servers"))}
}

func (b *probeBar) add() {
	if b.bar != nil {
		_ = b.bar.Add(1) // a picture only
	}
}

func (b *probeBar) end() {
	if b.bar != nil {
		_ = b.bar.Clear() // a picture only
	}
}
