package matrix

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"sstpwarden/pcaps/sstpref/profile"
)

// maxGrid bounds a grid's file, in bytes, and maxCells its cells.
const (
	maxGrid  = 1 << 20
	maxCells = 20_000
)

// gridFile is a grid as it is written.
type gridFile struct {
	Version int         `yaml:"version"`
	Seed    uint64      `yaml:"seed"`
	Timeout patience    `yaml:"timeout"`
	Base    groupFile   `yaml:"base"`
	Groups  []groupFile `yaml:"groups"`
}

// UnmarshalYAML looks for keys that are not known.
func (g *gridFile) UnmarshalYAML(n *yaml.Node) error {
	type plain gridFile
	if err := knownKeys(n, "version", "seed", "timeout", "base", "groups"); err != nil {
		return err
	}
	return n.Decode((*plain)(g))
}

// patience is a time that a cell may take.
type patience time.Duration

// UnmarshalYAML reads it.
func (p *patience) UnmarshalYAML(n *yaml.Node) error {
	d, err := time.ParseDuration(n.Value)
	if err != nil || d < time.Second {
		return fmt.Errorf("line %d: timeout %q does not do: write a time of 1s and more", n.Line, n.Value)
	}
	*p = patience(d)
	return nil
}

type groupFile struct {
	Name       string `yaml:"name"`
	About      string `yaml:"about"`
	Clients    words  `yaml:"clients"`
	Servers    words  `yaml:"servers"`
	TLS        words  `yaml:"tls"`
	Transforms words  `yaml:"transforms"`
	Paths      words  `yaml:"paths"`
	Scenarios  words  `yaml:"scenarios"`
	line       int
}

// UnmarshalYAML keeps the line.
func (g *groupFile) UnmarshalYAML(n *yaml.Node) error {
	type plain groupFile
	if err := knownKeys(n, "name", "about", "clients", "servers", "tls", "transforms", "paths", "scenarios"); err != nil {
		return err
	}
	if err := n.Decode((*plain)(g)); err != nil {
		return err
	}
	g.line = n.Line
	return nil
}

// knownKeys finds keys that are not known: a decoder that is strict does not look
// below a type that reads itself.
func knownKeys(n *yaml.Node, known ...string) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: is no object", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; !slices.Contains(known, k.Value) {
			return fmt.Errorf("line %d: %s is not known: %s", k.Line, k.Value, instead(k.Value, known))
		}
	}
	return nil
}

// words is one word, or a list of them.
type words struct {
	list []string
	line int
}

// UnmarshalYAML reads either.
func (w *words) UnmarshalYAML(n *yaml.Node) error {
	w.line = n.Line
	if n.Kind == yaml.ScalarNode {
		w.list = []string{n.Value}
		return nil
	}
	return n.Decode(&w.list)
}

// LoadGrid reads a grid's file.
func LoadGrid(path string) (*Grid, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loading the grid: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxGrid+1))
	if err != nil {
		return nil, fmt.Errorf("loading the grid: %w", err)
	}
	if len(text) > maxGrid {
		return nil, fmt.Errorf("loading the grid %s: it has more than %d bytes: is it one?", path, maxGrid)
	}
	return ParseGrid(path, text)
}

// ParseGrid reads a grid's text; name is what errors call it. They name the line.
func ParseGrid(name string, text []byte) (*Grid, error) {
	var f gridFile
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	switch err := d.Decode(&f); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: it is empty", name)
	case err != nil:
		return nil, fmt.Errorf("%s:%s", name, reworded(err))
	}
	if f.Version != 1 {
		return nil, fmt.Errorf("%s: version is %d: write version: 1", name, f.Version)
	}
	g := &Grid{Name: name, Seed: f.Seed, Timeout: cmp.Or(time.Duration(f.Timeout), defaultTimeout)}
	if len(f.Groups) == 0 {
		return nil, fmt.Errorf("%s: there are no groups", name)
	}
	seen := map[string]bool{}
	for i := range f.Groups {
		group, err := f.Groups[i].group(&f.Base)
		if err != nil {
			return nil, fmt.Errorf("%s:%w", name, err)
		}
		if seen[group.Name] {
			return nil, fmt.Errorf("%s:%d: group %s is there twice", name, f.Groups[i].line, group.Name)
		}
		seen[group.Name] = true
		g.Groups = append(g.Groups, *group)
	}
	switch n := g.size(); {
	case n > maxCells:
		return nil, fmt.Errorf("%s: %d cells are more than %d: vary less at once", name, n, maxCells)
	case len(g.Cells()) == 0:
		return nil, fmt.Errorf("%s: no cell is left: the ends do not understand each other", name)
	}
	return g, nil
}

