package main

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"strings"
	"time"
)

// cipherCost is the CPU time, in seconds, in which each GB is opened and sealed
// again by AES-128-GCM in records as long as TLS has them. It is the least of some
// tries: what a proxy that opens TLS is left with when all else costs nothing.
func cipherCost() (float64, error) {
	const (
		record  = 16 << 10 // RFC 8446, Section 5.1
		records = 1000
		tries   = 20
	)
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		return 0, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return 0, err
	}
	nonce := make([]byte, aead.NonceSize())
	sealed := aead.Seal(nil, nonce, make([]byte, record), nil)
	plain := make([]byte, 0, record)
	var least time.Duration
	for try := range tries {
		began := time.Now()
		for range records {
			if plain, err = aead.Open(plain[:0], nonce, sealed, nil); err != nil {
				return 0, err
			}
			sealed = aead.Seal(sealed[:0], nonce, plain, nil)
		}
		if took := time.Since(began); try == 0 || took < least {
			least = took
		}
	}
	return least.Seconds() / (records * record) * 1e9, nil
}

// cipherBound says how much faster than mitmproxy a proxy that opens TLS can be at
// most: with the cipher's cost and no other.
func cipherBound(cost float64, entrants []*entrant) string {
	text := fmt.Sprintf("\nAES-128-GCM alone takes %s CPU s/GB to open and to seal again", number3(cost))
	var bounds []string
	mitmproxy := entrantNamed(entrants, mitmproxyName)
	for _, d := range opening {
		if results := mitmproxy.results[d.title]; d.each == perGB && len(results) > 0 {
			bounds = append(bounds, fmt.Sprintf("%sx (%s)", number3(spreadOf(figures(results, costOf)).median/cost), d.short))
		}
	}
	if len(bounds) > 0 {
		text += ", which bounds any proxy by CPU time at " + strings.Join(bounds, " and ") + " of mitmproxy"
	}
	return text + ".\n"
}
