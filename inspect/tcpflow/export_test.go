package tcpflow

import "fmt"

// Check says what is inconsistent in the table, for tests.
func (t *Table) Check() error {
	inLists := 0
	for id := range t.lists {
		inLists += t.lists[id].n
	}
	if inLists != len(t.conns) {
		return fmt.Errorf("%d connections in lists, %d in the map", inLists, len(t.conns))
	}
	if n := t.lists[listHalfOpen].n; n > t.cfg.MaxHalfOpen {
		return fmt.Errorf("%d half-open connections, limit %d", n, t.cfg.MaxHalfOpen)
	}
	if n := t.lists[listFlows].n + t.lists[listClosing].n; n > t.cfg.MaxFlows {
		return fmt.Errorf("%d flows, limit %d", n, t.cfg.MaxFlows)
	}
	recalled := 0
	for c, said := range t.said {
		if t.conns[c.key] != c || c.flags&connSettled != 0 {
			return fmt.Errorf("something is remembered of %v, which needs nothing", c.Key())
		}
		recalled += said[0].len() + said[1].len()
	}
	if recalled != t.recalled || recalled > t.cfg.MaxBuffered {
		return fmt.Errorf("%d bytes are remembered, %d counted", recalled, t.recalled)
	}
	held, waiting := 0, 0
	for k, c := range t.conns {
		if c.key != k {
			return fmt.Errorf("connection %v stands under another key", c.Key())
		}
		if c.asm == nil {
			continue
		}
		if !c.live() || c.asm.conn != c {
			return fmt.Errorf("connection %v has an assembly that is not its own", c.Key())
		}
		if err := c.asm.check(c); err != nil {
			return err
		}
		if held += c.asm.cost(); c.asm.cost() > 0 {
			waiting++
		}
		if n := c.asm.cost(); n > t.cfg.MaxBufferedPerFlow {
			return fmt.Errorf("%d bytes held for one flow, limit %d", n, t.cfg.MaxBufferedPerFlow)
		}
	}
	if held != t.buffered || held > t.cfg.MaxBuffered || waiting != t.waiting.n {
		return fmt.Errorf("%d bytes held for %d connections; counted %d for %d, limit %d",
			held, waiting, t.buffered, t.waiting.n, t.cfg.MaxBuffered)
	}
	f := &t.decoder.frags
	if len(f.byKey) != f.all.n || f.all.n > f.maxDatagrams || f.bytes > f.maxBytes || f.all.n == 0 && f.bytes != 0 {
		return fmt.Errorf("%d datagrams, %d listed, %d bytes", len(f.byKey), f.all.n, f.bytes)
	}
	return nil
}

func (a *assembly) check(c *Conn) error {
	for from := range a.dir {
		next, cost := c.half[from].next, 0
		for i := range a.dir[from].held.list {
			p := &a.dir[from].held.list[i]
			if i == 0 && !before(next, p.seq) || before(p.seq, next) || p.len() == 0 {
				return fmt.Errorf("piece %d at %d+%d, next is %d", i, p.seq, p.len(), next)
			}
			next = p.end()
			cost += len(p.data) + pieceCost
		}
		if cost != a.dir[from].held.cost {
			return fmt.Errorf("pieces cost %d, counted %d", cost, a.dir[from].held.cost)
		}
	}
	return nil
}
