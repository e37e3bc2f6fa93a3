package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
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

// A shownBan is how the admin listener tells of one.
type shownBan struct {
	Client netip.Addr     `json:"client,omitzero"` // none for all
	Server netip.AddrPort `json:"server"`
	Left   float64        `json:"seconds_left"`
}

// serveList lists the bans, the ones that last longest first.
func (b *banner) serveList(w http.ResponseWriter, _ *http.Request) {
	table := b.s.table.Load()
	if table == nil {
		tellError(w, http.StatusServiceUnavailable, errNoTable)
		return
	}
	bans, err := table.Bans()
	if err != nil {
		tellError(w, http.StatusInternalServerError, err)
		return
	}
	slices.SortFunc(bans, func(x, y nft.Ban) int { return int(y.For - x.For) })
	out := make([]shownBan, 0, len(bans))
	for _, n := range bans {
		out = append(out, shownBan{n.Client, n.Server, n.For.Seconds()})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// serveRemove takes back the bans of a client, of a server or of both; without
// either all.
func (b *banner) serveRemove(w http.ResponseWriter, r *http.Request) {
	matches, err := banFilter(r.FormValue("client"), r.FormValue("server"))
	if err != nil {
		tellError(w, http.StatusBadRequest, err)
		return
	}
	table := b.s.table.Load()
	if table == nil {
		tellError(w, http.StatusServiceUnavailable, errNoTable)
		return
	}
	bans, err := table.Bans()
	bans = slices.DeleteFunc(bans, func(n nft.Ban) bool { return !matches(n) })
	if err == nil && len(bans) > 0 {
		err = table.Unban(bans...)
	}
	if err != nil {
		tellError(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int{"removed": len(bans)})
}

// banFilter matches bans by an address of a client, and by an address of a server, with
// a port or for all ports.
func banFilter(client, server string) (func(nft.Ban) bool, error) {
	var c, s netip.Addr
	var port uint16
	var err error
	if client != "" {
		if c, err = netip.ParseAddr(client); err != nil {
			return nil, fmt.Errorf("client %q is no address", client)
		}
	}
	if server != "" {
		at, withPort := netip.ParseAddrPort(server)
		if withPort == nil {
			s, port = at.Addr(), at.Port()
		} else if s, err = netip.ParseAddr(server); err != nil {
			return nil, errors.New("the server is no address, with or without a port: " + server)
		}
	}
	return func(b nft.Ban) bool {
		return (client == "" || b.Client == c.Unmap()) &&
			(server == "" || b.Server.Addr() == s.Unmap()) && (port == 0 || b.Server.Port() == port)
	}, nil
}

func tellError(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}
