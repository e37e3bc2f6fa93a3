package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// window is for how long throughput and rates are measured at a time.
	window  = time.Second
	workers = 16
	// latencySamples is how many connections a latency is the median of.
	latencySamples = 100
)

// A result is what one entrant did in one round.
type result struct {
	value float64       // MB/s, connections a second, or microseconds
	done  float64       // GB, or connections
	wall  time.Duration // of the measurement
	cpu   time.Duration // of the entrant's processes
}

// A meter reads the CPU time of an entrant over a stretch of time.
type meter struct {
	entrant *entrant
	began   time.Time
	cpu     time.Duration
}

func (e *entrant) meter() (meter, error) {
	cpu, err := e.cpu()
	return meter{e, time.Now(), cpu}, err
}

// stop gives a result without a value.
func (m meter) stop(done float64) (result, error) {
	wall := time.Since(m.began)
	cpu, err := m.entrant.cpu()
	return result{done: done, wall: wall, cpu: cpu - m.cpu}, err
}

// download measures what comes through some connections at the same time. The
// bytes are TLS, of which this program decrypts nothing, unless the proxy opens
// it: then they are files, one after another.
func (a *arena) download(ctx context.Context, e *entrant, connections int) (result, error) {
	var (
		conns   []*tls.Conn
		read    atomic.Int64
		over    atomic.Bool
		readers sync.WaitGroup
		failed  = make(chan error, connections)
	)
	defer func() {
		over.Store(true)
		for _, c := range conns {
			_ = c.NetConn().Close() // in the middle of the download
		}
		readers.Wait()
	}()
	for range connections {
		c, err := e.way.open(ctx, a.peer, https)
		if err != nil {
			return result{}, err
		}
		conns = append(conns, tls.Client(c, e.client))
		if err := conns[len(conns)-1].HandshakeContext(ctx); err != nil {
			return result{}, err
		}
		if err := c.SetDeadline(time.Now().Add(exchangePatience + 4*a.window)); err != nil {
			return result{}, err
		}
	}
	for _, c := range conns {
		readers.Go(func() {
			take := a.takeRecords
			if e.opens {
				take = a.takeFiles
			}
			if err := take(c, &read); !over.Load() {
				failed <- err
			}
		})
	}
	window := a.window
	if e.opens {
		// Mitmproxy passes 4 MB at a time on: they come in bursts of all connections.
		window *= 2
	}
	if err := sleep(ctx, window/5); err != nil {
		return result{}, err
	}
	m, err := e.meter()
	if err != nil {
		return result{}, err
	}
	before := read.Load()
	for read.Load() == before && len(failed) == 0 && time.Since(m.began) < exchangePatience {
		if err := sleep(ctx, window); err != nil {
			return result{}, err
		}
	}
	r, err := m.stop(float64(read.Load()-before) / 1e9)
	r.value = r.done * 1000 / r.wall.Seconds()
	select {
	case err = <-failed:
	default:
		if err == nil && r.done == 0 {
			err = errors.New("nothing came")
		}
	}
	return r, err
}

// takeRecords takes TLS records until there are no more, and counts their bytes.
func (a *arena) takeRecords(c *tls.Conn, read *atomic.Int64) error {
	if err := request(c, a.peer[https], "/records"); err != nil {
		return err
	}
	return count(c.NetConn(), read)
}

// takeFiles takes file after file until there is an error.
func (a *arena) takeFiles(c *tls.Conn, read *atomic.Int64) error {
	r := bufio.NewReader(c)
	for {
		if err := request(c, a.peer[https], "/file"); err != nil {
			return err
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK || response.ContentLength != largeAnswer {
			return fmt.Errorf("%w: status %d, %d bytes", errNotFromPeer, response.StatusCode, response.ContentLength)
		}
		if err := count(response.Body, read); !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// count counts bytes until there are no more.
func count(r io.Reader, read *atomic.Int64) error {
	b := make([]byte, 256<<10)
	for {
		n, err := r.Read(b)
		read.Add(int64(n))
		if err != nil {
			return err
		}
	}
}

// rate measures how many connections a second are opened, used and closed by
// some workers.
func (a *arena) rate(ctx context.Context, e *entrant, s service, length time.Duration) (result, error) {
	m, err := e.meter()
	if err != nil {
		return result{}, err
	}
	var (
		done   atomic.Int64
		group  sync.WaitGroup
		failed = make(chan error, workers)
	)
	for range workers {
		group.Go(func() {
			for time.Since(m.began) < length {
				if err := a.visit(ctx, e, s); err != nil {
					failed <- err
					return
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	r, err := m.stop(float64(done.Load()))
	r.value = r.done / r.wall.Seconds()
	select {
	case err = <-failed:
	default:
	}
	return r, err
}

// visit is one connection: opened, used for a small exchange, closed.
func (a *arena) visit(ctx context.Context, e *entrant, s service) error {
	c, err := e.way.open(ctx, a.peer, s)
	if err != nil {
		return err
	}
	if s == echoing {
		return errors.Join(exchanged(c), c.Close())
	}
	sealed := tls.Client(c, e.client)
	if err := get(sealed, a.peer[https], "/small"); err != nil {
		return errors.Join(err, c.Close())
	}
	_ = sealed.Close() // the other end may have closed too
	return nil
}

// firstByte measures how long it takes, one connection after another, from the
// start until the first byte of the peer comes.
func (a *arena) firstByte(ctx context.Context, e *entrant, s service) (result, error) {
	say := []byte("hello")
	if s == https {
		say = a.hello
	}
	m, err := e.meter()
	if err != nil {
		return result{}, err
	}
	took := make([]time.Duration, latencySamples)
	for i := range took {
		began := time.Now()
		c, err := e.way.open(ctx, a.peer, s)
		if err != nil {
			return result{}, err
		}
		_, err = c.Write(say)
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		took[i] = time.Since(began)
		if err := errors.Join(err, c.Close()); err != nil {
			return result{}, err
		}
	}
	r, err := m.stop(latencySamples)
	r.value = float64(spreadOf(took).median) / 1e3
	return r, err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
