package proxy

import (
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
	mu  sync.Mutex
	all map[ban]time.Time // until when
}

type ban struct {
	client netip.Addr
	server netip.AddrPort
}

func (b *bans) add(key inspect.FlowKey, d time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = map[ban]time.Time{}
	}
	if len(b.all) >= maxBans {
		var first ban
		var at time.Time
		for k, until := range b.all {
			if at.IsZero() || until.Before(at) {
				first, at = k, until
			}
		}
		delete(b.all, first)
	}
	b.all[ban{key.Client.Addr(), key.Server}] = now.Add(d)
}

func (b *bans) has(client netip.Addr, server netip.AddrPort, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	until, ok := b.all[ban{client, server}]
	return ok && now.Before(until)
}

func (b *bans) expire(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, until := range b.all {
		if !now.Before(until) {
			delete(b.all, k)
		}
	}
}
