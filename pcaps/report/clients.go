package report

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

const (
	// heldClients is how many clients are told apart, clientSet how many
	// users, programs and servers of each.
	heldClients = 1 << 12
	clientSet   = 64
	shownOfSet  = 4
)

// clients gathers, by address, who speaks SSTP.
type clients struct {
	by   map[netip.Addr]*client
	left int // connections of clients that there was no room for
}

type client struct {
	ip                        netip.Addr
	verdict                   inspect.Verdict
	tunnels, attempts, others uint64
	dropped, bytes            uint64
	first, last               time.Time
	users, programs           map[string]struct{}
	servers                   map[event.Server]struct{}
}

func newClients() clients { return clients{by: map[netip.Addr]*client{}} }

func (cs *clients) add(e *event.Event) {
	c, ok := cs.by[e.SrcIP]
	if !ok {
		if len(cs.by) == heldClients {
			cs.left++
			return
		}
		c = &client{
			ip: e.SrcIP, first: e.Timestamp.Time, last: endOf(e),
			users: map[string]struct{}{}, programs: map[string]struct{}{}, servers: map[event.Server]struct{}{},
		}
		cs.by[e.SrcIP] = c
	}
	if v := e.Detection.Verdict; v.Strength() > c.verdict.Strength() {
		c.verdict = v
	}
	switch {
	case found(e) && e.Detection.Kind == inspect.KindTunnel:
		c.tunnels++
	case found(e):
		c.attempts++
	default:
		c.others++
	}
	if e.Decision != nil && e.Decision.Action == "drop" {
		c.dropped++
	}
	c.bytes += e.BytesToServer + e.BytesToClient
	if e.Timestamp.Before(c.first) {
		c.first = e.Timestamp.Time
	}
	if last := endOf(e); last.After(c.last) {
		c.last = last
	}
	note(c.users, short(userOf(e), maxField))
	if e.PPP != nil {
		note(c.users, short(e.PPP.User, maxField))
	}
	note(c.programs, short(e.Detection.Client, maxField))
	if len(c.servers) < clientSet {
		server, _ := serverKey(e)
		c.servers[server] = struct{}{}
	}
}

// note adds s to a set that does not grow without end.
func note(set map[string]struct{}, s string) {
	if s != "" && len(set) < clientSet {
		set[s] = struct{}{}
	}
}

var clientColumns = []heading{
	{Name: "Client"},
	{Name: "Users", About: "of its tunnels and of the proxy; the client's to choose unless a point of ours says it"},
	{Name: "Programs", About: "implementations, where they can be told"},
	{Name: "Verdict", About: "the strongest of its connections'"},
	{Name: "Tunnels", About: "connections through which PPP ran", Number: true},
	{Name: "Attempts", About: "connections that began SSTP, and no tunnel followed", Number: true},
	{Name: "Others", About: "probes, and connections that something speaks for, and not enough", Number: true},
	{Name: "Would drop", About: "connections that the policy drops", Number: true},
	{Name: "Servers", About: "different ones", Number: true},
	{Name: "Bytes", Number: true},
	{Name: "First seen"},
	{Name: "Last seen"},
}

// table gives the clients, the strongest case first.
func (cs *clients) table() *table {
	list := slices.SortedFunc(maps.Values(cs.by), func(a, b *client) int {
		return cmp.Or(
			-cmp.Compare(a.verdict.Strength(), b.verdict.Strength()),
			-cmp.Compare(a.tunnels, b.tunnels),
			-cmp.Compare(a.attempts, b.attempts),
			-cmp.Compare(a.bytes, b.bytes),
			a.ip.Compare(b.ip),
		)
	})
	t := &table{ID: "clients", Caption: "Clients", Columns: clientColumns}
	for _, c := range list[:min(len(list), MaxClients)] {
		verdict := c.verdict.String()
		t.Rows = append(t.Rows, tableRow{Fields: []field{
			{Text: address(c.ip)},
			setField(c.users),
			setField(c.programs),
			{Text: verdict, Class: verdictClass(verdict), Sort: strconv.Itoa(c.verdict.Strength())},
			amount(c.tunnels),
			amount(c.attempts),
			amount(c.others),
			amount(c.dropped),
			amountOfSet(len(c.servers)),
			{Text: Size(c.bytes), Sort: strconv.FormatUint(c.bytes, 10)},
			timeField(c.first),
			timeField(c.last),
		}})
	}
	if left := len(list) - len(t.Rows); left > 0 || cs.left > 0 {
		t.More = fmt.Sprintf("The %d clients with the strongest cases of at least %s. sstpwarden audit --format json names them all.", len(t.Rows), number(uint64(len(list))))
	}
	return t.tidy()
}

// setField writes the first of a set, and how many more there are.
func setField(set map[string]struct{}) field {
	all := slices.Sorted(maps.Keys(set))
	text := strings.Join(all[:min(len(all), shownOfSet)], ", ")
	if left := len(all) - shownOfSet; left > 0 {
		text += fmt.Sprintf(" and %d more", left)
	}
	f := textField(text)
	if len(all) > shownOfSet {
		f.Title = short(strings.Join(all, ", "), maxTitle)
	}
	return f
}

func amountOfSet(n int) field {
	f := amount(uint64(n))
	if n == clientSet {
		f.Text += " or more"
	}
	return f
}
