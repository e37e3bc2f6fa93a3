package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/pcaps/matrix"
)

type matrixFlags struct {
	deviceFlags
	grid       string
	only       string
	list       bool
	transforms bool
	engines    bool
	parallel   int
	timeout    time.Duration
	out        string
	format     string
	all        bool
	engine     []string
	match      []string
	engineTime time.Duration
	corpus     string
	baseline   string
	require    string
	sstpwarden string
	changed    func(flag string) bool // whether it was given
}

func newMatrix() *cobra.Command {
	var f matrixFlags
	cmd := &cobra.Command{
		Use:   "matrix",
		Short: "Run SSTP in many shapes, and say who notices",
		Long: `matrix runs tunnels for real, in cells of client profile, server profile, TLS
version and suite, a transform that tries to hide the tunnel, and the path between
the ends; beside them things that are no SSTP. It says which tunnels are not
recognised, which pass what should cut them, and what is taken for SSTP wrongly:
by sstpwarden, and by other engines (--engine).

On the paths explicit, opened, transparent and router it starts sstpwarden, which
has to be there (--sstpwarden, beside this program, or in PATH); the last two need
root. Cells that cannot be run here are skipped, and the reason is said.

With --role a device between two hosts, or two network namespaces, is tested: one
runs sstplab matrix --role server, the other --role client --peer ADDR, and tunnels
that carry data through the device are leaks.

With --corpus the captures of a folder are judged in place of cells. A capture's
label is its line in labels.yaml of that folder ("name: positive" or "negative";
name may have * in it and leave out the ending), else the folder positive or
negative that it lies in. A key log is the file of the same name ending in .keys.

Exit status: 0 done, 1 cells could not be run, or an engine could not judge them,
2 wrong usage, 3 --require was not met.`,
		Example: `  sstplab matrix --list
  sstplab matrix --out results --engine tshark --engine ndpiReader
  sstplab matrix --only 'direct/.*/request' --all
  sstplab matrix --baseline results/report.json --require evasions=5%,false-alarms=0
  sstplab matrix --role server --bind 10.2.0.2 --control 192.0.2.7
  sstplab matrix --role client --peer 10.2.0.2 --control 192.0.2.7 --out results
  sstplab matrix --corpus captures --engine 'mydpi --read {pcap}' --match 'app=sstp'`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.changed = cmd.Flags().Changed
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	f.register(fl)
	fl.StringVar(&f.grid, "grid", "default", "run the cells of `FILE`, or of default or small, which are built in")
	fl.StringVar(&f.only, "only", "", "run cells alone whose id matches `REGEX`")
	fl.BoolVar(&f.list, "list", false, "list the cells, and end")
	fl.BoolVar(&f.transforms, "list-transforms", false, "list what a grid can name, and end")
	fl.BoolVar(&f.engines, "list-engines", false, "list the engines that --engine knows, and end")
	fl.IntVar(&f.parallel, "parallel", 0, "run `N` cells at once (default: one a processor)")
	fl.DurationVar(&f.timeout, "timeout", 0, "give a cell up after `TIME` (default: the grid's)")
	fl.StringVar(&f.out, "out", "", "write captures with their TLS secrets to `DIR`, and the report as report.html, report.json and report.xml")
	fl.StringVar(&f.format, "format", "table", "what is printed: table, json, junit, html, or none")
	fl.BoolVar(&f.all, "all", false, "print cells that are right too")
	fl.StringArrayVar(&f.engine, "engine", nil, "have the captures judged by `ENGINE` too: a name (--list-engines), or a command with {pcap} in it; repeatable")
	fl.StringArrayVar(&f.match, "match", nil, "what --engine's command prints of SSTP: `REGEX`; one for each command, in order")
	fl.DurationVar(&f.engineTime, "engine-timeout", 2*time.Minute, "give an engine `TIME` for a capture; one that takes longer three times is not asked any more")
	fl.StringVar(&f.corpus, "corpus", "", "judge the captures below `DIR`, and run nothing")
	fl.StringVar(&f.baseline, "baseline", "", "say what changed since the run whose report.json is `FILE`")
	fl.StringVar(&f.require, "require", "", "exit with 3 if there is more: `LIMITS` such as evasions=5%,false-alarms=0; of "+strings.Join(limitNames(), ", "))
	fl.StringVar(&f.sstpwarden, "sstpwarden", "", "the sstpwarden to start, a `PATH`")
	return cmd
}

func limitNames() []string {
	names, _ := matrix.LimitNames()
	return names
}

func (f *matrixFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	switch f.format {
	case "table", "json", "junit", "html", "none":
	default:
		return cli.Usagef("matrix: --format %s is not known: use table, json, junit, html or none", f.format)
	}
	switch {
	case f.transforms:
		return listTransforms(stdout)
	case f.engines:
		return listEngines(stdout)
	}
	if err := f.checkAll(); err != nil {
		return err
	}
	if f.role == "server" {
		return f.serve(ctx, stdout)
	}
	var limits []matrix.Limit
	var err error
	if f.require != "" {
		if limits, err = matrix.ParseLimits(f.require); err != nil {
			return cli.Usagef("matrix: --require: %w", err)
		}
	}
	var baseline *matrix.Report
	if f.baseline != "" {
		if baseline, err = matrix.LoadReport(f.baseline); err != nil {
			return usable("matrix: %w", err)
		}
	}
	report, err := f.report(ctx, baseline, stdout, stderr)
	if report == nil || err != nil && ctx.Err() == nil {
		return err
	}
	report.Program = "sstplab " + cli.Version()
	if baseline != nil {
		report.Compare(f.baseline, baseline)
	}
	return f.tell(ctx, report, limits, stdout, stderr)
}

// checkAll says whether the flags make sense.
func (f *matrixFlags) checkAll() error {
	for _, t := range []struct {
		flag string
		time time.Duration
	}{{"timeout", f.timeout}, {"engine-timeout", f.engineTime}} {
		if f.changed(t.flag) && t.time < time.Second {
			return cli.Usagef("matrix: --%s %v does not do: give it 1s and more", t.flag, t.time)
		}
	}
	if f.parallel < 0 {
		return cli.Usagef("matrix: --parallel %d does not do: run one cell at once, or more", f.parallel)
	}
	if f.corpus != "" {
		for _, flag := range []string{"grid", "only", "list", "role", "timeout", "sstpwarden"} {
			if f.changed(flag) {
				return cli.Usagef("matrix: --corpus judges captures and runs nothing: leave --%s out", flag)
			}
		}
	}
	return f.check()
}

// report runs the cells, or has the corpus judged. It is nil where something was listed.
func (f *matrixFlags) report(ctx context.Context, baseline *matrix.Report, stdout, stderr io.Writer) (*matrix.Report, error) {
	engines, err := f.parseEngines()
	if err != nil {
		return nil, err
	}
	o := matrix.Options{Parallel: f.parallel, Timeout: f.timeout, Dir: f.out, Sstpwarden: f.sstpwarden, Engines: engines, Device: f.device()}
	if f.corpus != "" {
		return f.judgeCorpus(ctx, o, baseline, stderr)
	}
	g, err := f.loadGrid()
	if err != nil {
		return nil, usable("matrix: %w", err)
	}
	cells, err := f.cells(g)
	if err != nil {
		return nil, err
	}
	if f.list {
		return nil, listCells(stdout, cells)
	}
	ids := make([]string, len(cells))
	for i := range cells {
		ids[i] = cells[i].ID()
	}
	if err := f.comparable(baseline, ids); err != nil {
		return nil, err
	}
	if o.Device != nil {
		if err := o.Device.Ask(ctx); err != nil {
			return nil, failed("matrix: %w", err)
		}
	}
	bar := newMatrixBar(stderr, len(cells))
	o.Done = bar.done
	report, err := matrix.Run(ctx, g, cells, o)
	bar.end()
	if err != nil && ctx.Err() == nil {
		return nil, failed("matrix: %w", err)
	}
	return report, nil
}

// comparable says whether any of what is to be run stands in the baseline.
func (f *matrixFlags) comparable(baseline *matrix.Report, ids []string) error {
	if baseline == nil || baseline.Has(ids) {
		return nil
	}
	return usable("matrix: --baseline %s has none of what is to be run: it is of %s", f.baseline, baseline.Grid)
}

func (f *matrixFlags) judgeCorpus(ctx context.Context, o matrix.Options, baseline *matrix.Report, stderr io.Writer) (*matrix.Report, error) {
	captures, err := matrix.FindCorpus(f.corpus)
	if err != nil {
		return nil, usable("matrix: %w", err)
	}
	ids := make([]string, len(captures))
	for i := range captures {
		ids[i] = captures[i].Name
	}
	if err := f.comparable(baseline, ids); err != nil {
		return nil, err
	}
	bar := newMatrixBar(stderr, len(captures))
	o.Done = bar.done
	report, err := matrix.RunCorpus(ctx, f.corpus, captures, o)
	bar.end()
	if err != nil && ctx.Err() == nil {
		return nil, failed("matrix: %w", err)
	}
	return report, nil
}

func (f *matrixFlags) loadGrid() (*matrix.Grid, error) {
	switch f.grid {
	case "default":
		return matrix.Default(), nil
	case "small":
		return matrix.Small(), nil
	}
	return matrix.LoadGrid(f.grid)
}

func (f *matrixFlags) cells(g *matrix.Grid) ([]matrix.Cell, error) {
	only, err := regexp.Compile(f.only)
	if err != nil {
		return nil, cli.Usagef("matrix: --only: %w", err)
	}
	all := g.Cells()
	if f.role == "client" {
		all = matrix.ForDevice(all, f.proxy != "")
	}
	var out []matrix.Cell
	for _, c := range all {
		if only.MatchString(c.ID()) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		if f.only == "" {
			return nil, usable("matrix: no cell of the grid can be run through a device")
		}
		return nil, cli.Usagef("matrix: --only %s: no cell of the grid is called so; --list lists them", f.only)
	}
	return out, nil
}

func (f *matrixFlags) parseEngines() ([]matrix.Engine, error) {
	names, _, _ := matrix.KnownEngines()
	var out []matrix.Engine
	next := 0
	for _, text := range f.engine {
		match := ""
		if !slices.Contains(names, text) && next < len(f.match) {
			match = f.match[next]
			next++
		}
		e, err := matrix.ParseEngine(text, match)
		if err != nil {
			return nil, cli.Usagef("matrix: --engine: %w", err)
		}
		e.Timeout = f.engineTime
		for _, other := range out {
			if other.Name == e.Name {
				e.Name = fmt.Sprintf("%s-%d", e.Name, len(out)+1)
			}
		}
		out = append(out, e)
	}
	if next < len(f.match) {
		return nil, cli.Usagef("matrix: there are more --match than commands of --engine")
	}
	return out, nil
}

// tell writes the report, and gives the exit status.
func (f *matrixFlags) tell(ctx context.Context, r *matrix.Report, limits []matrix.Limit, stdout, stderr io.Writer) error {
	links := ""
	if f.out != "" {
		links = "."
		for name, write := range map[string]func(io.Writer) error{
			"report.json": r.WriteJSON, "report.xml": r.WriteJUnit,
			"report.html": func(w io.Writer) error { return r.WriteHTML(w, links) },
		} {
			if err := writeFile(filepath.Join(f.out, name), write); err != nil {
				return failed("matrix: %w", err)
			}
		}
	}
	var err error
	switch f.format {
	case "table":
		err = r.WriteTable(stdout, wantsColour(stdout), f.all)
	case "json":
		err = r.WriteJSON(stdout)
	case "junit":
		err = r.WriteJUnit(stdout)
	case "html":
		err = r.WriteHTML(stdout, f.out)
	}
	if err != nil {
		return failed("matrix: %w", err)
	}
	if ctx.Err() != nil {
		return failed("matrix: stopped; the report covers what was run until then")
	}
	if beyond := r.Counts.Check(limits); len(beyond) > 0 {
		fmt.Fprintln(stderr, "sstplab: matrix: not as required: "+strings.Join(beyond, "; "))
		return &cli.ExitError{Status: cli.ExitFound}
	}
	if r.Counts.Errors > 0 {
		return failed("matrix: %d of %d cells could not be run", r.Counts.Errors, r.Counts.Cells)
	}
	for _, s := range r.Scores {
		if s.Errors > 0 {
			return failed("matrix: %s", r.Failure(s.Judge))
		}
	}
	return nil
}

// writeFile writes a report for its owner: it tells of a network.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
