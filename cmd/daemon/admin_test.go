package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// A visitor asks an admin listener.
type visitor struct {
	t       *testing.T
	network string
	addr    string
}

func (r *run) visitor(t *testing.T) *visitor {
	a := r.admin.listener.Addr()
	if r.admin.path != "" { // it was renamed since it was bound
		return &visitor{t, "unix", r.admin.path}
	}
	return &visitor{t, a.Network(), a.String()}
}

func (v *visitor) do(method, path string, header http.Header) (status int, body string) {
	v.t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, v.network, v.addr)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(v.t.Context(), method, "http://127.0.0.1"+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	if header != nil {
		req.Host = header.Get("Host")
		req.Header = header
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (v *visitor) want(status int, method, path string, words ...string) {
	v.t.Helper()
	got, body := v.do(method, path, nil)
	if got != status {
		v.t.Errorf("%s %s: %d, want %d: %s", method, path, got, status, body)
	}
	for _, w := range words {
		if !strings.Contains(body, w) {
			v.t.Errorf("%s %s: no %q in\n%s", method, path, w, body)
		}
	}
}

func withAdmin(listen string) Config {
	cfg := Default()
	cfg.Admin.Listen = listen
	return cfg
}

func TestAdmin(t *testing.T) {
	notReady, dead := atomic.Bool{}, atomic.Bool{}
	cfg := withAdmin("127.0.0.1:0")
	cfg.DryRun = true
	r := start(t, cfg, func(d *Daemon) {
		d.AddReady("upstream", func() error {
			if notReady.Load() {
				return errors.New("gone\nfishing")
			}
			return nil
		})
		d.AddLive("loop", func() error {
			if dead.Load() {
				return errors.New("stuck")
			}
			return nil
		})
		d.Handle("POST /bypass", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") }))
		d.Handle("GET /bans", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "none") }))
	})
	v := r.visitor(t)
	v.want(200, "GET", "/healthz", "ok")
	v.want(200, "HEAD", "/healthz")
	v.want(200, "GET", "/readyz", "ok")
	v.want(200, "GET", "/", "/metrics\n/status\n/bans\n")
	v.want(200, "GET", "/bans", "none")
	v.want(200, "POST", "/bypass", "done")
	v.want(404, "GET", "/debug/pprof/")
	v.want(404, "GET", "/nothing")
	v.want(405, "POST", "/healthz")
	v.want(405, "DELETE", "/status")
	v.want(405, "GET", "/bypass")

	notReady.Store(true)
	v.want(503, "GET", "/readyz", `upstream: gone\nfishing`)
	v.want(200, "GET", "/status", `"upstream": "gone\nfishing"`)
	v.want(200, "GET", "/healthz")
	dead.Store(true)
	v.want(503, "GET", "/healthz", "loop: stuck")

	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial(v.network, v.addr); err == nil {
		conn.Close()
		t.Error("it listens still")
	}
}

