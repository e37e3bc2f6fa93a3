package proxy

import "sync"

// A registry knows the sessions that there are.
type registry struct {
	mu     sync.Mutex
	all    map[*session]struct{}
	closed bool
}

// add says whether there may still be new ones.
func (r *registry) add(k *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	if r.all == nil {
		r.all = map[*session]struct{}{}
	}
	r.all[k] = struct{}{}
	return true
}

// close takes no more sessions.
func (r *registry) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

func (r *registry) remove(k *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, k)
}

func (r *registry) list() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*session, 0, len(r.all))
	for k := range r.all {
		list = append(list, k)
	}
	return list
}
