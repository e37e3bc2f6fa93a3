package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// testArena is an arena with short measurements.
func testArena(t *testing.T) *arena {
	t.Helper()
	a, err := newArena(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.server.stop)
	a.window, a.rounds = 50*time.Millisecond, 2
	return a
}

func beginBroken(context.Context, *arena, *entrant) (*child, error) {
	return nil, errors.New("broken")
}

// beginRefusing starts a proxy that is none: it knows GET only.
func beginRefusing(ctx context.Context, a *arena, e *entrant) (*child, error) {
	e.way.proxy = a.peer[echoing] // says CONNECT back
	return startChild(ctx, nil, "sleep", "60")
}

func TestContest(t *testing.T) {
	a := testArena(t)
	entrants := []*entrant{
		{name: bareName, ours: true, begin: beginBare},
		{name: directName},
		{name: "broken", begin: beginBroken},
		{name: "refusing", begin: beginRefusing},
		{name: "closed", begin: beginBare, opens: true},
	}
	if err := a.contest(t.Context(), entrants, forwarding, time.Minute); err != nil {
		t.Fatal(err)
	}
	for i, missing := range []string{"", "", "broken", "CONNECT", "did not open TLS"} {
		e := entrants[i]
		if !strings.Contains(e.missing, missing) || (missing == "") != (e.missing == "") {
			t.Errorf("%s: missing %q", e.name, e.missing)
		}
		for _, d := range forwarding {
			results := e.results[d.title]
			if missing != "" {
				if len(results) > 0 {
					t.Errorf("%s has results", e.name)
				}
				continue
			}
			if len(results) != a.rounds {
				t.Errorf("%s, %s: %d results", e.name, d.title, len(results))
			}
			for _, r := range results {
				if r.value <= 0 || r.done <= 0 || r.wall <= 0 {
					t.Errorf("%s, %s: %+v", e.name, d.title, r)
				}
			}
		}
		if e.child != nil {
			select {
			case <-e.child.ended:
			default:
				t.Errorf("%s is still running", e.name)
			}
		}
	}
}

func TestContestOursFails(t *testing.T) {
	a := testArena(t)
	err := a.contest(t.Context(), []*entrant{{name: oursName, ours: true, begin: beginBroken}}, forwarding, time.Minute)
	if err == nil || !strings.Contains(err.Error(), oursName+": broken") {
		t.Errorf("error %v", err)
	}
}

// TestDownloadEnds has a download fail that ends by itself.
func TestDownloadEnds(t *testing.T) {
	a := testArena(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config, err := originConfig(a.origin.certFile, a.origin.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	go serve(l, func(c *net.TCPConn) {
		defer c.Close()
		if _, err := http.ReadRequest(bufio.NewReader(tls.Server(c, config))); err == nil {
			c.Write(applicationRecords(1))
		}
	})
	e := &entrant{name: "ends", way: way{hops: &services{https: l.Addr().String()}}, client: clientConfig(a.origin, false)}
	if _, err := a.download(t.Context(), e, 2); !errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
	e.client = clientConfig(a.origin, true)
	if _, err := a.download(t.Context(), e, 2); err == nil || !strings.Contains(err.Error(), "did not open TLS") {
		t.Errorf("error %v", err)
	}
}

func TestHold(t *testing.T) {
	a := testArena(t)
	for _, used := range []bool{true, false} {
		e := &entrant{name: bareName, ours: true, begin: beginBare}
		if err := a.enter(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		h := &holding{name: bareName, used: used, asked: 60}
		if err := a.hold(t.Context(), e, h); err != nil {
			t.Error(err)
		}
		e.leave()
		if h.held != h.asked || h.with.files < 2*60 || h.with.resident <= 0 || h.with.proportional <= 0 || h.with.peak < h.with.resident {
			t.Errorf("used %v: %+v", used, h)
		}
	}
}

func TestInstalled(t *testing.T) {
	for _, program := range []string{"no-such-program", "/no/such/program"} {
		if _, err := installed(program); err == nil || !strings.Contains(err.Error(), "apt-get install") {
			t.Errorf("%s: error %v", program, err)
		}
	}
	if path, err := installed("sh"); err != nil || !strings.HasSuffix(path, "/sh") {
		t.Errorf("sh: %q, %v", path, err)
	}
}

func TestOptions(t *testing.T) {
	for _, args := range [][]string{{"-only", "nothing"}, {"-rounds", "0"}, {"-program", "/no/such/program"}} {
		if err := dispatch(t.Context(), append(args, "-dir", t.TempDir())); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
