package policies

import (
	"embed"

	"sstpwarden/policies/event"
)

// An Input is what a policy is asked with: the connection's event, without a
// decision, and when and where it is asked.
type Input struct {
	event.Event
	Stage Stage `json:"stage"`
	Point Point `json:"point"`
	// Time is the present: the time of the last that was seen of the
	// connection. In an audit the capture's time, not the auditor's.
	Time event.Time `json:"time"`
}

// NewInput makes the Input of a connection as it is now.
func NewInput(f *event.Flow, stage Stage, point Point) Input {
	return Input{Event: event.New(f), Stage: stage, Point: point, Time: event.NewTime(f.Last)}
}

// Replay makes the Input with which a policy is asked again about a connection
// of which the event was recorded. Its decision is left out.
func Replay(e *event.Event, point Point) Input {
	in := Input{Event: *e, Stage: StageDetection, Point: point}
	in.Decision, in.OtherDecision = nil, nil
	in.Time = e.Last()
	return in
}

// A Stage is what gave reason to ask.
type Stage string

// The stages, in the order of a connection.
const (
	StageConnect   Stage = "connect"   // a CONNECT head was read
	StageHello     Stage = "hello"     // a ClientHello was read
	StageDetection Stage = "detection" // the Detection changed, or is final
)

// A Point is where a connection was seen.
type Point string

// The points.
const (
	PointAudit Point = "audit" // in a capture file
	PointProxy Point = "proxy" // in the HTTP proxy
	PointNFQ   Point = "nfq"   // in the packets that the kernel queues
)

// InputSchema is the JSON Schema of an [Input], for opa check --schema and
// editors. It is made of [event.Schema].
//
//go:embed input.schema.json
var InputSchema []byte

// Default holds the policies that are used when nobody wrote others, and their
// tests, in the folder sstp.
//
//go:embed sstp/*.rego
var Default embed.FS
