package mitm

import (
	"container/list"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"sync"
	"time"
)

const (
	// DefaultLifetime is how long a leaf is used.
	DefaultLifetime = time.Hour
	// DefaultEntries is how many leaves are kept: some 10 MiB of usual ones.
	DefaultEntries = 4096
	// DefaultBytes bounds what certificates with very many names take.
	DefaultBytes = 64 << 20
	// entryBytes is what an entry takes besides its certificates.
	entryBytes = 1 << 10
)

// CacheOptions bound a cache. The zero value is usable.
type CacheOptions struct {
	Entries  int           // default DefaultEntries
	Bytes    int           // default DefaultBytes
	Lifetime time.Duration // default DefaultLifetime
}

// CacheStats are counts since the cache was made, and what it holds now.
type CacheStats struct {
	Hits, Misses uint64
	// Evictions are leaves that made room for others before their time was over.
	Evictions      uint64
	Entries, Bytes int
}

// A Cache keeps leaves, so that a busy server costs one signature in an hour. It
// is bounded, drops what was not used for longest, and is safe for concurrent
// use.
type Cache struct {
	o CacheOptions

	mu        sync.Mutex
	authority *Authority
	entries   map[cacheKey]*list.Element // of *cacheEntry
	recent    list.List                  // the one used last in front
	stats     CacheStats
}

// A cacheKey is all that a leaf depends on. The name that a client asked for is
// not part of it, because it is not part of the leaf.
type cacheKey struct {
	upstream  [sha256.Size]byte // hash of the upstream's certificate
	authority [sha256.Size]byte
	mirrored  bool // signed by the authority
}

type cacheEntry struct {
	key  cacheKey
	end  time.Time
	size int                                       // once it is made
	make func() (leaf *tls.Certificate, err error) // once, whoever calls it first
}

// NewCache makes a cache of leaves that a signs.
func NewCache(a *Authority, o CacheOptions) *Cache {
	if o.Entries <= 0 {
		o.Entries = DefaultEntries
	}
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	if o.Lifetime <= 0 {
		o.Lifetime = DefaultLifetime
	}
	return &Cache{o: o, authority: a, entries: make(map[cacheKey]*list.Element)}
}

// Use has another authority sign from now on. What the one before signed is not
// used any more, and falls out in time.
func (c *Cache) Use(a *Authority) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.authority = a
}

// Authority returns the one that signs.
func (c *Cache) Authority() *Authority {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.authority
}

// Leaf is [Authority.Leaf] with a memory. Calls for one certificate at the same
// time make it once. The result is shared and not to be changed.
func (c *Cache) Leaf(up Upstream, serverName string) (*tls.Certificate, error) {
	if len(up.Chain) == 0 {
		return nil, errNoCertificate
	}
	if serverName == "" {
		serverName = up.ServerName
	}
	entry := c.entry(&up, serverName)
	leaf, err := entry.make()
	if err != nil {
		c.remove(entry)
		return nil, fmt.Errorf("making a certificate for %s: %w", serverName, err)
	}
	return leaf, nil
}

// entry finds the entry for a leaf, or puts a new one in its place.
func (c *Cache) entry(up *Upstream, serverName string) *cacheEntry {
	a := c.Authority()
	now := a.clock()
	key := cacheKey{sha256.Sum256(up.Chain[0].Raw), a.id, up.mirrored(serverName, now)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if found, ok := c.entries[key]; ok {
		entry := found.Value.(*cacheEntry)
		if now.Before(entry.end) {
			c.stats.Hits++
			c.recent.MoveToFront(found)
			return entry
		}
		c.drop(found)
	}
	c.stats.Misses++
	entry := &cacheEntry{key: key, end: c.end(up, a, now)}
	entry.make = sync.OnceValues(func() (*tls.Certificate, error) {
		leaf, err := a.mint(up.Chain[0], key.mirrored)
		if err == nil {
			c.made(entry, leaf)
		}
		return leaf, err
	})
	c.entries[key] = c.recent.PushFront(entry)
	c.shrink()
	return entry
}

// end is when an entry is over: with its lifetime, or with what is in it. For
// what has expired already only the lifetime counts.
func (c *Cache) end(up *Upstream, a *Authority, now time.Time) time.Time {
	end := now.Add(c.o.Lifetime)
	for _, t := range []time.Time{up.Chain[0].NotAfter, a.cert.NotAfter} {
		if t.After(now) {
			end = earlier(end, t)
		}
	}
	return end
}

// made counts what a new leaf takes.
func (c *Cache) made(entry *cacheEntry, leaf *tls.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found, ok := c.entries[entry.key]; !ok || found.Value != entry {
		return // it made room meanwhile
	}
	entry.size = entryBytes + len(leaf.Certificate[0]) // the others are the authority's
	c.stats.Bytes += entry.size
	c.shrink()
}

// shrink makes room. What is in use stays with its users.
func (c *Cache) shrink() {
	for len(c.entries) > c.o.Entries || c.stats.Bytes > c.o.Bytes {
		c.drop(c.recent.Back())
		c.stats.Evictions++
	}
}

func (c *Cache) remove(entry *cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found, ok := c.entries[entry.key]; ok && found.Value == entry {
		c.drop(found)
	}
}

func (c *Cache) drop(element *list.Element) {
	entry := c.recent.Remove(element).(*cacheEntry)
	delete(c.entries, entry.key)
	c.stats.Bytes -= entry.size
}

// Stats returns the counts.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := c.stats
	stats.Entries = len(c.entries)
	return stats
}
