package sink

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A service takes batches.
type service struct {
	*httptest.Server
	mu      sync.Mutex
	batches [][]string
	headers []http.Header
}

// newService answers as answer says; 0 is 200.
func newService(t *testing.T, answer func(request int) int) *service {
	t.Helper()
	v := &service{}
	requests := 0
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		requests++
		v.headers = append(v.headers, r.Header)
		if status := answer(requests); status != 0 {
			if status/100 == 3 {
				w.Header().Set("Location", "http://elsewhere/")
			}
			w.WriteHeader(status)
			io.WriteString(w, "because\x1b[31m")
			return
		}
		records, err := readBatch(r)
		if err != nil {
			t.Error(err)
		}
		v.batches = append(v.batches, records)
	}))
	t.Cleanup(v.Close)
	return v
}

func readBatch(r *http.Request) ([]string, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/logs" || r.Header.Get("Content-Encoding") != "gzip" || r.Header.Get("Content-Type") != "application/json" {
		return nil, fmt.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	body, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if err := json.NewDecoder(body).Decode(&list); err != nil {
		return nil, err
	}
	records := make([]string, len(list))
	for i := range list {
		records[i] = string(list[i])
	}
	return records, nil
}

func always(status int) func(int) int { return func(int) int { return status } }

func (v *service) want(t *testing.T, batches ...[]string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if diff := cmp.Diff(batches, v.batches); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func TestPost(t *testing.T) {
	v := newService(t, always(0))
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := quick(t)
	o.HTTP = HTTPOptions{BatchRecords: 2, Interval: time.Hour, TokenFile: token}
	s := mustOpen(t, v.URL+"/logs", o)
	write(t, s, `{"a":1}`, `{"a":2}`)
	eventually(t, "a batch", func() bool { return s.Written() == 2 })
	if err := os.WriteFile(token, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, s, `{"a":3}`)
	drain(t, s)
	v.want(t, []string{`{"a":1}`, `{"a":2}`}, []string{`{"a":3}`})
	for i, want := range []string{"Bearer first", "Bearer second"} {
		if got := v.headers[i].Get("Authorization"); got != want {
			t.Errorf("request %d: authorization %q", i, got)
		}
	}
	wantCounts(t, s, 3, 0)
}

func TestPostBatchBytes(t *testing.T) {
	v := newService(t, always(0))
	o := quick(t)
	o.HTTP = HTTPOptions{BatchBytes: 10, Interval: time.Hour}
	s := mustOpen(t, v.URL+"/logs", o)
	write(t, s, `"1234"`, `"a record longer than a batch"`)
	drain(t, s)
	v.want(t, []string{`"1234"`}, []string{`"a record longer than a batch"`})
}

func TestPostInterval(t *testing.T) {
	v := newService(t, always(0))
	s := mustOpen(t, v.URL+"/logs", quick(t))
	write(t, s, `1`)
	eventually(t, "a batch that is not full", func() bool { return s.Written() == 1 })
	drain(t, s)
}

// A queue smaller than a batch does not wait for the batch to become full.
func TestPostSmallQueue(t *testing.T) {
	v := newService(t, always(0))
	o := quick(t)
	o.HTTP.Interval, o.Queue, o.Block = time.Hour, 3, true
	s := mustOpen(t, v.URL+"/logs", o)
	for range 10 {
		write(t, s, `1`)
	}
	drain(t, s)
	wantCounts(t, s, 10, 0)
}

// What is no JSON would spoil the batch.
func TestPostNoJSON(t *testing.T) {
	v := newService(t, always(0))
	s := mustOpen(t, v.URL+"/logs", quick(t))
	write(t, s, `{"a":`)
	eventually(t, "a loss", func() bool { return s.Lost() == 1 })
	write(t, s, `1],[2`, `3`)
	drain(t, s)
	wantCounts(t, s, 1, 2)
	if got := fmt.Sprint(v.batches); got != "[[3]]" {
		t.Error(got)
	}
}

func TestPostRetries(t *testing.T) {
	v := newService(t, func(request int) int {
		if request < 4 {
			return http.StatusInternalServerError
		}
		return 0
	})
	s := mustOpen(t, v.URL+"/logs", quick(t))
	write(t, s, `1`)
	drain(t, s)
	v.want(t, []string{"1"})
	wantCounts(t, s, 1, 0)
}

func TestPostGivenUp(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		told   string
	}{
		"server error": {500, `the server answered 500 Internal Server Error: "because\x1b[31m"`},
		"refused":      {400, `the server answered 400 Bad Request`},
		"too large":    {413, `make batches smaller`},
		"forbidden":    {403, `is the token right?`},
		"redirection":  {302, `redirections are not followed: is the right destination "http://elsewhere/"?`},
	} {
		t.Run(name, func(t *testing.T) {
			v := newService(t, always(tt.status))
			o := quick(t)
			o.Retry = 5 * time.Millisecond
			told := make(chan error, 1)
			o.OnError = func(err error) {
				select {
				case told <- err:
				default:
				}
			}
			s := mustOpen(t, strings.Replace(v.URL, "http://", "http://me:secret@", 1)+"/logs", o)
			write(t, s, `1`)
			eventually(t, "a loss", func() bool { return s.Lost() == 1 })
			write(t, s, `1`)
			drain(t, s)
			wantCounts(t, s, 0, 2)
			if err := <-told; strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), tt.told) {
				t.Errorf("told %v", err)
			}
			if tt.status == 400 && len(v.headers) != 2 {
				t.Errorf("%d requests for what is refused for good", len(v.headers))
			}
		})
	}
}

// A token that went away is a failure like others.
func TestPostTokenGone(t *testing.T) {
	v := newService(t, always(0))
	token := filepath.Join(t.TempDir(), "token")
	for content, want := range map[string]bool{"": false, "two words": false, "a\nb": false, "good": true} {
		if err := os.WriteFile(token, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(v.URL+"/logs", Options{HTTP: HTTPOptions{TokenFile: token}})
		if (err == nil) != want {
			t.Errorf("token %q: %v", content, err)
		}
		if err == nil {
			drain(t, s)
		}
	}
	o := quick(t)
	o.HTTP.TokenFile, o.Retry = token, time.Nanosecond
	if err := os.WriteFile(token, []byte("good"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, v.URL+"/logs", o)
	os.Remove(token)
	write(t, s, `1`)
	drain(t, s)
	wantCounts(t, s, 0, 1)
}

// A server that never answers does not keep Close.
func TestPostHangs(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	}))
	defer server.Close()
	defer close(release)
	s := mustOpen(t, server.URL, quick(t))
	write(t, s, `1`)
	<-entered
	write(t, s, `2`)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Close(ctx); err == nil || !strings.Contains(err.Error(), "2 records") {
		t.Errorf("Close: %v", err)
	}
	wantCounts(t, s, 0, 2)
}

// newFlaky is a server that takes every third batch.
func newFlaky(t *testing.T) string {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) % 3 {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 1:
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}
