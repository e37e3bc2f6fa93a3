package main

import (
	"testing"
	"time"
)

func TestRecordSpeed(t *testing.T) {
	start := time.Now()
	a, err := newAuthority(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(start))
	total, w := 0, 0
	mean := 0
	for i := range templates {
		c, err := templates[i].record(a, 1)
		if err != nil {
			t.Fatal(err)
		}
		total += c.size()
		w += templates[i].commonly
		mean += c.size() * templates[i].commonly
		t.Logf("%-30s %d bytes %d turns; %v", templates[i].host, c.size(), len(c.turns), func() (s []int) {
			for _, x := range c.turns[:min(7, len(c.turns))] {
				s = append(s, len(x.data))
			}
			return
		}())
	}
	t.Log(total, mean/w, time.Since(start), len(templates))
}
