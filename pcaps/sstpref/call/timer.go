package call

import (
	"time"

	"sstpwarden/inspect/sstp"
)

// A timer is one of the specification's. No two of them run at a time.
type timer uint8

const (
	noTimer          timer = iota
	negotiationTimer       // MS-SSTP 3.2.2.1, 3.3.2.1
	helloTimer             // MS-SSTP 3.1.2.3
	abortTimer1            // TIMER_VAL_ABORT_STATE_TIMER_1
	abortTimer2
	disconnectTimer1 // TIMER_VAL_DISCONNECT_STATE_TIMER_1
	disconnectTimer2
	timers // how many there are
)

func (t *Timers) durations() [timers]time.Duration {
	return [timers]time.Duration{
		negotiationTimer: t.Negotiation,
		helloTimer:       t.Hello,
		abortTimer1:      t.Abort1,
		abortTimer2:      t.Abort2,
		disconnectTimer1: t.Disconnect1,
		disconnectTimer2: t.Disconnect2,
	}
}

// String returns the timer's name for people.
func (t timer) String() string {
	return [timers]string{"no timer", "negotiation timer", "hello timer", "abort timer 1", "abort timer 2", "disconnect timer 1", "disconnect timer 2"}[t]
}

// start stops whichever timer runs and starts another.
func (c *Call) start(now time.Time, t timer) {
	if c.durations[t] < 0 {
		t = noTimer
	}
	c.timer, c.timerAt = t, now.Add(c.durations[t])
}

// heard restarts what counts the time without a packet from the peer. Time may
// come late, but does not go back.
func (c *Call) heard(now time.Time) {
	if !c.State().Connected() {
		return
	}
	if c.timer == helloTimer {
		if at := now.Add(c.durations[helloTimer]); !at.Before(c.timerAt) {
			c.timerAt, c.unanswered = at, 0
		}
	}
	if at := now.Add(c.cfg.Quirks.Idle); at.After(c.idleAt) {
		c.idleAt = at
	}
}

// scheduleEcho decides when the next Echo Request of EchoInterval is due.
func (c *Call) scheduleEcho(now time.Time) {
	c.echoAt = time.Time{}
	if c.cfg.Quirks.EchoInterval == nil {
		return
	}
	if d := c.cfg.Quirks.EchoInterval(); d > 0 {
		c.echoAt = now.Add(d)
	}
}

// Deadline returns when [Call.Expire] is to be called; false is never. It moves
// with what happens, and only ever later when data comes: a clock that is set to
// it may be left alone until it goes off, and Deadline be asked again then.
func (c *Call) Deadline() (time.Time, bool) {
	at, ok := c.timerAt, c.timer != noTimer
	earlier := func(t time.Time) {
		if !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	if c.State().Connected() {
		if c.cfg.Quirks.Idle > 0 {
			earlier(c.idleAt)
		}
		if !c.echoAt.IsZero() {
			earlier(c.echoAt)
		}
	}
	return at, ok
}

// Expire does what is due at now, nothing if that is too early. One call handles
// one timer: if there is more to do, Deadline has not moved past now.
func (c *Call) Expire(now time.Time) {
	connected := c.State().Connected()
	switch {
	case c.timer != noTimer && !now.Before(c.timerAt):
		c.expired(now)
	case connected && c.cfg.Quirks.Idle > 0 && !now.Before(c.idleAt):
		c.fail(ErrSilent, "idle for too long")
	case connected && !c.echoAt.IsZero() && !now.Before(c.echoAt):
		c.send(sstp.EchoRequest{})
		c.scheduleEcho(now)
	}
	c.flush()
}

// expired handles the timer that runs (MS-SSTP 3.1.6, 3.2.6, 3.3.6).
func (c *Call) expired(now time.Time) {
	cause := c.timer.String() + " expired"
	switch c.timer {
	case negotiationTimer:
		c.negotiationExpired(now, cause)
	case helloTimer:
		if c.unanswered >= c.cfg.Quirks.EchoFailures {
			c.fail(ErrSilent, cause) // MS-SSTP 3.1.2.3
			return
		}
		c.unanswered++
		c.send(sstp.EchoRequest{})
		c.start(now, helloTimer)
	default:
		c.closed(cause) // MS-SSTP 3.1.6.1, 3.1.6.2
	}
}

func (c *Call) negotiationExpired(now time.Time, cause string) {
	switch state := c.State(); {
	case state == ServerConnectRequestPending:
		c.fail(ErrNegotiationTimeout, cause) // MS-SSTP 3.3.2.1, figure 5
	case state == ClientConnectRequestSent && c.cfg.Quirks.ResendOnTimeout && c.retry():
		c.request(now)
	default:
		c.abort(now, statusInfo(sstp.StatusNegotiationTimeout), ErrNegotiationTimeout, cause)
	}
}
