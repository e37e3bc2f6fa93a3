package bypass

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// What Options leave zero.
const (
	DefaultMax = 4096
	// DefaultRejections within DefaultWithin are enough to learn from. One alone
	// may be a person who turns away from a browser's warning; an application
	// that pins a certificate tries again and again. The price of too low a
	// number is a connection that stays closed for a day, and that of too high a
	// one an application that does not work for longer.
	DefaultRejections = 2
	DefaultWithin     = 10 * time.Minute
	DefaultLifetime   = 24 * time.Hour
)

// Options of a List. Zero stands for the default.
type Options struct {
	// Max is how many entries there are besides the configured ones. Where there
	// would be more, the learned one that was used least recently goes.
	Max int
	Now func() time.Time
	// File is where what was added and learned is kept, "" for nowhere.
	File string
	// OnError is told what goes wrong with the file. It is called in goroutines
	// of the List's own too, and not while the List is locked.
	OnError func(error)

	// Rejections is how often a client has to reject the certificate for a
	// server, and Within how long one counts.
	Rejections int
	Within     time.Duration
	// RejectedLifetime and TunnelLifetime are how long learned entries last.
	RejectedLifetime, TunnelLifetime time.Duration
}

// A List is what is exempt from opening. It is safe for concurrent use.
type List struct {
	o Options

	mu         sync.Mutex
	configured map[key]*Entry
	added      map[key]*Entry
	learned    *bounded[*Entry]
	rejections *bounded[*rejections] // not enough of them yet
	// Configured and added entries, by Name without * and dot before it, "" for
	// those that have none.
	byName map[string][]*Entry

	file file
}

// ErrFull means that as many entries were added as there may be.
var ErrFull = errors.New("the list is full: take out what was added and is needed no longer")

// New makes a List, of what File has. Close is to be called in the end.
func New(o Options) *List {
	o.Max = cmp.Or(max(o.Max, 0), DefaultMax)
	o.Rejections = cmp.Or(max(o.Rejections, 0), DefaultRejections)
	o.Within = cmp.Or(o.Within, DefaultWithin)
	o.RejectedLifetime = cmp.Or(o.RejectedLifetime, DefaultLifetime)
	o.TunnelLifetime = cmp.Or(o.TunnelLifetime, DefaultLifetime)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	share := max(o.Max/8, 64)
	l := &List{
		o:          o,
		configured: map[key]*Entry{},
		added:      map[key]*Entry{},
		learned:    newBounded[*Entry](share),
		rejections: newBounded[*rejections](share),
	}
	l.load()
	l.index()
	return l
}

// Add adds an entry of an administrator's, or exchanges the one with the same key,
// and gives it as it then is. Its kind may be left out.
func (l *List) Add(e Entry) (Entry, error) {
	e.Kind = cmp.Or(e.Kind, Added)
	if e.Kind != Added {
		return Entry{}, fmt.Errorf("adding to the bypass list: an entry of the kind %s cannot be added by hand: leave the kind out", e.Kind)
	}
	e, err := e.complete()
	if err != nil {
		return Entry{}, fmt.Errorf("adding to the bypass list: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Now()
	if e.expired(now) {
		return Entry{}, fmt.Errorf("adding to the bypass list: it would have expired at %s", e.Expires.Format(time.RFC3339))
	}
	l.purge(now)
	e.Created, e.Used, e.Uses = now, time.Time{}, 0
	k := e.key()
	if was := l.added[k]; was != nil {
		e.Created, e.Used, e.Uses = was.Created, was.Used, was.Uses
	} else if len(l.added) >= l.o.Max {
		return Entry{}, fmt.Errorf("adding to the bypass list: %w", ErrFull)
	}
	l.added[k] = &e
	l.learned.trim(l.o.Max - len(l.added))
	l.index()
	l.changed()
	return e, nil
}

// Configure exchanges the configured entries. The kind of those given does not
// matter. Where one of them is wrong, all stay as they were.
func (l *List) Configure(entries []Entry) error {
	configured := make(map[key]*Entry, len(entries))
	for i, e := range entries {
		e.Kind = Configured
		e, err := e.complete()
		if err != nil {
			return fmt.Errorf("configuring the bypass list: entry %d: %w", i+1, err)
		}
		configured[e.key()] = &e
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Now()
	for k, e := range configured {
		e.Created, e.Used, e.Uses = now, time.Time{}, 0
		if was := l.configured[k]; was != nil {
			e.Created, e.Used, e.Uses = was.Created, was.Used, was.Uses
		}
	}
	l.configured = configured
	l.index()
	return nil
}

// Remove takes out the entry of that ID, and says whether it did. Configured ones
// stay: the configuration has them.
func (l *List) Remove(id string) bool {
	return l.removeIf(func(e *Entry) bool { return e.ID == id }) > 0
}

// Clear takes out the entries of a kind, and says how many there were. Configured
// ones stay.
func (l *List) Clear(kind Kind) int {
	return l.removeIf(func(e *Entry) bool { return e.Kind == kind })
}

func (l *List) removeIf(is func(*Entry) bool) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = l.drop(is)
	if n > 0 {
		l.changed()
	}
	return n
}

// drop takes out added and learned entries.
func (l *List) drop(is func(*Entry) bool) (n int) {
	before := len(l.added)
	for k, e := range l.added {
		if is(e) {
			delete(l.added, k)
		}
	}
	if n = before - len(l.added); n > 0 {
		l.index()
	}
	l.learned.each(func(k key, e *Entry) {
		if is(e) {
			l.learned.remove(k)
			n++
		}
	})
	return n
}

// purge takes out what has expired. Configured entries stay, unused: they are the
// configuration's.
func (l *List) purge(now time.Time) {
	if l.drop(func(e *Entry) bool { return e.expired(now) }) > 0 {
		l.changed()
	}
}

// Entries gives all that have not expired, by kind and name, then by age.
func (l *List) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Now()
	l.purge(now)
	list := make([]Entry, 0, len(l.configured)+len(l.added)+l.learned.len())
	for _, e := range l.configured {
		if !e.expired(now) {
			list = append(list, *e)
		}
	}
	list = append(list, l.kept()...)
	kinds := Kinds()
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(
			cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
			strings.Compare(a.Name, b.Name), a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return list
}

// kept gives what the file keeps: the added and the learned entries, of these the
// least recently used first.
func (l *List) kept() (list []Entry) {
	for _, e := range l.added {
		list = append(list, *e)
	}
	l.learned.each(func(_ key, e *Entry) { list = append(list, *e) })
	return list
}

// configuredID says whether a configured entry has the ID.
func (l *List) configuredID(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.configured {
		if e.ID == id {
			return true
		}
	}
	return false
}
