package main

import (
	"github.com/prometheus/client_golang/prometheus"
)

// proxyMetrics are the proxy's counts, for Prometheus.
type proxyMetrics struct{ s *proxyService }

func proxyDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sstpwarden_proxy_"+name, help, labels, nil)
}

var (
	descConnections = proxyDesc("connections_total", "Connections of clients that were taken, by the way they came.", "mode")
	descActive      = proxyDesc("connections", "Connections of clients that there are now.")
	descTunnels     = proxyDesc("tunnels", "Tunnels that there are now.")
	descRefused     = proxyDesc("refused_total", "Connections and requests that the proxy's own rules refused.", "cause")
	descDropped     = proxyDesc("dropped_total", "Connections that the policy ended, or would have in a dry run.", "enforced")
	descDial        = proxyDesc("dial_failures_total", "Servers that were not reached.")
	descTimeouts    = proxyDesc("timeouts_total", "Connections that ended because nothing came (idle), nothing was taken (stalled), or something came too slowly (slow).", "kind")
	descSpliced     = proxyDesc("spliced_total", "Tunnels that were handed to the kernel.")
	descIntercepted = proxyDesc("intercept_total", "Connections that the policy wants opened, by what became of that.", "result")
	descBytes       = proxyDesc("bytes_total", "Bytes that went through, by their direction.", "direction")
	descBypass      = proxyDesc("bypass_entries", "Entries of the list of what is not opened, by kind.", "kind")
	descLeaves      = proxyDesc("firewall_packets_total", "Packets that met a rule of the firewall's table.", "rule")
)

// Describe implements prometheus.Collector.
func (m *proxyMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descConnections, descActive, descTunnels, descRefused, descDropped, descDial, descTimeouts,
		descSpliced, descIntercepted, descBytes, descBypass, descLeaves,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *proxyMetrics) Collect(ch chan<- prometheus.Metric) {
	c := m.s.server.Counts()
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	counter(descConnections, c.Explicit, "explicit")
	counter(descConnections, c.Transparent, "transparent")
	gauge(descActive, float64(c.Active))
	gauge(descTunnels, float64(c.Tunnels))
	counter(descRefused, c.RefusedClient, "client")
	counter(descRefused, c.RefusedLimit, "limit")
	counter(descRefused, c.RefusedLogin, "login")
	counter(descRefused, c.RefusedDestination, "destination")
	counter(descRefused, c.RefusedHead, "head")
	counter(descRefused, c.RefusedBan, "ban")
	counter(descDropped, c.Dropped, "true")
	counter(descDropped, c.WouldDrop, "false")
	counter(descDial, c.DialFailures)
	counter(descTimeouts, c.Idle, "idle")
	counter(descTimeouts, c.Stalled, "stalled")
	counter(descTimeouts, c.Slow, "slow")
	counter(descSpliced, c.Spliced)
	counter(descIntercepted, c.Opened, "opened")
	counter(descIntercepted, c.Bypassed, "bypassed")
	counter(descIntercepted, c.Rejected, "rejected")
	counter(descIntercepted, c.Remembered, "remembered")
	counter(descIntercepted, c.NotOpened, "not_opened")
	counter(descBytes, c.BytesToServer, "to_server")
	counter(descBytes, c.BytesToClient, "to_client")
	kinds := map[string]int{}
	for _, e := range m.s.bypass.Entries() {
		kinds[string(e.Kind)]++
	}
	for kind, n := range kinds {
		gauge(descBypass, float64(n), kind)
	}
	installed := m.s.rules.Load()
	if installed == nil {
		return
	}
	rules, err := installed.Counters()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(descLeaves, err)
		return
	}
	for name, n := range rules {
		counter(descLeaves, n.Packets, name)
	}
}
