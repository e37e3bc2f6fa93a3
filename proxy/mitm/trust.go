package mitm

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"
	"time"
)

const (
	// trustLifetime is how long a chain counts as verified, at most.
	trustLifetime = 5 * time.Minute
	// trustEntries is how many chains each of the two generations has: some
	// 100 bytes each.
	trustEntries = 2048
)

// A Trust remembers chains that led to a root, so that a busy server's are not
// verified for each connection: their signatures are a tenth of what opening a
// connection costs. It remembers that, and neither names nor the leaf's dates,
// which are looked at each time; nor does it remember what did not verify.
//
// What it says holds for the same certificates in the same order, the same pool
// of roots (which must not be added to meanwhile), no longer than the certificates
// that lead to the root are valid, and no longer than five minutes. It is bounded,
// and safe for concurrent use. The zero value is empty.
type Trust struct {
	mu sync.Mutex
	// What is in neither is verified. The older generation goes when the newer
	// one is full, and what is still asked for was found in it and moves on.
	newer, older map[trustKey]trusted
}

type trustKey struct {
	chain [sha256.Size]byte
	roots *x509.CertPool
}

// trusted is from when to when a chain counts as verified, both inclusive.
type trusted struct{ from, to time.Time }

func newTrustKey(chain []*x509.Certificate, roots *x509.CertPool) trustKey {
	h := sha256.New()
	var length [8]byte
	for _, cert := range chain {
		binary.BigEndian.PutUint64(length[:], uint64(len(cert.Raw)))
		h.Write(length[:])
		h.Write(cert.Raw)
	}
	k := trustKey{roots: roots}
	h.Sum(k.chain[:0])
	return k
}

// verify says why a chain is not to be trusted at some time. A nil Trust has no
// memory.
func (t *Trust) verify(chain []*x509.Certificate, roots *x509.CertPool, when time.Time) error {
	var key trustKey
	if t != nil {
		key = newTrustKey(chain, roots)
		if t.has(key, when) {
			return nil
		}
	}
	above := x509.NewCertPool()
	for _, cert := range chain[1:] {
		above.AddCert(cert)
	}
	ways, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: above, CurrentTime: when})
	if err == nil && t != nil {
		t.add(key, lasting(ways, when))
	}
	return err
}

// lasting gives the time for which ways to a root that were found are good.
func lasting(ways [][]*x509.Certificate, when time.Time) trusted {
	t := trusted{from: when, to: when}
	for _, way := range ways {
		end := when.Add(trustLifetime)
		for _, cert := range way {
			end = earlier(end, cert.NotAfter)
		}
		if end.After(t.to) {
			t.to = end
		}
	}
	return t
}

func (t *Trust) has(key trustKey, when time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.newer[key]
	if !ok {
		if found, ok = t.older[key]; ok {
			t.put(key, found)
		}
	}
	return ok && !when.Before(found.from) && !when.After(found.to)
}

func (t *Trust) add(key trustKey, what trusted) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(key, what)
}

// put keeps what there is room for. The caller holds mu.
func (t *Trust) put(key trustKey, what trusted) {
	if _, ok := t.newer[key]; !ok && len(t.newer) >= trustEntries {
		t.newer, t.older = nil, t.newer
	}
	if t.newer == nil {
		t.newer = make(map[trustKey]trusted)
	}
	t.newer[key] = what
}
