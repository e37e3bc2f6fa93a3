package main

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// randomFor gives the random numbers of one purpose. Purposes do not share a
// stream, so a change to one leaves the others' traffic as it was.
func randomFor(seed uint64, purpose string) *rand.Rand {
	return rand.New(chacha(seed, purpose))
}

func chacha(seed uint64, purpose string) *rand.ChaCha8 {
	return rand.NewChaCha8(sha256.Sum256(binary.LittleEndian.AppendUint64([]byte(purpose), seed)))
}

// cryptoRandom is a crypto/tls randomness source that repeats itself.
//
// It works because this program sets GODEBUG cryptocustomrand=1 (main.go), and
// because single bytes do not count: the crypto packages read one now and then
// (randutil.MaybeReadByte) just so that nobody gets repeatable keys.
type cryptoRandom struct{ stream *rand.ChaCha8 }

func newCryptoRandom(seed uint64, purpose string) cryptoRandom {
	return cryptoRandom{chacha(seed, purpose)}
}

func (r cryptoRandom) Read(b []byte) (int, error) {
	if len(b) == 1 {
		b[0] = 1
		return 1, nil
	}
	return r.stream.Read(b)
}

// uniform is a number between low and high, both included.
func uniform[T ~int | ~int64](r *rand.Rand, low, high T) T {
	return low + T(r.Int64N(int64(high-low)+1))
}