// TestAdminFromPages sends what a page of a stranger can have a browser send.
func TestAdminFromPages(t *testing.T) {
	v := start(t, withAdmin("127.0.0.1:0"), func(d *Daemon) {
		d.Handle("POST /bypass", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	}).visitor(t)
	tests := []struct {
		method, path, host, origin string
		want                       int
	}{
		{"GET", "/status", "127.0.0.1:9180", "", 200},
		{"GET", "/status", "127.1.2.3", "", 200},
		{"GET", "/status", "[::1]:9180", "", 200},
		{"GET", "/status", "[::1]", "", 200},
		{"GET", "/status", "LocalHost:9180", "", 200},
		{"GET", "/status", "evil.example", "", 421},
		{"GET", "/status", "evil.example:9180", "", 421},
		{"GET", "/status", "localhost.evil.example", "", 421},
		{"GET", "/status", "192.0.2.1", "", 421},
		{"POST", "/bypass", "127.0.0.1:9180", "", 200},
		{"POST", "/bypass", "127.0.0.1:9180", "http://127.0.0.1:9180", 200},
		{"POST", "/bypass", "127.0.0.1:9180", "http://evil.example", 403},
	}
	for _, tt := range tests {
		h := http.Header{"Host": {tt.host}}
		if tt.origin != "" {
			h.Set("Origin", tt.origin)
		}
		if got, body := v.do(tt.method, tt.path, h); got != tt.want {
			t.Errorf("%s %s, host %s, origin %q: %d, want %d: %s", tt.method, tt.path, tt.host, tt.origin, got, tt.want, body)
		}
	}
}

func TestAdminSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	old, err := net.Listen("unix", path) // one that a crash left
	if err != nil {
		t.Fatal(err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	old.Close()

	r := start(t, withAdmin("unix:"+path))
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}
	v := r.visitor(t)
	v.want(200, "GET", "/healthz")
	if got, _ := v.do("GET", "/healthz", http.Header{"Host": {"any.example"}}); got != 200 {
		t.Errorf("a socket's host counts: %d", got)
	}

	_, err = newDaemon(t.Context(), withAdmin("unix:"+path), policies.PointProxy, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "something listens there already") {
		t.Errorf("a second one: %v", err)
	}
	v.want(200, "GET", "/healthz")
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
		t.Errorf("%v is left, %v", entries, err)
	}
}

// TestAdminSocketOfAnother leaves alone what another process put in its place.
func TestAdminSocketOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	r := start(t, withAdmin("unix:"+path))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other := start(t, withAdmin("unix:"+path))
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	other.visitor(t).want(200, "GET", "/healthz")
}

// TestAdminSocketOwner gives the socket to whom we go on as.
func TestAdminSocketOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		lacking(t, "only root can give files away")
	}
	uid, gid, _, err := lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	cfg := withAdmin("unix:" + filepath.Join(t.TempDir(), "admin.sock"))
	cfg.User = "nobody"
	r := start(t, cfg)
	info, err := os.Stat(r.admin.path)
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || int(s.Uid) != uid || int(s.Gid) != gid {
		t.Errorf("%+v", info.Sys())
	}
	cfg.User = "no such user"
	if _, err := newDaemon(t.Context(), cfg, policies.PointProxy, io.Discard); err == nil {
		t.Error("given to nobody")
	}
}

