package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
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
	done   atomic.Int64 // requests that succeeded
	failed error        // why one did not; that was the last

	mu      sync.Mutex
	conns   []net.Conn
	stopped bool
}

// load requests small resources of these web servers from a client's address, in
// turn and on new and old connections.
func (l *lab) load(from string, via *url.URL, urls ...string) *traffic {
	ctx, cancel := context.WithCancel(l.T.Context())
	tr := &traffic{lab: l, cancel: cancel}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	client := &http.Client{Timeout: labtest.Patience, Transport: &http.Transport{
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) { // whose context goes on
			return tr.dial(ctx, address, dialer)
		},
		Proxy: http.ProxyURL(via), TLSClientConfig: &tls.Config{RootCAs: labtest.Shared.Pool}, ForceAttemptHTTP2: true,
	}}
	tr.wg.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if err := get(ctx, client, fmt.Sprintf("%s/small/%d", urls[n%len(urls)], 1+n%5000)); err != nil {
				if ctx.Err() == nil {
					tr.failed = fmt.Errorf("request %d: %w", n, err)
				}
				return
			}
			tr.done.Add(1)
			if n%7 == 0 {
				client.CloseIdleConnections()
			}
			time.Sleep(pause)
		}
	})
	return tr
}

// dial keeps the connection, to be closed at the end: the transport may keep one of
// a request that was given up, and make one for it even later.
func (tr *traffic) dial(ctx context.Context, address string, d net.Dialer) (net.Conn, error) {
	conn, err := tr.lab.Client.Dial(ctx, address, d)
	if err != nil {
		return nil, err
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.stopped {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	tr.conns = append(tr.conns, conn)
	return conn, nil
}

// stop stops, and says whether a request failed.
func (tr *traffic) stop() error {
	tr.cancel()
	tr.wg.Wait()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.stopped = true
	for _, conn := range tr.conns {
		_ = conn.Close()
	}
	return tr.failed
}

// checkAll stops once there were some requests, all of which must have succeeded.
func (tr *traffic) checkAll() {
	tr.lab.T.Helper()
	const few = 20
	ended := make(chan struct{})
	go func() {
		tr.wg.Wait()
		close(ended)
	}()
	for tr.done.Load() < few {
		select {
		case <-ended:
			tr.lab.T.Errorf("%d requests succeeded; %v", tr.done.Load(), tr.failed)
			return
		case <-time.After(pause):
		}
	}
	if err := tr.stop(); err != nil {
		tr.lab.T.Errorf("%d requests succeeded; %v", tr.done.Load(), err)
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
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, resp.Status)
	}
	return nil
}
