package nfq

import (
	"context"
	"errors"
	"time"

	"sstpwarden/inspect/tcpflow"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// linger is how long a connection is remembered after its Settle or Block: packets of it
// may have been waiting in the queue already, and have to share its fate.
const linger = 2 * time.Second

// recall is more than what of a connection is looked at before its fate is told.
const recall = 256 << 10

// A Worker judges the packets of one queue. Its methods belong to one goroutine, but for
// [Worker.Counts] and the answers to questions.
type Worker struct {
	config    Config
	gate      *policies.Gate
	simulated [numCauses]bool

	decoder *tcpflow.Decoder
	table   *tcpflow.Table
	segment tcpflow.Segment // the packet's
	now     time.Time       // the packet's

	left   fifo       // flows whose fate was told, oldest first
	info   event.Flow // of the flow that is being asked about
	mail   chan answer
	done   chan struct{} // closed when no mail is read any more
	log    workerLog
	counts counters
}

// New makes a Worker. It panics where Config lacks what is required.
func New(c Config) *Worker {
	if c.Inspector == nil || c.Gate == nil {
		panic("nfq: Config.Inspector or Config.Gate is nil")
	}
	c = c.withDefaults()
	w := &Worker{
		config: c, gate: c.Gate,
		mail: make(chan answer, 64), done: make(chan struct{}),
		log: workerLog{log: c.Log},
	}
	for _, cause := range c.Simulate {
		w.simulated[cause] = true
	}
	switch {
	case w.simulated[CausePolicyError]:
		w.gate = failing(c.Gate, errors.New("simulated"))
	case w.simulated[CausePolicyTimeout]:
		w.gate = failing(c.Gate, context.DeadlineExceeded)
	}
	limits := c.Limits
	limits.Open, limits.Changed, limits.Closed = w.open, nil, w.closed
	if c.Exceptions.Conflict == Cut {
		limits.Recall = recall
	}
	if c.Exceptions.Memory != Watch {
		limits.MaxFlows *= 2 // it is the worker that sees to the limit
	}
	w.decoder, w.table = tcpflow.NewDecoder(limits), tcpflow.New(limits)
	w.publish()
	return w
}

// failing is a Gate whose policy gives no answer.
func failing(g *policies.Gate, err error) *policies.Gate {
	return &policies.Gate{
		Decider: policies.DeciderFunc(func(context.Context, policies.Input) (policies.Decision, error) {
			return policies.Decision{}, err
		}),
		Point: g.Point, DryRun: g.DryRun, DryRunRules: g.DryRunRules,
		OnError: g.OnError, OnTimeout: g.OnTimeout, Recorder: g.Recorder, RecordForeseen: g.RecordForeseen,
	}
}

// Packet judges a packet, which begins with its IP header, and is not kept. Now is the
// present, or of a capture when the packet was captured. Checksums are not looked at, and
// packets may be longer than any network carries, as they are where network cards cut them
// up.
//
// It allocates nothing for a packet of a known connection that changes nothing.
func (w *Worker) Packet(ip []byte, now time.Time) Verdict { return w.packet(ip, len(ip), now) }

// packet judges one of which only a part may have been copied.
func (w *Worker) packet(ip []byte, length int, now time.Time) Verdict {
	w.now = now
	w.hear()
	w.makeRoom()
	w.decoder.Decode(&w.segment, tcpflow.LinkRaw, now, ip, length)
	if w.segment.Opens() {
		// The ports of a connection whose end went unseen are used again. It must
		// not inherit that one's fate.
		if c := w.table.Find(&w.segment); c != nil && w.fated(c) {
			w.table.Forget(c)
		}
	}
	v := w.judge(w.table.Segment(&w.segment))
	w.count(length, v)
	return v
}

// corrupt judges a packet that nobody takes, because its checksum is wrong.
func (w *Worker) corrupt(length int, now time.Time) Verdict {
	w.now = now
	w.hear()
	v := w.unreadable("wrong checksum")
	w.count(length, v)
	return v
}

func (w *Worker) count(length int, v Verdict) {
	w.counts.packets.Add(1)
	w.counts.bytes.Add(uint64(length))
	w.counts.verdicts[v.Action].Add(1)
}

// fated says that the connection's packets are not looked at.
func (w *Worker) fated(c *tcpflow.Conn) bool {
	if fl, ok := c.Stream().(*flow); ok && fl != nil {
		return fl.verdict.Action != Accept
	}
	return c.Midstream()
}

// judge gives the verdict on a packet that the table took.
func (w *Worker) judge(r tcpflow.Result) Verdict {
	if unreadable(r.Outcome) || w.simulated[CauseUnreadable] {
		return w.unreadable("")
	}
	if r.Outcome == tcpflow.OutcomeConflict || w.simulated[CauseConflict] {
		return w.conflict(r.Conn)
	}
	if r.Conn == nil {
		return Verdict{Action: Accept} // no TCP, or none of which more is to come
	}
	fl, _ := r.Conn.Stream().(*flow)
	if fl == nil {
		return w.halfOpen(r.Conn)
	}
	if fl.verdict.Action == Accept {
		fl.spend()
	}
	if fl.verdict.Action != Accept && !fl.leaving {
		fl.leaving, fl.leftAt = true, w.now
		w.left.push(fl)
	}
	return fl.verdict
}

func unreadable(o tcpflow.Outcome) bool {
	return o.Undecodable() || o == tcpflow.OutcomeFragmentDropped || o == tcpflow.OutcomeBadFlags
}

func (w *Worker) unreadable(detail string) Verdict {
	w.exception(CauseUnreadable, 1, detail)
	if w.config.Exceptions.Unreadable == Cut && !w.gate.DryRun {
		return Verdict{Action: Drop, Rule: CauseUnreadable.rule()}
	}
	return Verdict{Action: Accept}
}

func (w *Worker) conflict(c *tcpflow.Conn) Verdict {
	detail := ""
	if c != nil {
		detail = c.Key().String()
	}
	w.exception(CauseConflict, 1, detail)
	if w.config.Exceptions.Conflict == Cut && !w.gate.DryRun {
		return Verdict{Action: Drop, Rule: CauseConflict.rule()}
	}
	return Verdict{Action: Accept}
}

// exception counts and logs a cause.
func (w *Worker) exception(c Cause, n uint64, detail string) {
	w.counts.exceptions[c].Add(n)
	w.log.note(c, n, w.now, detail)
}

// Tick tells the time, for when no packets come, and publishes counts. To be called about
// every second, or more often.
func (w *Worker) Tick(now time.Time) {
	w.now = now
	w.hear()
	w.table.Advance(now)
	w.decoder.Advance(now)
	for fl := w.left.first(); fl != nil && now.Sub(fl.leftAt) > linger; fl = w.left.first() {
		w.forgetFirst()
	}
	w.log.flush(now)
	w.counts.ticked.Store(now.UnixNano())
	w.publish()
}

func (w *Worker) publish() {
	s := w.table.Stats()
	s.Add(w.decoder.Stats())
	w.counts.table.Store(&s)
}

// makeRoom forgets flows that linger where there is no more room. It makes none for
// others.
func (w *Worker) makeRoom() {
	for w.left.len() > 0 && int(w.counts.watched.Load())+w.left.len() >= w.config.Limits.MaxFlows {
		w.forgetFirst()
	}
}

func (w *Worker) forgetFirst() {
	if fl := w.left.pop(); fl.conn != nil {
		w.table.Forget(fl.conn)
	}
}

// Close lets go of all connections: those that were told of as open are told of again if
// more is known by now. Questions that are answered later change nothing.
func (w *Worker) Close() {
	select {
	case <-w.done:
		return
	default:
	}
	w.hear()
	close(w.done)
	w.table.Flush()
	w.decoder.Flush()
	w.left = fifo{}
	w.log.flush(w.now.Add(logInterval))
	w.publish()
}
