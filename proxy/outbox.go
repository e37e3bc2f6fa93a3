package proxy

import "sstpwarden/policies/event"

// An outbox holds a session's events until they are emitted, in their order: two
// at most. The session's lock guards it. Who takes events may make whoever emits
// them wait, and that must not be somebody who holds the lock.
type outbox struct {
	waiting  []event.Event
	emitting bool // somebody is at it, and will see to what is added
}

// unlock unlocks the session, and then emits what there is to tell.
func (k *session) unlock() {
	if k.outbox.emitting {
		k.mu.Unlock()
		return
	}
	k.outbox.emitting = true
	for len(k.outbox.waiting) > 0 {
		next := k.outbox.waiting
		k.outbox.waiting = nil
		k.mu.Unlock()
		for i := range next {
			k.srv.config.Emit(&next[i])
		}
		k.mu.Lock()
	}
	k.outbox.emitting = false
	k.mu.Unlock()
}

// flush emits what others left to the session's own goroutine.
func (k *session) flush() {
	k.mu.Lock()
	k.unlock()
}