// TestAdminWhileStopping sends no more work, and answers.
func TestAdminWhileStopping(t *testing.T) {
	d, _ := open(t, withAdmin("127.0.0.1:0"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	drained, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- d.Run(ctx, func(context.Context) error { <-drained; return nil }) }()
	v := (&run{Daemon: d}).visitor(t)
	eventually(t, "ready", func() bool { status, _ := v.do("GET", "/readyz", nil); return status == 200 })
	stop()
	eventually(t, "not ready", func() bool {
		status, body := v.do("GET", "/readyz", nil)
		return status == 503 && strings.Contains(body, "serving: ")
	})
	v.want(200, "GET", "/healthz")
	v.want(200, "GET", "/metrics")
	close(drained)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAdminInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = newDaemon(t.Context(), withAdmin(l.Addr().String()), policies.PointProxy, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "for admin: ") || !strings.Contains(err.Error(), "something listens there already") {
		t.Error(err)
	}
}

func TestPprof(t *testing.T) {
	cfg := withAdmin("127.0.0.1:0")
	cfg.Admin.Pprof = true
	v := start(t, cfg).visitor(t)
	v.want(200, "GET", "/", "/debug/pprof/")
	v.want(200, "GET", "/debug/pprof/", "goroutine")
	v.want(200, "GET", "/debug/pprof/goroutine?debug=1", "goroutine profile")
	v.want(200, "GET", "/debug/pprof/cmdline")
	v.want(405, "POST", "/debug/pprof/cmdline")
}

func TestStatus(t *testing.T) {
	cfg, rules := files(t)
	cfg.Admin.Listen = "127.0.0.1:0"
	cfg.Policy.DryRunRules = []string{"test.one"}
	r := start(t, cfg)
	write(t, rules, "version: 7\n")
	_ = r.Reload(t.Context(), "test")
	e := event.New(flow(inspect.VerdictConfirmed))
	r.Emit(&e)
	eventually(t, "a record", func() bool { return r.Status().Records[0].Written == 1 })

	_, body := r.visitor(t).do("GET", "/status", nil)
	var s Status
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		t.Fatal(err)
	}
	if s.Point != policies.PointProxy || !s.Ready || s.Policy.Revision != r.live.Revision() || s.Rules.Revision == "" || s.Uptime <= 0 || s.Version == "" {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff([]string{"test.one"}, s.DryRunRules); diff != "" {
		t.Error(diff)
	}
	if len(s.Reloads) != 2 || s.Reloads[1].Component != "rules" || s.Reloads[1].Failures == 0 || !strings.Contains(s.Reloads[1].LastError, "version 7") {
		t.Errorf("%+v", s.Reloads)
	}
	if diff := cmp.Diff([]RecordStatus{{"events", cfg.Events.Dest[0], 1, 0}}, s.Records); diff != "" {
		t.Error(diff)
	}
}

func TestMetrics(t *testing.T) {
	cfg, rules := files(t)
	cfg.Admin.Listen = "127.0.0.1:0"
	r := start(t, cfg)
	write(t, rules, "version: 7\n")
	_ = r.Reload(t.Context(), "test")
	e := event.New(flow(inspect.VerdictConfirmed))
	e.Decision = &event.Decision{Action: "drop"}
	r.Emit(&e)
	if got := r.rule(t); got != "test.one" {
		t.Error(got)
	}
	_, body := r.visitor(t).do("GET", "/metrics", nil)
	for _, want := range []string{
		`sstpwarden_build_info{go_version="go`,
		`sstpwarden_dry_run 0`,
		`sstpwarden_policy_info{revision="` + r.live.Revision() + `"} 1`,
		`sstpwarden_policy_errors_total 0`,
		`sstpwarden_reloads_total{component="rules",result="success"} 0`,
		`sstpwarden_reloads_total{component="policies",result="failure"} 0`,
		`sstpwarden_reload_last_successful{component="rules"} 0`,
		`sstpwarden_reload_last_successful{component="policies"} 1`,
		`sstpwarden_events_total{action="drop",verdict="confirmed"} 1`,
		`sstpwarden_records_lost_total{destination="` + cfg.Events.Dest[0] + `",record="events"} 0`,
		`sstpwarden_memory_servers 0`,
		"go_goroutines ",
		"process_open_fds ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}

	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(body) {
		name, ours := strings.CutPrefix(line, "# TYPE sstpwarden_")
		if name, _, _ = strings.Cut(name, " "); ours && !strings.Contains(string(doc), "//\tsstpwarden_"+name) {
			t.Errorf("the package's documentation does not list sstpwarden_%s", name)
		}
	}
}

// TestMetricsOfLikeDestinations has two whose names differ in what is not told.
func TestMetricsOfLikeDestinations(t *testing.T) {
	cfg := withAdmin("127.0.0.1:0")
	cfg.Events.Dest = []string{"http://u:a@127.0.0.1:1/x", "http://u:b@127.0.0.1:1/x", filepath.Join(t.TempDir(), "\xff")}
	start(t, cfg).visitor(t).want(200, "GET", "/metrics", `sstpwarden_records_written_total{destination="http://u:xxxxx@127.0.0.1:1/x",record="events"} 0`)
}

func TestIndexOfUnknownWords(t *testing.T) {
	var c eventCounts
	c.add(&event.Event{Decision: &event.Decision{Action: "error"}})
	if c[0][0].Load() != 1 {
		t.Error("it is not counted")
	}
}
