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

	"sstpwarden/pcaps/netlab"
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
	*process
	lab        *lab
	admin      string // its socket
	eventsFile string
}

// warden starts the proxy on the router and waits until it serves.
func (l *lab) warden(args ...string) *warden {
	l.t.Helper()
	return l.wardenOn(l.Router, "sstpwarden", args...)
}

func (l *lab) wardenOn(h *netlab.Host, name string, args ...string) *warden {
	l.t.Helper()
	w := &warden{lab: l, admin: filepath.Join(l.dir, name+".sock"), eventsFile: filepath.Join(l.dir, name+".events")}
	args = append([]string{sstpwarden, "proxy", "--events", w.eventsFile, "--admin", "unix:" + w.admin}, args...)
	w.process = l.start(h, name, args...)
	w.ready()
	return w
}

// ready waits until the proxy serves.
func (w *warden) ready() {
	w.t.Helper()
	w.lab.eventually("sstpwarden is ready:\n"+w.text(), func() bool {
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

// explicit are the flags of an explicit proxy.
func explicit() []string { return []string{"--listen", ":" + explicitPort} }

// transparent are the flags of a transparent one for what comes from the client.
func transparent(mode string, more ...string) []string {
	return append([]string{
		"--transparent", ":" + transparentPort, "--mode", mode, "--setup", "--scope", "interface=" + netlab.Inside,
	}, more...)
}

// An entry is what tests look at of an event.
type entry struct {
	State     string
	SrcIP     string `json:"src_ip"`
	SrcPort   int    `json:"src_port"`
	User      string
	ToServer  int64 `json:"bytes_toserver"`
	ToClient  int64 `json:"bytes_toclient"`
	Detection struct {
		Verdict, Kind string
		Score         int
		Client        string
		Evidence      []struct{ Rule string }
	}
	Decision *struct {
		Action, Rule    string
		Enforced        bool
		Intercept       bool
		DryRun          bool `json:"dry_run"`
		Revision, Error string
	}
	Proxy struct {
		Mode, Bypass, End, Error    string
		Opened, Remembered, Spliced bool
	}
	Connect *struct {
		Target string
		Host   string
		Port   int
		Status int
	}
	Server struct{ Name, IP string }
	TLS    *struct{ SNI, ALPN, Version string }
}

// events gives those so far.
func (w *warden) events() []entry { return w.eventsSince(0) }

// told says how much was told in events so far.
func (w *warden) told() int64 {
	w.t.Helper()
	info, err := os.Stat(w.eventsFile)
	if err != nil {
		w.t.Fatal(err)
	}
	return info.Size()
}

// eventsSince gives those that were told later than that.
func (w *warden) eventsSince(told int64) []entry {
	w.t.Helper()
	b, err := os.ReadFile(w.eventsFile)
	if err != nil {
		w.t.Fatal(err)
	}
	b = b[told:]
	var list []entry
	for line := range bytes.Lines(b) {
		var e entry
		if !bytes.HasSuffix(line, []byte("\n")) {
			continue // it is being written
		}
		if err := json.Unmarshal(line, &e); err != nil {
			w.t.Fatalf("event %s: %v", line, err)
		}
		list = append(list, e)
	}
	return list
}

// closed waits for the event of a connection that ended since then.
func (w *warden) closed(told int64) entry {
	w.t.Helper()
	var found entry
	w.lab.eventually("an event of a connection that ended", func() bool {
		for _, e := range w.eventsSince(told) {
			if e.State == "closed" {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// get gets a path of the admin listener.
func (w *warden) get(path string) string {
	w.t.Helper()
	resp, err := overUnix(w.admin).Get("http://admin" + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("GET %s: %s, %v, %s", path, resp.Status, err, b)
	}
	return string(b)
}

// metric reads a metric of the proxy: `spliced_total`, `refused_total{cause="head"}`.
func (w *warden) metric(name string) float64 {
	w.t.Helper()
	re := regexp.MustCompile(`(?m)^sstpwarden_proxy_` + regexp.QuoteMeta(name) + ` (\S+)$`)
	m := re.FindStringSubmatch(w.get("/metrics"))
	if m == nil {
		w.t.Fatalf("there is no metric %s", name)
	}
	f, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
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

// stop stops the proxy in good order.
func (w *warden) stop() {
	w.t.Helper()
	w.signal(syscall.SIGTERM)
	if s := w.wait(); s != 0 {
		w.t.Errorf("sstpwarden ended with status %d", s)
	}
}
