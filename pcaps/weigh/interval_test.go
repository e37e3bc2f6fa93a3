package weigh_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"sstpwarden/pcaps/weigh"
)

// TestRate has the examples of Newcombe, Two-sided confidence intervals for the
// single proportion, Statistics in Medicine 17 (1998), table I, method 3.
func TestRate(t *testing.T) {
	for _, test := range []struct {
		votes     weigh.Votes
		low, high float64
	}{
		{weigh.Votes{Held: 81, Of: 263}, 0.2553, 0.3662},
		{weigh.Votes{Held: 15, Of: 148}, 0.0624, 0.1605},
		{weigh.Votes{Held: 0, Of: 20}, 0, 0.1611},
		{weigh.Votes{Held: 1, Of: 29}, 0.0061, 0.1718},
		{weigh.Votes{}, 0, 1},
	} {
		low, high := weigh.Rate(test.votes)
		if math.Abs(low-test.low) > 5e-5 || math.Abs(high-test.high) > 5e-5 {
			t.Errorf("%v: %.4f to %.4f", test.votes, low, high)
		}
	}
}

func TestInterval(t *testing.T) {
	v := func(held float64, of int) weigh.Votes { return weigh.Votes{Held: held, Of: of} }
	for _, test := range []struct {
		name                 string
		positives, negatives weigh.Votes
		low, high            int
	}{
		{"nothing was counted", v(0, 0), v(0, 0), 0, 0},
		{"no others", v(40, 40), v(0, 0), 0, 0},
		{"no SSTP", v(0, 0), v(3, 40), 0, 0},
		// 10*log10(0.98/(0.5/149)) is 24.7; the least of it ends at Wilson's 0.0253.
		{"never on others", v(26, 26), v(0, 148), 15, 25},
		{"never on any", v(0, 40), v(0, 40), -9, 9},
		{"as often", v(200, 400), v(200, 400), -1, 1},
		{"never on SSTP", v(0, 41), v(116, 260), -17, -7},
	} {
		if low, high := weigh.Interval(test.positives, test.negatives); low != test.low || high != test.high {
			t.Errorf("%s: %d to %d, want %d to %d", test.name, low, high, test.low, test.high)
		}
	}
	// More others on which it never held allow more, without end; and a thousand
	// on which nothing of the sort was counted allow no more than they carry.
	last := 0
	for _, n := range []int{1, 10, 100, 1000, 10000} {
		_, high := weigh.Interval(v(40, 40), v(0, n))
		if most := int(math.Ceil(10 * math.Log10(float64(2*n+2)))); high <= last || high > most {
			t.Errorf("0 of %d: up to %d, after %d; at most %d", n, high, last, most)
		}
		last = high
	}
}

// TestIntervalHoldsWhatIsTrue draws votes at known rates and wants the ratio
// inside as often as is said.
func TestIntervalHoldsWhatIsTrue(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	draw := func(p float64, n int) (v weigh.Votes) {
		v.Of = n
		for range n {
			if r.Float64() < p {
				v.Held++
			}
		}
		return v
	}
	for _, rates := range [][2]float64{{0.9, 0.1}, {0.95, 0.02}, {0.5, 0.5}, {0.1, 0.4}} {
		const rounds = 2000
		ratio := 10 * math.Log10(rates[0]/rates[1])
		inside := 0
		for range rounds {
			low, high := weigh.Interval(draw(rates[0], 41), draw(rates[1], 260))
			if float64(low) <= ratio && ratio <= float64(high) {
				inside++
			}
		}
		if inside < rounds*94/100 {
			t.Errorf("%v: %d of %d hold %.1f", rates, inside, rounds, ratio)
		}
	}
}
