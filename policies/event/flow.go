package event

import (
	"math"
	"net/netip"
	"time"

	"sstpwarden/inspect"
)

// A Flow is what an Event is made of: what the inspector found, and what the
// point knows that handles the connection.
type Flow struct {
	Key inspect.FlowKey
	// Start is when the connection was first seen, Last when the last of it
	// was; policies take Last as the present.
	Start, Last time.Time
	// ToServer and ToClient count what was seen of each direction.
	ToServer, ToClient Traffic
	// Source is the capture file as it was given, "" if there is none.
	Source string
	// User is who the point says the client is, "" where it cannot tell.
	User string
	// Target is whom the client asks the point for, an explicit proxy, where it
	// is not by a CONNECT: by the URL of an ordinary request. "" and 0 elsewhere.
	Target Target
	// Resolved is the address that the name of a CONNECT or of Target was
	// resolved to, where the point did so; zero elsewhere.
	Resolved netip.Addr
	// State and Proxy are as in an Event; "" and nil elsewhere than at a proxy
	// or a packet queue.
	State string
	Proxy *Proxy
	// Observation may be nil, before anything was read.
	Observation *inspect.Observation
	Detection   inspect.Detection
}

// A Target is a server that a proxy is asked for.
type Target struct {
	Host string // name or address
	Port uint16
}

// Traffic counts one direction of a connection.
type Traffic struct {
	Packets uint64 // 0 where the point handles streams
	Bytes   uint64 // as the point counts them: of packets, or of the stream
}

// New makes the Event of a flow as it is now. The Event shares no memory with
// the Observation or the Detection that may change.
func New(f *Flow) Event {
	o := f.Observation
	if o == nil {
		o = &inspect.Observation{}
	}
	client, server := address(f.Key.Client), address(f.Key.Server)
	return Event{
		Timestamp:   NewTime(f.Start),
		EventType:   TypeSSTP,
		Version:     Version,
		FlowID:      flowID(f.Key, f.Start),
		CommunityID: CommunityID(f.Key),
		SrcIP:       client.Addr(),
		SrcPort:     client.Port(),
		DestIP:      server.Addr(),
		DestPort:    server.Port(),
		Proto:       "TCP",
		AppProto:    o.Protocol,

		State:         f.State,
		Seen:          seen(o.Seen),
		Midstream:     o.Midstream,
		LostBytes:     o.Lost,
		Duration:      seconds(f.Last.Sub(f.Start)),
		PktsToServer:  f.ToServer.Packets,
		PktsToClient:  f.ToClient.Packets,
		BytesToServer: f.ToServer.Bytes,
		BytesToClient: f.ToClient.Bytes,

		Source:    text(f.Source),
		User:      user(f, o.Connect),
		Server:    newServer(f, o),
		Detection: newDetection(f.Detection),

		Proxy:   newProxy(f.Proxy),
		Connect: newConnect(o.Connect),
		TLS:     newTLS(o.TLS),
		HTTP:    newHTTP(o.HTTP),
		SSTP:    newSSTP(o.SSTP),
		PPP:     newPPP(o.PPP),

		Timeline: newTimeline(o.Timeline),
	}
}

func newProxy(p *Proxy) *Proxy {
	if p == nil {
		return nil
	}
	out := *p
	out.Error = text(out.Error)
	return &out
}

func newDetection(d inspect.Detection) Detection {
	out := Detection{
		Verdict:     d.Verdict,
		Kind:        d.Kind,
		Score:       d.Score,
		Probability: probability(d.Probability),
		Client:      text(d.Client),
		Server:      text(d.Server),
	}
	if len(d.Evidence) > 0 {
		out.Evidence = make([]inspect.Evidence, len(d.Evidence))
		for i, e := range d.Evidence {
			e.Rule, e.Detail = text(e.Rule), text(e.Detail)
			out.Evidence[i] = e
		}
	}
	return out
}

// newServer tells whom the client wants to reach. Where a CONNECT or a proxy names
// it, the other end of the connection is only a proxy, and its address says
// nothing.
func newServer(f *Flow, o *inspect.Observation) *Server {
	var s Server
	if o.TLS != nil {
		s.Name = hostName(o.TLS.SNI)
	}
	asked := f.Target
	if c := o.Connect; c != nil {
		asked = Target{c.Host, c.Port}
	}
	switch {
	case o.Connect != nil || asked != Target{}:
		s.Port = asked.Port
		s.IP = plain(f.Resolved)
		if ip, err := netip.ParseAddr(asked.Host); err == nil {
			s.IP = plain(ip)
		} else {
			s.Name = hostName(asked.Host)
		}
	case f.Proxy != nil && f.Proxy.Mode == ModeExplicit:
		return nil // it was not asked for any
	default:
		end := address(f.Key.Server)
		s.IP, s.Port = end.Addr(), end.Port()
	}
	if s == (Server{}) {
		return nil
	}
	return &s
}

// user tells who the client is, without taking the client's word for it: a name
// in Proxy-Authorization counts where the proxy agreed.
func user(f *Flow, c *inspect.ConnectFacts) string {
	switch {
	case f.User != "":
		return text(f.User)
	case c != nil && c.Response != nil && c.Response.Status/100 == 2:
		return text(c.User)
	}
	return ""
}

func seen(directions [2]bool) string {
	switch directions {
	case [2]bool{true, true}:
		return "both"
	case [2]bool{true, false}:
		return "client"
	case [2]bool{false, true}:
		return "server"
	}
	return ""
}

// seconds gives d to the microsecond; clocks that went back count as none.
func seconds(d time.Duration) float64 {
	return float64(max(d, 0).Microseconds()) / 1e6
}

// probability gives p to six digits.
func probability(p float64) float64 {
	if math.IsNaN(p) {
		return 0 // JSON has no word for it
	}
	return math.Round(min(max(p, 0), 1)*1e6) / 1e6
}

// side names an end of the connection by the direction of what it sends.
func side(d inspect.Direction) string {
	switch d {
	case inspect.ClientToServer:
		return "client"
	case inspect.ServerToClient:
		return "server"
	}
	return ""
}
