package main

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"sstpwarden/nfq"
)

// nfqMetrics are the inspector's counts, for Prometheus.
type nfqMetrics struct{ s *nfqService }

func nfqDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sstpwarden_nfq_"+name, help, labels, nil)
}

var (
	descNFQPackets     = nfqDesc("packets_total", "Packets that were judged, by what became of them.", "verdict")
	descNFQBytes       = nfqDesc("bytes_total", "Bytes of the packets that were judged.")
	descNFQConnections = nfqDesc("connections_total", "Connections that carried something.")
	descNFQSettled     = nfqDesc("settled_total", "Connections that were let go: the kernel carries the rest.")
	descNFQWatched     = nfqDesc("connections", "Connections that are looked at now.")
	descNFQHalfOpen    = nfqDesc("half_open_evicted_total", "Connections without data yet that were given up for others.")
	descNFQDropped     = nfqDesc("dropped_total", "Connections that the policy ended, or would have in a dry run.", "enforced")
	descNFQExceptions  = nfqDesc("exceptions_total", "Connections and packets that could not be judged, by why.", "cause")
	descNFQProbes      = nfqDesc("probes_total", "Servers that the policy wanted asked.")
	descNFQBans        = nfqDesc("bans_total", "Bans that the policy wanted, by whether they could be made.", "result")
	descNFQWaiting     = nfqDesc("queue_waiting", "Packets that wait in a queue.", "queue")
	descNFQOverflow    = nfqDesc("queue_overflow_total", "Packets that did not fit into a queue.", "queue")
	descNFQQueueDrops  = nfqDesc("queue_dropped_total", "Packets that the kernel dropped because a queue was too long, or its buffer full. Those that it passed instead are in sstpwarden_nfq_queue_overflow_total alone.", "queue", "reason")
	descNFQMalformed   = nfqDesc("queue_malformed_total", "Messages of a queue that could not be read.", "queue")
	descNFQRefused     = nfqDesc("queue_refused_total", "Verdicts that the kernel did not take, because the packet was gone.", "queue")
	descNFQTable       = nfqDesc("firewall_table", "Whether the firewall's table is installed.")
	descNFQRules       = nfqDesc("firewall_packets_total", "Packets that met a rule of the firewall's table.", "rule")
)

// Describe implements prometheus.Collector.
func (m *nfqMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descNFQPackets, descNFQBytes, descNFQConnections, descNFQSettled, descNFQWatched, descNFQHalfOpen, descNFQDropped, descNFQExceptions, descNFQProbes,
		descNFQBans, descNFQWaiting, descNFQOverflow, descNFQQueueDrops, descNFQMalformed, descNFQRefused, descNFQTable, descNFQRules,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *nfqMetrics) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	var sum nfq.Counts
	for _, q := range m.s.queues {
		sum.Add(q.Worker().Counts())
		c := q.Counts()
		name := strconv.Itoa(int(c.Number))
		if c.KernelErr == nil {
			ch <- prometheus.MustNewConstMetric(descNFQWaiting, prometheus.GaugeValue, float64(c.Kernel.Waiting), name)
			counter(descNFQQueueDrops, c.Kernel.Dropped, name, "length")
			counter(descNFQQueueDrops, c.Kernel.UserDropped, name, "buffer")
		}
		counter(descNFQOverflow, c.Overflow, name)
		counter(descNFQMalformed, c.Malformed, name)
		counter(descNFQRefused, c.Refused, name)
	}
	for _, a := range []nfq.Action{nfq.Accept, nfq.Settle, nfq.Block, nfq.Drop} {
		counter(descNFQPackets, sum.Verdicts[a], a.String())
	}
	counter(descNFQBytes, sum.Bytes)
	counter(descNFQConnections, sum.Flows)
	counter(descNFQSettled, sum.Settled)
	ch <- prometheus.MustNewConstMetric(descNFQWatched, prometheus.GaugeValue, float64(sum.Watched))
	counter(descNFQHalfOpen, sum.Table.HalfOpenEvicted)
	counter(descNFQDropped, sum.Blocked, "true")
	counter(descNFQDropped, sum.WouldBlock, "false")
	for _, cause := range nfq.Causes() {
		counter(descNFQExceptions, sum.Exceptions[cause], cause.String())
	}
	counter(descNFQProbes, sum.Probes)
	counter(descNFQBans, m.s.bans.made.Load(), "made")
	counter(descNFQBans, m.s.bans.failed.Load(), "failed")
	rules, err := m.s.counters()
	installed := 1.0
	if err != nil {
		installed = 0
	}
	ch <- prometheus.MustNewConstMetric(descNFQTable, prometheus.GaugeValue, installed)
	for name, n := range rules {
		counter(descNFQRules, n.Packets, name)
	}
}
