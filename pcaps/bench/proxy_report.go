package main

import (
	"cmp"
	"fmt"
	"strconv"
	"time"
)

func valueOf(r result) float64 { return r.value }

// costOf is the CPU time for each GB or connection, in seconds.
func costOf(r result) float64 { return r.cpu.Seconds() / max(r.done, 1e-9) }

// busyOf is the CPU time beside the wall time, in per cent.
func busyOf(r result) float64 { return r.cpu.Seconds() / r.wall.Seconds() * 100 }

// figures are one of the results' in all rounds.
func figures(results []result, of func(result) float64) []float64 {
	out := make([]float64, len(results))
	for i, r := range results {
		out[i] = of(r)
	}
	return out
}

// compared compares one entrant with another round by round. There are no
// values if one of them has none.
func (d *discipline) compared(e, with *entrant, of func(result) float64) []float64 {
	own, others := e.results[d.title], with.results[d.title]
	values := make([]float64, 0, len(own))
	for i := range min(len(own), len(others)) {
		a, b := of(own[i]), of(others[i])
		if d.added {
			values = append(values, a-b)
		} else if b > 0 {
			values = append(values, a/b)
		}
	}
	return values
}

// table is the discipline's figures.
func (d *discipline) table(entrants []*entrant) string {
	comparison := "of " + d.against
	if d.added {
		comparison = "added to " + d.against
	}
	against := entrantNamed(entrants, d.against)
	rows := [][]string{{"", "runs", d.unit, "min..max", comparison, "min..max"}}
	if d.each != "" {
		rows[0] = append(rows[0], "CPU %", d.each, "by CPU")
	}
	for _, e := range entrants {
		results := e.results[d.title]
		if len(results) == 0 {
			rows = append(rows, []string{e.name, cmp.Or(e.missing, "not measured")})
			continue
		}
		value := spreadOf(figures(results, valueOf))
		row := append([]string{e.name, strconv.Itoa(len(results)), number3(value.median), between(value)}, make([]string, len(rows[0])-4)...)
		if values := d.compared(e, against, valueOf); e != against && len(values) > 0 {
			s := spreadOf(values)
			row[4], row[5] = number3(s.median), between(s)
		}
		if (e.begin != nil || e.process) && d.each != "" {
			row[6] = fmt.Sprintf("%.0f", spreadOf(figures(results, busyOf)).median)
			row[7] = number3(spreadOf(figures(results, costOf)).median * d.scale)
			if costs := d.compared(against, e, costOf); e != against && len(costs) > 0 {
				row[8] = number3(spreadOf(costs).median)
			}
		}
		rows = append(rows, row)
	}
	return "\n" + d.title + "\n" + align(rows)
}

func between(s spread[float64]) string { return number3(s.low) + ".." + number3(s.high) }

