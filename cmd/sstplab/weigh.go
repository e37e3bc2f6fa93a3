package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"sstpwarden/cmd/cli"
	"sstpwarden/inspect"
	"sstpwarden/pcaps/weigh"
	"sstpwarden/rules"
)

// weighFlags are those of weigh.
type weighFlags struct {
	corpora, positives, negatives []string
	endpoint, check               bool
	rules, format, out, update    string
}

func newWeigh() *cobra.Command {
	var f weighFlags
	cmd := &cobra.Command{
		Use:   "weigh [flags]",
		Short: "Count how often the detection rules hold, and what weights that allows",
		Long: `Weigh inspects labelled captures, counts for each detection rule how often it holds
on SSTP and on other connections, and gives the interval in which its weight may
lie by that: decibans of a likelihood ratio, at 95 %.

Connections that are alike have one vote together: those of one pair of programs,
where a label names them; of one capture and one TLS client, where none does. What
never held counts as half a vote of one more.

A corpus is a folder with captures below positive and negative, with key logs
beside them (NAME.keys) and the programs' names in labels.json or NAME.json. Of a
positive capture the connections count on which SSTP is read with the keys.
Results call a corpus by the NAME that it is given.

With --check the exit status is 1 if a weight says more than the counts carry and
its rule does not say why.`,
		Example: `  sstplab weigh --corpus "the project's captures"=pcaps/testdata
  sstplab weigh --corpus pcaps/testdata --negative "office traffic"=captures --check
  sstplab weigh --corpus pcaps/testdata --format yaml --out weights.yaml`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.corpora, "corpus", nil, "count the captures in `[NAME=]DIR`, below positive and negative (repeatable)")
	fl.StringArrayVar(&f.positives, "positive", nil, "count those in `[NAME=]DIR`, all of them SSTP (repeatable)")
	fl.StringArrayVar(&f.negatives, "negative", nil, "count those in `[NAME=]DIR`, none of them SSTP (repeatable)")
	fl.BoolVar(&f.endpoint, "endpoint", true, "count sessions of the reference endpoint too, recorded for it, every client profile with every server profile")
	fl.StringVar(&f.rules, "rules", "", "weigh the rules in `FILE` in place of those built in")
	fl.BoolVar(&f.check, "check", false, "compare the weights with what was counted")
	fl.StringVar(&f.format, "format", "table", "table, or yaml: what rules files take under measured")
	fl.StringVar(&f.out, "out", "", "write the result to `FILE` instead of standard output")
	fl.StringVar(&f.update, "update", "", "put what was counted into a rules `FILE`, under measured; nothing else of it changes")
	return cmd
}

func (f *weighFlags) run(cmd *cobra.Command) error {
	sources, err := f.sources()
	if err != nil {
		return err
	}
	rs := rules.Default()
	if f.rules != "" {
		if rs, err = rules.Load(f.rules); err != nil {
			return usable("%w", err)
		}
	}
	result, unread, err := f.count(cmd.Context(), cmd.ErrOrStderr(), rs, sources)
	if err != nil {
		return failed("%w", err)
	}
	if err := f.write(cmd.OutOrStdout(), result); err != nil {
		return failed("writing the result: %w", err)
	}
	if f.update != "" {
		if err := update(f.update, result); err != nil {
			return failed("%w", err)
		}
	}
	if n := exceeding(result); f.check && n > 0 {
		return failed("%d weights say more than was counted", n)
	}
	if unread > 0 {
		return failed("%d captures could not be read, or not to their end; the rest was counted", unread)
	}
	return nil
}

// sources gives what flags name.
func (f *weighFlags) sources() ([]weigh.Source, error) {
	var out []weigh.Source
	for _, list := range []struct {
		names []string
		label weigh.Label
	}{{f.corpora, weigh.LabelFolders}, {f.positives, weigh.LabelPositive}, {f.negatives, weigh.LabelNegative}} {
		for _, text := range list.names {
			name, dir, named := strings.Cut(text, "=")
			if !named {
				name, dir = filepath.Base(filepath.Clean(text)), text
			}
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return nil, cli.Usagef("%s is no folder of captures", dir)
			}
			out = append(out, weigh.Source{Name: name, Dir: dir, Label: list.label})
		}
	}
	switch {
	case len(out) == 0:
		return nil, cli.Usagef("which captures? Name a folder with --corpus, --positive or --negative")
	case f.format != "table" && f.format != "yaml":
		return nil, cli.Usagef("--format %s is not known: use table or yaml", f.format)
	}
	return out, nil
}

func (f *weighFlags) count(ctx context.Context, stderr io.Writer, rs *inspect.Ruleset, sources []weigh.Source) (_ *weigh.Result, unread int, err error) {
	r := &weigh.Reader{Rules: rs, Tally: weigh.NewTally(rs), Warn: func(err error) {
		unread++
		fmt.Fprintln(stderr, "sstplab: weigh:", cli.Printable(err.Error()))
	}}
	var corpora []weigh.Corpus
	for _, s := range sources {
		c, err := r.Read(ctx, s)
		if err != nil {
			return nil, unread, err
		}
		corpora = append(corpora, c)
	}
	if f.endpoint {
		c, err := r.Endpoint(ctx)
		if err != nil {
			return nil, unread, err
		}
		corpora = append(corpora, c)
	}
	return r.Tally.Result(corpora), unread, nil
}

func (f *weighFlags) write(w io.Writer, r *weigh.Result) error {
	var b strings.Builder
	if f.format == "yaml" {
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		if err := enc.Encode(r); err != nil {
			return err
		}
	} else {
		weighTable(&b, r, f.check)
	}
	if f.out != "" {
		return os.WriteFile(f.out, []byte(b.String()), 0o644)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func weighTable(b *strings.Builder, r *weigh.Result, check bool) {
	for _, c := range r.Corpora {
		fmt.Fprintf(b, "%s: %d captures, %d connections of SSTP, %d others", cli.Printable(c.Name), c.Captures, c.Positives, c.Negatives)
		if c.Repeated > 0 {
			fmt.Fprintf(b, "; %d captures were counted before", c.Repeated)
		}
		if c.LeftOut > 0 {
			fmt.Fprintf(b, "; %d connections beside SSTP left out", c.LeftOut)
		}
		fmt.Fprintln(b)
	}
	fmt.Fprintf(b, "votes: %d of SSTP, %d of others\n\n", r.Positives, r.Negatives)
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "RULE\tWEIGHT\tSSTP\tOTHERS\tALLOWED\tTHE WEIGHT IS")
	for _, v := range r.Check() {
		if check && v.Says != weigh.Exceeds {
			continue
		}
		name := v.ID
		if v.Coarse {
			name += " (coarse)"
		}
		fmt.Fprintf(tw, "%s\t%+d\t%s\t%s\t%+d to %+d\t%s\n", name, v.Weight, v.Positives, v.Negatives, v.Low, v.High, verdictText(&v))
	}
	_ = tw.Flush() // into memory
}

func verdictText(v *weigh.Verdict) string {
	switch {
	case v.Excused:
		return "more than was counted; the rule says why"
	case v.Says == weigh.Exceeds:
		return "more than was counted"
	case v.Says == weigh.Few:
		return "not to be told from so few"
	case v.Says == weigh.Cautious:
		return "less than was counted"
	}
	return "as counted"
}

// exceeding counts the weights that say too much for no reason.
func exceeding(r *weigh.Result) (n int) {
	for _, v := range r.Check() {
		if v.Says == weigh.Exceeds && !v.Excused {
			n++
		}
	}
	return n
}
