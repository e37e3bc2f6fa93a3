package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func runsOf(memory int64, walls ...time.Duration) []run {
	var out []run
	for _, w := range walls {
		out = append(out, run{wall: w, cpu: w / 2, memory: memory})
	}
	return out
}

func TestReport(t *testing.T) {
	contenders := []*contender{
		{name: "ours", runs: runsOf(40<<20, time.Second, 2*time.Second, 1500*time.Millisecond)},
		{name: "theirs", runs: runsOf(300<<20, 8*time.Second, 12*time.Second, 9*time.Second)},
		{name: "absent", missing: "not installed: apt-get install it"},
	}
	m := &manifest{Packets: 300_000, FileSize: 150 * mb}
	got := table(contenders, m) + targetList([]target{
		faster(contenders[1], contenders[0], 5),
		faster(contenders[1], contenders[0], 3),
		faster(contenders[1], contenders[0], 50),
		faster(contenders[2], contenders[0], 50),
		smaller("memory", contenders[0], 64<<20),
	})
	want := `
          runs  wall s     min..max  CPU s  peak MiB  MB/s  kpackets/s  times ours    min..max
  ours       3    1.50   1.00..2.00   0.75        40   100         200
  theirs     3    9.00  8.00..12.00   4.50       300    17          33        6.00  6.00..8.00
  absent  not installed: apt-get install it

Targets, by wall time; CPU time suffers less from what else runs. The aim is twice as good.
  speed, theirs                                 target 5x        aim 10x       got 6.00x         met (6.00x by CPU time)
  speed, theirs                                 target 3x        aim 6x        got 6.00x         met, and the aim (6.00x by CPU time)
  speed, theirs                                 target 50x       aim 100x      got 6.00x         missed (6.00x by CPU time)
  speed, absent                                 target 50x       aim 100x      got not measured
  memory                                        target 64 MiB    aim 32 MiB    got 40 MiB        met
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []int64
		want   spread[int64]
	}{
		{[]int64{4}, spread[int64]{4, 4, 4}},
		{[]int64{5, 3}, spread[int64]{4, 3, 5}},
		{[]int64{9, 1, 5}, spread[int64]{5, 1, 9}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("spreadOf(%v) = %+v, want %+v", c.values, got, c.want)
		}
	}
}
