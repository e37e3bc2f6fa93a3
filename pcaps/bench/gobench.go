package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// goBench runs a benchmark of a package, and returns the medians of its parts, in
// nanoseconds by their names.
func goBench(ctx context.Context, pkg, pattern string, rounds int, flags ...string) (map[string]float64, error) {
	args := append([]string{"test", pkg, "-run", "^$", "-bench", pattern, "-count", strconv.Itoa(rounds)}, flags...)
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("measuring %s: %w\n%s", pkg, err, out)
	}
	return benchmarks(out)
}

// benchmarks reads the medians from what go test prints.
func benchmarks(out []byte) (map[string]float64, error) {
	all := map[string][]float64{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || f[3] != "ns/op" {
			continue
		}
		ns, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			return nil, fmt.Errorf("reading benchmarks: %q: %w", lines.Text(), err)
		}
		_, name, _ := strings.Cut(f[0], "/")
		if at := strings.LastIndexByte(name, '-'); at > 0 && isNumber(name[at+1:]) {
			name = name[:at] // the number of processors
		}
		all[name] = append(all[name], ns)
	}
	medians := make(map[string]float64, len(all))
	for name, ns := range all {
		slices.Sort(ns)
		medians[name] = ns[len(ns)/2]
	}
	return medians, lines.Err()
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}
