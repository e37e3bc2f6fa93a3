package access

import (
	"container/list"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Somebody who mistypes a password does so a few times, and a hundred people behind
// one address a few times more. Whoever guesses gets 2,880 tries a day.
const (
	maxFailures   = 20
	failureWindow = 10 * time.Minute
	maxFailing    = 16_384 // clients, which take some 10 MB
)

// failures are what was tried in vain, by client, the newest clients of all. They
// are safe for concurrent use.
type failures struct {
	limit  int           // different ones within the window after which nothing more is tried
	window time.Duration // how long one counts
	max    int           // clients

	mu      sync.Mutex
	clients map[netip.Addr]*list.Element
	order   *list.List // of *failing, by the last failure, the oldest first
}

// failing is a client's failures, at most limit of them, the oldest first.
type failing struct {
	client netip.Addr
	tries  []try
}

type try struct {
	id uint64
	at time.Time
}

func newFailures(limit int, window time.Duration, most int) *failures {
	return &failures{limit: limit, window: window, max: most, clients: map[netip.Addr]*list.Element{}, order: list.New()}
}

// wait is how long a client has to wait for another try.
func (f *failures) wait(client netip.Addr, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.clients[client]
	if e == nil {
		return 0
	}
	tries := e.Value.(*failing).tries
	if len(tries) < f.limit {
		return 0
	}
	return max(0, tries[0].at.Add(f.window).Sub(now))
}

// has says whether a client tried the same in vain within the window.
func (f *failures) has(client netip.Addr, id uint64, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.clients[client]
	return e != nil && slices.ContainsFunc(e.Value.(*failing).tries, func(t try) bool {
		return t.id == id && now.Sub(t.at) < f.window
	})
}

// add takes a failure.
func (f *failures) add(client netip.Addr, id uint64, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range 2 { // more than come in
		if e := f.order.Front(); e != nil {
			if tries := e.Value.(*failing).tries; now.Sub(tries[len(tries)-1].at) >= f.window {
				f.remove(e)
			}
		}
	}
	e := f.clients[client]
	if e == nil {
		if len(f.clients) >= f.max {
			f.remove(f.order.Front())
		}
		e = f.order.PushBack(&failing{client: client})
		f.clients[client] = e
	}
	f.order.MoveToBack(e)
	c := e.Value.(*failing)
	if slices.ContainsFunc(c.tries, func(t try) bool { return t.id == id && now.Sub(t.at) < f.window }) {
		return // two at once
	}
	if len(c.tries) >= f.limit {
		c.tries = slices.Delete(c.tries, 0, 1)
	}
	c.tries = append(c.tries, try{id, now})
}

func (f *failures) remove(e *list.Element) {
	delete(f.clients, f.order.Remove(e).(*failing).client)
}

// LoginLimitError is why a client may not try to log in for a time.
type LoginLimitError struct {
	Client   netip.Addr // of IPv6 the first address of its /64
	Failures int        // so many different passwords were wrong
	Window   time.Duration
	Wait     time.Duration // until another try is looked at
}

func (e *LoginLimitError) Error() string {
	wait := (e.Wait + time.Second - 1).Truncate(time.Second)
	return fmt.Sprintf("too many failed logins from %s: %d within %v; next try in %v", clientName(e.Client), e.Failures, e.Window, wait)
}
