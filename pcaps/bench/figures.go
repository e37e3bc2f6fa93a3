package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A spread is what several measurements came to.
type spread[T cmp.Ordered] struct{ median, low, high T }

// spreadOf sums measurements up; there is at least one. Of an even number the
// upper of the two in the middle stands for the median.
func spreadOf[T cmp.Ordered](values []T) spread[T] {
	s := slices.Sorted(slices.Values(values))
	return spread[T]{median: s[len(s)/2], low: s[0], high: s[len(s)-1]}
}

func column[T any](runs []run, of func(run) T) []T {
	out := make([]T, len(runs))
	for i, r := range runs {
		out[i] = of(r)
	}
	return out
}

func (c *contender) wall() spread[time.Duration] {
	return spreadOf(column(c.runs, func(r run) time.Duration { return r.wall }))
}

func (c *contender) cpu() spread[time.Duration] {
	return spreadOf(column(c.runs, func(r run) time.Duration { return r.cpu }))
}

func (c *contender) memory() spread[int64] {
	return spreadOf(column(c.runs, func(r run) int64 { return r.memory }))
}

// times is how many times as long c took as ours, compared round by round.
func (c *contender) times(ours *contender) spread[float64] {
	var ratios []float64
	for i := range min(len(c.runs), len(ours.runs)) {
		ratios = append(ratios, float64(c.runs[i].wall)/float64(ours.runs[i].wall))
	}
	return spreadOf(ratios)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

func ratio(r float64) string {
	if r < 10 {
		return fmt.Sprintf("%.2f", r)
	}
	return fmt.Sprintf("%.1f", r)
}
