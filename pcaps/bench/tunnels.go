package main

import (
	"context"
	"fmt"
	"strings"
)

const (
	// tunnelRounds is how often a tunnel's throughput is measured.
	tunnelRounds = 7
	// minFrames is what of plain TLS's throughput SSTP's frames must reach, in per
	// cent.
	minFrames = 80
	// framePacket and stackWrite are what one operation of the benchmark sends, in
	// bytes.
	framePacket = 1400
	stackWrite  = 32 << 10
)

// tunnels measures the reference endpoint's throughput: the medians of
// BenchmarkThroughput of pcaps/sstpref, in nanoseconds by name.
func tunnels(ctx context.Context) (map[string]float64, error) {
	return goBench(ctx, "./pcaps/sstpref", "^BenchmarkThroughput$", tunnelRounds)
}

// tunnelTable shows what goes through a tunnel.
func tunnelTable(ns map[string]float64) string {
	var b strings.Builder
	for _, row := range []struct {
		name, what string
		bytes      float64
	}{
		{"tls", "plain TLS, writes of a frame's size", framePacket},
		{"frames", "SSTP frames, a write each", framePacket},
		{"joined", "SSTP frames, joined", framePacket},
		{"user-stack", "TCP in the tunnel, user stack at both ends", stackWrite},
	} {
		if ns[row.name] > 0 {
			fmt.Fprintf(&b, "  %-44s %7.0f MB/s\n", row.what, row.bytes/ns[row.name]*1000)
		}
	}
	return b.String()
}

// tunnelTarget compares frames with plain TLS.
func tunnelTarget(ns map[string]float64) target {
	t := target{what: "SSTP frames, of plain TLS", want: fmt.Sprintf("%d %%", minFrames), got: "not measured"}
	if ns["tls"] > 0 && ns["frames"] > 0 {
		part := ns["tls"] / ns["frames"] * 100
		t.got, t.met = fmt.Sprintf("%.0f %%", part), part >= minFrames
	}
	return t
}
