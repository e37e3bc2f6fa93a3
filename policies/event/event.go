package event

import (
	"math"
	"net/netip"
	"time"

	"sstpwarden/inspect"
)

// Version is that of the Event and the Summary.
const Version = 1

// The values of event_type.
const (
	TypeSSTP    = "sstp"    // one connection: Event
	TypeSummary = "summary" // the end of an audit: Summary
)

// The values of state.
const (
	StateOpen   = "open"
	StateClosed = "closed"
)

// An Event tells of one TCP connection. Source is the client, destination the
// server, whoever's packet was seen first.
type Event struct {
	// Timestamp is when the connection was first seen.
	Timestamp Time   `json:"timestamp"`
	EventType string `json:"event_type"` // TypeSSTP
	Version   int    `json:"version"`
	// FlowID tells connections apart, also those of the same addresses and
	// ports. It is the same whenever the same connection is read again.
	FlowID uint64 `json:"flow_id"`
	// CommunityID finds the connection in other tools.
	CommunityID string     `json:"community_id"`
	SrcIP       netip.Addr `json:"src_ip"`
	SrcPort     uint16     `json:"src_port"`
	DestIP      netip.Addr `json:"dest_ip"`
	DestPort    uint16     `json:"dest_port"`
	Proto       string     `json:"proto"` // "TCP"
	// AppProto is what the outermost stream speaks: "tls", "http", "connect",
	// "sstp" or "other".
	AppProto string `json:"app_proto,omitempty"`

	// State is "open" of a connection that goes on after it was told of, and
	// "closed" at its end: one that is worth telling of at once is told of
	// twice. It is left out of audits, which tell once.
	State string `json:"state,omitempty"`
	// Seen says whose bytes were seen: "both", "client" or "server".
	Seen string `json:"seen,omitempty"`
	// Midstream says that the connection was running before it was seen.
	Midstream bool `json:"midstream,omitempty"`
	// LostBytes is what the capture misses.
	LostBytes uint64 `json:"lost_bytes,omitempty"`
	// Duration is from the first to the last thing seen, in seconds.
	Duration float64 `json:"duration"`
	// Packets are left out where the point handles streams.
	PktsToServer  uint64 `json:"pkts_toserver,omitempty"`
	PktsToClient  uint64 `json:"pkts_toclient,omitempty"`
	BytesToServer uint64 `json:"bytes_toserver"`
	BytesToClient uint64 `json:"bytes_toclient"`

	// Source is the capture file as it was given, of an audit.
	Source string `json:"source,omitempty"`
	// User is who the client is, in the words of somebody on our side: the
	// point itself, or a proxy that accepted a CONNECT. Names that only the
	// client claims are in Connect and PPP.
	User string `json:"user,omitempty"`
	// Server is whom the client wants to reach.
	Server *Server `json:"server,omitempty"`

	Detection Detection `json:"detection"`
	// Decision is nil until the policy was asked.
	Decision *Decision `json:"decision,omitempty"`
	// OtherDecision is that of the policy that was compared, of an audit.
	OtherDecision *Decision `json:"other_decision,omitempty"`

	// Proxy is what the proxy did, of its own connections.
	Proxy   *Proxy   `json:"proxy,omitempty"`
	Connect *Connect `json:"connect,omitempty"`
	TLS     *TLS     `json:"tls,omitempty"`
	HTTP    *HTTP    `json:"http,omitempty"`
	SSTP    *SSTP    `json:"sstp,omitempty"`
	PPP     *PPP     `json:"ppp,omitempty"`
	// Timeline holds the connection's moments in the order they were seen:
	// the first ones, and how calls end.
	Timeline []Moment `json:"timeline,omitempty"`
}

// A Moment is when something was seen, see [inspect.Moment].
type Moment struct {
	What string `json:"what"` // "tls_client_hello", "evidence tls.control_lengths", ...
	At   Time   `json:"at"`
}

// Last is when the connection was last seen, to the microsecond.
func (e *Event) Last() Time {
	return NewTime(e.Timestamp.Add(time.Duration(math.Round(e.Duration*1e6)) * time.Microsecond))
}

// A Server is whom the client wants to reach: the target of its CONNECT where
// there is one, that of its newest request to an explicit proxy, else the other end
// of the connection.
type Server struct {
	// Name is that of the CONNECT, else the SNI: the client's to choose.
	// Lower case, without a dot at its end.
	Name string `json:"name,omitempty"`
	// IP is never the proxy's that a CONNECT or a request was sent to. It is
	// zero where the name was not resolved.
	IP   netip.Addr `json:"ip,omitzero"`
	Port uint16     `json:"port,omitempty"`
}

// A Detection is the judgement, see [inspect.Detection].
type Detection struct {
	Verdict inspect.Verdict `json:"verdict"`
	Kind    inspect.Kind    `json:"kind,omitzero"`
	// Score is in decibans.
	Score int `json:"score"`
	// Probability is 0 to 1, to six digits.
	Probability float64 `json:"probability"`
	// Client and Server are implementations.
	Client   string             `json:"client,omitempty"`
	Server   string             `json:"server,omitempty"`
	Evidence []inspect.Evidence `json:"evidence,omitempty"`
}

// A Decision is what the policy made of the rest. Package policies explains
// the fields.
type Decision struct {
	Action   string `json:"action"`
	Reason   string `json:"reason"`
	Rule     string `json:"rule"`
	Revision string `json:"revision"`
	// Enforced is false in an audit and in a dry run: nothing was done then.
	Enforced bool `json:"enforced"`
	Reset    bool `json:"reset,omitempty"`
	// Ban is in Go's form, "10m0s".
	Ban       string `json:"ban,omitempty"`
	Intercept bool   `json:"intercept,omitempty"`
	Probe     bool   `json:"probe,omitempty"`
	DryRun    bool   `json:"dry_run,omitempty"`
}
