//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"
)

// Names of the router's entrants.
const (
	inspectorName = "sstpwarden nfq"
	carriedName   = "bare forwarding"
	naiveName     = "naive accept-all queue"
)

// Disciplines of a router.
var routing = []*discipline{
	{title: "Download through the router, 1 connection (TLS)", short: "routed download, 1 connection", unit: "MB/s", each: perGB, scale: 1, against: carriedName, run: downloads(1)},
	{title: "Download through the router, 16 connections", short: "routed download, 16 connections", unit: "MB/s", each: perGB, scale: 1, against: carriedName, run: downloads(16)},
	{title: "New connections through the router, TLS handshake and an HTTP exchange each", short: "routed new connections, TLS", unit: "conn./s", each: perConnection, scale: 1e6, against: carriedName, run: rates(https)},
	{title: "New connections through the router with 100 plain bytes there and back", short: "routed new connections, plain", unit: "conn./s", each: perConnection, scale: 1e6, against: carriedName, run: rates(echoing)},
	{title: "First byte back through the router, after a ClientHello", short: "routed first byte, TLS", unit: "us", against: carriedName, added: true, run: firstBytes(https)},
}

// What is promised of a router.
const (
	minOfCarried     = 0.95
	timesNaive       = 10
	minOfCarriedRate = 0.6
)

// runRouter measures "sstpwarden nfq" on a router in namespaces of this program's
// own.
func (o *options) runRouter(ctx context.Context, w io.Writer) error {
	p := printer{w: w}
	if os.Geteuid() != 0 {
		p.printf("\nThe inspector of queued packets is measured as root only.\n")
		return p.err
	}
	began, before := time.Now(), load()
	if err := o.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sstpwarden-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := newRouter(ctx, o, dir)
	if err != nil {
		return err
	}
	defer func() { _ = r.close() }()
	p.printf("\nA client, a router and a server in namespaces, on %d processors that all share.\n", runtime.NumCPU())
	entrants := []*entrant{
		{name: inspectorName, ours: true, process: true}, {name: carriedName, ours: true}, {name: naiveName, ours: true, process: true},
	}
	for _, e := range entrants {
		e.results = map[string][]result{}
	}
	for round := range r.rounds {
		for i := range entrants {
			if err := r.round(ctx, entrants[(i+round)%len(entrants)]); err != nil {
				return err
			}
		}
	}
	for _, d := range routing {
		p.printf("%s", d.table(entrants))
	}
	p.printf("%s", targetList(routerTargets(entrants)))
	p.printf("%s", noiseOf(before, load(), time.Since(began), contested{entrants, routing}))
	return p.err
}

// round runs an entrant through all disciplines. One table can be there at a time, so
// that each has the router for itself.
func (r *router) round(ctx context.Context, e *entrant) error {
	var err error
	switch e.name {
	case inspectorName:
		e.child, err = r.beginInspector(ctx)
	case naiveName:
		e.child, err = r.beginNaive(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	if e.child != nil {
		defer func() { e.leave(); e.child = nil }()
	}
	for i, d := range routing {
		result, err := r.visit(ctx, e, i)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		e.results[d.title] = append(e.results[d.title], result)
	}
	return nil
}

// visit has a visitor measure an entrant. The entrant's CPU time is that of the whole
// visit, its beginning included.
func (r *router) visit(ctx context.Context, e *entrant, discipline int) (result, error) {
	m, err := e.meter()
	if err != nil {
		return result{}, err
	}
	var out, stderr bytes.Buffer
	cmd := r.lab.Client.Command(ctx, r.self, "visit", r.origin.certFile, r.window.String(), strconv.Itoa(discipline))
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return result{}, fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	var v visited
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		return result{}, err
	}
	whole, err := m.stop(v.Done)
	return result{value: v.Value, done: v.Done, wall: whole.wall, cpu: whole.cpu}, err
}

func routerTargets(entrants []*entrant) []target {
	var all []target
	for _, d := range routing[:2] {
		all = append(all, d.targetOf(entrants, inspectorName, carriedName, minOfCarried), d.targetOf(entrants, inspectorName, naiveName, timesNaive))
	}
	for _, d := range routing[2:4] {
		all = append(all, d.targetOf(entrants, inspectorName, carriedName, minOfCarriedRate))
	}
	return all
}
