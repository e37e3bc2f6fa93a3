package report

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"sstpwarden/policies/event"
)

// A rank says how much an event has to tell: the strongest case first, then
// the earliest.
type rank struct {
	strength, kind, score int
	start                 time.Time
	seq                   int // in order of arrival
}

func rankOf(e *event.Event, seq int) rank {
	return rank{e.Detection.Verdict.Strength(), int(e.Detection.Kind), e.Detection.Score, e.Timestamp.Time, seq}
}

// compare is negative where a comes before b.
func (a rank) compare(b rank) int {
	return cmp.Or(
		-cmp.Compare(a.strength, b.strength),
		-cmp.Compare(a.kind, b.kind),
		-cmp.Compare(a.score, b.score),
		a.start.Compare(b.start),
		cmp.Compare(a.seq, b.seq),
	)
}

// best keeps the first max of its items by rank, in memory for max.
type best[T any] struct {
	max   int
	items ranking[T]
}

type ranked[T any] struct {
	rank  rank
	value T
}

// add takes an item if it is among the first; it is made only then.
func (b *best[T]) add(r rank, value func() T) {
	switch {
	case len(b.items) < b.max:
		heap.Push(&b.items, ranked[T]{r, value()})
	case b.max > 0 && r.compare(b.items[0].rank) < 0:
		b.items[0] = ranked[T]{r, value()}
		heap.Fix(&b.items, 0)
	}
}

// sorted gives the items in order; add is not to be called after it.
func (b *best[T]) sorted() []ranked[T] {
	slices.SortFunc(b.items, func(x, y ranked[T]) int { return x.rank.compare(y.rank) })
	return b.items
}

// ranking is a heap with the last item by rank on top.
type ranking[T any] []ranked[T]

func (h ranking[T]) Len() int           { return len(h) }
func (h ranking[T]) Less(i, j int) bool { return h[i].rank.compare(h[j].rank) > 0 }
func (h ranking[T]) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ranking[T]) Push(x any)        { *h = append(*h, x.(ranked[T])) }

func (h *ranking[T]) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
