package access

import (
	"net"
	"net/netip"
	"time"
)

// SetHostAddresses has what finds out the host's addresses replaced.
func (d *Destinations) SetHostAddresses(look func() ([]net.Addr, error)) { d.own.look = look }

// Occupy takes all places where passwords are hashed, until free is called.
func (u *Users) Occupy() (free func()) {
	for range cap(u.work) {
		u.work <- struct{}{}
	}
	return func() {
		for range cap(u.work) {
			<-u.work
		}
	}
}

// StandIn is whose hash the password is compared with, and whether he was named.
func (u *Users) StandIn(name string) (user string, known bool) {
	a := u.attempt(name, "x")
	return a.user.name, a.known
}

// Waiting is how many logins wait for a place or have one.
func (u *Users) Waiting() int { return u.waiting.Stats().Active }

// ParseUsers gives the names of a file's text.
func ParseUsers(path string, text []byte) (names []string, err error) {
	list, err := parseUsers(path, text)
	for _, e := range list {
		names = append(names, e.name)
	}
	return names, err
}

// FloodFailures has each of n clients fail once, and says how many are remembered.
func FloodFailures(n, most int) int {
	f := newFailures(2, time.Minute, most)
	now := time.Now()
	for i := range n {
		f.add(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), uint64(i), now.Add(time.Duration(i)))
	}
	return max(len(f.clients), f.order.Len())
}
