package bypass

import (
	"fmt"
	"net/netip"
	"time"
)

// rejections of a certificate by a client.
type rejections struct {
	n     int
	since time.Time
}

// Rejected learns that a client rejected the certificate it was shown for a server:
// after so many times there is an entry for the client and the name, or without a
// name the address. It gives the entry if there is a new one.
func (l *List) Rejected(client netip.Addr, name string, server netip.AddrPort) (Entry, bool) {
	q := Query{Name: name, Server: server, Client: client}.plain()
	e := Entry{Kind: Rejected, Name: q.Name, Client: single(q.Client), Reason: "the client rejected the certificate"}
	if q.Name == "" {
		e.Address, e.Port = single(q.Server.Addr()), q.Server.Port()
	}
	if !e.asLearned() {
		return Entry{}, false // nothing to know it by
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now, k := l.o.Now(), e.key()
	if was, ok := l.learned.get(k); ok && !was.expired(now) {
		return Entry{}, false // from before it was learned
	}
	r, ok := l.rejections.get(k)
	if !ok || now.Sub(r.since) >= l.o.Within {
		r = &rejections{since: now}
		l.rejections.put(k, r, l.o.Max)
	}
	if r.n++; r.n < l.o.Rejections {
		return Entry{}, false
	}
	l.rejections.remove(k)
	if r.n > 1 {
		e.Reason = fmt.Sprintf("the client rejected the certificate %d times within %v", r.n, now.Sub(r.since).Round(time.Second))
	}
	return l.learn(e, k, now, l.o.RejectedLifetime)
}

// Tunnel learns that a client's tunnel to a server was recognised inside opened TLS,
// and allowed by the policy of that revision. Name is what the client called the
// server. It gives the entry if there is a new one.
func (l *List) Tunnel(client netip.Addr, server netip.AddrPort, name, revision string) (Entry, bool) {
	q := Query{Name: name, Server: server, Client: client}.plain()
	e := Entry{
		Kind: Tunnel, Name: q.Name, Address: single(q.Server.Addr()), Port: q.Server.Port(), Client: single(q.Client),
		Revision: revision, Reason: "an allowed tunnel was recognised inside opened TLS",
	}
	if !e.asLearned() {
		return Entry{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.learn(e, e.key(), l.o.Now(), l.o.TunnelLifetime)
}

// learn adds a learned entry, or has one that is there last longer.
func (l *List) learn(e Entry, k key, now time.Time, lifetime time.Duration) (Entry, bool) {
	if was, ok := l.learned.get(k); ok && !was.expired(now) {
		was.Expires = now.Add(lifetime)
		l.learned.use(k)
		l.changed()
		return Entry{}, false
	}
	if len(l.added) >= l.o.Max {
		l.purge(now)
		if len(l.added) >= l.o.Max {
			return Entry{}, false
		}
	}
	e.ID, e.Created, e.Expires = k.id(), now, now.Add(lifetime)
	l.learned.put(k, &e, l.o.Max-len(l.added))
	l.changed()
	return e, true
}
