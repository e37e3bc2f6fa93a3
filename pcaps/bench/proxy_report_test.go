package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// resultsOf are rounds of a second each with half a second's CPU time.
func resultsOf(values ...float64) []result {
	var all []result
	for _, v := range values {
		all = append(all, result{value: v, done: v, wall: time.Second, cpu: time.Second / 2})
	}
	return all
}

func begun(context.Context, *arena, *entrant) (*child, error) { return nil, nil }

// inAll gives an entrant the same results in every discipline.
func inAll(name string, disciplines []*discipline, values ...float64) *entrant {
	e := &entrant{name: name, begin: begun, results: map[string][]result{}}
	for _, d := range disciplines {
		e.results[d.title] = resultsOf(values...)
	}
	return e
}

func TestProxyTables(t *testing.T) {
	forward := []*entrant{
		inAll(oursName, forwarding, 1000, 900, 1100),
		inAll(bareName, forwarding, 1000, 1000, 1000),
		inAll(directName, forwarding, 2000, 2000),
		{name: "squid", missing: "squid is not installed: find it"},
	}
	forward[2].begin = nil
	got := forwarding[0].table(forward) + forwarding[4].table(forward)
	want := `
Download through 1 tunnel (TLS, not opened)
                    runs  MB/s    min..max  of bare Go splice    min..max  CPU %  CPU s/GB  by CPU
  sstpwarden proxy     3  1000   900..1100               1.00  0.90..1.10     50      0.00    1.00
  bare Go splice       3  1000  1000..1000                                    50      0.00
  direct               2  2000  2000..2000               2.00  2.00..2.00
  squid             squid is not installed: find it

First byte back from a new tunnel, plain
                    runs    us    min..max  added to direct      min..max
  sstpwarden proxy     3  1000   900..1100            -1050  -1100..-1000
  bare Go splice       3  1000  1000..1000            -1000  -1000..-1000
  direct               2  2000  2000..2000
  squid             squid is not installed: find it
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

func TestIdleTable(t *testing.T) {
	got := idleTable([]*holding{
		{
			name: oursName, used: true, asked: 5000, held: 5000, wall: 2500 * time.Millisecond,
			with: footprint{peak: 120 << 20, resident: 100 << 20, proportional: 90 << 20, files: 10_010, threads: 9}, kernel: 50 << 20,
		},
		{name: bareName, asked: 5000, held: 1000, wall: time.Second, with: footprint{resident: 10 << 20}},
		{name: "squid", asked: 5000, remark: "squid is not installed: find it"},
	})
	want := `
Idle tunnels, held by a fresh process; the kernel's share is sockets, pipes and TCP buffers of all ends, clients and servers too
                                       tunnels  s to open  peak MiB  RSS MiB  PSS MiB  KiB each  files  threads  kernel MiB
  sstpwarden proxy, after an exchange     5000       2.50       120      100       90      20.5  10010        9          50
  bare Go splice, nothing sent yet        1000       1.00         0       10        0      10.2      0        0           0
  squid, nothing sent yet              squid is not installed: find it
  Not 10,000, because the limit of open files (ulimit -Hn) lets no process have more.
  One with fewer tunnels could open no more: the limit of open files.
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestProxyTargets(t *testing.T) {
	forward := []*entrant{
		inAll(oursName, forwarding, 1000, 900, 1100),
		inAll(bareName, forwarding, 1000, 1000, 1000),
		inAll("squid", forwarding, 1200, 500, 500),
	}
	open := []*entrant{
		inAll(oursName, opening, 1000, 900, 1100),
		inAll(mitmproxyName, opening, 100, 50, 10),
	}
	idle := []*holding{
		{name: oursName, used: true, asked: 10_000, held: 10_000, with: footprint{peak: 200 << 20}},
		{name: bareName, asked: 10_000, held: 10_000, with: footprint{peak: 900 << 20}},
		{name: oursName, asked: 5000, held: 5000, with: footprint{peak: 320 << 20}, empty: footprint{peak: 20 << 20}},
		{name: oursName, asked: 5000, held: 4999, with: footprint{peak: 20 << 20}, empty: footprint{peak: 20 << 20}},
		{name: oursName, asked: 5000},
	}
	m := &measured{forward, open, idle}
	_, got, _ := strings.Cut(targetList(m.targets())[1:], "\n")
	want := `
  download, 1 tunnel, of bare Go splice         target 0.95x     aim           got 1.00x         met (1.00x by CPU time)
  download, 64 tunnels, of bare Go splice       target 0.95x     aim           got 1.00x         met (1.00x by CPU time)
  new tunnels, plain, of squid                  target 1.00x     aim           got 1.80x         met (1.80x by CPU time)
  new tunnels, TLS, of squid                    target 1.00x     aim           got 1.80x         met (1.80x by CPU time)
  download, 1 opened, of mitmproxy              target 10.0x     aim 20.0x     got 18.0x         met (18.0x by CPU time)
  download, 8 opened, of mitmproxy              target 10.0x     aim 20.0x     got 18.0x         met (18.0x by CPU time)
  new opened connections, of mitmproxy          target 10.0x     aim 20.0x     got 18.0x         met (18.0x by CPU time)
  memory of 10,000 used tunnels                 target 512 MiB   aim 256 MiB   got 200 MiB       met, and the aim
  memory of 10,000 silent tunnels               target 512 MiB   aim 256 MiB   got 620 MiB       missed (from 5,000)
  memory of 10,000 silent tunnels               target 512 MiB   aim 256 MiB   got 20 MiB        missed (from 4,999)
  memory of 10,000 silent tunnels               target 512 MiB   aim 256 MiB   got not measured
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	open[1].results = nil
	if all := m.targets(); all[4].got != notMeasured {
		t.Errorf("without mitmproxy: %+v", all[4])
	}
	noise := m.noise("1 2 3", "4 5 6", 90*time.Second)
	if !strings.Contains(noise, "widest spread 140 % (download, 1 tunnel, squid). All took 1m30s.") {
		t.Error(noise)
	}
}
