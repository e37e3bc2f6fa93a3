package ipcarry

import (
	"context"
	"net/netip"
	"time"
)

// When a router speaks unasked, and how soon again when asked (RFC 4861, Section 10). The
// interval between two is far below the lifetimes of Advertise.
const (
	initialAdvertisements = 3
	initialInterval       = 16 * time.Second
	advertiseInterval     = 10 * time.Minute
	minAnswerDelay        = time.Second
)

// WithRouter wraps a server's Port: it sends the client ra at once and from time to time,
// and answers its Router Solicitations, which the inner Port does not get to see. local is
// the server's link-local address.
func WithRouter(inner Port, t Tunnel, ra RouterAdvertisement, local netip.Addr) Port {
	r := &router{Port: inner, tunnel: t, packet: ra.Append(nil, local, netip.Addr{}), asked: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.run(ctx)
	return r
}

type router struct {
	Port
	tunnel Tunnel
	packet []byte
	asked  chan struct{}
	cancel context.CancelFunc
}

func (r *router) Deliver(p []byte) error {
	if _, ok := ParseRouterSolicitation(p); ok {
		select {
		case r.asked <- struct{}{}:
		default: // the answer to the one before answers this one as well
		}
		return nil
	}
	return r.Port.Deliver(p)
}

func (r *router) Close() error {
	r.cancel()
	return r.Port.Close()
}

func (r *router) run(ctx context.Context) {
	for n := 1; ; n++ {
		_ = r.tunnel.WritePacket(r.packet)
		interval := advertiseInterval
		if n < initialAdvertisements {
			interval = initialInterval
		}
		if !r.pause(ctx, interval) {
			return
		}
	}
}

// pause waits until it is time to speak again.
func (r *router) pause(ctx context.Context, interval time.Duration) bool {
	spoke := time.Now()
	timer := time.NewTimer(interval)
	defer timer.Stop()
	asked := r.asked
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-asked: // a flood of questions gets one answer a second
			timer.Reset(max(0, minAnswerDelay-time.Since(spoke)))
			asked = nil
		}
	}
}
