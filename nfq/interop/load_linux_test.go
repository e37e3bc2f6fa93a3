package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"sstpwarden/pcaps/netlab/labtest"
)

// pause is between requests: they are to be there, and not to take the machine.
const pause = 20 * time.Millisecond

// A traffic is requests that are made one after the other until they are stopped.
type traffic struct {
	lab    *lab
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	done   int       // requests that succeeded
	last   time.Time // when the last one did
	gap    time.Duration
	failed []error
}

// load requests pages of these origins from a client's address, in turn, each by a
// connection of its own.
func (l *lab) load(from string, origins ...string) *traffic {
	ctx, cancel := context.WithCancel(l.T.Context())
	tr := &traffic{lab: l, cancel: cancel, last: time.Now()}
	transport := l.transport(from, 0)
	transport.DisableKeepAlives = true
	client := &http.Client{Timeout: labtest.Patience, Transport: transport}
	tr.wg.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			err := get(ctx, client, fmt.Sprintf("%s/%d", origins[n%len(origins)], 1+n*997%50000))
			tr.mu.Lock()
			switch {
			case err == nil:
				tr.done++
				tr.gap = max(tr.gap, time.Since(tr.last))
				tr.last = time.Now()
			case ctx.Err() == nil:
				tr.failed = append(tr.failed, fmt.Errorf("request %d: %w", n, err))
			}
			tr.mu.Unlock()
			time.Sleep(pause)
		}
	})
	l.T.Cleanup(func() {
		cancel()
		tr.wg.Wait()
	})
	return tr
}

// transport makes connections from an address of the client, and a port; 0 is any.
func (l *lab) transport(from string, port int) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return l.Client.Dial(ctx, address, net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from), Port: port}})
		},
		TLSClientConfig: &tls.Config{RootCAs: labtest.Shared.Pool}, ForceAttemptHTTP2: true,
	}
}

// some waits for some more requests to succeed.
func (tr *traffic) some() {
	tr.lab.T.Helper()
	before := tr.count()
	tr.lab.Eventually("more requests succeed", func() bool { return tr.count() >= before+5 || tr.failures() != nil })
}

func (tr *traffic) count() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.done
}

// longest gives the longest time that no request succeeded in, and begins anew.
func (tr *traffic) longest() time.Duration {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	gap := max(tr.gap, time.Since(tr.last))
	tr.gap = 0
	return gap
}

func (tr *traffic) failures() error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return errors.Join(tr.failed...)
}

// checkAll stops. All requests must have succeeded.
func (tr *traffic) checkAll() {
	tr.lab.T.Helper()
	tr.cancel()
	tr.wg.Wait()
	if err := tr.failures(); err != nil || tr.done == 0 {
		tr.lab.T.Errorf("%d requests succeeded; %v", tr.done, err)
	}
}

func get(ctx context.Context, client *http.Client, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || n != resp.ContentLength) {
		err = fmt.Errorf("%s: %s, %d bytes of %d", address, resp.Status, n, resp.ContentLength)
	}
	return err
}
