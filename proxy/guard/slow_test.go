package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A bubble serves one end of a pipe in a synctest bubble.
type bubble struct {
	*rig
	client net.Conn
	start  time.Time
	done   chan error
	took   time.Duration // until Serve returned
}

func inBubble(t *testing.T, o Options, f func(t *testing.T, b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{rig: &rig{t: t, o: o}, start: time.Now(), done: make(chan error, 1)}
		b.ctx, b.cancel = context.WithCancel(t.Context())
		defer b.cancel()
		b.record()
		server, client := net.Pipe()
		b.client = client
		defer client.Close()
		go func() {
			_, err := Serve(b.ctx, server, b.o)
			b.took = time.Since(b.start)
			b.done <- err
		}()
		f(t, b)
	})
}

// answer reads all that comes back and waits for Serve.
func (b *bubble) answer() (string, error) {
	out, err := io.ReadAll(b.client)
	if err != nil {
		b.t.Error(err)
	}
	return string(out), <-b.done
}

// trickle writes s in pieces of n bytes, one every interval.
func (b *bubble) trickle(s string, n int, interval time.Duration) {
	for len(s) > 0 {
		k := min(n, len(s))
		if _, err := io.WriteString(b.client, s[:k]); err != nil {
			return
		}
		s = s[k:]
		time.Sleep(interval)
	}
}

func TestTimeouts(t *testing.T) {
	const get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	post := func(n int) string {
		return fmt.Sprintf("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", n)
	}
	for _, tt := range []struct {
		name string
		o    Options
		send func(b *bubble)
		want []string // statuses
		took time.Duration
	}{
		{"a silent client", Options{}, func(*bubble) {}, nil, 60 * time.Second},
		{"a silent client between requests", Options{IdleTimeout: 5 * time.Second}, func(b *bubble) {
			time.Sleep(4 * time.Second)
			io.WriteString(b.client, get)
		}, []string{"200"}, 9 * time.Second},
		{"a client that is never idle for long", Options{}, func(b *bubble) {
			b.trickle(strings.Repeat(get, 5), len(get), 59*time.Second)
		}, []string{"200", "200", "200", "200", "200"}, (4*59 + 60) * time.Second},
		{"a line end behind a body", Options{}, func(b *bubble) {
			io.WriteString(b.client, post(1)+"x\r\n")
			b.trickle(get, 5, 8*time.Second)
		}, []string{"200", "408"}, 30 * time.Second},
		{"a line end and no more", Options{}, func(b *bubble) {
			io.WriteString(b.client, post(1)+"x\r\n")
		}, []string{"200"}, 60 * time.Second},
		{"a head of a byte a second", Options{}, func(b *bubble) {
			time.Sleep(50 * time.Second)
			b.trickle(get, 1, 1500*time.Millisecond)
		}, []string{"408"}, 80 * time.Second},
		{"a head of a byte a second behind a request", Options{}, func(b *bubble) {
			io.WriteString(b.client, get)
			b.trickle("GET /", 1, 8*time.Second)
		}, []string{"200", "408"}, 30 * time.Second},
		{"no limits", Options{HeadTimeout: -1, IdleTimeout: -1, MinRate: -1}, func(b *bubble) {
			time.Sleep(time.Hour)
			b.trickle("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", 2, time.Hour)
		}, []string{"200"}, 21 * time.Hour},
		{"a body that does not come", Options{}, func(b *bubble) { io.WriteString(b.client, post(3)+"ab") }, []string{"408"}, 30*time.Second + 4*time.Millisecond},
		{"a body of a byte a second", Options{Grace: 10 * time.Second, MinRate: 2}, func(b *bubble) {
			b.trickle(post(100)+strings.Repeat("x", 100), 1000, 0)
		}, []string{"200"}, 60 * time.Second},
		{"a body of half the rate", Options{Grace: 10250 * time.Millisecond, MinRate: 2}, func(b *bubble) {
			io.WriteString(b.client, post(100))
			b.trickle(strings.Repeat("x", 100), 1, time.Second)
		}, []string{"408"}, 20750 * time.Millisecond},
		{"a body of the rate", Options{Grace: 10 * time.Second, MinRate: 2}, func(b *bubble) {
			io.WriteString(b.client, post(100))
			b.trickle(strings.Repeat("x", 100), 2, time.Second)
		}, []string{"200"}, 49*time.Second + 60*time.Second},
		{"a body that stops after much", Options{Grace: 10 * time.Second, MinRate: 1}, func(b *bubble) {
			io.WriteString(b.client, post(1001)+strings.Repeat("x", 1000))
		}, []string{"408"}, 20 * time.Second},
		{"chunks that do not come", Options{}, func(b *bubble) { io.WriteString(b.client, chunked+"3\r\nabc\r\n") }, []string{"408"}, 30*time.Second + 16*time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.o, func(t *testing.T, b *bubble) {
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					tt.send(b)
				}()
				out, err := b.answer()
				<-sent
				var statuses []string
				for _, r := range responses(t, out) {
					statuses = append(statuses, r[:3])
				}
				if diff := cmp.Diff(tt.want, statuses); diff != "" || err != nil {
					t.Error(err, diff)
				}
				if b.took != tt.took {
					t.Errorf("ended after %v, want %v", b.took, tt.took)
				}
			})
		})
	}
}

