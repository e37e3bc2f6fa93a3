package interop

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A warden is `sstpwarden nfq` that runs on the router.
type warden struct {
	*process
	lab        *lab
	admin      string // its socket
	eventsFile string
}

// warden starts the inspector and waits until it inspects.
func (l *lab) warden(args ...string) *warden {
	l.t.Helper()
	w := l.launch("sstpwarden", args...)
	w.ready()
	return w
}

func (l *lab) launch(name string, args ...string) *warden {
	l.t.Helper()
	w := &warden{lab: l, admin: filepath.Join(l.dir, name+".sock"), eventsFile: filepath.Join(l.dir, name+".events")}
	args = append([]string{sstpwarden, "nfq", "--events", w.eventsFile, "--admin", "unix:" + w.admin}, args...)
	w.process = l.start(l.Router, name, args...)
	return w
}

// ready waits until it inspects.
func (w *warden) ready() {
	w.t.Helper()
	w.lab.eventually("sstpwarden is ready", func() bool {
		if w.ended() {
			w.t.Fatalf("sstpwarden ended:\n%s", w.text())
		}
		resp, err := overUnix(w.admin).Get("http://admin/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// An entry is what tests look at of an event.
type entry struct {
	Timestamp time.Time
	State     string
	SrcIP     string  `json:"src_ip"`
	SrcPort   int     `json:"src_port"`
	DestIP    string  `json:"dest_ip"`
	DestPort  int     `json:"dest_port"`
	Packets1  int64   `json:"pkts_toserver"`
	Packets2  int64   `json:"pkts_toclient"`
	Bytes1    int64   `json:"bytes_toserver"`
	Bytes2    int64   `json:"bytes_toclient"`
	Duration  float64 // in seconds
	Midstream bool
	Detection struct {
		Verdict, Kind string
		Score         int
	}
	Decision *struct {
		Action, Rule, Ban string
		Enforced          bool
		DryRun            bool `json:"dry_run"`
	}
	TLS *struct{ SNI, Version string }
}

// decided says by which rule something was decided, and whether it was done: "drop by
// sstp.suspected, enforced".
func (e *entry) decided() string {
	if e.Decision == nil {
		return "nothing was decided"
	}
	text := e.Decision.Action + " by " + e.Decision.Rule
	if e.Decision.Enforced {
		text += ", enforced"
	}
	return text
}

// events gives those so far.
func (w *warden) events() []entry {
	w.t.Helper()
	b, err := os.ReadFile(w.eventsFile)
	if err != nil {
		w.t.Fatal(err)
	}
	var list []entry
	for line := range bytes.Lines(b) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			continue // it is being written
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			w.t.Fatalf("event %s: %v", line, err)
		}
		list = append(list, e)
	}
	return list
}

// of waits for an event of the connection from that port.
func (w *warden) of(port int) entry {
	w.t.Helper()
	var found entry
	w.lab.eventually("an event of the connection from port "+strconv.Itoa(port), func() bool {
		for _, e := range w.events() {
			if e.SrcPort == port {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// decided waits for an event that tells of such a decision.
func (w *warden) decided(port int, want string) entry {
	w.t.Helper()
	var found entry
	ok := func() bool {
		for _, e := range w.events() {
			if e.SrcPort == port && e.decided() == want {
				found = e
				return true
			}
		}
		return false
	}
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("no event says %s:\n%+v", want, w.events())
		}
	}
	return found
}

// ask makes a request of the admin listener.
func (w *warden) ask(method, path string) (status int, body string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, "http://admin"+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := overUnix(w.admin).Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// metric reads a metric: `nfq_settled_total`, `nfq_exceptions_total{cause="memory"}`. Of
// one with several series without labels it is the sum.
func (w *warden) metric(name string) (sum float64) {
	w.t.Helper()
	pattern := regexp.QuoteMeta(name)
	if !strings.Contains(name, "{") {
		pattern += `(?:\{[^}]*\})?`
	}
	status, text := w.ask(http.MethodGet, "/metrics")
	found := regexp.MustCompile(`(?m)^sstpwarden_`+pattern+` (\S+)$`).FindAllStringSubmatch(text, -1)
	if status != http.StatusOK || found == nil {
		w.t.Fatalf("there is no metric %s: status %d\n%s", name, status, tail(text))
	}
	for _, m := range found {
		f, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			w.t.Fatal(err)
		}
		sum += f
	}
	return sum
}

// exceptions is how often a cause came up.
func (w *warden) exceptions(cause string) float64 {
	w.t.Helper()
	return w.metric(`nfq_exceptions_total{cause="` + cause + `"}`)
}

// lines counts those of the log that hold all these texts.
func (w *warden) lines(texts ...string) (n int) {
	w.t.Helper()
lines:
	for line := range strings.Lines(w.text()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		n++
	}
	return n
}

// memory is the process's resident memory in bytes.
func (w *warden) memory() int64 {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(w.pid()), "status"))
	if err != nil {
		w.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return kb << 10
}

// stop stops it in good order.
func (w *warden) stop() {
	w.t.Helper()
	w.signal(syscall.SIGTERM)
	if s := w.wait(); s != 0 {
		w.t.Errorf("sstpwarden ended with status %d", s)
	}
}

// kill leaves it no time for anything.
func (w *warden) kill() {
	w.t.Helper()
	w.signal(syscall.SIGKILL)
	w.wait()
}
