package labtest

import (
	"bytes"
	"encoding/json"
	"os"
	"time"
)

// An Entry is what tests look at of an event.
type Entry struct {
	Timestamp       time.Time
	State           string
	SrcIP           string `json:"src_ip"`
	SrcPort         int    `json:"src_port"`
	DestIP          string `json:"dest_ip"`
	User            string
	PacketsToServer int64   `json:"pkts_toserver"`
	PacketsToClient int64   `json:"pkts_toclient"`
	BytesToServer   int64   `json:"bytes_toserver"`
	BytesToClient   int64   `json:"bytes_toclient"`
	Duration        float64 // in seconds
	Detection       struct {
		Verdict, Kind string
		Score         int
		Client        string
		Evidence      []struct{ Rule string }
	}
	Decision *struct {
		Action, Rule, Ban, Revision, Error string
		Enforced, Intercept                bool
		DryRun                             bool `json:"dry_run"`
	}
	Proxy struct {
		Mode, Bypass, End, Error    string
		Opened, Remembered, Spliced bool
	}
	Connect *struct {
		Target, Host string
		Port, Status int
	}
	Server struct{ Name, IP string }
	TLS    *struct{ SNI, ALPN, Version string }
}

// Decided says by which rule something was decided, and whether it was done: "drop by
// sstp.suspected, enforced".
func (e *Entry) Decided() string {
	if e.Decision == nil {
		return "nothing was decided"
	}
	text := e.Decision.Action + " by " + e.Decision.Rule
	if e.Decision.Enforced {
		text += ", enforced"
	}
	return text
}

// Told says how much was told in events so far.
func (w *Warden) Told() int64 {
	w.T.Helper()
	info, err := os.Stat(w.eventsFile)
	if err != nil {
		w.T.Fatal(err)
	}
	return info.Size()
}

// Events gives those so far.
func (w *Warden) Events() []Entry { return w.EventsSince(0) }

// EventsSince gives those that came after so much was told.
func (w *Warden) EventsSince(told int64) []Entry {
	w.T.Helper()
	b, err := os.ReadFile(w.eventsFile)
	if err != nil {
		w.T.Fatal(err)
	}
	var list []Entry
	for line := range bytes.Lines(b[told:]) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			continue // it is being written
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			w.T.Fatalf("event %s: %v", line, err)
		}
		list = append(list, e)
	}
	return list
}
