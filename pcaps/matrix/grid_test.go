package matrix

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The grids that are built in: enough cells, ids and files that do not collide, and every
// transform, scenario, profile and path in the default one.
func TestBuiltIn(t *testing.T) {
	cells := Default().Cells()
	if len(cells) < 300 {
		t.Errorf("%d cells, want at least 300", len(cells))
	}
	used := map[string]bool{}
	for _, grid := range [][]Cell{cells, Small().Cells()} {
		ids, files := map[string]bool{}, map[string]bool{}
		for i := range grid {
			c := &grid[i]
			if ids[c.ID()] || files[c.File()] || strings.ContainsAny(c.File(), "/\\ :") {
				t.Errorf("%s is there twice, or its file %s is no name", c.ID(), c.File())
			}
			ids[c.ID()], files[c.File()] = true, true
			for _, w := range []string{c.Client, c.Server, c.TLS, c.Transform, c.Path, c.Scenario} {
				used[w] = true
			}
		}
	}
	for _, list := range [][]string{transformNames(false), scenarioNames(), TLSNames(), PathNames()} {
		for _, w := range list {
			if !used[w] && w != devicePathName {
				t.Errorf("no grid uses %s", w)
			}
		}
	}
}

// Each transform says what it is, under a name of its own, and can be run somewhere.
func TestTransforms(t *testing.T) {
	lab, err := NewLab(1)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, tr := range Transforms() {
		if seen[tr.Name] || tr.About == "" || tr.Family == "" || tr.apply == nil {
			t.Errorf("%+v: a name twice, or nothing about it", tr)
		}
		seen[tr.Name] = true
		path := Direct
		if tr.Paths != nil {
			path = tr.Paths[0]
		}
		server := "reference"
		if tr.Servers != nil {
			server = tr.Servers[0]
		}
		c := Cell{"g", "reference", server, "1.3", tr.Name, path, ""}
		if !possible(&c) {
			t.Errorf("%s cannot be run", c.ID())
		}
		if _, err := lab.setup(&c); err != nil {
			t.Error(err)
		}
	}
}

// The same seed gives the same numbers to a cell, whatever runs beside it.
func TestSeed(t *testing.T) {
	draw := func(seed uint64, c Cell) uint64 {
		return (&Lab{seed: seed}).random(&c).Uint64()
	}
	a, b := Cell{Transform: "a"}, Cell{Transform: "b"}
	first := draw(1, a)
	if again := draw(1, a); again != first || draw(1, b) == first || draw(2, a) == first {
		t.Error("a cell's numbers do not follow from seed and cell alone")
	}
}

// What a grid's file may hold, and what is told of one that is wrong, with its line.
func TestParseGrid(t *testing.T) {
	g, err := ParseGrid("x", []byte("version: 1\nseed: 9\ntimeout: 3s\nbase: {servers: softether}\ngroups:\n- name: a\n  transforms: [none, early]\n- {name: b, scenarios: all}\n"))
	if err != nil {
		t.Fatal(err)
	}
	cells := g.Cells()
	if g.Seed != 9 || g.Timeout.Seconds() != 3 || len(cells) != 2+len(Scenarios()) {
		t.Errorf("seed %d, timeout %v, %d cells", g.Seed, g.Timeout, len(cells))
	}
	if c := cells[1]; c.ID() != "direct/tls1.3/windows-softether/early" {
		t.Errorf("the second cell is %s", c.ID())
	}
	const head = "version: 1\ngroups:\n- name: a\n"
	for _, tt := range []struct{ text, want string }{
		{"seed: 1\n", "x: version is 0: write version: 1"},
		{"version: 2\n", "x: version is 2"},
		{"version: 1\n", "x: there are no groups"},
		{"version: 1\nsede: 4\n", "x:2: sede is not known: did you mean seed?"},
		{head + "  colour: none\n", "x:4: colour is not known: there are name, about, clients"},
		{head + "  transforms: [none, hello_record]\n", `x:4: transforms of group a: "hello_record" is not known: did you mean hello-records?`},
		{"version: 1\nseed: x\n", "x:2: here is text `x`, and should be a whole number"},
		{head + "  clients: {a: b}\n", "x:4: here is an object, and should be a word or a list of words"},
		{"version: 1\ntimeout: 5\n", `x:2: timeout "5" does not do: write a time of 1s and more`},
		{"", "x: it is empty"},
		{head + "  transforms: nonsense\n", `x:4: transforms of group a: "nonsense" is not known: there are all, none, hello-records`},
		{head + "  transforms:\n  - none\n  - nonsense\n", "x:5: transforms of group a"},
		{head + "  clients: [chrome]\n", `x:4: clients of group a: "chrome" is not known: there are all, reference, windows`},
		{head + "  scenarios: all\n  clients: sstpc\n", `x:5: clients of group a: "sstpc" is not known: there are all, chrome`},
		{head + "  scenarios: all\n  transforms: early\n", `x:5: transforms of group a: "early" is not known`},
		{head + "- name: a\n", "x:4: group a is there twice"},
		{"version: 1\ngroups:\n- clients: all\n", "x:3: the group has no name"},
		{head + "  clients: windows7\n", "x: no cell is left"},
		{"version: [\n", "x:1: did not find expected node content"},
		{"groups: 7\n", "x:1: here is a whole number `7`, and should be a list of groups"},
	} {
		_, err := ParseGrid("x", []byte(tt.text))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q:\n got  %v\n want %s", tt.text, err, tt.want)
		}
	}
}

func TestLoadGrid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "grid.yaml")
	if err := os.WriteFile(file, Text("small"), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := LoadGrid(file)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(g.Cells(), Small().Cells()) {
		t.Error("the same text gives other cells")
	}
	if _, err := LoadGrid(file + ".none"); err == nil || !strings.HasPrefix(err.Error(), "loading the grid: open ") {
		t.Error(err)
	}
}

func FuzzParseGrid(f *testing.F) {
	f.Add([]byte("version: 1\nbase: {servers: accel}\ngroups:\n- name: a\n  tls: [\"1.2\"]\n  transforms: [none, early]\n"))
	f.Add([]byte("version: 1\ngroups: [{name: a, clients: [all, all]}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := ParseGrid("x", text)
		if err != nil {
			return
		}
		if cells := g.Cells(); len(cells) == 0 || len(cells) > maxCells {
			t.Errorf("%d cells", len(cells))
		}
	})
}
