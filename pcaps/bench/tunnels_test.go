package main

import (
	"strings"
	"testing"
)

func TestTunnels(t *testing.T) {
	ns, err := benchmarks([]byte(`BenchmarkThroughput/tls-2         	  166372	      8000 ns/op	 183.81 MB/s
BenchmarkThroughput/frames-2      	   82540	     10000 ns/op	 110.92 MB/s
BenchmarkThroughput/user-stack-16 	    5168	    327680 ns/op	  57.81 MB/s
`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `  plain TLS, writes of a frame's size              175 MB/s
  SSTP frames, a write each                        140 MB/s
  TCP in the tunnel, user stack at both ends       100 MB/s
`
	if got := tunnelTable(ns); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := targetList([]target{tunnelTarget(ns), tunnelTarget(nil)}); !strings.Contains(got, "got 80 %") || !strings.Contains(got, "got not measured") {
		t.Errorf("got\n%s", got)
	}
	ns["frames"]++
	if tunnelTarget(ns).met {
		t.Error("less than the target is met")
	}
}