// Only waiting for the client counts: a handler may take its time.
func TestSlowHandler(t *testing.T) {
	inBubble(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		one := make([]byte, 1)
		for {
			time.Sleep(25 * time.Second)
			if _, err := req.Body.Read(one); err != nil {
				fmt.Fprint(w, err)
				return
			}
		}
	})}, func(t *testing.T, b *bubble) {
		go io.WriteString(b.client, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0123456789")
		out, err := b.answer()
		if diff := cmp.Diff([]string{"200 EOF"}, responses(t, out)); diff != "" || err != nil {
			t.Error(err, diff)
		}
	})
}

// A client that never reads costs a minute.
func TestClientDoesNotRead(t *testing.T) {
	inBubble(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(make([]byte, 1<<20))
	})}, func(t *testing.T, b *bubble) {
		io.WriteString(b.client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if err := <-b.done; !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "does not read") {
			t.Error(err)
		}
		if b.took != time.Minute {
			t.Errorf("ended after %v", b.took)
		}
	})
}

// One that reads some now and then is served, for hours.
func TestClientReadsSlowly(t *testing.T) {
	inBubble(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			w.Write(make([]byte, 16<<10))
		}
	})}, func(t *testing.T, b *bubble) {
		io.WriteString(b.client, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		total, p := 0, make([]byte, 16<<10)
		for {
			n, err := b.client.Read(p)
			total += n
			if errors.Is(err, io.EOF) {
				break
			}
			time.Sleep(20 * time.Second)
		}
		if err := <-b.done; err != nil || total < 100*16<<10 {
			t.Errorf("read %d bytes; %v", total, err)
		}
	})
}

// When its context ends, an idle connection does, too.
func TestStopIdle(t *testing.T) {
	for _, sent := range []string{"", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"} {
		inBubble(t, Options{}, func(t *testing.T, b *bubble) {
			go func() {
				b.trickle(sent, 5, 0)
				time.Sleep(10 * time.Second)
				b.cancel()
			}()
			if out, err := b.answer(); err != nil || len(responses(t, out)) != len(b.seen) {
				t.Errorf("answered %q; %v", out, err)
			}
			if b.took != 10*time.Second {
				t.Errorf("ended after %v", b.took)
			}
		})
	}
}

// A connection that began when its context was about to end, or had ended, has a moment
// for a first request, and none for a second.
func TestStopFirst(t *testing.T) {
	const request = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, late := range []bool{false, true} {
		for _, sent := range []string{"", request, request + request} {
			inBubble(t, Options{}, func(t *testing.T, b *bubble) {
				b.cancel()
				if late {
					time.Sleep(firstTime / 2)
				}
				go io.WriteString(b.client, sent)
				out, err := b.answer()
				var want []string
				if sent != "" {
					want = []string{"200 GET /a 0"}
				}
				if diff := cmp.Diff(want, responses(t, out)); diff != "" || err != nil {
					t.Error(err, diff)
				}
				if sent == "" && b.took != firstTime {
					t.Errorf("ended after %v", b.took)
				}
			})
		}
	}
}

// A request that has begun is served to its end, one behind it is not.
func TestStopBusy(t *testing.T) {
	for _, begun := range []string{"GET /", "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b"} {
		inBubble(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			time.Sleep(15 * time.Second)
			mirror(w, req)
		})}, func(t *testing.T, b *bubble) {
			go func() {
				io.WriteString(b.client, begun)
				time.Sleep(10 * time.Second)
				b.cancel()
				io.WriteString(b.client, "a HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n")
			}()
			out, err := b.answer()
			if diff := cmp.Diff([]string{"200 GET /a 0"}, responses(t, out)); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}
