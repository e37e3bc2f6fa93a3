package main

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"sstpwarden/nfq/nft"
)

// maxWaitingBans is how many may wait for the kernel. A transaction takes all that wait,
// so that this is more than a flood makes.
const maxWaitingBans = 4096

// A banner makes bans, beside the packets that they were made for.
type banner struct {
	s       *nfqService
	waiting chan nft.Ban
	made    atomic.Uint64
	failed  atomic.Uint64
}

func newBanner(s *nfqService) *banner {
	return &banner{s: s, waiting: make(chan nft.Ban, maxWaitingBans)}
}

// ban is called by the workers, and does not wait.
func (b *banner) ban(client, server netip.AddrPort, d time.Duration) {
	select {
	case b.waiting <- nft.Ban{Client: client.Addr(), Server: server, For: d}:
	default:
		b.failed.Add(1)
	}
}

// run makes bans until ctx is done.
func (b *banner) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case first := <-b.waiting:
			b.make(b.gather(first))
		}
	}
}

// gather gives all that wait.
func (b *banner) gather(first nft.Ban) []nft.Ban {
	bans := []nft.Ban{first}
	for {
		select {
		case next := <-b.waiting:
			bans = append(bans, next)
		default:
			return bans
		}
	}
}

func (b *banner) make(bans []nft.Ban) {
	table := b.s.table.Load()
	err := errNoTable
	if table != nil {
		err = table.Ban(bans...)
	}
	if err != nil {
		b.failed.Add(uint64(len(bans))) // some may have been made, when the set is full
		b.s.daemon.Logger().Warn("banning", "error", err, "bans", len(bans))
		return
	}
	b.made.Add(uint64(len(bans)))
}

// list gives the bans that the kernel has.
func (b *banner) list() ([]nft.Ban, error) {
	table := b.s.table.Load()
	if table == nil {
		return nil, errNoTable
	}
	return table.Bans()
}

// remove takes bans back.
func (b *banner) remove(bans []nft.Ban) error {
	table := b.s.table.Load()
	if table == nil {
		return errNoTable
	}
	return table.Unban(bans...)
}