// number3 shows a number with three digits or more, as far as they count.
func number3(v float64) string {
	switch a := max(v, -v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// idleTable shows what idle tunnels take.
func idleTable(all []*holding) string {
	rows := [][]string{{
		"", "tunnels", "s to open", "peak MiB", "RSS MiB", "PSS MiB", "KiB each", "files", "threads", "kernel MiB",
	}}
	short := false
	for _, h := range all {
		name := h.name + ", after an exchange"
		if !h.used {
			name = h.name + ", nothing sent yet"
		}
		if h.held == 0 {
			rows = append(rows, []string{name, h.remark})
			continue
		}
		short = short || h.held < h.asked
		rows = append(rows, []string{
			name, strconv.Itoa(h.held), seconds(h.wall),
			mebibytes(h.with.peak), mebibytes(h.with.resident), mebibytes(h.with.proportional),
			number3(float64(h.with.resident-h.empty.resident) / 1024 / float64(h.held)),
			strconv.FormatInt(h.with.files, 10), strconv.FormatInt(h.with.threads, 10),
			mebibytes(h.kernel),
		})
	}
	text := "\nIdle tunnels, held by a fresh process; the kernel's share is sockets, pipes and TCP buffers of all ends, clients and servers too\n" + align(rows)
	if len(all) > 0 && all[0].asked < idleTunnels {
		text += fmt.Sprintf("  Not %s, because the limit of open files (ulimit -Hn) lets no process have more.\n", thousands(idleTunnels))
	}
	if short {
		text += "  One with fewer tunnels could open no more: the limit of open files.\n"
	}
	return text
}

// What is promised.
const (
	minOfBare     = 0.95
	timesMitm     = 10
	idleLimit     = 512 << 20
	notMeasured   = "not measured"
	perCentFormat = "%.0f %%"
)

// targets compares what was measured with what is promised.
func (m *measured) targets() []target {
	var all []target
	if m.forward != nil {
		for _, d := range forwarding[:2] {
			all = append(all, d.target(m.forward, bareName, minOfBare))
		}
		for _, d := range forwarding[2:4] {
			all = append(all, d.target(m.forward, "squid", 1))
		}
	}
	for _, d := range opening {
		all = append(all, d.target(m.open, mitmproxyName, timesMitm))
	}
	for _, h := range m.idle {
		if h.name == oursName {
			all = append(all, h.target())
		}
	}
	return all
}

// target compares our figure with another's.
func (d *discipline) target(entrants []*entrant, with string, want float64) target {
	return d.targetOf(entrants, oursName, with, want)
}

// targetOf compares one entrant's figure with another's.
func (d *discipline) targetOf(entrants []*entrant, name, with string, want float64) target {
	t := target{what: d.short + ", of " + with, got: notMeasured, want: ratio(want) + "x"}
	if want > 1 {
		t.aim = ratio(2*want) + "x"
	}
	ours, other := entrantNamed(entrants, name), entrantNamed(entrants, with)
	values := d.compared(ours, other, valueOf)
	if len(values) == 0 {
		return t
	}
	got := spreadOf(values).median
	t.got, t.met, t.out = ratio(got)+"x", got >= want, want > 1 && got >= 2*want
	if costs := d.compared(other, ours, costOf); len(costs) > 0 && spreadOf(costs).high > 0 {
		t.note = fmt.Sprintf(" (%sx by CPU time)", ratio(spreadOf(costs).median))
	}
	return t
}

// target compares the memory of idle tunnels with what is promised for all of
// them.
func (h *holding) target() target {
	t := target{
		what: fmt.Sprintf("memory of %s %s tunnels", thousands(idleTunnels), h.kind()),
		want: mebibytes(idleLimit) + " MiB", aim: mebibytes(idleLimit/2) + " MiB", got: notMeasured,
	}
	if h.held == 0 {
		return t
	}
	all := h.with.peak
	if h.held < idleTunnels {
		all = h.empty.peak + (h.with.peak-h.empty.peak)*idleTunnels/int64(h.held)
		t.note = fmt.Sprintf(" (from %s)", thousands(h.held))
	}
	t.got, t.met, t.out = mebibytes(all)+" MiB", all <= idleLimit, all <= idleLimit/2
	if h.held < h.asked {
		t.met, t.out = false, false
	}
	return t
}

// noise says how quiet the machine was.
func (m *measured) noise(before, after string, took time.Duration) string {
	return noiseOf(before, after, took, contested{m.forward, forwarding}, contested{m.open, opening})
}

// Contested are entrants and what they were measured in.
type contested struct {
	entrants    []*entrant
	disciplines []*discipline
}

func noiseOf(before, after string, took time.Duration, parts ...contested) string {
	worst, where := 0.0, "nowhere"
	for _, part := range parts {
		for _, e := range part.entrants {
			for _, d := range part.disciplines {
				if len(e.results[d.title]) < 2 {
					continue
				}
				s := spreadOf(figures(e.results[d.title], valueOf))
				if w := (s.high - s.low) / s.median; w > worst {
					worst, where = w, d.short+", "+e.name
				}
			}
		}
	}
	return fmt.Sprintf("\nNoise: load average %s before, %s after; widest spread %.0f %% (%s). All took %s.\n",
		before, after, worst*100, where, took.Round(time.Second))
}
