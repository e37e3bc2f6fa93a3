package matrix

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Marks say what is wrong with a cell's result.
const (
	// MarkEvasion: a tunnel that was not cut is not found in its capture without keys.
	MarkEvasion = "evasion"
	// MarkOpenedEvasion: nor with them.
	MarkOpenedEvasion = "opened-evasion"
	// MarkLeak: a tunnel carried something past what should have cut it.
	MarkLeak = "leak"
	// MarkFalseAlarm: what is no tunnel is taken for one, or was cut.
	MarkFalseAlarm = "false-alarm"
	// MarkError: the cell could not be run, or its ends did not do what they should.
	MarkError = "error"
)

// Marks returns all marks, the worst last.
func Marks() []string {
	return []string{MarkEvasion, MarkFalseAlarm, MarkOpenedEvasion, MarkLeak, MarkError}
}

// A CellResult is what became of a cell.
type CellResult struct {
	ID string `json:"id"`
	Cell
	// SSTP says that it is a tunnel.
	SSTP bool `json:"sstp"`
	// Expected is the result of the connection: passed, or cut where the path is to
	// cut tunnels.
	Expected Result `json:"expected,omitempty"`
	// Marks say what is wrong, none where all is as it should be.
	Marks []string `json:"marks,omitempty"`
	// Reason says why, where Marks hold error, or it was skipped.
	Reason  string `json:"reason,omitempty"`
	Skipped bool   `json:"skipped,omitempty"`

	Outcome  *Outcome  `json:"outcome,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	// Capture is the file, below the folder of captures.
	Capture string  `json:"capture,omitempty"`
	Seconds float64 `json:"seconds"`
	// Was is how the cell came out in the run that this one is compared with, where
	// that was otherwise.
	Was string `json:"was,omitempty"`
}

// Status is one word or a few for how the cell came out.
func (r *CellResult) Status() string {
	switch {
	case r.Skipped:
		return "skipped"
	case len(r.Marks) > 0:
		return r.Marks[len(r.Marks)-1]
	}
	return "right"
}

// Finding is what a judge says, nil where it was not asked.
func (r *CellResult) Finding(judge string) *Finding {
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Judge == judge })
	if i < 0 {
		return nil
	}
	return &r.Findings[i]
}

func (r *CellResult) mark(m string) {
	if !slices.Contains(r.Marks, m) {
		r.Marks = append(r.Marks, m)
	}
}

// weigh says what is wrong with the result.
func (r *CellResult) weigh() {
	passed := r.Outcome != nil && r.Outcome.Result == Passed
	for _, judge := range []struct{ name, evasion string }{{Passive, MarkEvasion}, {Opened, MarkOpenedEvasion}} {
		f := r.Finding(judge.name)
		switch {
		case f == nil:
		case f.Error != "":
			r.mark(MarkError)
			r.Reason = judge.name + ": " + f.Error
		case !r.SSTP && f.Found:
			r.mark(MarkFalseAlarm)
		case r.SSTP && !f.Found && r.Expected == Passed:
			r.mark(judge.evasion)
		}
	}
	if r.Outcome == nil {
		return
	}
	switch {
	case r.Expected == Passed && !passed && !r.SSTP && enforcing(r.Path):
		r.mark(MarkFalseAlarm)
	case r.Expected == Passed && !passed:
		r.Marks = nil // what was not a tunnel cannot evade
		r.mark(MarkError)
		r.Reason = "the ends did not get through by themselves: " + r.Outcome.Stage + ": " + r.Outcome.Error
	case r.Expected == Cut && r.Outcome.Carried > 0:
		r.mark(MarkLeak)
	}
	slices.SortFunc(r.Marks, func(a, b string) int { return slices.Index(Marks(), a) - slices.Index(Marks(), b) })
}

func enforcing(name string) bool {
	k, err := findPath(name)
	return err == nil && k.enforces
}

// A Report is what a run came to.
type Report struct {
	Version int       `json:"version"`
	Program string    `json:"program"`
	Grid    string    `json:"grid"`
	Seed    uint64    `json:"seed"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	// Judges are those who were asked, sstpwarden's own first.
	Judges []string     `json:"judges"`
	Counts Counts       `json:"counts"`
	Scores []Score      `json:"scores"`
	Groups []GroupAbout `json:"groups"`
	// Device says what was tested, "" where that was not a device.
	Device string       `json:"device,omitempty"`
	Cells  []CellResult `json:"cells"`
	// Baseline names the run that this one is compared with.
	Baseline string `json:"baseline,omitempty"`
	// Missing are cells of that run which this one does not have.
	Missing []string `json:"missing,omitempty"`
}

