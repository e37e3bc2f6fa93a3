package access

import (
	"fmt"
	"net/netip"
	"sync"
)

// A Limiter bounds what is there at the same time, connections above all, in all
// and by client. It remembers those alone that are there, so its memory is bounded
// by them. It is safe for concurrent use.
type Limiter struct {
	total, perClient int

	mu      sync.Mutex
	clients map[netip.Addr]int // by clientOf, no zeros
	stats   LimiterStats
}

// LimiterStats count since a Limiter was made.
type LimiterStats struct {
	Active        int    // there now
	Clients       int    // who have them
	Accepted      uint64 // let in
	RefusedTotal  uint64 // because there were too many in all
	RefusedClient uint64 // because the client had too many
}

// NewLimiter makes a Limiter of so many in all and by client. Zero and less mean any
// number.
func NewLimiter(total, perClient int) *Limiter {
	return &Limiter{total: total, perClient: perClient, clients: map[netip.Addr]int{}}
}

// Acquire takes in one of a client's. Release is to be called when it is gone;
// calling it again does nothing. The error is a [*LimitError], and then there is
// nothing to release.
func (l *Limiter) Acquire(client netip.Addr) (release func(), err error) {
	c := clientOf(client)
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.clients[c]
	if l.perClient > 0 && n >= l.perClient {
		l.stats.RefusedClient++
		return nil, &LimitError{Client: client, PerClient: true, Limit: l.perClient}
	}
	if l.total > 0 && l.stats.Active >= l.total {
		l.stats.RefusedTotal++
		return nil, &LimitError{Client: client, Limit: l.total}
	}
	l.clients[c] = n + 1
	l.stats.Active++
	l.stats.Accepted++
	released := false // under the lock
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !released {
			released = true
			l.leave(c)
		}
	}, nil
}

func (l *Limiter) leave(c netip.Addr) {
	l.stats.Active--
	if n := l.clients[c] - 1; n > 0 {
		l.clients[c] = n
	} else {
		delete(l.clients, c)
	}
}

// Stats gives the counts.
func (l *Limiter) Stats() LimiterStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Clients = len(l.clients)
	return s
}

// LimitError is why a Limiter took in nothing more.
type LimitError struct {
	Client    netip.Addr // who wanted more
	PerClient bool       // the limit is that of one client, not of all
	Limit     int
}

func (e *LimitError) Error() string {
	if e.PerClient {
		return fmt.Sprintf("%s has as many connections as one client may have: %d", clientName(clientOf(e.Client)), e.Limit)
	}
	return fmt.Sprintf("there are as many connections as there may be: %d", e.Limit)
}
