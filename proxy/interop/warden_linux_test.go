package interop

import (
	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// Where the proxy listens on the router.
const (
	explicitPort    = "3128"
	transparentPort = "3129"
)

var (
	proxy4 = netlab.Inside4 + ":" + explicitPort
	proxy6 = "[" + netlab.Inside6 + "]:" + explicitPort
)

// A warden is `sstpwarden proxy` that runs.
type warden struct {
	*labtest.Warden
	lab *lab
}

// warden starts the proxy on the router and waits until it serves.
func (l *lab) warden(args ...string) *warden {
	l.T.Helper()
	return l.wardenOn(l.Router, "sstpwarden", args...)
}

func (l *lab) wardenOn(h *netlab.Host, name string, args ...string) *warden {
	l.T.Helper()
	w := &warden{l.Warden(h, "proxy", name, args...), l}
	w.Ready()
	return w
}

// explicit are the flags of an explicit proxy.
func explicit() []string { return []string{"--listen", ":" + explicitPort} }

// transparent are the flags of a transparent one for what comes from the client.
func transparent(mode string, more ...string) []string {
	return append([]string{
		"--transparent", ":" + transparentPort, "--mode", mode, "--setup", "--scope", "interface=" + netlab.Inside,
	}, more...)
}

// closed waits for the event of a connection that ended since then.
func (w *warden) closed(told int64) labtest.Entry {
	w.T.Helper()
	var found labtest.Entry
	w.lab.Eventually("an event of a connection that ended", func() bool {
		for _, e := range w.EventsSince(told) {
			if e.State == "closed" {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// metric reads a metric of the proxy: `spliced_total`, `refused_total{cause="head"}`.
func (w *warden) metric(name string) float64 {
	w.T.Helper()
	return w.Metric("proxy_" + name)
}
