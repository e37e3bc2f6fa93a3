package weigh

import (
	"sstpwarden/inspect"
)

// A Result says what was counted, and where.
type Result struct {
	Corpora []Corpus `yaml:"corpora"`
	// Positives and Negatives are how many kinds of connections there were, of
	// SSTP and of others.
	Positives int        `yaml:"positives"`
	Negatives int        `yaml:"negatives"`
	Rules     []Weighing `yaml:"rules"`
}

// A Corpus is a collection of captures by its name, never by where it was.
type Corpus struct {
	Name string `yaml:"name"`
	// Captures that were read, and Repeated ones that other corpora had before.
	Captures int `yaml:"captures"`
	Repeated int `yaml:"repeated,omitempty"`
	// Positives and Negatives are connections. LeftOut are those of which it is
	// not known what they are.
	Positives int `yaml:"positives"`
	Negatives int `yaml:"negatives"`
	LeftOut   int `yaml:"left_out,omitempty"`
}

// A Weighing is what was counted of one rule.
type Weighing struct {
	ID       string            `yaml:"id"`
	Weight   int               `yaml:"weight"`
	Coarse   *int              `yaml:"coarse,omitempty"`
	Reasoned string            `yaml:"reasoned,omitempty"`
	Measured *inspect.Measured `yaml:"measured"`
	proof    bool
}

// Result sums up. Rules about other connections are not among it: what is
// counted is one at a time.
func (t *Tally) Result(corpora []Corpus) *Result {
	out := &Result{Corpora: corpora, Negatives: len(t.kinds[0]), Positives: len(t.kinds[1])}
	for i := range t.rules {
		r := &t.rules[i]
		if r.Match.Destination != nil {
			continue
		}
		m := t.measured(facet{r.ID, false})
		if c := t.measured(facet{r.ID, true}); c.Positives.Of+c.Negatives.Of > 0 && (r.Coarse == nil || *r.Coarse != 0) {
			m.Coarse = c
		}
		out.Rules = append(out.Rules, Weighing{r.ID, r.Weight, r.Coarse, r.Reasoned, m, r.Proof})
	}
	return out
}

func (t *Tally) measured(f facet) *inspect.Measured {
	m := &inspect.Measured{Positives: t.sides[1].votes(f), Negatives: t.sides[0].votes(f)}
	m.Low, m.High = Interval(m.Positives, m.Negatives)
	return m
}

// Says is what counting makes of a weight.
type Says string

// What it may make of it.
const (
	// Few votes: fewer than twenty on one side, nothing can be said.
	Few Says = "too few"
	// Within the interval.
	Within Says = "within"
	// Cautious weights say less than was counted. Rules overlap, and their
	// weights add up, so that this is no fault.
	Cautious Says = "cautious"
	// Exceeds says more than the counts carry, or the opposite of them.
	Exceeds Says = "exceeds"
)

// few is how many votes a side needs to say something.
const few = 20

func says(weight int, m *inspect.Measured) Says {
	switch {
	case m.Positives.Of < few || m.Negatives.Of < few:
		return Few
	case m.Exceeded(weight) || weight > 0 && m.High <= 0 || weight < 0 && m.Low >= 0:
		return Exceeds
	case weight > 0 && weight < m.Low || weight < 0 && weight > m.High:
		return Cautious
	}
	return Within
}

// A Verdict is what Check makes of one weight.
type Verdict struct {
	*Weighing
	Coarse bool // the weight where lengths are not exact
	Weight int
	*inspect.Measured
	Says Says
	// Excused says that the weight exceeds the counts, and the rule why.
	Excused bool
}

// Check holds every weight that decides something against the counts.
func (r *Result) Check() []Verdict {
	var out []Verdict
	add := func(w *Weighing, coarse bool, weight int, m *inspect.Measured) {
		v := Verdict{w, coarse, weight, m, says(weight, m), false}
		v.Excused = v.Says == Exceeds && w.Reasoned != ""
		out = append(out, v)
	}
	for i := range r.Rules {
		w := &r.Rules[i]
		if w.proof || w.Weight == 0 {
			continue
		}
		add(w, false, w.Weight, w.Measured)
		if m := w.Measured.Coarse; m != nil {
			weight := w.Weight
			if w.Coarse != nil {
				weight = *w.Coarse
			}
			add(w, true, weight, m)
		}
	}
	return out
}
