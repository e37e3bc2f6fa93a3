package login

import (
	"fmt"
	"net/netip"
	"sync"
)

// DefaultMaxConnections is how many connections may be there that have not logged
// in. Such a one takes some 100 kB and up to a minute, MS-SSTP's negotiation
// timer, for what a client does in well under a second: 256 are hundreds of logins
// a second, and 25 MB.
const DefaultMaxConnections = 256

// addressShare is the part of all connections that one address may have: no client
// alone can keep the others out, and an office behind one address still gets in
// after an outage.
const addressShare = 4

// An Admission limits the connections that have not logged in, in all and by
// address. It is safe for concurrent use.
type Admission struct {
	most, mostFrom int

	mu   sync.Mutex
	all  int
	from map[source]int // no zeros
}

// NewAdmission makes an Admission of so many connections, [DefaultMaxConnections]
// for 0 and less. A quarter of them, rounded up, may come from one address: 64 by
// default.
func NewAdmission(connections int) *Admission {
	if connections <= 0 {
		connections = DefaultMaxConnections
	}
	return &Admission{most: connections, mostFrom: (connections + addressShare - 1) / addressShare, from: map[source]int{}}
}

// Enter takes a connection from addr. Release is to be called when it has logged
// in or is closed; calling it again does nothing. The error says, for the log, why
// there is no room.
func (a *Admission) Enter(addr netip.Addr) (release func(), err error) {
	s := sourceOf(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.from[s] >= a.mostFrom {
		return nil, fmt.Errorf("%d connections from %v have not logged in, and no more may come from one address: if they are real clients, allow more connections than %d", a.from[s], s, a.most)
	}
	if a.all >= a.most {
		return nil, fmt.Errorf("%d connections have not logged in, and no more may come: if they are real clients, allow more; %v has %d of them", a.all, s, a.from[s])
	}
	a.all++
	a.from[s]++
	return sync.OnceFunc(func() { a.leave(s) }), nil
}

// Len is how many connections have not logged in.
func (a *Admission) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all
}

func (a *Admission) leave(s source) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all--
	if a.from[s]--; a.from[s] == 0 {
		delete(a.from, s)
	}
}
