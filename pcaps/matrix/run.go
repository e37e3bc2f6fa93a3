package matrix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"sstpwarden/pcaps/sstpref/record"
)

// A runner runs cells.
type runner struct {
	grid    *Grid
	options Options
	lab     *Lab
	dir     string // of captures
	mu      sync.Mutex
	paths   map[string]*openPath
}

// An openPath is a path that was opened once, or why it was not.
type openPath struct {
	once sync.Once
	path route
	err  error
}

// Run runs a grid's cells, and judges them. The error is one of this host; what goes wrong
// in a cell stands in its result. When ctx is done, cells that have not ended are left out.
func Run(ctx context.Context, g *Grid, cells []Cell, o Options) (*Report, error) {
	started := time.Now()
	lab, err := NewLab(g.Seed)
	if err != nil {
		return nil, err
	}
	r := &runner{grid: g, options: o, lab: lab, dir: o.Dir, paths: map[string]*openPath{}}
	if r.dir == "" {
		if r.dir, err = os.MkdirTemp("", "sstplab-matrix-"); err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(r.dir) }() // it is temporary
	} else if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of captures: %w", err)
	}
	results := r.all(ctx, cells)
	if err := r.close(); err != nil {
		return nil, err
	}
	report := &Report{Version: 1, Grid: g.Name, Seed: g.Seed, Started: started, Judges: []string{Passive, Opened}}
	for _, e := range o.Engines {
		report.Judges = append(report.Judges, e.Name)
	}
	if o.Device != nil {
		report.Device = o.Device.String()
	}
	for _, group := range g.Groups {
		report.Groups = append(report.Groups, GroupAbout{group.Name, group.About})
	}
	for i := range results {
		if results[i].ID != "" {
			report.Cells = append(report.Cells, results[i])
		}
	}
	report.Seconds = time.Since(started).Seconds()
	report.count()
	return report, ctx.Err()
}

// all runs the cells on as many goroutines as there are to be.
func (r *runner) all(ctx context.Context, cells []Cell) []CellResult {
	results := make([]CellResult, len(cells))
	parallel := r.options.Parallel
	if parallel <= 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	next := make(chan int)
	var running sync.WaitGroup
	var telling sync.Mutex
	for range min(parallel, len(cells)) {
		running.Go(func() {
			for i := range next {
				results[i] = r.run(ctx, &cells[i])
				if r.options.Done != nil && results[i].ID != "" {
					telling.Lock()
					r.options.Done(&results[i])
					telling.Unlock()
				}
			}
		})
	}
	for i := range cells {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	running.Wait()
	return results
}

// path opens a path once.
func (r *runner) path(ctx context.Context, k *pathKind) (route, error) {
	r.mu.Lock()
	p := r.paths[k.name]
	if p == nil {
		p = &openPath{}
		r.paths[k.name] = p
	}
	r.mu.Unlock()
	p.once.Do(func() { p.path, p.err = k.open(context.WithoutCancel(ctx), &r.options, r.lab) })
	return p.path, p.err
}

func (r *runner) close() error {
	var errs []error
	for _, p := range r.paths {
		if p.path != nil {
			errs = append(errs, p.path.close())
		}
	}
	return errors.Join(errs...)
}

// run runs one cell. The result is empty if ctx was done before it ended.
func (r *runner) run(ctx context.Context, c *Cell) CellResult {
	began := time.Now()
	out := CellResult{ID: c.ID(), Cell: *c, SSTP: !c.Benign(), Expected: Passed}
	kind, err := findPath(c.Path)
	if err == nil {
		if kind.enforces && out.SSTP {
			out.Expected = Cut
		}
		if lacks := kind.lacks(); lacks != "" {
			out.Skipped, out.Reason = true, lacks
			return out
		}
		err = r.live(ctx, c, &kind, &out)
	}
	if ctx.Err() != nil { // what became of it is our own doing
		_ = os.Remove(filepath.Join(r.dir, c.File())) // it may not have come to one
		return CellResult{}
	}
	var skip *skipError
	switch {
	case errors.As(err, &skip):
		out.Skipped, out.Reason = true, skip.reason
	case err != nil:
		out.mark(MarkError)
		out.Reason = err.Error()
	default:
		out.weigh()
	}
	out.Seconds = time.Since(began).Seconds()
	return out
}

// live runs both ends, and has the capture judged.
func (r *runner) live(ctx context.Context, c *Cell, kind *pathKind, out *CellResult) error {
	p, err := r.path(ctx, kind)
	if err != nil {
		return err
	}
	file := filepath.Join(r.dir, c.File())
	o, err := r.ends(ctx, c, p, file)
	if err != nil {
		return err
	}
	out.Outcome, out.Capture = o, c.File()
	if out.Findings, err = r.judge(ctx, file); err != nil {
		return err
	}
	if r.options.Dir == "" {
		out.Capture = ""
		return os.Remove(file)
	}
	return nil
}

// ends runs both ends.
func (r *runner) ends(ctx context.Context, c *Cell, p route, file string) (_ *Outcome, err error) {
	setup, err := r.lab.setup(c)
	if err != nil {
		return nil, err
	}
	timeout := r.options.Timeout
	if timeout == 0 {
		timeout = r.grid.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	addr, far, err := p.open(ctx, r.lab, c, setup)
	if err != nil {
		return nil, err
	}
	defer far.close()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // it holds secrets
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	capture, err := record.NewCapture(f, "sstplab matrix: "+c.ID())
	if err != nil {
		return nil, err
	}
	near := &nearEnd{cell: c, setup: setup, path: p, addr: addr, capture: capture, tap: &wiretap{}}
	o := near.run(ctx)
	return &o, capture.Close()
}

// judge asks everybody about a capture.
func (r *runner) judge(ctx context.Context, file string) ([]Finding, error) {
	plain := file + ".plain.pcap"
	if err := strip(file, plain); err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(plain) }() // it is temporary
	out := []Finding{judge(ctx, Passive, plain, nil), judge(ctx, Opened, file, nil)}
	for i := range r.options.Engines {
		out = append(out, r.options.Engines[i].judge(ctx, plain, file))
	}
	return out, nil
}
