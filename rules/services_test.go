package rules_test

import (
	"math"
	"math/rand/v2"

	"sstpwarden/inspect"
)

// A service is what one server offers in an ordinary protocol. What its connections
// have in common, the heads of its HTTP or the few lengths of its messages, is drawn
// once; each call of what make gives draws a connection.
type service struct {
	name string
	alpn string // that both sides take
	most bound
	make func(r *rand.Rand) func() []write
}

// A bound is how many connections in 1,000 may be suspected: where the cipher shows
// lengths to the byte, and where it hides them within blocks.
type bound struct{ exact, block int }

// rarely is what most services have to keep to.
var rarely = bound{1, 1}

// of gives the bound of n connections, rounded up.
func (b bound) of(n int, c cipherCase) int {
	share := b.exact
	if c.block() {
		share = b.block
	}
	return (n*share + 999) / 1000
}

// looked is how many writes a connection has at most: what comes later is not
// looked at.
const looked = 300

// pause has nobody write for so many milliseconds.
func pause(ms int) []write { return []write{{nobody, ms}} }

// nobody is the direction of a pause.
const nobody inspect.Direction = 0

// about is a length around n: most are near it, some are a few times as long.
func about(r *rand.Rand, n int) int {
	return max(1, int(float64(n)*math.Exp(r.NormFloat64()/2)))
}

// between is a length from lo to hi.
func between(r *rand.Rand, lo, hi int) int { return lo + r.IntN(hi-lo+1) }

// oneOf picks a length.
func oneOf(r *rand.Rand, n ...int) int { return n[r.IntN(len(n))] }

// fixed gives a function that picks among a protocol's few lengths.
func fixed(r *rand.Rand, most, lo, hi int) func() int {
	lengths := make([]int, 1+r.IntN(most))
	for i := range lengths {
		lengths[i] = between(r, lo, hi)
	}
	return func() int { return oneOf(r, lengths...) }
}

// again makes up a connection of a first part and of parts that follow one another;
// how long it lasts differs, as with all programs.
func again(r *rand.Rand, first []write, part func() []write) []write {
	d := first
	for n := between(r, 4, looked); len(d) < n; {
		d = join(d, part())
	}
	return d
}

// either makes up a connection in which both sides write when they like.
func either(r *rand.Rand, first []write, byClient float64, client, server func() int) []write {
	return again(r, first, func() []write {
		if r.Float64() < byClient {
			return c(client())
		}
		return s(server())
	})
}

// long cuts what is longer than a record.
func long(side func(...int) []write, n int) []write {
	var out []write
	for ; n > 0; n -= 16384 {
		out = append(out, side(min(n, 16384))...)
	}
	return out
}

// within gives the writes of a connection in the records of a TLS session that is
// itself carried in records.
func within(more int, d []write) []write {
	out := make([]write, len(d))
	for i, w := range d {
		if w.from != nobody {
			w.bytes += more
		}
		out[i] = w
	}
	return out
}

// innerHandshake is one of TLS as its sides write it: 1.3, or 1.2 with what its
// records have more.
func innerHandshake(r *rand.Rand) (more int, d []write) {
	hello := between(r, 220, 620)
	if r.IntN(4) == 0 {
		hello = between(r, 1500, 1900) // with a post-quantum key share
	}
	chain := between(r, 1800, 5200)
	switch r.IntN(5) {
	case 0: // resumed
		return 22, join(c(hello+between(r, 150, 250)), s(between(r, 220, 330)), c(oneOf(r, 64, 80)))
	case 1:
		return 29, join(c(hello), s(chain), c(126), s(oneOf(r, 51, 51+between(r, 180, 240))))
	case 2:
		return 21, join(c(hello), s(chain), c(118), s(oneOf(r, 43, 43+between(r, 180, 240))))
	default:
		d := join(c(hello), s(chain), c(oneOf(r, 64, 80)))
		if r.IntN(2) == 0 {
			d = join(d, s(255, 255))
		}
		return 22, d
	}
}
