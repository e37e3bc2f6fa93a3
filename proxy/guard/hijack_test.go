package guard

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// What was sent early reaches a hijacker, and the connection ends with it.
func TestHijack(t *testing.T) {
	for _, early := range []string{"", "early"} {
		t.Run("early "+early, func(t *testing.T) {
			r := newRig(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, rw, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				if n := rw.Reader.Buffered(); n != 0 {
					t.Errorf("net/http has %d bytes", n)
				}
				io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
				b := make([]byte, len("earlylate"))
				n, err := io.ReadFull(conn, b)
				fmt.Fprintf(conn, "%s %v", b[:n], err)
				// It is not closed: that is not left to handlers.
			})})
			conn := r.dial()
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"+early)
			eventually(t, "the handler answers", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.written) > 0 })
			io.WriteString(conn, "earlylate"[len(early):])
			out, err := io.ReadAll(conn)
			if want := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nearlylate <nil>"; string(out) != want || err != nil {
				t.Errorf("read %q, %v", out, err)
			}
			g := r.told(1)
			if g.errs[0] != nil || g.read[len(g.read)-9:] != "earlylate" || g.written != string(out) {
				t.Errorf("error %v; told %q and %q", g.errs[0], g.read, g.written)
			}
		})
	}
}

// A panic behind a hijack ends the connection, too.
func TestHijackPanic(t *testing.T) {
	r := newRig(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, _, err := w.(http.Hijacker).Hijack(); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	})})
	if out := r.talk(getA); out != "" {
		t.Errorf("read %q", out)
	}
	r.told(1)
}

// An error of Read ends what a hijacker does.
func TestHijackRead(t *testing.T) {
	r := newRig(t, Options{
		Read: func(b []byte) error {
			if string(b) == "bad" {
				return errTest
			}
			return nil
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			if b, err := io.ReadAll(conn); len(b) > 0 || err == nil {
				t.Errorf("read %q, %v", b, err)
			}
		}),
	})
	conn := r.dial()
	io.WriteString(conn, getA+"bad")
	if _, err := io.ReadAll(conn); err != nil {
		t.Log(err) // a reset or an end
	}
	if g := r.told(1); !errors.Is(g.errs[0], errTest) {
		t.Error(g.errs[0])
	}
}
