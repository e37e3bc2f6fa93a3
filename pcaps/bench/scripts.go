package main

import (
	"math/rand/v2"
	"time"
)

// A script says who writes how much and when inside a recorded connection.
// The shapes below are those of common traffic; the sizes are drawn once per
// template.
type script func(r *rand.Rand) []step

const (
	kb = 1000
	mb = 1000 * kb
)

// web is HTTP/1.1: requests one after the other, each with its response.
func web(responses ...int) script {
	return func(r *rand.Rand) []step {
		var s []step
		for i, size := range responses {
			var think time.Duration
			if i > 0 {
				think = uniform(r, 20*time.Millisecond, 900*time.Millisecond)
			}
			s = append(s,
				step{client: true, wait: think, size: uniform(r, 280, 900)},
				step{wait: uniform(r, time.Millisecond, 40*time.Millisecond), size: uniform(r, 180, 420) + size})
		}
		return s
	}
}

// h2 has HTTP/2's opening (preface, SETTINGS, WINDOW_UPDATE, then SETTINGS and
// its acknowledgement), small compressed heads and PINGs now and then.
func h2(responses ...int) script {
	return func(r *rand.Rand) []step {
		s := []step{
			{client: true, size: 24 + 9 + 18 + 13},
			{client: true, size: uniform(r, 90, 420)},
			{size: 9 + 18 + 13},
			{size: 9},
			{client: true, size: 9},
		}
		for i, size := range responses {
			if i > 0 {
				s = append(s, step{client: true, wait: uniform(r, 5*time.Millisecond, 2*time.Second), size: uniform(r, 30, 160)})
			}
			s = append(s, step{wait: uniform(r, time.Millisecond, 60*time.Millisecond), size: uniform(r, 60, 250)})
			for rest := size; rest > 0; rest -= 16 << 10 {
				s = append(s, step{size: 9 + min(rest, 16<<10)})
			}
			if i%3 == 2 {
				s = append(s, step{client: true, size: 17}, step{size: 17})
			}
		}
		return s
	}
}

// upload sends bodies and gets short answers.
func upload(bodies ...int) script {
	return func(r *rand.Rand) []step {
		var s []step
		for _, size := range bodies {
			s = append(s,
				step{client: true, wait: uniform(r, time.Millisecond, 300*time.Millisecond), size: uniform(r, 350, 800)},
				step{client: true, size: size},
				step{wait: uniform(r, 10*time.Millisecond, 200*time.Millisecond), size: uniform(r, 200, 700)})
		}
		return s
	}
}

// socket is a WebSocket or another chatty protocol: an upgrade, then short
// messages either way.
func socket(messages int) script {
	return func(r *rand.Rand) []step {
		s := []step{{client: true, size: uniform(r, 450, 700)}, {size: uniform(r, 129, 220)}}
		for range messages {
			s = append(s, step{
				client: r.IntN(3) == 0,
				wait:   uniform(r, 20*time.Millisecond, 1500*time.Millisecond),
				size:   uniform(r, 6, 240),
			})
		}
		return s
	}
}

// poll is a connection kept open and used every so often.
func poll(times int, every time.Duration) script {
	return func(r *rand.Rand) []step {
		s := web(uniform(r, 500, 4000))(r)
		for range times {
			s = append(s,
				step{client: true, wait: every + uniform(r, 0, every/10), size: uniform(r, 60, 300)},
				step{wait: 3 * time.Millisecond, size: uniform(r, 40, 500)})
		}
		return s
	}
}

// each is n responses between low and high bytes.
func each(n, low, high int) []int {
	// A stream of its own: the shape belongs to the template, not to the seed.
	r := rand.New(rand.NewPCG(uint64(n), uint64(high)))
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = uniform(r, low, high)
	}
	return sizes
}
