package pcaps

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps/capfile"
	"sstpwarden/pcaps/carve"
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
	memory    *inspect.Memory // of this input alone, so that results do not depend on the workers
	keys      *tlskeys.Keys
	decoder   *tcpflow.Decoder
	table     *tcpflow.Table

	destinations destinations
	capture      *carve.Capture // to be carved, nil for none
	tunnels      []carve.Tunnel
	carved       int // files

	verdicts event.Verdicts
	actions  event.Actions
	flows    uint64
	packets  uint64
	bytes    uint64
	skipped  bool // found in a folder, and no capture
	errors   []event.Error
	policy   map[string]uint64           // policy errors by text
	links    map[capfile.LinkType]uint64 // packets of link types that are not known
	told     mark
}

// progressEvery is about how many packets there are between two looks at the
// progress.
const progressEvery = 1 << 12

func (j *job) run(ctx context.Context) {
	defer close(j.done)
	defer close(j.events)
	j.ctx = ctx
	if j.config.Keys != nil {
		j.keys = j.config.Keys.Derive()
	}
	j.memory = inspect.NewMemory(inspect.MemoryOptions{})
	j.newInspector()
	limits := j.config.Limits
	limits.Open, limits.Closed = j.open, j.closed
	j.decoder, j.table = tcpflow.NewDecoder(limits), tcpflow.New(limits)
	if j.config.Carve.Dir != "" && j.input.Err == nil {
		var err error
		if j.capture, err = carve.Look(j.input.Path); err != nil {
			j.fail("carving: %s", strings.TrimPrefix(err.Error(), "carving "+j.input.Path+": "))
		}
	}
	if err := j.read(); err != nil {
		j.fail("%s", strings.TrimPrefix(err.Error(), j.input.Path+": "))
	}
	if j.decoder != nil {
		j.decoder.Flush()
	}
	j.table.Flush()
	if j.capture != nil && ctx.Err() == nil {
		j.carve()
	}
	for _, link := range slices.Sorted(maps.Keys(j.links)) {
		j.fail("%d packets were not read: link type %d (%v) is not known here; see whether the capture can be converted with editcap -T, or made anew on another interface", j.links[link], link, link)
	}
	for _, text := range slices.Sorted(maps.Keys(j.policy)) {
		j.fail("%s (%d connections)", text, j.policy[text])
	}
}

// fail notes what went wrong with the input.
func (j *job) fail(format string, args ...any) {
	j.errors = append(j.errors, event.Error{Source: j.input.Name, Error: fmt.Sprintf(format, args...)})
}

func (j *job) newInspector() {
	j.inspector = inspect.NewInspector(inspect.Options{Rules: j.config.Rules, Keys: j.keys, Follow: true, Memory: j.memory})
}

// read takes packets to the end of the input.
func (j *job) read() error {
	if j.input.Err != nil {
		return j.input.Err
	}
	s := openSource(j.input.Path, j.decoder)
	looked := uint64(0)
	for {
		b, err := s.next(j.ctx)
		if err != nil {
			s.abandon()
			j.decoder = nil
			return fmt.Errorf("stopped after packet %d: %w", j.packets, err)
		}
		if b == nil {
			break
		}
		j.take(b)
		s.free <- b
		if j.packets-looked >= progressEvery {
			looked = j.packets
			j.config.Progress.update(j, s.reader)
		}
	}
	s.end()
	if s.reader != nil {
		j.config.Progress.update(j, s.reader)
	}
	switch {
	case errors.Is(s.err, io.EOF):
		return nil
	case j.input.Found && s.reader == nil && errors.Is(s.err, capfile.ErrFormat):
		j.skipped = true
		return nil
	}
	return s.err
}

// take gives a batch to the flow table.
func (j *job) take(b *batch) {
	for _, s := range b.secrets {
		j.secrets(s.kind, s.data)
	}
	for i := range b.segments {
		if j.table.Segment(&b.segments[i]).Outcome == tcpflow.OutcomeUnknownLink {
			if j.links == nil {
				j.links = map[capfile.LinkType]uint64{}
			}
			j.links[b.raw.Packets[i].Link]++
		}
	}
	j.packets += uint64(len(b.segments))
	j.bytes += b.bytes
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
		j.fail("decryption secrets in the capture: %v", err)
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
	ctx := context.WithoutCancel(j.ctx) // an audit that is stopped still tells what it found
	var state policies.State
	d, _, err := j.config.Gate.Update(ctx, &state, policies.StageDetection, &f)
	if err != nil {
		j.policyError(err)
	}
	j.count(f.Detection.Verdict, d.Action)
	wanted := j.config.All || f.Detection.Verdict.Strength() >= inspect.VerdictSuspected.Strength() || d.Action != policies.ActionAllow
	var other *policies.Pair
	if j.config.Compare != nil {
		p := j.config.Compare.Flow(ctx, &f, policies.Answer{Decision: d, Err: err})
		other, wanted = &p, wanted || p.Changed()
	}
	notable := j.notable(&f.Detection)
	if !wanted && !notable {
		return
	}
	e := event.New(&f)
	if notable {
		j.destinations.add(&e, d.Action)
	}
	if !wanted {
		return
	}
	if j.capture != nil && carved(&f.Detection, d.Action) {
		j.tunnels = append(j.tunnels, j.tunnel(c, &e))
	}
	e.Decision = d.Event(policies.PointAudit)
	if other != nil {
		e.OtherDecision = other.New.Event(policies.PointAudit)
	}
	j.events <- &e
}

// carve writes the connections that were found to files of their own.
func (j *job) carve() {
	files, err := j.capture.Carve(j.ctx, j.tunnels, j.config.Carve.Dir, carve.Options{
		Source: j.input.Name, Application: j.config.Carve.Application, Limits: j.config.Limits,
	})
	if err != nil {
		j.fail("carving: %s", strings.TrimPrefix(err.Error(), "carving "+j.input.Path+": "))
	}
	for _, f := range files {
		if f.Path != "" {
			j.carved++
		}
	}
	j.tunnels = nil
}

// carved says that a connection's packets are wanted.
func carved(d *inspect.Detection, a policies.Action) bool {
	return a != policies.ActionAllow || d.Verdict.Strength() >= inspect.VerdictSuspected.Strength()
}

// tunnel is what carving a connection needs.
func (j *job) tunnel(c *tcpflow.Conn, e *event.Event) carve.Tunnel {
	t := carve.Tunnel{
		Key: c.Key(), Start: c.Start(), FirstPacket: c.FirstPacket(), FlowID: e.FlowID,
		Packets: e.PktsToServer + e.PktsToClient,
		Comment: fmt.Sprintf("%s: %s %s, score %d, flow_id %d\nfrom %s",
			j.config.Carve.Application, e.Detection.Verdict, cmp.Or(e.Detection.Kind.String(), "connection"), e.Detection.Score, e.FlowID, e.Source),
	}
	if flow, ok := c.Stream().(*inspect.Flow); ok && flow != nil {
		t.Secrets = flow.KeyLog()
	}
	return t
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
	if j.skipped {
		s.Skipped++
	} else {
		s.Files++
	}
	s.Packets += j.packets
	s.Bytes += j.bytes
	s.Flows += j.flows
	s.Carved += uint64(j.carved)
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
		if j.decoder != nil {
			stats.Add(j.decoder.Stats())
		}
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
