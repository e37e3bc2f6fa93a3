package main

import (
	"context"
	"io"
	"os"
	"runtime"
	"time"
)

const (
	advice = "apt-get install tshark libndpi-bin"

	// What is promised: so many times as fast as each, and no more memory
	// than this, whatever the capture.
	timesNDPI   = 5
	timesTshark = 50
	memoryLimit = 256 << 20
)

// run measures everything and reports.
func (o *options) run(ctx context.Context, w io.Writer) error {
	began := time.Now()
	if err := o.check(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	edge, err := o.edgeCapture(ctx)
	if err != nil {
		return err
	}
	flood, err := o.floodCapture(ctx)
	if err != nil {
		return err
	}
	before, p := load(), printer{w: w}
	p.printf("Whole processes in turn on %d processors, %s/%s.\n\nEdge: %s\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, edge)
	found, err := inspectOnce(ctx, o.program, edge.path, edge.manifest)
	if err != nil {
		return err
	}
	p.printf("  audited: %s\n\n", found)

	onEdge := o.edgeContenders(self, edge.path)
	if err := compete(ctx, onEdge); err != nil {
		return err
	}
	p.printf("%s", table(onEdge, edge.manifest))

	p.printf("\nSYN flood: %s\n", flood)
	if found, err = inspectOnce(ctx, o.program, flood.path, flood.manifest); err != nil {
		return err
	}
	p.printf("  audited: %s\n\n", found)
	onFlood := o.floodContenders(flood.path)
	if err := compete(ctx, onFlood); err != nil {
		return err
	}
	p.printf("%s", table(onFlood, flood.manifest))

	p.printf("\nDecision log, on the edge capture:\n")
	logged := o.logContenders(edge.path)
	if err := compete(ctx, logged); err != nil {
		return err
	}
	p.printf("%s", table(logged, edge.manifest))
	ns, err := decisions(ctx)
	if err != nil {
		return err
	}

	p.printf("\nTunnels over loopback TCP, both ends in one process:\n")
	through, err := tunnels(ctx)
	if err != nil {
		return err
	}
	p.printf("%s", tunnelTable(through))

	ours, ndpi, tshark := onEdge[0], onEdge[4], onEdge[5]
	p.printf("%s", targetList(append([]target{
		faster(ndpi, ours, timesNDPI),
		faster(tshark, ours, timesTshark),
		smaller("peak memory, edge", ours, memoryLimit),
		smaller("peak memory, SYN flood", onFlood[0], memoryLimit),
		logTarget(logged[1], logged[0]),
		logTarget(logged[2], logged[0]),
		tunnelTarget(through),
	}, decisionTargets(ns)...)))
	p.printf("%s", noise(before, load(), append(onEdge, onFlood...), time.Since(began)))
	return p.err
}

func (o *options) edgeContenders(self, path string) []*contender {
	return []*contender{
		{name: "sstpwarden audit", command: []string{o.program, "audit", path}, rounds: o.rounds, warm: true, ours: true},
		{name: "sstpwarden audit --workers 1", command: []string{o.program, "audit", "--workers", "1", path}, rounds: o.rounds, warm: true, ours: true},
		{name: "floor: read", command: []string{self, "floor", "read", path}, rounds: o.rounds, warm: true, ours: true},
		{name: "floor: read and decode (gopacket)", command: []string{self, "floor", "decode", path}, rounds: o.rounds, warm: true, ours: true},
		{name: "ndpiReader -i", command: []string{"ndpiReader", "-i", path}, rounds: o.rounds, warm: true, advice: advice},
		{name: "tshark -T fields -e tls...server_name", command: []string{"tshark", "-r", path, "-T", "fields", "-e", "tls.handshake.extensions_server_name"}, rounds: o.slowRounds, advice: advice},
	}
}

// floodRounds is how often the flood is measured at most, which takes long.
const floodRounds = 3

func (o *options) floodContenders(path string) []*contender {
	return []*contender{
		{name: "sstpwarden audit", command: []string{o.program, "audit", path}, rounds: min(o.rounds, floodRounds), ours: true},
		{name: "sstpwarden audit --workers 1", command: []string{o.program, "audit", "--workers", "1", path}, rounds: min(o.rounds, floodRounds), ours: true},
		{name: "ndpiReader -i", command: []string{"ndpiReader", "-i", path}, rounds: 1, advice: advice},
	}
}
