package login

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// The limits that a LimiterConfig leaves zero.
//
// Somebody who mistypes a password does so once or twice, and a client that
// remembers an old one tries a few times: five failures leave both some room, and
// whoever guesses passwords 720 tries a day from an address. A name may fail twice
// as often, because its user may have several devices. It is limited at all for
// those who guess from many addresses: all of them together get 1440 tries a day.
// The price is that they can keep the user out for as long as they go on.
const (
	DefaultPerAddress = 5
	DefaultPerName    = 10
	DefaultWindow     = 10 * time.Minute
	// DefaultEntries addresses and as many names take some 8 MB.
	DefaultEntries = 16_384
)

// A LimiterConfig says how many logins may fail. Zero stands for the default.
type LimiterConfig struct {
	// PerAddress and PerName are how many logins may fail from an address and by
	// a name within Window, before further ones are refused; negative for any
	// number.
	PerAddress, PerName int
	Window              time.Duration
	// Entries is how many addresses are remembered, and how many names.
	Entries int
}

// A Limiter refuses logins from addresses and by names of which too many have
// failed, until enough of the failures are past. A login that is refused does not
// count as a failure. Names count without a domain before them.
//
// Its memory is bounded: where there are too many addresses or names, those whose
// last failure is longest ago are forgotten.
//
// The time is an argument, and taken not to go back. A Limiter is safe for
// concurrent use.
type Limiter struct {
	mu      sync.Mutex
	began   time.Time
	last    time.Duration // since began
	sources failures[source]
	names   failures[string]
	window  time.Duration
}

// NewLimiter makes a Limiter.
func NewLimiter(c LimiterConfig) *Limiter {
	window, entries := cmp.Or(c.Window, DefaultWindow), cmp.Or(c.Entries, DefaultEntries)
	return &Limiter{
		window:  window,
		sources: newFailures[source](cmp.Or(c.PerAddress, DefaultPerAddress), window, entries),
		names:   newFailures[string](cmp.Or(c.PerName, DefaultPerName), window, entries),
	}
}

// Allow says whether a client at addr may try to log in as name: nil, or a
// [*LimitError]. It is to be asked before each try; the outcome of every try that
// it allows is then to be told with Failed or Succeeded.
//
// What is tried at the same time is allowed as long as nothing has failed yet, so
// that many who log in at once do not hinder each other. How much that can be, an
// [Admission] bounds.
func (l *Limiter) Allow(now time.Time, addr netip.Addr, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.at(now)
	from, name := sourceOf(addr), nameKey(name)
	if wait := l.sources.wait(from, at); wait > 0 {
		return &LimitError{Of: "from " + from.String(), Failures: l.sources.limit, Window: l.window, Wait: wait}
	}
	if wait := l.names.wait(name, at); wait > 0 {
		return &LimitError{Of: fmt.Sprintf("as %q", name), Failures: l.names.limit, Window: l.window, Wait: wait}
	}
	return nil
}

// Failed says that a client at addr failed to log in as name.
func (l *Limiter) Failed(now time.Time, addr netip.Addr, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.at(now)
	l.sources.add(sourceOf(addr), at)
	l.names.add(nameKey(name), at)
}

// Succeeded says that a client at addr logged in as name. The address's failures
// are forgotten; the name's are not: they may be somebody else's.
func (l *Limiter) Succeeded(now time.Time, addr netip.Addr, _ string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at(now)
	l.sources.forget(sourceOf(addr))
}

// Dropped is how many addresses and names were forgotten before their time,
// because there were too many.
func (l *Limiter) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sources.dropped + l.names.dropped
}

// at is the time since the first call. It does not go back.
func (l *Limiter) at(now time.Time) time.Duration {
	if l.began.IsZero() {
		l.began = now
	}
	l.last = max(l.last, now.Sub(l.began))
	return l.last
}

// nameKey is what a name counts as. Whoever guesses could put any domain before it.
func nameKey(name string) string {
	name = withoutDomain(name)
	return strings.Clone(name[:min(len(name), maxLen)]) // names come in larger buffers
}

// A LimitError is why a login is not allowed.
type LimitError struct {
	Of       string        // what has failed too often: "from 192.0.2.7", "from 2001:db8::/64", `as "alice"`
	Failures int           // so many
	Window   time.Duration // within this time
	Wait     time.Duration // until another try is allowed
}

func (e *LimitError) Error() string {
	wait := (e.Wait + time.Second - 1).Truncate(time.Second)
	return fmt.Sprintf("too many failed logins %s: %d within %v; next try %[1]s in %[4]v", e.Of, e.Failures, e.Window, wait)
}
