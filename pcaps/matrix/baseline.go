package matrix

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// maxReport bounds a report that is read, in bytes.
const maxReport = 256 << 20

// LoadReport reads a report in JSON.
func LoadReport(path string) (*Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loading the baseline: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	var r Report
	if err := json.NewDecoder(io.LimitReader(f, maxReport)).Decode(&r); err != nil {
		return nil, fmt.Errorf("loading the baseline %s: %w: is it what --format json wrote?", path, err)
	}
	if r.Version != 1 || len(r.Cells) == 0 {
		return nil, fmt.Errorf("loading the baseline %s: it is no report of a matrix", path)
	}
	return &r, nil
}

// Compare notes what came out otherwise than in the baseline: a cell's status, or what a
// judge that both asked has found.
func (r *Report) Compare(name string, base *Report) {
	r.Baseline = name
	before := map[string]*CellResult{}
	for i := range base.Cells {
		before[base.Cells[i].ID] = &base.Cells[i]
	}
	for i := range r.Cells {
		c := &r.Cells[i]
		old := before[c.ID]
		delete(before, c.ID)
		if old != nil && !old.Skipped && !c.Skipped {
			c.Was = was(c, old)
		}
	}
	for i := range base.Cells {
		if id := base.Cells[i].ID; before[id] != nil {
			r.Missing = append(r.Missing, id)
		}
	}
	r.count()
}

// was says how a cell came out before, "" where it did so too.
func was(now, old *CellResult) string {
	var parts []string
	if now.Status() != old.Status() {
		parts = append(parts, old.Status())
	}
	for _, f := range now.Findings {
		if o := old.Finding(f.Judge); o != nil && o.Found != f.Found {
			word := "not found"
			if o.Found {
				word = "found"
			}
			parts = append(parts, f.Judge+" "+word)
		}
	}
	return strings.Join(parts, ", ")
}

// Has says whether it has a result of any of these cells.
func (r *Report) Has(ids []string) bool {
	return slices.ContainsFunc(r.Cells, func(c CellResult) bool { return slices.Contains(ids, c.ID) })
}
