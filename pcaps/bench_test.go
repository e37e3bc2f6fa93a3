package pcaps_test

import (
	"flag"
	"testing"

	"sstpwarden/pcaps"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
)

var benchCapture = flag.String("capture", "testdata", "capture or folder that BenchmarkRun audits")

// BenchmarkRun audits a capture within the process; `make pgo` takes its
// profile for the build.
func BenchmarkRun(b *testing.B) {
	inputs, err := pcaps.Inputs([]string{*benchCapture})
	if err != nil {
		b.Fatal(err)
	}
	c := pcaps.Config{Rules: rules.Default(), Gate: gate(b), Emit: func(*event.Event) error { return nil }}
	for b.Loop() {
		s, err := pcaps.Run(b.Context(), inputs, c)
		if err != nil || s.Flows == 0 {
			b.Fatalf("%+v, %v", s, err)
		}
		b.SetBytes(int64(s.Bytes))
	}
}
