package pcaps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps/capfile"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// A job audits one input.
type job struct {
	input  Input
	config *Config
	events chan *event.Event // closed when the job is done
	done   chan struct{}

	ctx       context.Context // of the run; Closed is called from within the table
	inspector *inspect.Inspector
	keys      *tlskeys.Keys
	table     *tcpflow.Table

	verdicts event.Verdicts
	actions  event.Actions
	flows    uint64
	packets  uint64
	bytes    uint64
	skipped  bool // found in a folder, and no capture
	errors   []event.Error
	policy   map[string]uint64 // policy errors by text
	told     mark
}

// ctxEvery is how many packets are read between looks at the context and the
// progress.
const ctxEvery = 1 << 12

func (j *job) run(ctx context.Context) {
	defer close(j.done)
	defer close(j.events)
	j.ctx = ctx
	if j.config.Keys != nil {
		j.keys = j.config.Keys.Derive()
	}
	j.newInspector()
	limits := j.config.Limits
	limits.Open, limits.Closed = j.open, j.closed
	j.table = tcpflow.New(limits)
	if err := j.read(); err != nil {
		j.errors = append(j.errors, event.Error{Source: j.input.Name, Error: err.Error()})
	}
	j.table.Flush()
	for _, text := range slices.Sorted(maps.Keys(j.policy)) {
		j.errors = append(j.errors, event.Error{Source: j.input.Name, Error: fmt.Sprintf("%s (%d connections)", text, j.policy[text])})
	}
}

func (j *job) newInspector() {
	j.inspector = inspect.NewInspector(inspect.Options{Rules: j.config.Rules, Keys: j.keys, Follow: true})
}

// read reads packets to the end of the input.
func (j *job) read() error {
	r, err := capfile.Open(j.input.Path, capfile.Options{OnSecrets: j.secrets})
	if err != nil {
		if j.input.Found && errors.Is(err, capfile.ErrFormat) {
			j.skipped = true
			return nil
		}
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	defer j.config.Progress.update(j, r)
	for {
		p, err := r.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		j.table.Packet(tcpflow.LinkType(p.Link), p.Time, p.Data, p.Length)
		j.packets++
		j.bytes += uint64(p.Length)
		if j.packets%ctxEvery == 0 {
			j.config.Progress.update(j, r)
			if err := j.ctx.Err(); err != nil {
				return fmt.Errorf("stopped after packet %d: %w", j.packets, err)
			}
		}
	}
}

// secrets takes a pcapng file's decryption secrets. Connections that were
// opened before cannot use them any more: capture programs write them first.
func (j *job) secrets(kind uint32, data []byte) {
	if kind != capfile.SecretsTLSKeyLog {
		return
	}
	if j.keys == nil {
		j.keys = &tlskeys.Keys{}
		j.newInspector()
	}
	if _, err := j.keys.AddKeyLog(bytes.NewReader(data)); err != nil {
		j.errors = append(j.errors, event.Error{Source: j.input.Name, Error: fmt.Sprintf("decryption secrets in the capture: %v", err)})
	}
}

func (j *job) open(c *tcpflow.Conn) tcpflow.Stream {
	f := j.inspector.Open(c.Key(), c.Start())
	if c.Midstream() {
		f.SetMidstream()
	}
	return f
}

// closed judges a connection that ended or was given up.
func (j *job) closed(c *tcpflow.Conn) {
	f := event.Flow{
		Key:       c.Key(),
		Start:     c.Start(),
		Last:      c.Last(),
		ToServer:  traffic(c, inspect.ClientToServer),
		ToClient:  traffic(c, inspect.ServerToClient),
		Source:    j.input.Name,
		Detection: inspect.Detection{Verdict: inspect.VerdictUndetermined},
	}
	if flow, ok := c.Stream().(*inspect.Flow); ok && flow != nil {
		f.Observation, f.Detection = flow.Observation(), flow.Detection()
	}
	var state policies.State
	d, _, err := j.config.Gate.Update(context.WithoutCancel(j.ctx), &state, policies.StageDetection, &f)
	if err != nil {
		j.policyError(err)
	}
	j.count(f.Detection.Verdict, d.Action)
	if !j.config.All && f.Detection.Verdict.Strength() < inspect.VerdictSuspected.Strength() && d.Action == policies.ActionAllow {
		return
	}
	e := event.New(&f)
	e.Decision = d.Event(policies.PointAudit)
	j.events <- &e
}

func traffic(c *tcpflow.Conn, d inspect.Direction) event.Traffic {
	t := c.Traffic(d)
	return event.Traffic{Packets: t.Packets, Bytes: t.Bytes}
}

// maxPolicyErrors bounds the different policy errors that are told apart.
const maxPolicyErrors = 8

func (j *job) policyError(err error) {
	text := err.Error()
	if cause := errors.Unwrap(err); cause != nil {
		text = cause.Error() // without the connection's name
	}
	if j.policy == nil {
		j.policy = map[string]uint64{}
	}
	if _, known := j.policy[text]; known || len(j.policy) < maxPolicyErrors {
		j.policy[text]++
	}
}

func (j *job) count(v inspect.Verdict, a policies.Action) {
	j.flows++
	switch v {
	case inspect.VerdictSuspected:
		j.verdicts.Suspected++
	case inspect.VerdictConfirmed:
		j.verdicts.Confirmed++
	case inspect.VerdictCleared:
		j.verdicts.Cleared++
	default:
		j.verdicts.Undetermined++
	}
	switch a {
	case policies.ActionLog:
		j.actions.Log++
	case policies.ActionDrop:
		j.actions.Drop++
	default:
		j.actions.Allow++
	}
}

// addTo adds the job's counts to the summary.
func (j *job) addTo(s *event.Summary) {
	if !j.skipped {
		s.Files++
	}
	s.Packets += j.packets
	s.Bytes += j.bytes
	s.Flows += j.flows
	s.Verdicts.Undetermined += j.verdicts.Undetermined
	s.Verdicts.Suspected += j.verdicts.Suspected
	s.Verdicts.Confirmed += j.verdicts.Confirmed
	s.Verdicts.Cleared += j.verdicts.Cleared
	s.Actions.Allow += j.actions.Allow
	s.Actions.Log += j.actions.Log
	s.Actions.Drop += j.actions.Drop
	s.Errors = append(s.Errors, j.errors...)
	if j.table != nil {
		stats := j.table.Stats()
		addDropped(s.Dropped, &stats)
	}
}

// addDropped tells by cause what was not inspected because it could not be
// read or a limit was reached.
func addDropped(to map[string]uint64, s *tcpflow.Stats) {
	for cause, n := range map[string]uint64{
		"flows_evicted":            s.FlowsEvicted,
		"half_open_evicted":        s.HalfOpenEvicted,
		"missing_bytes":            s.MissingBytes,
		"segments_over_flow_limit": s.FlowLimitSegments,
		"segments_over_limit":      s.TotalLimitSegments,
		"fragments":                s.FragmentsOverlapping + s.FragmentsMalformed + s.FragmentsTruncated + s.FragmentsEvicted + s.FragmentsExpired,
		"undecodable_packets":      s.Undecodable() - s.Outcomes[tcpflow.OutcomeUnknownLink],
		"unknown_link_packets":     s.Outcomes[tcpflow.OutcomeUnknownLink],
	} {
		if n > 0 {
			to[cause] += n
		}
	}
}