// A GroupAbout says what a group of cells is.
type GroupAbout struct {
	Name  string `json:"name"`
	About string `json:"about,omitempty"`
}

// Counts are how many cells came out how.
type Counts struct {
	Cells          int `json:"cells"`
	Tunnels        int `json:"tunnels"` // run
	Benign         int `json:"benign"`  // run
	Watched        int `json:"watched"` // tunnels that nothing was to cut
	Enforced       int `json:"enforced"`
	Right          int `json:"right"`
	Evasions       int `json:"evasions"`
	OpenedEvasions int `json:"opened_evasions"`
	Leaks          int `json:"leaks"`
	FalseAlarms    int `json:"false_alarms"`
	Errors         int `json:"errors"`
	Skipped        int `json:"skipped"`
	Changes        int `json:"changes"`
}

// A CutCount is how many cells were cut at a stage in a way.
type CutCount struct {
	Stage   string // as in an Outcome
	How     string
	Tunnels int
	Benign  int
	// Bytes and Milliseconds are the most that one took before it was cut.
	Bytes        int64
	Milliseconds float64
}

// Cuts counts what was cut where something enforces, in the order of the stages.
func (r *Report) Cuts() (out []CutCount) {
	for i := range r.Cells {
		c := &r.Cells[i]
		if c.Outcome == nil || c.Outcome.Result == Passed || !enforcing(c.Path) {
			continue
		}
		o := c.Outcome
		at := slices.IndexFunc(out, func(k CutCount) bool { return k.Stage == o.Stage && k.How == o.How })
		if at < 0 {
			at, out = len(out), append(out, CutCount{Stage: o.Stage, How: o.How})
		}
		k := &out[at]
		if c.SSTP {
			k.Tunnels++
		} else {
			k.Benign++
		}
		k.Bytes, k.Milliseconds = max(k.Bytes, o.Up+o.Down), max(k.Milliseconds, o.Milliseconds)
	}
	slices.SortFunc(out, func(a, b CutCount) int {
		return cmp.Or(slices.Index(stages, a.Stage)-slices.Index(stages, b.Stage), strings.Compare(a.How, b.How))
	})
	return out
}

// A Score is a judge's confusion matrix. Cells of tunnels that were cut do not count: what
// was not there cannot be found.
type Score struct {
	Judge          string `json:"judge"`
	TruePositives  int    `json:"true_positives"`
	FalseNegatives int    `json:"false_negatives"`
	FalsePositives int    `json:"false_positives"`
	TrueNegatives  int    `json:"true_negatives"`
	Errors         int    `json:"errors"`
}

// count sums up.
func (r *Report) count() {
	c := Counts{Cells: len(r.Cells)}
	r.Scores = make([]Score, len(r.Judges))
	for i, j := range r.Judges {
		r.Scores[i].Judge = j
	}
	for i := range r.Cells {
		cell := &r.Cells[i]
		if cell.Was != "" {
			c.Changes++
		}
		if cell.Skipped {
			c.Skipped++
			continue
		}
		switch {
		case slices.Contains(cell.Marks, MarkError):
		case !cell.SSTP:
			c.Benign++
		case cell.Expected == Cut:
			c.Tunnels, c.Enforced = c.Tunnels+1, c.Enforced+1
		default:
			c.Tunnels, c.Watched = c.Tunnels+1, c.Watched+1
		}
		if len(cell.Marks) == 0 {
			c.Right++
		}
		for mark, n := range map[string]*int{
			MarkEvasion: &c.Evasions, MarkOpenedEvasion: &c.OpenedEvasions, MarkLeak: &c.Leaks, MarkFalseAlarm: &c.FalseAlarms, MarkError: &c.Errors,
		} {
			if slices.Contains(cell.Marks, mark) {
				*n++
			}
		}
		r.score(cell)
	}
	r.Counts = c
}

func (r *Report) score(cell *CellResult) {
	if slices.Contains(cell.Marks, MarkError) || cell.Expected == Cut {
		return
	}
	for i := range r.Scores {
		s := &r.Scores[i]
		f := cell.Finding(s.Judge)
		switch {
		case f == nil:
		case f.Error != "":
			s.Errors++
		case cell.SSTP && f.Found:
			s.TruePositives++
		case cell.SSTP:
			s.FalseNegatives++
		case f.Found:
			s.FalsePositives++
		default:
			s.TrueNegatives++
		}
	}
}
