package sink

import (
	"context"
	"math/rand/v2"
	"time"
)

// A retrier says when a server that fails is tried again, and when it is given
// up.
type retrier struct {
	first, most, total time.Duration

	since time.Time     // when the first failure in a row was
	pause time.Duration // the next one; 0 if the last attempt succeeded
}

func newRetrier(o *Options) retrier {
	return retrier{first: o.Backoff, most: o.MaxBackoff, total: o.Retry}
}

// succeeded forgets about failures.
func (r *retrier) succeeded() { r.pause = 0 }

// begin waits before the first attempt to deliver something, if the last one
// to deliver something else failed.
func (r *retrier) begin(ctx context.Context) bool {
	if r.pause == 0 {
		return ctx.Err() == nil
	}
	return r.wait(ctx)
}

// failed waits until the next attempt. It returns false if there should be
// none.
func (r *retrier) failed(ctx context.Context) bool {
	if r.pause == 0 {
		r.since, r.pause = time.Now(), r.first
	}
	return time.Since(r.since) < r.total && r.wait(ctx)
}

// wait pauses, between half of what is due and all of it, so that those whose
// server failed at the same time do not come back at the same time.
func (r *retrier) wait(ctx context.Context) bool {
	timer := time.NewTimer(r.pause/2 + rand.N(r.pause/2+1))
	defer timer.Stop()
	r.pause = min(2*r.pause, r.most)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
