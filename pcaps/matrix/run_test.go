package matrix

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstpwarden/pcaps/capfile"
)

// runCells runs cells of the grids that are built in.
func runCells(t *testing.T, o Options, cells ...Cell) *Report {
	t.Helper()
	g := *Small()
	r, err := Run(t.Context(), &g, cells, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func cell(client, server, tls, transform, path, scenario string) Cell {
	return Cell{"test", client, server, tls, transform, path, scenario}
}

// A tunnel, one behind a proxy, and something that is none: each ends as it should, and is
// recorded with its secrets.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	cells := []Cell{
		cell("windows", "rras", "1.3", None, Direct, ""),
		cell("sstpc", "softether", "1.2/gcm256", None, "proxy", ""),
		cell("chrome", benignServer, "1.3", None, Direct, "https-page"),
		cell("go", benignServer, "1.3", "records-16", "proxy", "grpc-stream"),
	}
	told := 0
	r := runCells(t, Options{Dir: dir, Done: func(*CellResult) { told++ }}, cells...)
	if told != len(cells) || r.Counts.Right != len(cells) || r.Counts.Tunnels != 2 || r.Counts.Benign != 2 {
		t.Errorf("%d told, counts %+v", told, r.Counts)
	}
	for i := range r.Cells {
		c := &r.Cells[i]
		if c.Outcome == nil || c.Outcome.Result != Passed || c.Outcome.Up == 0 || c.Outcome.Down == 0 {
			t.Errorf("%s: %s, %+v", c.ID, c.Status(), c.Outcome)
			continue
		}
		if c.SSTP && (c.Outcome.Carried != innerDown || c.Finding(Opened).Verdict != "confirmed" || len(c.Finding(Passive).Evidence) == 0) {
			t.Errorf("%s carried %d bytes, findings %+v", c.ID, c.Outcome.Carried, c.Findings)
		}
		secrets := 0
		capture, err := capfile.Open(filepath.Join(dir, c.Capture), capfile.Options{OnSecrets: func(uint32, []byte) { secrets++ }})
		if err != nil {
			t.Fatal(err)
		}
		packets := 0
		for {
			if _, err := capture.Next(); err != nil {
				break
			}
			packets++
		}
		_ = capture.Close()
		if packets < 10 || secrets == 0 {
			t.Errorf("%s: %d packets, %d blocks of secrets", c.Capture, packets, secrets)
		}
	}
}

// Each transform changes what is sent and not that the tunnel works; what it does to
// detection without keys is measured and not asserted, but with keys all are recognised,
// of TLS in TLS those of the outer one.
func TestEachTransform(t *testing.T) {
	var cells []Cell
	for _, tr := range Transforms() {
		c := cell("windows", "rras", "1.3", tr.Name, Direct, "")
		if tr.Paths != nil {
			c.Path = "proxy"
		}
		if tr.Servers != nil {
			c.Server = tr.Servers[0]
		}
		cells = append(cells, c)
	}
	r := runCells(t, Options{Parallel: 4}, cells...)
	for i := range r.Cells {
		c := &r.Cells[i]
		if c.Outcome == nil || c.Outcome.Result != Passed {
			t.Errorf("%s: %s %+v", c.ID, c.Reason, c.Outcome)
			continue
		}
		if !c.Finding(Opened).Found {
			t.Errorf("%s: not found with keys", c.ID)
		}
	}
}

// Each scenario works, whichever ClientHello and version of TLS it has.
func TestEachScenario(t *testing.T) {
	var cells []Cell
	for _, s := range Scenarios() {
		cells = append(cells, cell("go", benignServer, "1.3", None, Direct, s.Name), cell("chrome", benignServer, "1.2/chacha20", None, "proxy", s.Name))
	}
	r := runCells(t, Options{Parallel: 4}, cells...)
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Outcome == nil || c.Outcome.Result != Passed {
			t.Errorf("%s: %s %+v", c.ID, c.Reason, c.Outcome)
		}
	}
}

// A report in each form.
func TestReports(t *testing.T) {
	benign := cell("go", benignServer, "1.3", None, Direct, "https-one")
	benign.Group = "benign"
	r := runCells(t, Options{}, cell("windows", "rras", "1.3", None, Direct, ""), cell("windows", "rras", "1.3", "download-first", Direct, ""), benign)
	r.Cells[1].Finding(Opened).Found = false // nothing is known that evades with keys
	r.Cells[1].weigh()
	r.Cells = append(r.Cells, CellResult{ID: "x", Cell: Cell{Group: "other", Path: "router"}, SSTP: true, Expected: Cut, Skipped: true, Reason: "needs root"})
	r.count()
	var table, html, junit, text bytes.Buffer
	for _, err := range []error{r.WriteTable(&table, false, true), r.WriteHTML(&html, "."), r.WriteJUnit(&junit), r.WriteJSON(&text)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"direct/tls1.3/windows-rras/none            passed", "evasion, opened-evasion", "1 cell on path router: skipped: needs root",
		"download-first  1 of 1  1 of 1     -", "passive  1 (50.0 %)  1", "4 cells in", "2 right, 1 evasions without keys, 1 with keys",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
	for _, want := range []string{`<a href="#c1" class="opened-evasion"`, `<th scope="row">download-first</th>`, `<td class="about">one ordinary request in front, answered with 200,000 bytes</td>`, "needs root"} {
		if !strings.Contains(html.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	var suites junitSuites
	if err := xml.Unmarshal(junit.Bytes(), &suites); err != nil {
		t.Fatal(err)
	}
	if suites.Tests != 4 || suites.Failures != 1 || suites.Skipped != 1 || suites.Errors != 0 || len(suites.Suites) != 3 || suites.Suites[0].Cases[1].Failure.Type != MarkOpenedEvasion {
		t.Errorf("%+v", suites)
	}
	file := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	back, err := LoadReport(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil {
		t.Fatal(err)
	}
	if first, _ := json.Marshal(r); !bytes.Equal(first, again) {
		t.Errorf("JSON there and back:\n%s\n%s", first, again)
	}

	// A baseline that differs in one cell, and has one more.
	back.Cells[0].Marks = []string{MarkEvasion}
	back.Cells[0].Findings[0].Found = false
	back.Cells = append(back.Cells, CellResult{ID: "gone"})
	r.Compare("before", back)
	if c := &r.Cells[0]; c.Was != "evasion, passive not found" || r.Counts.Changes != 1 || len(r.Missing) != 1 || r.Missing[0] != "gone" {
		t.Errorf("was %q, %d changes, missing %q", c.Was, r.Counts.Changes, r.Missing)
	}
}
