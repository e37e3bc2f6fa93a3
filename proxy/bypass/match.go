package bypass

import (
	"strings"
	"time"
)

// Match gives an entry that exempts a connection. What an administrator wrote comes
// before what was learned, so that what nobody needs any longer goes first.
func (l *List) Match(q Query) (Entry, bool) {
	q = q.plain()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Now()
	e := l.written(&q, now)
	if e == nil {
		e = l.fromClients(&q, now)
	}
	if e == nil {
		return Entry{}, false
	}
	e.Used = now
	e.Uses++
	l.file.dirty = true // for the next time that something is written
	return *e, true
}

// written gives a configured or added entry.
func (l *List) written(q *Query, now time.Time) *Entry {
	find := func(name string) *Entry {
		for _, e := range l.byName[name] {
			if e.matches(q) && !e.expired(now) {
				return e
			}
		}
		return nil
	}
	for name, more := q.Name, q.Name != ""; more; _, name, more = strings.Cut(name, ".") {
		if e := find(name); e != nil {
			return e
		}
	}
	return find("")
}

// fromClients gives a learned entry.
func (l *List) fromClients(q *Query, now time.Time) *Entry {
	server, client := single(q.Server.Addr()), single(q.Client)
	keys := [...]key{
		{kind: Tunnel, address: server, client: client, port: q.Server.Port(), revision: q.Revision},
		{kind: Rejected, name: q.Name, client: client},
		{kind: Rejected, address: server, client: client, port: q.Server.Port()},
	}
	for _, k := range keys {
		e, ok := l.learned.get(k)
		switch {
		case !ok:
		case e.expired(now):
			l.learned.remove(k)
		default:
			l.learned.use(k)
			return e
		}
	}
	return nil
}

func (e *Entry) expired(now time.Time) bool { return !e.Expires.IsZero() && !now.Before(e.Expires) }

// index finds the written entries anew by their names.
func (l *List) index() {
	l.byName = make(map[string][]*Entry, len(l.configured)+len(l.added))
	for _, m := range []map[key]*Entry{l.configured, l.added} {
		for _, e := range m {
			name := strings.TrimPrefix(strings.TrimPrefix(e.Name, "*"), ".")
			l.byName[name] = append(l.byName[name], e)
		}
	}
}
