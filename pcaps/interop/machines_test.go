//go:build interop

package interop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sstpwarden/pcaps/interop/stock"
	"sstpwarden/pcaps/interop/uml"
)

// umlMachines is how many User-Mode Linux machines share the tests that need no more
// than that. Each has one processor, and its tests wait for most of their time.
const umlMachines = 3

// longTests are about how many seconds the longest of them take, for the machines to
// get even shares. Others take usualTest.
var longTests = map[string]int{
	"TestClientEcho": 80, "TestDial": 25, "TestSSTPC": 85, "TestSSTPCIPv6Inside": 25, "TestSSTPCMethods": 50,
	"TestSSTPCProfiles": 50, "TestSSTPCThroughSquid": 25, "TestThroughput": 75, "TestWrongPassword": 40,
}

const usualTest = 7

// A guest is a machine that runs some of the tests.
type guest struct {
	name  string // of its folder, too
	env   string // assignments before the command
	tests []string
	run   func(ctx context.Context, script string) (status int, err error)
}

// guests deals tests out to machines, whose folders are in dir.
func guests(dir string, names []string, out *turns) []*guest {
	slow := &guest{name: "stock", env: slowVariable + "=1 "}
	all := []*guest{slow}
	for i := range umlMachines {
		all = append(all, &guest{name: fmt.Sprintf("uml%d", i+1)})
	}
	seconds := func(name string) int { return cmp.Or(longTests[name], usualTest) }
	// The longest first, each to whoever has the least to do.
	longest := slices.SortedStableFunc(slices.Values(names), func(a, b string) int { return seconds(b) - seconds(a) })
	busy := make([]int, umlMachines)
	for _, name := range longest {
		if strings.HasPrefix(name, stockPrefix) {
			slow.tests = append(slow.tests, name)
			continue
		}
		i := slices.Index(busy, slices.Min(busy))
		busy[i] += seconds(name)
		all[1+i].tests = append(all[1+i].tests, name)
	}
	all = slices.DeleteFunc(all, func(g *guest) bool { return len(g.tests) == 0 })
	for _, g := range all {
		folder, w := filepath.Join(dir, g.name), out.writer()
		if g == slow {
			g.run = (&stock.Machine{Dir: folder, Kernel: filepath.Join(dir, "..", "kernel"), Output: w}).Run
		} else {
			g.run = (&uml.Machine{Dir: folder, Output: w}).Run
		}
	}
	return all
}

// runGuests runs this binary, with these flags, in all machines at the same time, and
// returns the worst exit status. What one of them prints is not mixed with what
// another does.
func runGuests(ctx context.Context, dir string, flags, names []string) (status int, err error) {
	out := &turns{w: os.Stdout}
	all := guests(dir, names, out)
	for _, g := range all {
		if err := linkAll(filepath.Join(dir, g.name), dir); err != nil {
			return 0, err
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, g := range all {
		others := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(g.tests, name) })
		command := fmt.Sprintf("%s%s=%s exec ./interop.test %s", g.env, roleVariable, roleGuest, strings.Join(flags, " "))
		if len(others) > 0 {
			command += " '-test.skip=^(" + strings.Join(others, "|") + ")$'"
		}
		wg.Go(func() {
			began := time.Now()
			got, failed := g.run(ctx, command+"\n")
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(os.Stderr, "interop: %s ran for %.0f s\n", g.name, time.Since(began).Seconds())
			status, err = max(status, got), errors.Join(err, failed, out.end(i))
		})
	}
	wg.Wait()
	return status, err
}

// linkAll gives the files of a folder a second name in another.
func linkAll(to, from string) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Type().IsRegular() {
			err = errors.Join(err, os.Link(filepath.Join(from, f.Name()), filepath.Join(to, f.Name())))
		}
	}
	return err
}

func TestGuests(t *testing.T) {
	names := []string{"TestStockA", "TestThroughput", "TestB", "TestClientEcho", "TestStockC", "TestD"}
	for n := range len(names) + 1 {
		var dealt []string
		for _, g := range guests(t.TempDir(), names[:n], &turns{}) {
			for _, name := range g.tests {
				if strings.HasPrefix(name, stockPrefix) != (g.name == "stock") {
					t.Errorf("%s is dealt to %s", name, g.name)
				}
			}
			dealt = append(dealt, g.tests...)
		}
		slices.Sort(dealt)
		want := slices.Sorted(slices.Values(names[:n]))
		if !slices.Equal(dealt, want) {
			t.Errorf("%q are dealt, want each of %q once", dealt, want)
		}
	}
}
