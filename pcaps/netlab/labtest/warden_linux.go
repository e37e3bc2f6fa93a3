package labtest

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sstpwarden/pcaps/netlab"
)

// A Warden is sstpwarden that runs as an enforcer.
type Warden struct {
	*Process
	lab        *Lab
	Admin      string // the socket of its admin listener
	eventsFile string
}

// Warden starts sstpwarden on a host: "nfq" or "proxy". The name is that of its log.
func (l *Lab) Warden(h *netlab.Host, mode, name string, args ...string) *Warden {
	l.T.Helper()
	return l.WardenBy(nil, h, mode, name, args...)
}

// WardenBy is Warden through a program that starts another, which its arguments end with.
func (l *Lab) WardenBy(starter []string, h *netlab.Host, mode, name string, args ...string) *Warden {
	l.T.Helper()
	w := &Warden{lab: l, Admin: filepath.Join(l.Dir, name+".sock"), eventsFile: filepath.Join(l.Dir, name+".events")}
	args = append([]string{Sstpwarden, mode, "--events", w.eventsFile, "--admin", "unix:" + w.Admin}, args...)
	w.Process = l.Start(h, name, slices.Concat(starter, args)...)
	return w
}

// In is the same for a test within the one that it was started for.
func (w *Warden) In(t *testing.T) *Warden {
	in, p := *w, *w.Process
	p.T = t
	in.Process, in.lab = &p, w.lab.In(t)
	return &in
}

// memory is what the rules say of remembering servers.
var memory = regexp.MustCompile(`(?m)^  memory:\n(    .*\n)+`)

// Forgetful are flags that have each connection judged by itself, whatever others to the
// same server were. They are for a package that is two folders below the module's.
func (l *Lab) Forgetful() []string {
	l.T.Helper()
	b, err := os.ReadFile("../../rules/sstp.yaml")
	if err != nil {
		l.T.Fatal(err)
	}
	text := memory.ReplaceAllString(string(b), "")
	if text == string(b) {
		l.T.Fatal("the rules say nothing of memory")
	}
	return []string{"--rules", l.File("rules.yaml", text)}
}

// LogOnly are flags for that worked example of a policy.
func (l *Lab) LogOnly() []string {
	l.T.Helper()
	set := filepath.Join(l.Dir, "log-only")
	l.Run(l.Router, Sstpwarden, "policy", "init", "--example", "log-only", set)
	return []string{"--policy", set}
}

// Ready waits until it does its work.
func (w *Warden) Ready() {
	w.T.Helper()
	w.lab.Eventually("sstpwarden is ready", func() bool {
		if w.Ended() {
			w.T.Fatalf("sstpwarden ended:\n%s", w.Text())
		}
		resp, err := w.client().Get("http://admin/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// client is one of the admin listener.
func (w *Warden) client() *http.Client {
	return &http.Client{Timeout: Patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", w.Admin)
		},
	}}
}

// Ask makes a request of the admin listener.
func (w *Warden) Ask(method, path string) (status int, body string) {
	w.T.Helper()
	req, err := http.NewRequestWithContext(w.T.Context(), method, "http://admin"+path, nil)
	if err != nil {
		w.T.Fatal(err)
	}
	resp, err := w.client().Do(req)
	if err != nil {
		w.T.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // it was read
	if err != nil {
		w.T.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// Metric reads a metric: "nfq_settled_total", `nfq_exceptions_total{cause="memory"}`. Of
// one with several series without labels it is the sum.
func (w *Warden) Metric(name string) (sum float64) {
	w.T.Helper()
	pattern := regexp.QuoteMeta(name)
	if !strings.Contains(name, "{") {
		pattern += `(?:\{[^}]*\})?`
	}
	status, text := w.Ask(http.MethodGet, "/metrics")
	found := regexp.MustCompile(`(?m)^sstpwarden_`+pattern+` (\S+)$`).FindAllStringSubmatch(text, -1)
	if status != http.StatusOK || found == nil {
		w.T.Fatalf("there is no metric %s: status %d\n%s", name, status, Tail(text))
	}
	for _, m := range found {
		f, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			w.T.Fatal(err)
		}
		sum += f
	}
	return sum
}

// Memory is the process's resident memory in bytes.
func (w *Warden) Memory() int64 {
	w.T.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(w.Pid()), "status"))
	if err != nil {
		w.T.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		w.T.Fatal(err)
	}
	return kb << 10
}

// Stop stops it in good order.
func (w *Warden) Stop() {
	w.T.Helper()
	w.Signal(syscall.SIGTERM)
	if s := w.Wait(); s != 0 {
		w.T.Errorf("sstpwarden ended with status %d", s)
	}
}

// Kill leaves it no time for anything.
func (w *Warden) Kill() {
	w.T.Helper()
	w.Signal(syscall.SIGKILL)
	w.Wait()
}
