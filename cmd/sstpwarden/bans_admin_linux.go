package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"sstpwarden/cmd/daemon"
	"sstpwarden/nfq/nft"
)

// A bansHandler is the bans of a service at its admin listener.
type bansHandler struct {
	list   func() ([]nft.Ban, error)
	remove func([]nft.Ban) error
}

func (h *bansHandler) register(d *daemon.Daemon) {
	d.Handle("GET /bans", http.HandlerFunc(h.serveList))
	d.Handle("DELETE /bans", http.HandlerFunc(h.serveRemove))
}

// A shownBan is how the admin listener tells of one.
type shownBan struct {
	Client netip.Addr     `json:"client,omitzero"` // none for all
	Server netip.AddrPort `json:"server"`
	Left   float64        `json:"seconds_left"`
}

// serveList lists the bans, the ones that last longest first.
func (h *bansHandler) serveList(w http.ResponseWriter, _ *http.Request) {
	bans, err := h.list()
	if err != nil {
		tellBansError(w, err)
		return
	}
	slices.SortFunc(bans, func(x, y nft.Ban) int { return cmp.Compare(y.For, x.For) })
	out := make([]shownBan, 0, len(bans))
	for _, n := range bans {
		out = append(out, shownBan{n.Client, n.Server, n.For.Seconds()})
	}
	tell(w, http.StatusOK, out)
}

// serveRemove takes back the bans of a client, of a server, of both, or of an address in
// either place; without any all.
func (h *bansHandler) serveRemove(w http.ResponseWriter, r *http.Request) {
	matches, err := banFilter(r.FormValue("client"), r.FormValue("server"), r.FormValue("address"))
	if err != nil {
		tellError(w, http.StatusBadRequest, err)
		return
	}
	bans, err := h.list()
	bans = slices.DeleteFunc(bans, func(n nft.Ban) bool { return !matches(n) })
	if err == nil && len(bans) > 0 {
		err = h.remove(bans)
	}
	if err != nil {
		tellBansError(w, err)
		return
	}
	tell(w, http.StatusOK, map[string]int{"removed": len(bans)})
}

// banFilter matches bans by an address of a client, by one of a server, with a port or for
// all ports, and by one that is the client's or the server's. What is empty matches all.
func banFilter(client, server, address string) (func(nft.Ban) bool, error) {
	var c netip.Addr
	var s, either endpoint
	var err error
	if client != "" {
		if c, err = netip.ParseAddr(client); err != nil {
			return nil, fmt.Errorf("client %q is no address", client)
		}
	}
	if server != "" {
		if s, err = parseEndpoint(server); err != nil {
			return nil, fmt.Errorf("server %w", err)
		}
	}
	if address != "" {
		if either, err = parseEndpoint(address); err != nil {
			return nil, err
		}
	}
	return func(b nft.Ban) bool {
		return (client == "" || b.Client == c.Unmap()) && (server == "" || s.is(b.Server)) &&
			(address == "" || either.is(b.Server) || either.port == 0 && b.Client == either.addr)
	}, nil
}

// An endpoint is an address, with a port or without.
type endpoint struct {
	addr netip.Addr
	port uint16 // 0 for all
}

func parseEndpoint(text string) (endpoint, error) {
	if at, err := netip.ParseAddrPort(text); err == nil && at.Port() != 0 {
		return endpoint{at.Addr().Unmap(), at.Port()}, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return endpoint{}, fmt.Errorf("%q is no address, with or without a port: write 192.0.2.1, 192.0.2.1:443 or [2001:db8::1]:443", text)
	}
	return endpoint{addr.Unmap(), 0}, nil
}

func (e endpoint) is(a netip.AddrPort) bool {
	return a.Addr() == e.addr && (e.port == 0 || a.Port() == e.port)
}

// tellBansError tells what kept from listing or changing bans.
func tellBansError(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, errNoTable) {
		status = http.StatusServiceUnavailable
	}
	tellError(w, status, err)
}

func tellError(w http.ResponseWriter, status int, err error) {
	tell(w, status, map[string]string{"error": err.Error()})
}

func tell(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // who asked is gone
}
