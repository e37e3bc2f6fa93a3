package nfq

import (
	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// open begins a flow, at its first payload.
func (w *Worker) open(c *tcpflow.Conn) tcpflow.Stream {
	fl := &flow{w: w, conn: c, verdict: Verdict{Action: Accept}}
	w.counts.flows.Add(1)
	full := int(w.counts.watched.Load()) >= w.config.Limits.MaxFlows
	w.counts.watched.Add(1)
	midstream := c.Midstream() || w.simulated[CauseMidstream]
	fl.flow = w.config.Inspector().Open(c.Key(), c.Start())
	if midstream {
		fl.flow.SetMidstream()
		fl.except(CauseMidstream, w.config.Exceptions.Midstream, "It was running before sstpwarden saw it.")
	}
	if (full && w.config.Exceptions.Memory != Watch || w.simulated[CauseMemory]) && fl.verdict.Action == Accept {
		fl.except(CauseMemory, w.config.Exceptions.Memory, "There are as many connections as can be looked at.")
	}
	return fl
}

// closed takes note of a connection's end.
func (w *Worker) closed(c *tcpflow.Conn) {
	fl, _ := c.Stream().(*flow)
	if fl == nil {
		return
	}
	if fl.verdict.Action == Accept {
		if c.End() == tcpflow.EndEvicted {
			w.exception(CauseMemory, 1, "")
		}
		state := event.StateClosed
		if c.End() == tcpflow.EndEvicted || c.End() == tcpflow.EndOpen {
			state = event.StateOpen // it may well go on
		}
		fl.finish(state)
		fl.release(Accept)
	}
	fl.conn = nil
}

// halfOpen judges a packet of a connection that carried no payload yet.
func (w *Worker) halfOpen(c *tcpflow.Conn) Verdict {
	choice := w.config.Exceptions.Midstream
	if !c.Midstream() || choice == Watch {
		return Verdict{Action: Accept}
	}
	d := w.cutting(CauseMidstream, "It was running before sstpwarden saw it.")
	if c.Traffic(inspect.ClientToServer).Packets+c.Traffic(inspect.ServerToClient).Packets == 1 {
		w.exception(CauseMidstream, 1, "")
		if choice == Cut {
			w.begin(c, event.StateClosed)
			w.info.Observation = &inspect.Observation{Midstream: true}
			w.info.Detection = inspect.Detection{Verdict: inspect.VerdictUndetermined}
			w.tell(&d)
		}
	}
	if choice == Cut && !d.DryRun {
		return Verdict{Action: Block, Reset: d.Reset, Rule: d.Rule}
	}
	return Verdict{Action: Settle, Rule: d.Rule}
}

// cutting is the Decision that stands for a cause.
func (w *Worker) cutting(c Cause, reason string) policies.Decision {
	return policies.Decision{Action: policies.ActionDrop, Reason: reason, Rule: c.rule(), Reset: true, DryRun: w.gate.DryRun}
}

// begin fills in what an event tells of a connection.
func (w *Worker) begin(c *tcpflow.Conn, state string) {
	w.info.Key, w.info.State = c.Key(), state
	w.info.Start, w.info.Last = c.Start(), c.Last()
	w.info.ToServer, w.info.ToClient = traffic(c, inspect.ClientToServer), traffic(c, inspect.ServerToClient)
}

func traffic(c *tcpflow.Conn, d inspect.Direction) event.Traffic {
	t := c.Traffic(d)
	return event.Traffic{Packets: t.Packets, Bytes: t.Bytes}
}

// tell emits the event of what was filled in.
func (w *Worker) tell(d *policies.Decision) {
	e := event.New(&w.info)
	e.Decision = d.Event(policies.PointNFQ)
	w.config.Emit(&e)
}
