package pcaps

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
)

func seen(from, to string, d inspect.Detection, after time.Duration) *event.Event {
	client, server := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	start := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC).Add(after)
	e := event.New(&event.Flow{
		Key: inspect.FlowKey{Client: client, Server: server}, Start: start, Last: start.Add(time.Second),
		ToServer: event.Traffic{Bytes: 10}, ToClient: event.Traffic{Bytes: 5}, Detection: d,
	})
	return &e
}

var (
	aTunnel  = inspect.Detection{Verdict: inspect.VerdictSuspected, Kind: inspect.KindTunnel, Score: 80}
	anOther  = inspect.Detection{Verdict: inspect.VerdictConfirmed, Kind: inspect.KindAttempt, Score: 60}
	aProbe   = inspect.Detection{Verdict: inspect.VerdictUndetermined, Kind: inspect.KindProbe, Score: 10}
	weak     = inspect.Detection{Verdict: inspect.VerdictUndetermined, Kind: inspect.KindAttempt, Score: 25}
	ordinary = inspect.Detection{Verdict: inspect.VerdictUndetermined, Score: 24}
)

// Flows of several files to one server are counted together.
func TestDestinations(t *testing.T) {
	first, second := destinations{}, destinations{}
	first.add(seen("10.0.0.1:1", "192.0.2.1:443", aTunnel, 0), policies.ActionDrop)
	first.add(seen("10.0.0.1:2", "192.0.2.1:443", weak, time.Minute), policies.ActionAllow)
	first.add(seen("10.0.0.1:3", "192.0.2.9:443", weak, 0), policies.ActionAllow)
	first.add(seen("10.0.0.1:3", "192.0.2.1:8443", aProbe, 0), policies.ActionAllow)
	second.add(seen("10.0.0.2:1", "192.0.2.1:443", anOther, -time.Minute), policies.ActionDrop)
	second.add(seen("10.0.0.2:1", "192.0.2.7:443", aTunnel, 0), policies.ActionLog)

	all := destinations{}
	all.merge(first)
	all.merge(second)
	got := all.ranked()

	at := func(after time.Duration) event.Time {
		return seen("10.0.0.1:1", "192.0.2.1:443", weak, after).Timestamp
	}
	server := func(s string) event.Server {
		a := netip.MustParseAddrPort(s)
		return event.Server{IP: a.Addr(), Port: a.Port()}
	}
	want := []event.Destination{
		{
			Server: server("192.0.2.1:443"), Tunnels: 1, Attempts: 1, Weak: 1, Verdict: inspect.VerdictConfirmed, Score: 80,
			Dropped: 2, Clients: 2, Bytes: 45, First: at(-time.Minute), Last: at(time.Minute + time.Second),
		},
		{Server: server("192.0.2.7:443"), Tunnels: 1, Verdict: inspect.VerdictSuspected, Score: 80, Clients: 1, Bytes: 15, First: at(0), Last: at(time.Second)},
		{Server: server("192.0.2.9:443"), Weak: 1, Verdict: inspect.VerdictUndetermined, Score: 25, Clients: 1, Bytes: 15, First: at(0), Last: at(time.Second)},
		{Server: server("192.0.2.1:8443"), Probes: 1, Verdict: inspect.VerdictUndetermined, Score: 10, Clients: 1, Bytes: 15, First: at(0), Last: at(time.Second)},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	j := job{config: &Config{Rules: rules.Default()}}
	if j.notable(&ordinary) || !j.notable(&weak) || !j.notable(&aProbe) {
		t.Error("what is notable")
	}
}

func TestDestinationsAreBounded(t *testing.T) {
	ds := destinations{}
	for i := range maxDestinations + 10 {
		ip := netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)})
		ds.add(seen("10.0.0.1:1", netip.AddrPortFrom(ip, 443).String(), weak, 0), policies.ActionAllow)
	}
	if len(ds) != maxDestinations || len(ds.ranked()) != event.MaxDestinations {
		t.Errorf("%d kept, %d told", len(ds), len(ds.ranked()))
	}
	one := destinations{}
	for i := range maxClients + 10 {
		ip := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		one.add(seen(netip.AddrPortFrom(ip, 1).String(), "192.0.2.1:443", weak, 0), policies.ActionAllow)
	}
	if n := one.ranked()[0].Clients; n != maxClients {
		t.Errorf("%d clients", n)
	}
}

// A server has one name of those that clients call it.
func TestDestinationNames(t *testing.T) {
	call := func(name string, score int) *event.Event {
		e := seen("10.0.0.1:1", "192.0.2.1:443", inspect.Detection{Verdict: inspect.VerdictUndetermined, Score: score}, 0)
		e.Server.Name = name
		return e
	}
	for _, order := range [][]*event.Event{
		{call("", 90), call("b", 30), call("a", 30), call("192.0.2.1", 20)},
		{call("192.0.2.1", 20), call("a", 30), call("b", 30), call("", 20)},
	} {
		ds := destinations{}
		for _, e := range order {
			ds.add(e, policies.ActionAllow)
		}
		if got := ds.ranked(); len(got) != 1 || got[0].Server.Name != "a" || got[0].Weak != 4 {
			t.Errorf("%+v", got)
		}
	}
}
