package main

import "testing"

func TestPacedGOGC(t *testing.T) {
	for _, inUse := range []uint64{0, 1 << 20, 4 << 20, 15 << 20, 100 << 20, 1 << 40} {
		percent := pacedGOGC(inUse)
		grows := max(inUse, leastHeap) * uint64(percent) / 100
		most := max(inUse, leastHeap) + spareHeap
		if percent < 100 || grows > most || grows < most-most/50 {
			t.Errorf("with %d in use the heap grows by %d, at %d %%, not %d", inUse, grows, percent, most)
		}
	}
}
