package nfq

import (
	"net/netip"

	"sstpwarden/inspect"
)

// A Question is whether a server speaks SSTP.
type Question struct {
	Key inspect.FlowKey
	// Name is what the client calls the server, "" where it does not.
	Name string
	// Addr is the server's. Its address is invalid where only a proxy knows it, to which
	// the client sent a CONNECT.
	Addr netip.AddrPort
	// Answer is to be called once, from any goroutine, with the evidence, or with false
	// where there is none. It waits for the worker to hear it.
	Answer func(e inspect.Evidence, ok bool)
}

type answer struct {
	flow     *flow
	evidence inspect.Evidence
	ok       bool
}

// probe has the server asked.
func (fl *flow) probe() {
	w := fl.w
	if w.config.Probe == nil {
		return
	}
	w.counts.probes.Add(1)
	fl.waits = true
	o := fl.flow.Observation()
	q := Question{Key: fl.conn.Key(), Addr: fl.conn.Key().Server, Answer: func(e inspect.Evidence, ok bool) {
		select {
		case w.mail <- answer{fl, e, ok}:
		case <-w.done:
		}
	}}
	if c := o.Connect; c != nil {
		ip, err := netip.ParseAddr(c.Host)
		if err != nil {
			q.Name = c.Host
		}
		q.Addr = netip.AddrPortFrom(ip.Unmap(), c.Port)
	}
	if o.TLS != nil && o.TLS.SNI != "" {
		q.Name = o.TLS.SNI
	}
	w.config.Probe(q)
}

// hear takes answers. What follows from one is done to the connection's next packet.
func (w *Worker) hear() {
	for {
		select {
		case a := <-w.mail:
			a.flow.learn(a.evidence, a.ok)
		default:
			return
		}
	}
}

func (fl *flow) learn(e inspect.Evidence, ok bool) {
	fl.waits = false
	if fl.Settled() || fl.conn == nil {
		return
	}
	fl.judge(ok && fl.flow.Learn(e))
}
