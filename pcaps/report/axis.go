package report

import (
	"cmp"
	"slices"
	"time"
)

const (
	// maxBreaks is how often the axis leaves time out: captures of different
	// days often stand side by side.
	maxBreaks = 3
	// breakShare is how much of what is shown must be empty to be left out.
	breakShare = 0.3
	// breakWidth and stretchWidth are what a break takes and a stretch takes
	// at least, in percent: enough for the time beneath it on a phone.
	breakWidth   = 2.0
	stretchWidth = 19.0
)

// An axis places times between 0 and 100 percent, in stretches of even scale
// with breaks between them.
type axis struct{ stretches []stretch }

type stretch struct {
	first, last time.Time
	x, width    float64
}

// newAxis makes the axis of spans, in order of start and at least one.
func newAxis(list []span) *axis {
	type gap struct{ from, to time.Time }
	var gaps []gap
	first, last := list[0].start, list[0].end
	for _, sp := range list[1:] {
		if sp.start.After(last) {
			gaps = append(gaps, gap{last, sp.start})
		}
		if sp.end.After(last) {
			last = sp.end
		}
	}
	slices.SortStableFunc(gaps, func(a, b gap) int { return -cmp.Compare(between(a.from, a.to), between(b.from, b.to)) })
	shown := between(first, last)
	kept := 0
	for kept < min(len(gaps), maxBreaks) {
		wide := between(gaps[kept].from, gaps[kept].to)
		if wide < breakShare*shown {
			break
		}
		shown -= wide
		kept++
	}
	gaps = gaps[:kept]
	slices.SortFunc(gaps, func(a, b gap) int { return a.from.Compare(b.from) })
	a := &axis{}
	for _, g := range gaps {
		a.stretches = append(a.stretches, stretch{first: first, last: g.from})
		first = g.to
	}
	a.stretches = append(a.stretches, stretch{first: first, last: last})
	a.layOut()
	return a
}

// between gives seconds: a time.Duration holds no more than 292 years, and a
// capture may claim any.
func between(from, to time.Time) float64 {
	return float64(to.Unix()-from.Unix()) + float64(to.Nanosecond()-from.Nanosecond())/1e9
}

// layOut gives each stretch its width: by duration, above what it needs.
func (a *axis) layOut() {
	n := float64(len(a.stretches))
	shown := 0.0
	for _, s := range a.stretches {
		shown += between(s.first, s.last)
	}
	spare := 100 - breakWidth*(n-1) - stretchWidth*n
	x := 0.0
	for i := range a.stretches {
		s := &a.stretches[i]
		share := 1 / n
		if shown > 0 {
			share = between(s.first, s.last) / shown
		}
		s.x, s.width = x, stretchWidth+spare*share
		x += s.width + breakWidth
	}
}

// at places t, which is within a stretch.
func (a *axis) at(t time.Time) float64 {
	s := a.stretches[0]
	for _, next := range a.stretches[1:] {
		if t.Before(next.first) {
			break
		}
		s = next
	}
	whole := between(s.first, s.last)
	if whole <= 0 {
		return s.x
	}
	return s.x + s.width*min(1, between(s.first, t)/whole)
}

// breaks gives where time is left out.
func (a *axis) breaks() []string {
	var out []string
	for _, s := range a.stretches[1:] {
		out = append(out, percent(s.x-breakWidth/2))
	}
	return out
}

// steps are those between ticks, in seconds.
var steps = []int64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400}

// step is the least that parts the duration in no more than n.
func step(seconds, n int64) int64 {
	for _, s := range steps {
		if seconds/s <= n {
			return s
		}
	}
	const day = 86400
	return (seconds/n/day + 1) * day
}

// ticks marks the beginning of every stretch, and round times where there is
// room.
func (a *axis) ticks() []tick {
	var out []tick
	for _, s := range a.stretches {
		first := s.first.UTC()
		out = append(out, tick{X: percent(s.x), Date: first.Format(time.DateOnly), Time: first.Format(time.TimeOnly)})
		room := int64(s.width/stretchWidth) - 1
		seconds := int64(between(s.first, s.last))
		if room < 1 || seconds < 2 {
			continue
		}
		by := step(seconds, room)
		for t := first.Unix()/by*by + by; t <= s.last.Unix(); t += by {
			at := time.Unix(t, 0).UTC()
			x := a.at(at)
			if x < s.x+stretchWidth || x > s.x+s.width-stretchWidth/2 {
				continue // its text would cover another
			}
			mark := tick{X: percent(x), Time: at.Format(time.TimeOnly)}
			if date := at.Format(time.DateOnly); date != first.Format(time.DateOnly) {
				mark.Date = date
			}
			out = append(out, mark)
		}
	}
	return out
}
