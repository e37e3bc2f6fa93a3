package weigh

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/inspect/tlswire"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/profile"
	"sstpwarden/pcaps/tap"
)

// EndpointName is what results call the sessions of the reference endpoint.
const EndpointName = "reference endpoint, every client profile with every server profile, TLS 1.2 and 1.3 or what they have"

// Endpoint has every client profile of the reference endpoint dial every server
// profile on the loopback, with TLS 1.2 at most and with 1.3, and counts the
// connections. The error is the first of a session that did not come up.
func (r *Reader) Endpoint(ctx context.Context) (Corpus, error) {
	out := Corpus{Name: EndpointName}
	cert, err := sstpref.SelfSigned(time.Now(), false, "vpn.example")
	if err != nil {
		return out, err
	}
	for _, client := range profile.ClientNames() {
		for _, server := range profile.ServerNames() {
			var had tlswire.Version // that was agreed on
			for _, highest := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				s := tap.Session{Client: client, Server: server, Certificate: cert, ServerTLS: tap.Versions{Min: tls.VersionTLS10, Max: highest}}
				segments, keys, err := s.Record(ctx)
				if err != nil {
					return out, fmt.Errorf("recording %s with %s: %w", client, server, err)
				}
				c := r.session(segments, keys, "endpoint, "+client+", "+server)
				if version := c.Closed.Observation().TLS.Version; version != had { // else one of them has no higher one
					had = version
					out.Captures++
					out.Positives++
					r.Tally.Add(c)
				}
			}
		}
	}
	return out, nil
}

// session inspects a recorded one.
func (r *Reader) session(segments []inspect.Segment, keys *tlskeys.Keys, kind string) *Connection {
	key := inspect.FlowKey{Client: netip.MustParseAddrPort("192.0.2.1:50000"), Server: netip.MustParseAddrPort("198.51.100.1:443")}
	start, last := segments[0].Time, segments[len(segments)-1].Time
	p := r.open(key, start, false, keys)
	for _, segment := range segments {
		p.Feed(segment)
	}
	return &Connection{SSTP: true, Kind: kind, Lasted: last.Sub(start), Closed: p.closed, Opened: p.opened}
}

func (r *Reader) open(key inspect.FlowKey, start time.Time, midstream bool, keys *tlskeys.Keys) *pair {
	flow := func(keys *tlskeys.Keys) *inspect.Flow {
		f := inspect.NewInspector(inspect.Options{Rules: r.Rules, Keys: keys, Follow: true}).Open(key, start)
		if midstream {
			f.SetMidstream()
		}
		return f
	}
	p := &pair{closed: flow(nil)}
	if p.opened = p.closed; keys != nil {
		p.opened = flow(keys)
	}
	return p
}
