package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

// A chart shows how the evidence moved the odds of SSTP, rule by rule. Places
// are percent of the width, on one scale of decibans.
type chart struct {
	Verdict string // in words
	Weights []weight
	// Threshold is where a connection becomes suspected; "" if it is not known.
	Threshold string
}

// A weight is one line: what it adds to the odds.
type weight struct {
	Value        string
	Rule, Detail string
	DetailTitle  string
	Proof        bool
	X, Width     string
	Class        string // for, against, prior, total
	from, to     int
}

// newChart draws the evidence. Settings that are zero are not known: the odds
// begin at even then, and no threshold is drawn.
func newChart(d *event.Detection, s inspect.Settings) *chart {
	c := &chart{}
	at := s.Prior
	if s.Prior != 0 {
		c.add(weight{Rule: "prior odds", Detail: oddsOf(s.Prior) + ", before anything is seen", Class: "prior", from: 0, to: at})
	}
	proofs := 0
	for _, ev := range d.Evidence {
		w := weight{Rule: ev.Rule, Detail: short(ev.Detail, maxHead), Proof: ev.Proof, Class: "for", from: at, to: at + ev.Weight}
		if w.Detail != ev.Detail {
			w.DetailTitle = short(ev.Detail, maxTitle)
		}
		if ev.Weight < 0 {
			w.Class = "against"
		}
		if ev.Proof {
			proofs++
		}
		at = w.to
		c.add(w)
	}
	c.add(weight{Rule: "odds after", Detail: oddsOf(at), Class: "total", from: 0, to: at})
	c.Verdict = reading(d, s, proofs)
	c.layOut(s)
	return c
}

func (c *chart) add(w weight) {
	w.Value = strings.Replace(fmt.Sprintf("%+d", w.to-w.from), "-", "−", 1)
	c.Weights = append(c.Weights, w)
}

// layOut puts everything on one scale.
func (c *chart) layOut(s inspect.Settings) {
	low, high := 0, 0
	for _, w := range c.Weights {
		low, high = min(low, w.from, w.to), max(high, w.from, w.to)
	}
	threshold := s.Prior + s.Suspected
	if s.Suspected > 0 {
		low, high = min(low, threshold), max(high, threshold)
	}
	const margin = 1.0 // percent, so that lines at the edge are seen
	place := func(v int) float64 {
		if high == low {
			return margin
		}
		return margin + (100-2*margin)*float64(v-low)/float64(high-low)
	}
	for i := range c.Weights {
		w := &c.Weights[i]
		from, to := place(min(w.from, w.to)), place(max(w.from, w.to))
		w.X, w.Width = percent(from), percent(to-from)
	}
	if s.Suspected > 0 {
		c.Threshold = percent(place(threshold))
	}
}

// reading says how the verdict follows.
func reading(d *event.Detection, s inspect.Settings, proofs int) string {
	score := strconv.Itoa(d.Score)
	switch {
	case proofs > 0:
		return "SSTP was read in clear, which settles it: " + count(proofs, "proof") + ". The weights come to " + score + enough(s) + "."
	case d.Verdict == inspect.VerdictConfirmed:
		return "Confirmed. The weights come to " + score + enough(s) + "."
	case d.Verdict == inspect.VerdictSuspected:
		return "Nothing was read in clear; the weights come to " + score + enough(s) + "."
	case d.Verdict == inspect.VerdictCleared:
		return "Something else: the weights come to " + score + "."
	case len(d.Evidence) == 0:
		return "Nothing speaks for SSTP, and nothing against it."
	}
	return "Not enough is known: the weights come to " + score + enough(s) + "."
}

func enough(s inspect.Settings) string {
	if s.Suspected <= 0 {
		return ""
	}
	return ", and " + strconv.Itoa(s.Suspected) + " are enough to suspect"
}

// scale explains the weights, once for all connections.
func scale(s inspect.Settings) string {
	text := "Weights are decibans: +10 makes SSTP ten times likelier, +20 a hundred times, and below 0 less likely."
	if s.Prior != 0 {
		text += " They begin at the prior odds, " + oddsOf(s.Prior) + "."
	}
	if s.Suspected > 0 {
		text += fmt.Sprintf(" The dashed line is where they reach %d and a connection becomes suspected; only SSTP read in clear confirms.", s.Suspected)
	}
	return text
}

// oddsOf writes odds, given in decibans, as a ratio.
func oddsOf(decibans int) string {
	switch {
	case decibans == 0:
		return "1 to 1"
	case decibans > 0:
		return ratio(decibans) + " to 1"
	}
	return "1 to " + ratio(-decibans)
}

// ratio writes 10^(d/10) with no more digits than a weight is good for.
func ratio(decibans int) string {
	const readable = 75 // up to some 30 million
	if decibans > readable {
		return "10^" + strconv.Itoa((decibans+5)/10)
	}
	r := math.Pow(10, float64(decibans)/10)
	if r < 10 {
		return strconv.FormatFloat(r, 'f', 1, 64)
	}
	digits := math.Pow(10, math.Floor(math.Log10(r))-1)
	return number(uint64(math.Round(r/digits) * digits))
}
