package matrix

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

var (
	//go:embed report.html.tmpl
	pageText string
	//go:embed style.css
	pageStyle string
	//go:embed page.js
	pageScript string

	pageTemplate = sync.OnceValue(func() *template.Template {
		return template.Must(template.New("page").Parse(pageText))
	})
)

// WriteHTML writes a report as one page that needs nothing beside it. Links lead to the
// captures in the folder captures, as seen from the page; "" for no links.
func (r *Report) WriteHTML(w io.Writer, captures string) error {
	b := bufio.NewWriterSize(w, 1<<16)
	if err := pageTemplate().Execute(b, r.page(captures)); err != nil {
		return fmt.Errorf("writing HTML: %w", err)
	}
	return b.Flush()
}

// A page is what the template shows.
type page struct {
	CSP           string
	Style         template.CSS
	Script        template.JS
	Title         string
	Facts         [][2]string
	Counts        []pageCount
	Views         []pageView
	Maps          []pageMap
	Transforms    []pageTransform
	Watched       bool // there are tunnels that nothing was to cut
	Enforced      bool // and some that something was to
	Cuts          []CutCount
	Failures      []string // of judges
	Scores        []pageScore
	Cells         []pageCell
	Baseline      string
	Missing       []string
	Judges        []string
	Program, When string
}

type pageCount struct {
	Number int
	What   string
	Class  string
}

type pageView struct{ Name, About string }

// A pageMap is a group's heat map.
type pageMap struct {
	Name, About string
	RowName     string
	Columns     []string
	Rows        []pageRow
}

type pageRow struct {
	Name, About string
	Fields      []*pageField
}

// A pageField is a cell in a map: for each view, a class and a text, parted by "|".
type pageField struct {
	Anchor  string
	Class   string // of the first view
	Text    string // likewise
	Classes string
	Texts   string
	Title   string
	Changed bool
}

type pageTransform struct {
	Name, About             string
	Evasions, Opened, Leaks string // parts of some
}

type pageScore struct {
	Judge                            string
	Found, Missed, False, Left, Errs int
	FoundShare                       string
}

type pageCell struct {
	Anchor, ID  string
	Status      string
	Class       string
	Connection  string
	Expected    string
	Reason, Was string
	Capture     template.URL
	CaptureName string
	Findings    []pageFinding
}

type pageFinding struct {
	Judge, Detail string
	Class         string
	Evidence      []pageEvidence
}

type pageEvidence struct {
	Weight       int
	Rule, Detail string
}

// contentSecurityPolicy allows the page its own style and script, and nothing else.
func contentSecurityPolicy() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(pageStyle) + "; script-src " + hash(pageScript) + "; base-uri 'none'; form-action 'none'"
}

func (r *Report) page(captures string) *page {
	p := &page{
		CSP: contentSecurityPolicy(), Style: template.CSS(pageStyle), Script: template.JS(pageScript), //nolint:gosec // they are this package's own
		Title: "SSTP matrix: " + r.Grid, Judges: r.Judges, Baseline: r.Baseline, Missing: r.Missing,
		Program: r.Program, When: r.Started.UTC().Format(time.RFC1123),
	}
	c := r.Counts
	p.Facts = [][2]string{
		{"grid", r.Grid},
		{"cells", fmt.Sprint(c.Cells)},
		{"tunnels", fmt.Sprint(c.Tunnels)},
		{"of these, to be cut", fmt.Sprint(c.Enforced)},
		{"no tunnels", fmt.Sprint(c.Benign)},
		{"seed", fmt.Sprint(r.Seed)},
		{"took", fmt.Sprintf("%.0f s", r.Seconds)},
		{"begun", p.When},
	}
	if r.Device != "" {
		p.Title = "SSTP matrix: a device under test"
		p.Facts = slices.Insert(p.Facts, 0, [2]string{"device", r.Device})
	}
	p.Counts = []pageCount{
		{c.Right, "right", "right"},
		{c.Evasions, "evasions", MarkEvasion},
		{c.OpenedEvasions, "evasions with keys", MarkOpenedEvasion},
		{c.Leaks, "leaks", MarkLeak},
		{c.FalseAlarms, "false alarms", MarkFalseAlarm},
		{c.Errors, "errors", MarkError},
		{c.Skipped, "skipped", "skipped"},
	}
	if r.Baseline != "" {
		p.Counts = append(p.Counts, pageCount{c.Changes, "changed", "changed"})
	}
	p.Views = append(p.Views, pageView{"result", "what is wrong with a cell, if anything is"})
	if r.Counts.Enforced > 0 {
		p.Views = append(p.Views, pageView{"cut at", "the step of the connection at which it was cut"})
	}
	for _, j := range r.Judges {
		about := "found in the capture by " + j
		switch j {
		case Passive:
			about = "found by sstpwarden without keys: the score"
		case Opened:
			about = "found by sstpwarden with the secrets of TLS: the score"
		}
		p.Views = append(p.Views, pageView{j, about})
	}
	r.addMaps(p)
	r.addSums(p)
	for i := range r.Cells {
		p.Cells = append(p.Cells, r.pageCell(&r.Cells[i], i, captures))
	}
	return p
}

func anchor(i int) string { return fmt.Sprintf("c%d", i) }

