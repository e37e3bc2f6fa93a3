package login

import "time"

// failures remembers when something failed, by key, the newest keys of all. Times
// do not go back.
type failures[K comparable] struct {
	limit   int // failures within the window that are one too many for another
	window  time.Duration
	max     int // keys
	known   map[K]*failed[K]
	oldest  *failed[K] // by the last failure
	newest  *failed[K]
	dropped uint64 // keys that were forgotten within the window
}

// failed are a key's failures, at most limit of them: the newest.
type failed[K comparable] struct {
	key          K
	times        []time.Duration // rising
	older, newer *failed[K]
}

func newFailures[K comparable](limit int, window time.Duration, entries int) failures[K] {
	return failures[K]{limit: limit, window: window, max: max(entries, 1), known: map[K]*failed[K]{}}
}

// wait is how long the key has to wait for another try.
func (f *failures[K]) wait(key K, now time.Duration) time.Duration {
	e := f.known[key]
	if e == nil || f.limit < 0 || len(e.times) < f.limit {
		return 0
	}
	return max(0, e.times[0]+f.window-now)
}

// add takes a failure.
func (f *failures[K]) add(key K, now time.Duration) {
	if f.limit < 0 {
		return
	}
	for range 2 { // more than come in
		if f.oldest != nil && f.past(f.oldest, now) {
			f.remove(f.oldest)
		}
	}
	e := f.known[key]
	if e == nil {
		if len(f.known) == f.max {
			f.dropped++
			f.remove(f.oldest)
		}
		e = &failed[K]{key: key}
		f.known[key] = e
	} else {
		f.unlink(e)
	}
	if len(e.times) == f.limit {
		e.times = e.times[:copy(e.times, e.times[1:])]
	}
	e.times = append(e.times, now)
	if e.older = f.newest; e.older == nil {
		f.oldest = e
	} else {
		e.older.newer = e
	}
	f.newest = e
}

// forget forgets a key.
func (f *failures[K]) forget(key K) {
	if e := f.known[key]; e != nil {
		f.remove(e)
	}
}

// past says that even the last failure counts no more.
func (f *failures[K]) past(e *failed[K], now time.Duration) bool {
	return e.times[len(e.times)-1]+f.window <= now
}

func (f *failures[K]) remove(e *failed[K]) {
	f.unlink(e)
	delete(f.known, e.key)
}

// unlink takes e out of the order.
func (f *failures[K]) unlink(e *failed[K]) {
	if e.older == nil {
		f.oldest = e.newer
	} else {
		e.older.newer = e.newer
	}
	if e.newer == nil {
		f.newest = e.older
	} else {
		e.newer.older = e.older
	}
	e.older, e.newer = nil, nil
}
