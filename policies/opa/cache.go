package opa

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"sstpwarden/policies"
)

// The bounds of a Decider's cache.
const (
	maxEntries = 65_536
	maxBytes   = 32 << 20
	maxKey     = 4 << 10 // of one entry; Inputs that take more are evaluated
)

// Stats says how a Decider's answers came about.
type Stats struct {
	// Hits are answers that were known, Misses those that were worked out.
	Hits, Misses uint64
	// Entries are the answers known now, of 65,536 at most.
	Entries int
}

// Stats since the Decider was made. What is foreseen does not count.
func (d *Decider) Stats() Stats { return d.cache.stats() }

// An entry is an answer, and when it holds.
type entry struct {
	decision policies.Decision
	// minute is the only one in which it holds, and from the microsecond since
	// when. Both are 0 where policies do not read the time.
	minute, from int64
	state        state
}

// A state says what an entry is good for.
type state uint8

const (
	stateNone   state = iota
	stateOnce         // it was asked for once: whether it holds is not known
	stateHolds        // it answers
	stateVaries       // it is another one at the end of the minute
)

// A cache keeps the answers to keys, the recent ones. It is safe for concurrent
// use.
type cache struct {
	seed   maphash.Seed
	shards [cacheShards]shard
}

const cacheShards = 16

// A shard has two generations: when the young one is full, it becomes the old
// one, and what was the old one is gone. What is still asked for moves along.
type shard struct {
	mu         sync.RWMutex
	young, old map[string]entry
	bytes      int // in the young one

	hits, misses atomic.Uint64
	_            [64]byte // apart from the next shard's
}

// The bounds of one generation.
const (
	shardEntries = maxEntries / cacheShards / 2
	shardBytes   = maxBytes / cacheShards / 2
	entryBytes   = 256 // that an entry takes beside its texts, in two maps that grow by doubling
)

func newCache() *cache { return &cache{seed: maphash.MakeSeed()} }

func (c *cache) shard(key []byte) *shard {
	return &c.shards[maphash.Bytes(c.seed, key)%cacheShards]
}

// get returns what is known for key at that time, given as minute and
// microsecond. The decision is the answer if the state is stateHolds.
func (c *cache) get(key []byte, minute, micro int64) (policies.Decision, state) {
	s := c.shard(key)
	s.mu.RLock()
	e, ok := s.young[string(key)]
	promote := false
	if !ok {
		e, promote = s.old[string(key)]
	}
	s.mu.RUnlock()
	if promote {
		s.put(string(key), e)
	}
	switch {
	case e.minute != minute:
		e.state = stateNone
	case e.state == stateHolds && e.from > micro:
		e.state = stateOnce // it may hold earlier too
	}
	if e.state == stateHolds {
		s.hits.Add(1)
	} else {
		s.misses.Add(1)
	}
	return e.decision, e.state
}

func (c *cache) put(key []byte, e entry) {
	c.shard(key).put(string(key), e)
}

func (s *shard) put(key string, e entry) {
	size := len(key) + len(e.decision.Reason) + len(e.decision.Rule) + entryBytes
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, ok := s.young[key]; ok {
		s.bytes += len(e.decision.Reason) + len(e.decision.Rule) - len(was.decision.Reason) - len(was.decision.Rule)
		s.young[key] = e
		return
	}
	if len(s.young) >= shardEntries || s.bytes+size > shardBytes || s.young == nil {
		s.old, s.young, s.bytes = s.young, map[string]entry{}, 0
	}
	delete(s.old, key)
	s.young[key] = e
	s.bytes += size
}

func (c *cache) stats() Stats {
	var out Stats
	if c == nil {
		return out
	}
	for i := range c.shards {
		s := &c.shards[i]
		out.Hits += s.hits.Load()
		out.Misses += s.misses.Load()
		s.mu.RLock()
		out.Entries += len(s.young) + len(s.old)
		s.mu.RUnlock()
	}
	return out
}
