package inspect

import (
	"crypto/sha256"
	"sync"

	"sstpwarden/inspect/tlswire"
)

// maxChains bounds the certificate chains whose traits are remembered.
const maxChains = 512

// chains remembers what certificate chains tell: a network's clients go to the
// same servers again and again, and reading a certificate is the dearest part of
// a handshake. When it is full it begins anew.
type chains struct {
	mu    sync.Mutex
	known map[chainID]*tlswire.CertificateTraits
}

// chainID is all that the traits depend on.
type chainID struct {
	leaf   [sha256.Size]byte
	length int
}

// traits returns the traits of a chain that is not empty. They are shared and
// must not be changed.
func (cs *chains) traits(c *tlswire.Certificate) *tlswire.CertificateTraits {
	id := chainID{sha256.Sum256(c.Entries[0].Data), len(c.Entries)}
	cs.mu.Lock()
	t := cs.known[id]
	cs.mu.Unlock()
	if t != nil {
		return t
	}
	t = c.Traits() // others need not wait for it
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.known == nil || len(cs.known) >= maxChains {
		cs.known = make(map[chainID]*tlswire.CertificateTraits)
	}
	cs.known[id] = t
	return t
}
