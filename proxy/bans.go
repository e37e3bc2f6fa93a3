package proxy

import (
	"container/heap"
	"net/netip"
	"sync"
	"time"

	"sstpwarden/inspect"
)

// maxBans bounds what is remembered. Beyond it the ban that ends first goes.
const maxBans = 65536

// bans are what a policy refuses beforehand: a client's connections to one
// server.
type bans struct {
	mu   sync.Mutex
	all  map[banned]*ban
	next banHeap // the same, that which ends first in front
}

type banned struct {
	client netip.Addr
	server netip.AddrPort
}

// A ban lasts until a time, and knows its place in the heap.
type ban struct {
	banned
	until time.Time
	place int
}

// A Ban refuses a client's connections to a server that come to a transparent listener.
type Ban struct {
	Client netip.Addr
	Server netip.AddrPort
	For    time.Duration // how long it goes on
}

// Bans lists the bans that have not run out.
func (s *Server) Bans() []Ban { return s.bans.list(s.now()) }

// Unban takes bans back, whatever their For. That one is not there is no error.
func (s *Server) Unban(bans ...Ban) { s.bans.remove(bans) }

func (b *bans) list(now time.Time) []Ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Ban, 0, len(b.next))
	for _, it := range b.next {
		if left := it.until.Sub(now); left > 0 {
			list = append(list, Ban{it.client, it.server, left})
		}
	}
	return list
}

func (b *bans) remove(list []Ban) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range list {
		of := banned{n.Client, n.Server}
		if it := b.all[of]; it != nil {
			heap.Remove(&b.next, it.place)
			delete(b.all, of)
		}
	}
}

// add bans, or has a ban end at another time.
func (b *bans) add(key inspect.FlowKey, d time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := banned{key.Client.Addr(), key.Server}
	if old := b.all[of]; old != nil {
		old.until = now.Add(d)
		heap.Fix(&b.next, old.place)
		return
	}
	if b.all == nil {
		b.all = map[banned]*ban{}
	}
	if len(b.all) >= maxBans {
		b.drop()
	}
	b.all[of] = &ban{banned: of, until: now.Add(d)}
	heap.Push(&b.next, b.all[of])
}

// drop forgets the ban that ends first.
func (b *bans) drop() { delete(b.all, heap.Pop(&b.next).(*ban).banned) }

func (b *bans) has(client netip.Addr, server netip.AddrPort, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.all[banned{client, server}]
	return it != nil && now.Before(it.until)
}

func (b *bans) expire(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.next) > 0 && !now.Before(b.next[0].until) {
		b.drop()
	}
}

// A banHeap implements [heap.Interface].
type banHeap []*ban

func (h banHeap) Len() int           { return len(h) }
func (h banHeap) Less(i, j int) bool { return h[i].until.Before(h[j].until) }

func (h banHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *banHeap) Push(x any) {
	it := x.(*ban)
	it.place = len(*h)
	*h = append(*h, it)
}

func (h *banHeap) Pop() any {
	last := len(*h) - 1
	it := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return it
}
