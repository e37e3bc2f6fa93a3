package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
	"sstpwarden/pcaps/sstpref/profile"
)

// bulk is the size of a big file.
const bulk = 100 << 20

var bulkSum = sync.OnceValue(func() string { return sumOf(bulk) })

// Origins of the lab's web server.
var (
	plain4  = "http://" + netlab.Server4
	plain6  = "http://[" + netlab.Server6 + "]"
	http2v4 = "https://" + netlab.Server4
	http2v6 = "https://[" + netlab.Server6 + "]"
	http1v4 = "https://" + netlab.Server4b + ":8443"
	http1v6 = "https://[" + netlab.Server6b + "]:8443"
)

// While tunnels are cut, nobody else notices anything.
func TestOthersGoOn(t *testing.T) {
	t.Parallel()
	l := newLab(t, "curl", "wget", "chromium")
	web := l.web()
	w := l.warden(l.Forgetful()...)
	v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.3", Host: netlab.Server4b, Port: "992"})

	var cutting sync.WaitGroup
	var stop atomic.Bool
	var calls, ended int
	cutting.Go(func() { // tunnels between the same addresses as the rest
		for !stop.Load() {
			for _, client := range profile.ClientNames() {
				if !v.Serves(client) {
					continue
				}
				calls++
				switch c := v.call(client, 1000); {
				case c.Status == 1 && (c.Step == "sstp" || c.Step == "lcp"):
					ended++
				case c.Status == 1 && c.Step == "tcp" && strings.Contains(c.Words, "refused"):
					// It came by the port of one that was reset, see TestSamePortAgain.
				default:
					l.T.Errorf("%s: %+v", client, c)
				}
			}
		}
	})
	curl := func(flags ...string) []string {
		return append([]string{"curl", "--silent", "--show-error", "--fail", "--globoff", "--max-time", "50", "--cacert", labtest.Shared.CA}, flags...)
	}
	wget := []string{"wget", "--quiet", "--output-document=-", "--tries=1", "--timeout=30", "--ca-certificate=" + labtest.Shared.CA}
	users := []func() error{
		func() error { return l.browse("home") },
		func() error { return l.fetch(bulk, append(curl("--http1.1"), plain6+bulkPath)...) },
		func() error { return l.fetch(bulk, append(curl("--http2"), http2v4+bulkPath)...) },
		func() error { return l.fetch(bulk, append(curl("--http1.1"), http1v6+bulkPath)...) },
		func() error { return l.fetch(bulk, append(wget, http1v4+bulkPath)...) },
		func() error { // many small ones, each by a connection of its own, then some by one
			for n := range 30 {
				size := int64(1 + n*n*100)
				page := fmt.Sprintf("/%d", size)
				if err := errors.Join(l.fetch(size, append(wget, plain4+page)...), l.fetch(size, append(curl(), http2v6+page)...)); err != nil {
					return err
				}
			}
			many := curl()
			for range 50 {
				many = append(many, http1v4+"/1000")
			}
			stdout, stderr, err := l.Try(l.Client, many...)
			if err != nil || len(stdout) != 50*1000 {
				return fmt.Errorf("50 pages: %w, %d bytes\n%s", err, len(stdout), labtest.Tail(stderr))
			}
			return nil
		},
	}
	var using sync.WaitGroup
	for i, use := range users {
		using.Go(func() {
			if err := use(); err != nil {
				t.Errorf("user %d: %v", i, err)
			}
		})
	}
	tr := l.load(netlab.Client4b, plain4, http2v4, http1v4)
	tr6 := l.load(netlab.Client6, plain6, http2v6, http1v6)
	using.Wait()
	tr.checkAll()
	tr6.checkAll()
	stop.Store(true)
	cutting.Wait()
	t.Logf("%d tunnels of %d were cut beside %d connections to the web server; %d and %d requests of our own", ended, calls, web.taken.Load(), tr.done, tr6.done)
	if n := w.Metric(`nfq_dropped_total{enforced="true"}`); int(n) != ended {
		t.Errorf("%v connections were dropped, of which %d were tunnels", n, ended)
	}
	if n := w.Metric("nfq_queue_overflow_total"); n != 0 {
		t.Errorf("%v packets did not fit into a queue", n)
	}
}

var bulkPath = fmt.Sprintf("/%d", bulk)

// fetch has a program print a page of so many bytes.
func (l *lab) fetch(size int64, args ...string) error {
	stdout, stderr, err := l.Try(l.Client, args...)
	what := strings.Join(args, " ")
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", what, err, labtest.Tail(stderr))
	}
	want := bulkSum
	if size != bulk {
		want = func() string { return sumOf(size) }
	}
	got := sha256.Sum256([]byte(stdout))
	if int64(len(stdout)) != size || hex.EncodeToString(got[:]) != want() {
		return fmt.Errorf("%s: %d bytes of %d, or other ones", what, len(stdout), size)
	}
	return nil
}
