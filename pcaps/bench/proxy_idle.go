package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// idleTunnels are held at the same time, or as many as the limit of open
	// files lets a proxy hold with two files a tunnel and some besides.
	idleTunnels = 10_000
	spareFiles  = 200
	// idleRest is how long tunnels are idle before memory is read.
	idleRest = 2 * time.Second
	// idleSample is of how many tunnels one is seen to be alive.
	idleSample = 50
)

// A holding is what a proxy takes while it holds idle tunnels.
type holding struct {
	name        string
	used        bool // after TLS and an exchange; else nothing was sent yet
	asked, held int
	wall        time.Duration // until all were open
	with, empty footprint     // with the tunnels, and before
	kernel      int64         // what the kernel's grew by, all ends together
	remark      string
}

// kind says what became of the tunnels before they were idle.
func (h *holding) kind() string {
	if h.used {
		return "used"
	}
	return "silent"
}

// holdAll has proxies hold idle tunnels, each a fresh process.
func (a *arena) holdAll(ctx context.Context, files int) ([]*holding, error) {
	n := min(idleTunnels, (files-spareFiles)/2)
	var all []*holding
	for _, used := range []bool{true, false} {
		for _, e := range forwarders() {
			if e.name != oursName && e.name != bareName && e.name != "squid" {
				continue
			}
			h := &holding{name: e.name, used: used, asked: n}
			all = append(all, h)
			err := a.enter(ctx, e)
			if err == nil && e.missing == "" {
				err = a.hold(ctx, e, h)
				e.leave()
			}
			if err != nil && (e.ours || ctx.Err() != nil) {
				return nil, fmt.Errorf("holding idle tunnels: %s: %w", e.name, err)
			}
			if h.remark = e.missing; err != nil {
				h.remark = err.Error()
			}
		}
	}
	return all, nil
}

// hold opens tunnels until there are enough or one fails, and reads what that
// takes.
func (a *arena) hold(ctx context.Context, e *entrant, h *holding) error {
	var err error
	if h.empty, err = footprintOf(e.child.pid()); err != nil {
		return err
	}
	kernel, err := kernelMemory()
	if err != nil {
		return err
	}
	began := time.Now()
	conns, failed := a.openIdle(ctx, e, h.asked, h.used)
	defer func() {
		for _, c := range conns {
			_ = c.Close() // nothing more is to come
		}
	}()
	h.held, h.wall = len(conns), time.Since(began)
	if err := sleep(ctx, idleRest); err != nil {
		return err
	}
	if h.with, err = footprintOf(e.child.pid()); err != nil {
		return err
	}
	if h.kernel, err = kernelMemory(); err != nil {
		return err
	}
	h.kernel = max(0, h.kernel-kernel)
	if e.admin != "" {
		if err := profile(ctx, e.admin, "heap?gc=1", filepath.Join(a.profiles, fmt.Sprintf("idle-%s.heap.pprof", h.kind()))); err != nil {
			return err
		}
	}
	for i := 0; i < len(conns); i += idleSample {
		if err := alive(conns[i], h.used); err != nil {
			return fmt.Errorf("an idle tunnel is dead: %w", err)
		}
	}
	if failed != nil && h.held == 0 {
		return failed
	}
	return nil
}

// openIdle opens tunnels at the same time, as far as they open.
func (a *arena) openIdle(ctx context.Context, e *entrant, n int, used bool) ([]net.Conn, error) {
	var (
		left   atomic.Int64
		mu     sync.Mutex
		conns  []net.Conn
		failed error
		group  sync.WaitGroup
	)
	left.Store(int64(n))
	for range workers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				c, err := a.openOne(ctx, e, used)
				mu.Lock()
				if err == nil {
					conns = append(conns, c)
				} else {
					failed = err
				}
				mu.Unlock()
				if err != nil {
					left.Store(0)
				}
			}
		})
	}
	group.Wait()
	return conns, failed
}

func (a *arena) openOne(ctx context.Context, e *entrant, used bool) (net.Conn, error) {
	if !used {
		return e.way.open(ctx, a.peer, echoing)
	}
	c, err := e.way.open(ctx, a.peer, https)
	if err != nil {
		return nil, err
	}
	if err := get(tls.Client(c, e.client), a.peer[https], "/hold"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil // what TLS needed is let go; records need not be real any more
}

// alive sends something through a tunnel and has it back.
func alive(c net.Conn, used bool) error {
	if err := c.SetDeadline(time.Now().Add(exchangePatience)); err != nil {
		return err
	}
	if !used {
		return exchanged(c)
	}
	sent := applicationRecord(100)
	if _, err := c.Write(sent); err != nil {
		return err
	}
	back := make([]byte, len(sent))
	if _, err := io.ReadFull(c, back); err != nil {
		return err
	}
	if !bytes.Equal(sent, back) {
		return errNotFromPeer
	}
	return nil
}
