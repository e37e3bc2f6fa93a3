package main

import (
	"fmt"
	"slices"
	"time"
)

// A spread is what several measurements came to.
type spread[T number] struct{ median, low, high T }

type number interface{ ~int64 | ~float64 }

// spreadOf sums measurements up; there is at least one.
func spreadOf[T number](values []T) spread[T] {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return spread[T]{median: (s[(n-1)/2] + s[n/2]) / 2, low: s[0], high: s[n-1]}
}

func column[T any](runs []run, of func(run) T) []T {
	out := make([]T, len(runs))
	for i, r := range runs {
		out[i] = of(r)
	}
	return out
}

func wallOf(r run) time.Duration { return r.wall }
func cpuOf(r run) time.Duration  { return r.cpu }

func (c *contender) wall() spread[time.Duration] { return spreadOf(column(c.runs, wallOf)) }
func (c *contender) cpu() spread[time.Duration]  { return spreadOf(column(c.runs, cpuOf)) }

func (c *contender) memory() spread[int64] {
	return spreadOf(column(c.runs, func(r run) int64 { return r.memory }))
}

// times is how many times as much time c took as ours, compared round by round.
func (c *contender) times(ours *contender, of func(run) time.Duration) spread[float64] {
	var ratios []float64
	for i := range min(len(c.runs), len(ours.runs)) {
		ratios = append(ratios, float64(of(c.runs[i]))/float64(max(1, of(ours.runs[i]))))
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
