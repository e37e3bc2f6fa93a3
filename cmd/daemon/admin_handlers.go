package daemon

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

const pprofPath = "/debug/pprof/"

// checkTimeout is how long the checks of health and readiness may take.
const checkTimeout = 2 * time.Second

// Handle adds a page to the admin listener, before Run. The pattern is that of
// [http.ServeMux]; give it a method. Where there is no admin listener nobody can
// reach it.
func (d *Daemon) Handle(pattern string, h http.Handler) {
	d.mux.Handle(pattern, h)
	if path, shown := strings.CutPrefix(pattern, "GET "); shown {
		d.pages = append(d.pages, path)
	}
}

func (d *Daemon) handleAdmin() {
	d.mux.HandleFunc("GET /{$}", d.serveIndex)
	d.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answerChecks(w, d.alive.run(checkTimeout))
	})
	d.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		answerChecks(w, d.unready())
	})
	d.mux.HandleFunc("GET /status", d.serveStatus)
	d.mux.Handle("GET /metrics", promhttp.HandlerFor(d.registry, promhttp.HandlerOpts{Registry: d.registry, MaxRequestsInFlight: 4}))
	if d.cfg.Admin.Pprof {
		d.mux.HandleFunc("GET "+pprofPath, pprof.Index)
		d.mux.HandleFunc("GET "+pprofPath+"cmdline", pprof.Cmdline)
		d.mux.HandleFunc("GET "+pprofPath+"profile", pprof.Profile)
		d.mux.HandleFunc("GET "+pprofPath+"symbol", pprof.Symbol)
		d.mux.HandleFunc("GET "+pprofPath+"trace", pprof.Trace)
	}
}

func (d *Daemon) serveIndex(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "sstpwarden %s %s\n\n/healthz\n/readyz\n/metrics\n/status\n", d.point, d.Version())
	for _, path := range d.pages {
		fmt.Fprintln(w, path)
	}
	if d.cfg.Admin.Pprof {
		fmt.Fprintln(w, pprofPath)
	}
}

// unready says why the service should not be sent work.
func (d *Daemon) unready() []failure {
	failed := d.ready.run(checkTimeout)
	if !d.serving.Load() {
		failed = append([]failure{{"serving", errNotServing}}, failed...)
	}
	return failed
}

func answerChecks(w http.ResponseWriter, failed []failure) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if len(failed) == 0 {
		fmt.Fprintln(w, "ok")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, f := range failed {
		fmt.Fprintf(w, "%s: %s\n", f.name, event.Printable(f.err.Error()))
	}
}

// A Status is what /status tells.
type Status struct {
	Version string         `json:"version"`
	Point   policies.Point `json:"point"`
	Started time.Time      `json:"started"`
	Uptime  float64        `json:"uptime_seconds"`
	// Ready says that it serves, and NotReady why not.
	Ready       bool              `json:"ready"`
	NotReady    map[string]string `json:"not_ready,omitempty"`
	Policy      SetStatus         `json:"policy"`
	Rules       SetStatus         `json:"rules"`
	DryRun      bool              `json:"dry_run"`
	DryRunRules []string          `json:"dry_run_rules,omitempty"`
	Reloads     []ReloadStatus    `json:"reloads"`
	Records     []RecordStatus    `json:"records,omitempty"`
}

// A SetStatus says which policies or rules are in force, and since when.
type SetStatus struct {
	Revision string    `json:"revision"`
	Loaded   time.Time `json:"loaded"`
}

// A RecordStatus says what one destination of records took.
type RecordStatus struct {
	Record      string `json:"record"` // "events" or "decisions"
	Destination string `json:"destination"`
	Written     uint64 `json:"written"`
	Lost        uint64 `json:"lost"`
}

// Status tells how d fares now.
func (d *Daemon) Status() Status {
	live, rules := d.live.Status(), d.ruleset.Load()
	s := Status{
		Version:     d.Version(),
		Point:       d.point,
		Started:     d.started,
		Uptime:      time.Since(d.started).Seconds(),
		Policy:      SetStatus{live.Revision, live.Loaded},
		Rules:       SetStatus{rules.rules.Revision(), rules.loaded},
		DryRun:      d.cfg.DryRun,
		DryRunRules: d.cfg.Policy.DryRunRules,
		Reloads:     d.reloads.statuses(),
	}
	failed := d.unready()
	s.Ready = len(failed) == 0
	for _, f := range failed {
		if s.NotReady == nil {
			s.NotReady = map[string]string{}
		}
		s.NotReady[f.name] = f.err.Error()
	}
	for _, k := range d.records.sinks {
		s.Records = append(s.Records, RecordStatus{k.record, k.Dest(), k.Written(), k.Lost()})
	}
	return s
}

func (d *Daemon) serveStatus(w http.ResponseWriter, _ *http.Request) {
	text, err := json.MarshalIndent(d.Status(), "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(event.Inert(text), '\n')) // whoever asked may be gone
}
