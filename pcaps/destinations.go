package pcaps

import (
	"cmp"
	"net/netip"
	"slices"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

const (
	// maxDestinations bounds the servers kept per file, maxClients the
	// addresses that are told apart for each.
	maxDestinations = 1 << 14
	maxClients      = 1 << 10
)

// destinations gathers, by server, what speaks for SSTP. A server is its
// address and port, or its name where no address is known.
type destinations map[event.Server]*destination

type destination struct {
	event.Destination
	clients map[netip.Addr]struct{}
}

// notable says that a connection belongs into the view by destination: it is
// found, asks for SSTP, or is weak, which is as much as several to one server are
// remembered for.
func (j *job) notable(d *inspect.Detection) bool {
	memory, _ := j.config.Rules.Memory()
	return d.Kind != inspect.KindNone || d.Score >= memory.Least || d.Verdict.Strength() >= inspect.VerdictSuspected.Strength()
}

// add counts a notable connection.
func (ds destinations) add(e *event.Event, a policies.Action) {
	if e.Server == nil {
		return
	}
	server, name := *e.Server, e.Server.Name
	if server.IP.IsValid() {
		server.Name = ""
	}
	if _, err := netip.ParseAddr(name); err == nil {
		name = ""
	}
	to, ok := ds[server]
	if !ok {
		if len(ds) == maxDestinations {
			return
		}
		to = &destination{
			Destination: event.Destination{Server: server, Verdict: e.Detection.Verdict, Score: e.Detection.Score, First: e.Timestamp},
			clients:     map[netip.Addr]struct{}{},
		}
		ds[server] = to
	}
	found := e.Detection.Verdict.Strength() >= inspect.VerdictSuspected.Strength()
	switch k := e.Detection.Kind; {
	case found && k == inspect.KindTunnel:
		to.Tunnels++
	case found:
		to.Attempts++
	case k == inspect.KindProbe:
		to.Probes++
	default:
		to.Weak++
	}
	if a == policies.ActionDrop {
		to.Dropped++
	}
	if len(to.clients) < maxClients {
		to.clients[e.SrcIP] = struct{}{}
	}
	to.Bytes += e.BytesToServer + e.BytesToClient
	to.include(&event.Destination{Server: event.Server{Name: name}, Verdict: e.Detection.Verdict, Score: e.Detection.Score, First: e.Timestamp, Last: e.Last()})
}

// include widens d by what o saw. Of several names the first in the alphabet
// counts.
func (d *destination) include(o *event.Destination) {
	if a, b := d.Server.Name, o.Server.Name; a == "" || b != "" && b < a {
		d.Server.Name = b
	}
	if o.Verdict.Strength() > d.Verdict.Strength() {
		d.Verdict = o.Verdict
	}
	d.Score = max(d.Score, o.Score)
	if o.First.Before(d.First.Time) {
		d.First = o.First
	}
	if o.Last.After(d.Last.Time) {
		d.Last = o.Last
	}
}

// merge adds what another file has.
func (ds destinations) merge(from destinations) {
	for server, o := range from {
		to, ok := ds[server]
		if !ok {
			ds[server] = o
			continue
		}
		to.Tunnels += o.Tunnels
		to.Attempts += o.Attempts
		to.Probes += o.Probes
		to.Weak += o.Weak
		to.Dropped += o.Dropped
		to.Bytes += o.Bytes
		for c := range o.clients {
			to.clients[c] = struct{}{}
		}
		to.include(&o.Destination)
	}
}

// ranked gives the destinations, the strongest case first.
func (ds destinations) ranked() []event.Destination {
	out := make([]event.Destination, 0, len(ds))
	for _, d := range ds {
		d.Clients = uint64(len(d.clients))
		out = append(out, d.Destination)
	}
	slices.SortFunc(out, func(a, b event.Destination) int {
		return cmp.Or(
			-cmp.Compare(a.Verdict.Strength(), b.Verdict.Strength()),
			-cmp.Compare(a.Tunnels, b.Tunnels),
			-cmp.Compare(a.Attempts, b.Attempts),
			-cmp.Compare(a.Score, b.Score),
			-cmp.Compare(a.Weak+a.Probes, b.Weak+b.Probes),
			a.Server.IP.Compare(b.Server.IP),
			cmp.Compare(a.Server.Port, b.Server.Port),
			cmp.Compare(a.Server.Name, b.Server.Name),
		)
	})
	return out[:min(len(out), event.MaxDestinations)]
}
