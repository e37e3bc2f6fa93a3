package probe

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"

	"sstpwarden/inspect"
)

// AskerOptions make an Asker. What is zero stands for its default.
type AskerOptions struct {
	// Prober asks; nil for one with defaults.
	Prober *Prober
	// Allowed says why an address must not be asked, nil where it may; nil stands
	// for [Public].
	Allowed func(netip.Addr) error
	// How long answers are remembered: 24 hours, an hour, 10 minutes.
	KeepYes, KeepNo, KeepUnclear time.Duration
	// Entries is how many answers are remembered, 4096, of which the oldest fall
	// out; and how many networks are limited at a time.
	Entries int
	// Rate is how many servers are asked a second, in all, 1, and Burst how many at
	// once, 5.
	Rate  float64
	Burst int
	// NetworkRate and NetworkBurst are the same for each network (/24, /48): 0.2
	// and 3. A client chooses what its connections are named, so that one server
	// can be had asked again and again.
	NetworkRate  float64
	NetworkBurst int
	// Asked is told each answer that was not remembered, nil for nobody. It may be
	// called concurrently.
	Asked func(Result)
}

// Counters are what an Asker has done.
type Counters struct {
	Asked       uint64 // servers that were asked
	Yes, No     uint64 // what they answered
	Failed      uint64 // asked without a clear answer
	Cached      uint64 // answered from memory, or by asking that was under way
	Refused     uint64 // addresses that must not be asked
	RateLimited uint64
	Evicted     uint64 // answers that fell out before their time
	Remembered  int    // answers in memory now
}

// An Asker asks each server once, and remembers. Its methods may be called
// concurrently.
type Asker struct {
	options AskerOptions
	running context.Context
	stop    context.CancelFunc
	flights sync.WaitGroup

	mu       sync.Mutex
	known    map[Target]*entry
	order    list.List // of *entry: the oldest first
	all      bucket
	networks map[netip.Prefix]*bucket
	counters Counters
}

// An entry is an answer, or one that is awaited.
type entry struct {
	target  Target
	done    chan struct{} // closed when what follows is there
	ended   bool
	expires time.Time
	learned inspect.Evidence
	clear   bool
	place   *list.Element
}

// NewAsker makes an Asker, which Close ends.
func NewAsker(o AskerOptions) *Asker {
	if o.Prober == nil {
		o.Prober = &Prober{}
	}
	if o.Allowed == nil {
		o.Allowed = Public
	}
	setDefault(&o.KeepYes, 24*time.Hour)
	setDefault(&o.KeepNo, time.Hour)
	setDefault(&o.KeepUnclear, 10*time.Minute)
	setDefault(&o.Entries, 4096)
	setDefault(&o.Rate, 1)
	setDefault(&o.Burst, 5)
	setDefault(&o.NetworkRate, 0.2)
	setDefault(&o.NetworkBurst, 3)
	a := &Asker{options: o, known: map[Target]*entry{}, networks: map[netip.Prefix]*bucket{}}
	a.running, a.stop = context.WithCancel(context.Background())
	return a
}

func setDefault[T int | float64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Ask gives the server's answer as evidence: at once where it is remembered, else
// by asking, which takes as long as the Prober's Timeout at most, or until ctx is
// done. There is none where the server must not be asked, where the limits do not
// allow it now, and where its answer was unclear. That ctx is done does not end the
// asking: its answer is remembered for who comes next.
func (a *Asker) Ask(ctx context.Context, t Target) (inspect.Evidence, bool) {
	e := a.entry(t.canonical())
	if e == nil {
		return inspect.Evidence{}, false
	}
	select {
	case <-e.done:
		return e.learned, e.clear
	case <-ctx.Done():
		return inspect.Evidence{}, false
	}
}

// entry gives the target's answer or has it asked; nil where it is not to be.
func (a *Asker) entry(t Target) *entry {
	if !t.Addr.IsValid() || t.Addr.Port() == 0 || a.options.Allowed(t.Addr.Addr()) != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.counters.Refused++
		return nil
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.known[t]; e != nil {
		if !e.ended || now.Before(e.expires) {
			a.counters.Cached++
			return e
		}
		a.forget(e)
	}
	if a.running.Err() != nil {
		return nil
	}
	if !a.admit(networkOf(t.Addr.Addr()), now) || !a.makeRoom(now) {
		a.counters.RateLimited++
		return nil
	}
	e := &entry{target: t, done: make(chan struct{})}
	e.place = a.order.PushBack(e)
	a.known[t] = e
	a.counters.Asked++
	a.flights.Go(func() { a.fly(e) })
	return e
}

// fly asks, and notes the answer.
func (a *Asker) fly(e *entry) {
	r := a.options.Prober.Ask(a.running, e.target)
	if a.options.Asked != nil {
		a.options.Asked(r)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	keep := a.options.KeepUnclear
	switch r.SSTP {
	case Yes:
		keep = a.options.KeepYes
		a.counters.Yes++
	case No:
		keep = a.options.KeepNo
		a.counters.No++
	default:
		a.counters.Failed++
	}
	e.learned, e.clear = r.Learned()
	e.ended, e.expires = true, time.Now().Add(keep)
	close(e.done)
}

// admit takes a token for a network, if there is one.
func (a *Asker) admit(network netip.Prefix, now time.Time) bool {
	a.all.refill(now, a.options.Rate)
	if !a.all.has(a.options.Burst) {
		return false
	}
	b := a.networks[network]
	if b == nil {
		if len(a.networks) >= a.options.Entries {
			a.sweep(now)
		}
		if len(a.networks) >= a.options.Entries {
			return false
		}
		b = &bucket{}
		a.networks[network] = b
	}
	b.refill(now, a.options.NetworkRate)
	if !b.has(a.options.NetworkBurst) {
		return false
	}
	a.all.take()
	b.take()
	return true
}

// sweep forgets networks that have all their tokens back.
func (a *Asker) sweep(now time.Time) {
	for network, b := range a.networks {
		if b.refill(now, a.options.NetworkRate); b.full() {
			delete(a.networks, network)
		}
	}
}

// makeRoom says that one more answer can be remembered.
func (a *Asker) makeRoom(now time.Time) bool {
	for at := a.order.Front(); at != nil && len(a.known) >= a.options.Entries; {
		e := at.Value.(*entry)
		at = at.Next()
		if !e.ended {
			continue // somebody waits for it
		}
		if now.Before(e.expires) {
			a.counters.Evicted++
		}
		a.forget(e)
	}
	return len(a.known) < a.options.Entries
}

func (a *Asker) forget(e *entry) {
	delete(a.known, e.target)
	a.order.Remove(e.place)
}

// networkOf gives the network that an address is limited with.
func networkOf(addr netip.Addr) netip.Prefix {
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	p, _ := addr.WithZone("").Prefix(bits) // it has so many bits
	return p
}

// Counters gives what was done so far.
func (a *Asker) Counters() Counters {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.counters
	c.Remembered = len(a.known)
	return c
}

// Close ends asking that is under way and waits for it. Ask gives what is
// remembered from then on.
func (a *Asker) Close() {
	a.mu.Lock()
	a.stop()
	a.mu.Unlock()
	a.flights.Wait()
}
