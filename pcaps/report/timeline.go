package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

const (
	// maxSpans bounds the connections on the time line, heldLanes the servers
	// told apart, maxLanes those with a lane of their own.
	maxSpans  = 1 << 16
	heldLanes = 1 << 12
	maxLanes  = 16
	// laneRows is how many bars lie above each other where they overlap.
	laneRows = 4
	// barGap is what parts bars of a row at least, in percent of the width,
	// barMerged how wide bars become that are joined for being small, and
	// barLeast what the shortest is drawn with.
	barGap, barMerged, barLeast = 0.15, 0.6, 0.1
)

// spans gathers when each connection ran.
type spans struct {
	list  []span
	lanes map[event.Server]int
	names []string // by lane; of several the first in the alphabet
	left  int      // connections that there was no room for
}

type span struct {
	start, end time.Time
	lane       int
	verdict    inspect.Verdict
	seq        int
}

func newSpans() spans { return spans{lanes: map[event.Server]int{}} }

func (s *spans) add(e *event.Event, seq int) {
	server, name := serverKey(e)
	lane, ok := s.lanes[server]
	if len(s.list) == maxSpans || !ok && len(s.lanes) == heldLanes {
		s.left++
		return
	}
	if !ok {
		lane = len(s.lanes)
		s.lanes[server] = lane
		s.names = append(s.names, name)
	}
	if have := s.names[lane]; have == "" || name != "" && name < have {
		s.names[lane] = name
	}
	s.list = append(s.list, span{e.Timestamp.Time, endOf(e), lane, e.Detection.Verdict, seq})
}

// A timeLine shows when connections ran, in a lane for each server. Places and
// widths are percent of the width, heights pixels.
type timeLine struct {
	Caption string
	Ticks   []tick
	Breaks  []string // where time is left out
	Lanes   []lane
	More    string
}

type tick struct{ X, Date, Time string }

type lane struct {
	Name, Where string
	Text        string // the lane in words
	Height      int
	Bars        []bar
}

type bar struct {
	X, Width string
	Y        int
	Class    string
	Title    string
	Href     string

	from, to float64
	verdict  inspect.Verdict
	number   int
}

// timeLine draws the spans. Places gives the place of a connection among those
// with details, by its number of arrival.
func (s *spans) timeLine(places map[int]int) *timeLine {
	if len(s.list) == 0 {
		return nil
	}
	slices.SortFunc(s.list, func(a, b span) int { return cmp.Or(a.start.Compare(b.start), cmp.Compare(a.seq, b.seq)) })
	x := newAxis(s.list)
	t := &timeLine{Ticks: x.ticks(), Breaks: x.breaks()}
	first, last := s.list[0].start, s.list[0].end
	for _, sp := range s.list {
		if sp.end.After(last) {
			last = sp.end
		}
	}
	t.Caption = fmt.Sprintf("%s to %s, %s", count(len(s.list), "connection"), count(len(s.lanes), "server"), period(first, last))
	names := make([]event.Server, len(s.lanes))
	for server, i := range s.lanes {
		names[i] = server
		if s.names[i] != "" {
			names[i].Name = s.names[i]
		}
	}
	byLane := make([][]span, len(s.lanes))
	for _, sp := range s.list {
		byLane[sp.lane] = append(byLane[sp.lane], sp)
	}
	order := laneOrder(byLane, names)
	for _, i := range order[:min(len(order), maxLanes)] {
		l := newLane(byLane[i], x, places)
		l.Name, l.Where = serverName(names[i])
		l.Name = short(l.Name, maxField)
		t.Lanes = append(t.Lanes, l)
	}
	if rest := order[min(len(order), maxLanes):]; len(rest) > 0 {
		var all []span
		for _, i := range rest {
			all = append(all, byLane[i]...)
		}
		slices.SortFunc(all, func(a, b span) int { return cmp.Or(a.start.Compare(b.start), cmp.Compare(a.seq, b.seq)) })
		l := newLane(all, x, places)
		l.Name = count(len(rest), "other server")
		t.Lanes = append(t.Lanes, l)
	}
	if s.left > 0 {
		t.More = count(s.left, "more connection") + " would not fit on the time line. sstpwarden audit --format json has them."
	}
	return t
}

// laneOrder puts the lanes with the strongest and most connections first.
func laneOrder(byLane [][]span, names []event.Server) []int {
	order := make([]int, len(byLane))
	weight := make([]int, len(byLane))
	for i, list := range byLane {
		order[i] = i
		for _, sp := range list {
			weight[i] = max(weight[i], sp.verdict.Strength())
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(
			-cmp.Compare(weight[a], weight[b]),
			-cmp.Compare(len(byLane[a]), len(byLane[b])),
			cmp.Compare(names[a].Name, names[b].Name),
			names[a].IP.Compare(names[b].IP),
			cmp.Compare(names[a].Port, names[b].Port),
		)
	})
	return order
}

// barPitch is from one row of bars to the next, in pixels.
const barPitch = 10

// newLane draws the bars of one lane; list is in order of start. Bars of a row
// stand apart, or are one: however many connections there are, a row has no
// more bars than can be told apart.
func newLane(list []span, x *axis, places map[int]int) lane {
	var rows [laneRows][]bar
	for _, sp := range list {
		b := newBar(sp, x, places)
		for r := range rows {
			n := len(rows[r])
			if n == 0 || b.from >= rows[r][n-1].to+barGap {
				b.Y = r * barPitch
				rows[r] = append(rows[r], b)
				break
			}
			last := &rows[r][n-1]
			if r == laneRows-1 || b.verdict == last.verdict && b.to-last.from < barMerged {
				last.join(&b)
				break
			}
		}
	}
	l := lane{Text: laneText(list)}
	for r := range rows {
		if len(rows[r]) > 0 {
			l.Height = (r + 1) * barPitch
		}
		for _, b := range rows[r] {
			b.X, b.Width, b.Class = percent(b.from), percent(max(b.to-b.from, barLeast)), verdictClass(b.verdict.String())
			if b.number > 1 {
				b.Title = count(b.number, "connection") + ", the first " + b.Title
			}
			l.Bars = append(l.Bars, b)
		}
	}
	return l
}

func newBar(sp span, x *axis, places map[int]int) bar {
	b := bar{
		Title: fmt.Sprintf("%s, %s, %s", sp.verdict, clockFine(sp.start), Lasted(sp.end.Sub(sp.start).Seconds())),
		from:  x.at(sp.start), to: x.at(sp.end), verdict: sp.verdict, number: 1,
	}
	if place, ok := places[sp.seq]; ok {
		b.Href = "#" + anchor(place)
	}
	return b
}

// join makes one bar of two; the stronger verdict counts.
func (b *bar) join(o *bar) {
	b.to = max(b.to, o.to)
	b.number++
	if o.verdict.Strength() > b.verdict.Strength() {
		b.verdict = o.verdict
	}
	if b.Href == "" {
		b.Href = o.Href
	}
}

// laneText says what a lane shows.
func laneText(list []span) string {
	last := list[0].end
	for _, sp := range list {
		if sp.end.After(last) {
			last = sp.end
		}
	}
	return count(len(list), "connection") + ", " + period(list[0].start, last)
}

func percent(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) + "%" }
