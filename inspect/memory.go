package inspect

import (
	"cmp"
	"container/list"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// defaultServers and defaultPerServer bound a Memory to about 25 MiB.
	defaultServers   = 1 << 14
	defaultPerServer = 16
	// forgottenAfter is how many half-lives a connection is remembered: a
	// sixteenth of its score is left then.
	forgottenAfter = 4
)

// MemoryOptions bound a [Memory].
type MemoryOptions struct {
	// Servers is how many are remembered at most; 0 stands for 16384. Beyond
	// them the one that was longest without anything new is forgotten.
	Servers int
	// PerServer is how many connections to one of them are; 0 stands for 16.
	// Beyond them the one with the lowest score is forgotten.
	PerServer int
}

// A Memory knows which servers had connections that looked like SSTP without
// being enough for a case: several to one server add up, by the rules that
// match a destination. Without such a rule in the set nothing is kept.
//
// A connection is entered when its own score reaches the settings' least value,
// and leaves when it falls below. Its own score is that of the evidence about
// itself; what the Memory adds to it is never remembered, so that connections
// cannot talk each other up. Only connections that are entered ask what else
// there is: all others cost nothing. A connection is asked when evidence about
// itself comes: the first of several learns of the later ones only if something
// new is seen of it.
//
// Scores halve with age. The present is the time of the segment that is being
// read, so that a capture gives the same result whenever it is read; what
// several flows tell of one server depends on the order in which they are fed.
//
// A Memory may be shared by several Inspectors and goroutines, and outlive
// their rules.
type Memory struct {
	max MemoryOptions

	mu      sync.Mutex
	servers map[destination]*list.Element
	recent  list.List // of *remembered, most recently active first
	stats   MemoryStats
}

// MemoryStats count what a [Memory] holds and what it could not hold.
type MemoryStats struct {
	// Servers and Connections held. Connections that are too old to count are
	// among them until their server is active again.
	Servers, Connections int
	// EvictedServers were forgotten because there were too many, and
	// EvictedConnections because there were too many to one server.
	EvictedServers, EvictedConnections uint64
}

// NewMemory makes a Memory that is empty.
func NewMemory(o MemoryOptions) *Memory {
	o.Servers, o.PerServer = cmp.Or(max(0, o.Servers), defaultServers), cmp.Or(max(0, o.PerServer), defaultPerServer)
	return &Memory{max: o, servers: map[destination]*list.Element{}}
}

// Stats gives the counts of now.
func (m *Memory) Stats() MemoryStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

// A destination is whom a client wants to reach.
type destination struct {
	addr netip.AddrPort // invalid where only a name is known
	name string         // in lower case, without a dot at its end
	port uint16         // of the name
}

func (d destination) String() string {
	if d.name != "" {
		return d.name + ":" + strconv.Itoa(int(d.port))
	}
	return d.addr.String()
}

// destination says whom the client wants to reach. It is not known where all
// that is seen is the way to a proxy.
func (f *Flow) destination() (d destination, known bool) {
	if c := f.obs.Connect; c != nil {
		if ip, err := netip.ParseAddr(c.Host); err == nil {
			return destination{addr: netip.AddrPortFrom(ip.Unmap(), c.Port)}, true
		}
		name := strings.ToLower(strings.TrimSuffix(c.Host, "."))
		return destination{name: name, port: c.Port}, name != ""
	}
	if h := f.obs.HTTP; h != nil && f.obs.TLS == nil && h.Request != nil && strings.Contains(h.Request.Target, "://") {
		return destination{}, false // such a request goes to a proxy (RFC 9112, Section 3.2.2)
	}
	return destination{addr: netip.AddrPortFrom(f.key.Server.Addr().Unmap(), f.key.Server.Port())}, true
}

// remembered is what is known of one server.
type remembered struct {
	server      destination
	connections []trace // in the order they were entered
}

// A trace is one connection, and what its own evidence came to.
type trace struct {
	client netip.AddrPort
	start  time.Time
	score  int
	at     time.Time // of the newest evidence
}

// of says that both are of the same connection, which may have been seen twice.
func (t *trace) of(u *trace) bool { return t.client == u.client && t.start.Equal(u.start) }

// age at a time; none where the clock went back.
func (t *trace) age(now time.Time) time.Duration { return max(0, now.Sub(t.at)) }

// left gives what is left of the score.
func (t *trace) left(now time.Time, halfLife time.Duration) float64 {
	return float64(t.score) * math.Exp2(-float64(t.age(now))/float64(halfLife))
}

// put enters a connection, or renews it.
func (m *Memory) put(d destination, t trace, halfLife time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.server(d)
	before := len(r.connections)
	r.connections = slices.DeleteFunc(r.connections, func(u trace) bool {
		return u.of(&t) || u.age(t.at)/forgottenAfter >= halfLife
	})
	r.connections = append(r.connections, t)
	if len(r.connections) > m.max.PerServer {
		least := 0
		for i := range r.connections {
			if r.connections[i].left(t.at, halfLife) < r.connections[least].left(t.at, halfLife) {
				least = i
			}
		}
		r.connections = slices.Delete(r.connections, least, least+1)
		m.stats.EvictedConnections++
	}
	m.stats.Connections += len(r.connections) - before
}

// server finds one, or makes room for it, and has it the most recent.
func (m *Memory) server(d destination) *remembered {
	if e, ok := m.servers[d]; ok {
		m.recent.MoveToFront(e)
		return of(e)
	}
	if m.recent.Len() == m.max.Servers {
		m.forget(m.recent.Back())
		m.stats.EvictedServers++
	}
	r := &remembered{server: d}
	m.servers[d] = m.recent.PushFront(r)
	m.stats.Servers++
	return r
}

func (m *Memory) forget(e *list.Element) {
	r := of(e)
	delete(m.servers, r.server)
	m.recent.Remove(e)
	m.stats.Servers--
	m.stats.Connections -= len(r.connections)
}

// of gives the server that an element of Memory.recent holds.
func of(e *list.Element) *remembered {
	r, _ := e.Value.(*remembered)
	return r
}

// drop takes a connection out.
func (m *Memory) drop(d destination, t trace) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.servers[d]
	if !ok {
		return
	}
	r := of(e)
	before := len(r.connections)
	r.connections = slices.DeleteFunc(r.connections, func(u trace) bool { return u.of(&t) })
	m.stats.Connections -= before - len(r.connections)
	if len(r.connections) == 0 {
		m.forget(e)
	}
}

// others gives the connections to a server apart from one, the highest scores
// first.
func (m *Memory) others(d destination, but trace, now time.Time, halfLife time.Duration) []trace {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.servers[d]
	if !ok {
		return nil
	}
	var out []trace
	for _, t := range of(e).connections {
		if !t.of(&but) && t.age(now)/forgottenAfter < halfLife {
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, func(a, b trace) int { return cmp.Compare(b.score, a.score) })
	return out
}