// size is how many cells there are before those that cannot be are left out.
func (g *Grid) size() (n int) {
	for _, p := range g.Groups {
		n += len(p.Paths) * len(p.TLS) * len(p.Clients) * max(len(p.Scenarios), len(p.Servers)) * len(p.Transforms)
		if n > maxCells {
			return n
		}
	}
	return n
}

// group checks a group over its base.
func (g *groupFile) group(base *groupFile) (*Group, error) {
	out := &Group{Name: g.Name, About: g.About}
	if g.Name == "" {
		return nil, fmt.Errorf("%d: the group has no name", g.line)
	}
	benign := len(g.Scenarios.list) > 0
	clients, client := profile.ClientNames(), words{list: []string{defaultClient}}
	if benign {
		clients, client = BenignClientNames(), words{list: []string{defaultBrowser}}
	} else if base.Clients.list != nil {
		client = base.Clients
	}
	for _, axis := range []struct {
		name  string
		words words
		over  words
		or    string
		known []string
		to    *[]string
	}{
		{"clients", g.Clients, client, "", clients, &out.Clients},
		{"servers", g.Servers, base.Servers, defaultServer, profile.ServerNames(), &out.Servers},
		{"tls", g.TLS, base.TLS, "1.3", TLSNames(), &out.TLS},
		{"transforms", g.Transforms, base.Transforms, None, transformNames(benign), &out.Transforms},
		{"paths", g.Paths, base.Paths, Direct, PathNames(), &out.Paths},
		{"scenarios", g.Scenarios, words{}, "", scenarioNames(), &out.Scenarios},
	} {
		w := axis.words
		if w.list == nil {
			w = axis.over
		}
		if w.list == nil && axis.or != "" {
			w.list = []string{axis.or}
		}
		list, err := names(w.list, axis.known)
		if err != nil {
			return nil, fmt.Errorf("%d: %s of group %s: %w", cmp.Or(w.line, g.line), axis.name, out.Name, err)
		}
		*axis.to = list
	}
	return out, nil
}

// transformNames are those of all transforms, or of those that can be done to anything.
func transformNames(benign bool) []string {
	var out []string
	for _, t := range Transforms() {
		if !benign || t.Anything {
			out = append(out, t.Name)
		}
	}
	return out
}

func scenarioNames() []string {
	var out []string
	for _, s := range Scenarios() {
		out = append(out, s.Name)
	}
	return out
}

func join(words []string) string { return strings.Join(words, ", ") }

var (
	wrongType = regexp.MustCompile(`cannot unmarshal !!(\w+)( .*)? into (\S+)`)
	atLine    = regexp.MustCompile(`line (\d+): `)
)

// kinds are what YAML's reader and Go call what can stand in a grid.
var kinds = map[string]string{
	"map": "an object", "seq": "a list", "str": "text", "null": "nothing", "bool": "true or false", "float": "a number with a point",
	"int": "a whole number", "uint64": "a whole number", "string": "a word", "[]string": "a word or a list of words",
	"[]matrix.groupFile": "a list of groups",
}

// reworded is what YAML's reader says first, for people: the line first.
func reworded(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "unmarshal errors:\n  "), "\n")
	if m := wrongType.FindStringSubmatch(text); m != nil {
		is, want := cmp.Or(kinds[m[1]], m[1]), cmp.Or(kinds[m[3]], m[3])
		text = strings.Replace(text, m[0], fmt.Sprintf("here is %s%s, and should be %s", is, m[2], want), 1)
	}
	if m := atLine.FindStringSubmatchIndex(text); m != nil {
		return text[m[2]:m[3]] + ": " + text[:m[0]] + text[m[1]:]
	}
	return " " + text
}
