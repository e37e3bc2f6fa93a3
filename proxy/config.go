package proxy

import (
	"log/slog"
	"net/url"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/access"
	"sstpwarden/proxy/bypass"
	"sstpwarden/proxy/probe"
)

// A Config is what a Server works with. Its functions and values are safe for
// concurrent use; what can be reloaded is reloaded inside of them.
type Config struct {
	// Inspector gives the one that new connections are inspected by.
	Inspector func() *inspect.Inspector
	// Gate asks the policy; its point is the proxy.
	Gate *policies.Gate
	// Emit takes the events. They are not kept by the Server.
	Emit func(*event.Event)
	Log  *slog.Logger

	// Clients may connect; all others are refused.
	Clients access.Networks
	// Users must authenticate, with Basic; nil for everybody.
	Users *access.Users
	Realm string
	// Destinations says where connections may go.
	Destinations *access.Destinations
	Limiter      *access.Limiter
	// Upstream is an HTTP proxy that everything goes through; nil for none.
	Upstream *url.URL
	// Mark is set on sockets to servers, so that rules of the firewall
	// leave them alone; 0 for none.
	Mark uint32
	// Timeouts bound every phase.
	Timeouts Timeouts

	// Intercept opens TLS; nil where that is not set up. What a policy asks
	// for then is told, and not done.
	Intercept *Intercept
	// Bypass exempts from opening.
	Bypass *bypass.List
	// Probe asks servers; nil where that is off.
	Probe *probe.Asker
}

// Timeouts bound how long each phase of a connection may take. A value of zero
// stands for the default.
type Timeouts struct {
	// Head is for a request's head, and for all of a body's share that
	// must come with a rate.
	Head time.Duration
	// Keep is how long a client may leave a connection without a request.
	Keep time.Duration
	// Hello is for a ClientHello, from its first byte.
	Hello time.Duration
	// Dial is for the name's resolution and for the connection to a server.
	Dial time.Duration
	// Handshake is for one TLS handshake.
	Handshake time.Duration
	// Idle is how long a tunnel may carry nothing, in either direction.
	Idle time.Duration
	// Stall is how long one side of a tunnel may take nothing of what is there.
	Stall time.Duration
}

// DefaultTimeouts are used for what is zero.
var DefaultTimeouts = Timeouts{
	Head:      30 * time.Second,
	Keep:      time.Minute,
	Hello:     5 * time.Second,
	Dial:      10 * time.Second,
	Handshake: 10 * time.Second,
	Idle:      2 * time.Hour,
	Stall:     15 * time.Minute,
}

func (t Timeouts) withDefaults() Timeouts {
	or := func(d *time.Duration, other time.Duration) {
		if *d == 0 {
			*d = other
		}
	}
	or(&t.Head, DefaultTimeouts.Head)
	or(&t.Keep, DefaultTimeouts.Keep)
	or(&t.Hello, DefaultTimeouts.Hello)
	or(&t.Dial, DefaultTimeouts.Dial)
	or(&t.Handshake, DefaultTimeouts.Handshake)
	or(&t.Idle, DefaultTimeouts.Idle)
	or(&t.Stall, DefaultTimeouts.Stall)
	return t
}
