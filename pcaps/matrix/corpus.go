package matrix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps/capfile"
)

// A Label says what is known of a capture.
type Label string

// The labels. What has none is judged and does not count.
const (
	Positive Label = "positive"
	Negative Label = "negative"
	NoLabel  Label = ""
)

// A Capture is one of a corpus.
type Capture struct {
	Path  string
	Name  string // below the corpus's folder, with slashes
	Label Label
	Keys  string // a key log, "" for none
}

// LabelsFile is the name of the file with labels in a corpus's folder.
const LabelsFile = "labels.yaml"

// FindCorpus finds the captures below a folder, with their labels: those of [LabelsFile],
// else of the folder called positive or negative that is nearest. What only has the name of
// a capture is one that cannot be judged.
func FindCorpus(dir string) ([]Capture, error) {
	if at, err := os.Stat(dir); err == nil && !at.IsDir() {
		return nil, fmt.Errorf("reading the corpus: %s is a file: name the folder that it is in", dir)
	}
	labels, err := loadLabels(filepath.Join(dir, LabelsFile))
	if err != nil {
		return nil, err
	}
	var out []Capture
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isCapture(file) {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		c := Capture{Path: file, Name: name, Label: labels.of(name)}
		for _, keys := range []string{file + ".keys", strings.TrimSuffix(file, filepath.Ext(file)) + ".keys"} {
			if _, err := os.Stat(keys); err == nil {
				c.Keys = keys
			}
		}
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the corpus: %w", err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("reading the corpus %s: there are no captures (pcap or pcapng) in it", dir)
	}
	slices.SortFunc(out, func(a, b Capture) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// isCapture asks the file's name and, of others, the first bytes.
func isCapture(file string) bool {
	if ext := strings.ToLower(filepath.Ext(file)); ext == ".pcap" || ext == ".pcapng" {
		return true
	}
	r, err := capfile.Open(file, capfile.Options{})
	if err != nil {
		return false
	}
	_ = r.Close() // it was only looked at
	return true
}

// labels are those of a file, in its order: the first that fits counts.
type labels []struct {
	pattern string
	label   Label
}

func loadLabels(file string) (labels, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading labels: %w", err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("reading labels: %s:%s", file, reworded(err))
	}
	if len(root.Content) == 0 {
		return nil, nil
	}
	n := root.Content[0]
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("reading labels: %s:%d: write lines such as \"name: positive\"", file, n.Line)
	}
	var out labels
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		label := Label(v.Value)
		if label != Positive && label != Negative {
			return nil, fmt.Errorf("reading labels: %s:%d: %q is no label: write positive or negative", file, v.Line, v.Value)
		}
		if _, err := path.Match(k.Value, ""); err != nil {
			return nil, fmt.Errorf("reading labels: %s:%d: %q is no pattern: %w", file, k.Line, k.Value, err)
		}
		out = append(out, struct {
			pattern string
			label   Label
		}{k.Value, label})
	}
	return out, nil
}

// of is a capture's label.
func (l labels) of(name string) Label {
	bare := strings.TrimSuffix(name, path.Ext(name))
	for _, e := range l {
		for _, n := range []string{name, bare, path.Base(name), path.Base(bare)} {
			if ok, _ := path.Match(e.pattern, n); ok {
				return e.label
			}
		}
	}
	dirs := strings.Split(path.Dir(name), "/")
	for _, d := range slices.Backward(dirs) {
		if label := Label(d); label == Positive || label == Negative {
			return label
		}
	}
	return NoLabel
}

// RunCorpus has captures judged. Of the options Parallel, Engines and Done count.
func RunCorpus(ctx context.Context, dir string, captures []Capture, o Options) (*Report, error) {
	report := &Report{Version: 1, Grid: "corpus " + dir, Started: time.Now(), Judges: []string{Passive, Opened}}
	for _, e := range o.Engines {
		report.Judges = append(report.Judges, e.Name)
	}
	temporary, err := os.MkdirTemp("", "sstplab-matrix-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(temporary) }() // it is temporary
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, err
		}
	}
	results := make([]CellResult, len(captures))
	parallel := o.Parallel
	if parallel <= 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	next := make(chan int)
	var running sync.WaitGroup
	var telling sync.Mutex
	for range min(parallel, len(captures)) {
		running.Go(func() {
			for i := range next {
				results[i] = judgeCapture(ctx, &captures[i], filepath.Join(temporary, fmt.Sprint(i)), o.Engines)
				if ctx.Err() != nil {
					results[i] = CellResult{} // engines were stopped
					continue
				}
				if o.Done != nil {
					telling.Lock()
					o.Done(&results[i])
					telling.Unlock()
				}
			}
		})
	}
	for i := range captures {
		if ctx.Err() == nil {
			next <- i
		}
	}
	close(next)
	running.Wait()
	for i := range results {
		if results[i].ID != "" {
			report.Cells = append(report.Cells, results[i])
		}
	}
	report.Seconds = time.Since(report.Started).Seconds()
	report.count()
	return report, ctx.Err()
}

// failed is the result of what could not be judged.
func (r CellResult) failed(err error) CellResult {
	r.mark(MarkError)
	r.Skipped, r.Reason = false, err.Error()
	return r
}

// judgeCapture asks everybody about one capture.
func judgeCapture(ctx context.Context, c *Capture, plain string, engines []Engine) CellResult {
	began := time.Now()
	out := CellResult{ID: c.Name, Cell: Cell{Group: string(c.Label)}, SSTP: c.Label == Positive, Expected: Passed, Capture: absolute(c.Path)}
	if c.Label == NoLabel {
		out.Group, out.Skipped, out.Reason = "unlabelled", true, "no label"
	}
	if err := strip(c.Path, plain); err != nil {
		return out.failed(err)
	}
	defer func() { _ = os.Remove(plain) }() // it is temporary
	out.Findings = append(out.Findings, judge(ctx, Passive, plain, nil))
	keys, err := loadKeys(c.Keys)
	if err != nil {
		return out.failed(err)
	}
	if keys != nil || hasSecrets(c.Path) {
		out.Findings = append(out.Findings, judge(ctx, Opened, c.Path, keys))
	}
	keyed := c.Path
	if c.Keys != "" && slices.ContainsFunc(engines, func(e Engine) bool { return e.opens() }) {
		keyed = plain + ".keyed"
		if err := embed(c.Path, c.Keys, keyed); err != nil {
			return out.failed(err)
		}
		defer func() { _ = os.Remove(keyed) }() // it is temporary
	}
	for i := range engines {
		out.Findings = append(out.Findings, engines[i].judge(ctx, plain, keyed))
	}
	if !out.Skipped {
		out.weigh()
	}
	out.Seconds = time.Since(began).Seconds()
	return out
}

func loadKeys(file string) (*tlskeys.Keys, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	keys := &tlskeys.Keys{}
	if _, err := keys.AddKeyLog(f); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return keys, nil
}

// hasSecrets says whether a pcapng file holds secrets of TLS.
func hasSecrets(file string) (found bool) {
	r, err := capfile.Open(file, capfile.Options{OnSecrets: func(kind uint32, _ []byte) { found = found || kind == capfile.SecretsTLSKeyLog }})
	if err != nil {
		return false
	}
	defer func() { _ = r.Close() }() // it was only read
	for {
		if _, err := r.Next(); err != nil {
			return found
		}
	}
}
