package weigh

import "math"

// z is the quantile of 95 % on both sides.
const z = 1.959964

// Rate gives the bounds of a rate by Wilson's interval, at 95 %.
func Rate(v Votes) (low, high float64) {
	if v.Of == 0 {
		return 0, 1
	}
	n := float64(v.Of)
	p := v.Held / n
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	reach := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, middle-reach), min(1, middle+reach)
}

// A rate with its bounds, none of them 0: what was never seen counts as half a
// vote of one more.
type rate struct{ low, at, high float64 }

func rateOf(v Votes) rate {
	n := float64(v.Of)
	at, least := (v.Held+0.5)/(n+1), 0.5/(n+1)
	low, high := Rate(v)
	return rate{max(least, min(low, at)), at, max(high, at)}
}

// Interval gives the bounds of the likelihood ratio in decibans, rounded away
// from each other: the rates' own bounds put together on the scale of logarithms
// (the method of variance estimates recovery, Donner and Zou 2012). Where a rule
// never held on one side, 0 is among them: that alone does not make it speak for
// the other. Where a side has no votes both are 0: the counts allow nothing.
func Interval(positives, negatives Votes) (low, high int) {
	if positives.Of == 0 || negatives.Of == 0 {
		return 0, 0
	}
	p, q := rateOf(positives), rateOf(negatives)
	ratio := math.Log(p.at / q.at)
	down := math.Hypot(math.Log(p.at/p.low), math.Log(q.high/q.at))
	up := math.Hypot(math.Log(p.high/p.at), math.Log(q.at/q.low))
	const decibans = 10 / math.Ln10
	low, high = int(math.Floor((ratio-down)*decibans)), int(math.Ceil((ratio+up)*decibans))
	if positives.Held == 0 {
		low = min(low, 0)
	}
	if negatives.Held == 0 {
		high = max(high, 0)
	}
	return low, high
}