// addMaps adds a map for each group: its most varied axis down, the others across.
func (r *Report) addMaps(p *page) {
	for _, name := range r.groupNames() {
		m := pageMap{Name: name}
		if i := slices.IndexFunc(r.Groups, func(g GroupAbout) bool { return g.Name == name }); i >= 0 {
			m.About = r.Groups[i].About
		}
		down := r.rowAxis(name)
		m.RowName = down.name
		rows, columns := map[string]int{}, map[string]int{}
		for i := range r.Cells {
			c := &r.Cells[i]
			if c.Group != name {
				continue
			}
			row, column := down.row(c), down.column(c)
			if _, ok := rows[row]; !ok {
				rows[row] = len(m.Rows)
				m.Rows = append(m.Rows, pageRow{Name: row, About: down.about(c)})
			}
			if _, ok := columns[column]; !ok {
				columns[column] = len(m.Columns)
				m.Columns = append(m.Columns, column)
			}
			fields := &m.Rows[rows[row]].Fields
			for len(*fields) <= columns[column] {
				*fields = append(*fields, nil)
			}
			(*fields)[columns[column]] = r.field(c, i)
		}
		for i := range m.Rows {
			for len(m.Rows[i].Fields) < len(m.Columns) {
				m.Rows[i].Fields = append(m.Rows[i].Fields, nil)
			}
		}
		p.Maps = append(p.Maps, m)
	}
}

func (r *Report) groupNames() (out []string) {
	for i := range r.Cells {
		if name := r.Cells[i].Group; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// A rowAxis says what stands in a map's rows and columns.
type rowAxis struct {
	name        string
	row, column func(*CellResult) string
	about       func(*CellResult) string
}

func nothing(*CellResult) string { return "" }

func (r *Report) rowAxis(group string) rowAxis {
	transforms, scenarios := map[string]bool{}, map[string]bool{}
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Group == group {
			transforms[c.Transform] = true
			scenarios[c.Scenario] = true
		}
	}
	ends := func(c *CellResult) string { return c.Client + " → " + c.Server }
	where := func(c *CellResult) string {
		text := "TLS " + c.TLS
		if c.Path != Direct && c.Path != devicePathName {
			text += ", " + c.Path
		}
		return text
	}
	switch {
	case transforms[""]: // a corpus
		return rowAxis{"capture", func(c *CellResult) string { return c.ID }, func(*CellResult) string { return "capture" }, nothing}
	case len(scenarios) > 1 || !scenarios[""]:
		return rowAxis{"scenario", func(c *CellResult) string { return c.Scenario }, func(c *CellResult) string {
			text := c.Client + ", " + where(c)
			if c.Transform != None {
				text += ", " + c.Transform
			}
			return text
		}, func(c *CellResult) string {
			if s, err := ScenarioByName(c.Scenario); err == nil {
				return s.About
			}
			return ""
		}}
	case len(transforms) > 1:
		return rowAxis{"transform", func(c *CellResult) string { return c.Transform }, func(c *CellResult) string { return ends(c) + ", " + where(c) }, func(c *CellResult) string {
			if t, err := TransformByName(c.Transform); err == nil {
				return t.About
			}
			return ""
		}}
	}
	return rowAxis{"client", func(c *CellResult) string { return c.Client }, func(c *CellResult) string { return c.Server + ", " + where(c) }, nothing}
}

// heat is how far a score is above what is suspected, in four steps.
func heat(score int) int {
	for i, from := range []int{110, 80, 60} {
		if score >= from {
			return 4 - i
		}
	}
	return 1
}

func (r *Report) addSums(p *page) {
	for _, s := range r.transformSums() {
		if s.evasions+s.opened+s.leaks > 0 {
			p.Transforms = append(p.Transforms, pageTransform{
				Name: s.name, About: s.about,
				Evasions: outOf(s.evasions, s.watched), Opened: outOf(s.opened, s.watched), Leaks: outOf(s.leaks, s.enforced),
			})
		}
	}
	p.Watched, p.Enforced, p.Cuts = r.Counts.Watched > 0, r.Counts.Enforced > 0, r.Cuts()
	for _, s := range r.Scores {
		if s.Errors > 0 {
			p.Failures = append(p.Failures, r.Failure(s.Judge))
		}
		p.Scores = append(p.Scores, pageScore{
			Judge: s.Judge, Found: s.TruePositives, Missed: s.FalseNegatives, False: s.FalsePositives, Left: s.TrueNegatives, Errs: s.Errors,
			FoundShare: share(s.TruePositives, s.TruePositives+s.FalseNegatives),
		})
	}
}

func (r *Report) pageCell(c *CellResult, i int, captures string) pageCell {
	out := pageCell{
		Anchor: anchor(i), ID: c.ID, Status: cmp.Or(strings.Join(c.Marks, ", "), c.Status()), Class: c.Status(),
		Reason: c.Reason, Was: c.Was, Expected: string(c.Expected),
	}
	if c.Outcome != nil {
		out.Connection = fmt.Sprintf("%s; %d bytes up, %d down, %d carried, %.0f ms", c.connection(), c.Outcome.Up, c.Outcome.Down, c.Outcome.Carried, c.Outcome.Milliseconds)
	}
	if c.Capture != "" && captures != "" {
		out.CaptureName = path.Base(filepath.ToSlash(c.Capture))
		to := url.URL{Path: path.Join(filepath.ToSlash(captures), c.Capture)}
		if filepath.IsAbs(c.Capture) {
			to = url.URL{Scheme: "file", Path: filepath.ToSlash(c.Capture)}
		}
		out.Capture = template.URL(to.String()) //nolint:gosec // it is escaped, and names a file
	}
	for k := range c.Findings {
		f := &c.Findings[k]
		class, _ := findingClass(c, f)
		item := pageFinding{Judge: f.Judge, Detail: detail(f), Class: class}
		for _, e := range f.Evidence {
			item.Evidence = append(item.Evidence, pageEvidence{e.Weight, e.Rule, e.Detail})
		}
		out.Findings = append(out.Findings, item)
	}
	return out
}
