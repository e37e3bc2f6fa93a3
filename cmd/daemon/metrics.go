package daemon

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newRegistry makes the registry, with what the package itself counts.
func (d *Daemon) newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister( // their names differ
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector{d},
	)
	return r
}

// A collector reads the counts where they are kept, whenever it is asked.
type collector struct{ d *Daemon }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sstpwarden_"+name, help, labels, nil)
}

var (
	descBuild  = desc("build_info", "The program's version; always 1.", "version", "go_version", "point")
	descDryRun = desc("dry_run", "Whether nothing is enforced.")

	descPolicy        = desc("policy_info", "The policies in force; always 1.", "revision")
	descAsked         = desc("policy_asked_total", "Questions to the policies.")
	descErrors        = desc("policy_errors_total", "Answers of the policies that did not come, with an error.")
	descTimeouts      = desc("policy_timeouts_total", "Answers of the policies that did not come in time.")
	descHits          = desc("policy_cache_hits_total", "Answers that were known, since the policies were loaded.")
	descMisses        = desc("policy_cache_misses_total", "Answers that were worked out, since the policies were loaded.")
	descEntries       = desc("policy_cache_entries", "Answers of the policies that are known now.")
	descRules         = desc("rules_info", "The detection rules in force; always 1.", "revision")
	descReloads       = desc("reloads_total", "Reloads, by what was reloaded and how it ended.", "component", "result")
	descReloadTime    = desc("reload_last_success_timestamp_seconds", "When a component was last loaded.", "component")
	descReloadOK      = desc("reload_last_successful", "Whether the last reload of a component did not fail.", "component")
	descEvents        = desc("events_total", "Events, by verdict and action.", "verdict", "action")
	descWritten       = desc("records_written_total", "Records that their destination took.", "record", "destination")
	descLost          = desc("records_lost_total", "Records that were not recorded.", "record", "destination")
	descServers       = desc("memory_servers", "Servers that are remembered for weak connections.")
	descConnections   = desc("memory_connections", "Weak connections that are remembered.")
	descServersGone   = desc("memory_evicted_servers_total", "Servers that were forgotten for want of room.")
	descConnectionsGo = desc("memory_evicted_connections_total", "Weak connections that were forgotten for want of room.")
)

func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descBuild, descDryRun, descPolicy, descAsked, descErrors, descTimeouts, descHits, descMisses, descEntries, descRules,
		descReloads, descReloadTime, descReloadOK, descEvents, descWritten, descLost,
		descServers, descConnections, descServersGone, descConnectionsGo,
	} {
		ch <- d
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	d := c.d
	gauge(descBuild, 1, d.Version(), runtime.Version(), string(d.point))
	gauge(descDryRun, truth(d.cfg.DryRun))

	decider := d.live.Current()
	asked, answers := d.gate.Counts(), decider.Stats()
	gauge(descPolicy, 1, decider.Revision())
	counter(descAsked, asked.Asked)
	counter(descErrors, asked.Errors)
	counter(descTimeouts, asked.Timeouts)
	counter(descHits, answers.Hits)
	counter(descMisses, answers.Misses)
	gauge(descEntries, float64(answers.Entries))
	gauge(descRules, 1, d.ruleset.Load().rules.Revision())

	for _, s := range d.reloads.statuses() {
		counter(descReloads, s.Successes, s.Component, "success")
		counter(descReloads, s.Failures, s.Component, "failure")
		gauge(descReloadTime, float64(s.Last.UnixNano())/1e9, s.Component)
		gauge(descReloadOK, truth(s.LastError == ""), s.Component)
	}
	for i, v := range verdicts {
		for j, a := range actions {
			counter(descEvents, d.records.counts[i][j].Load(), v.String(), string(a))
		}
	}
	for k, n := range d.records.sums() {
		counter(descWritten, n.written, k.record, k.destination)
		counter(descLost, n.lost, k.record, k.destination)
	}
	m := d.memory.Stats()
	gauge(descServers, float64(m.Servers))
	gauge(descConnections, float64(m.Connections))
	counter(descServersGone, m.EvictedServers)
	counter(descConnectionsGo, m.EvictedConnections)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
