package guard

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A handler may answer before it has read all of a request, and have others read on
// that do not notice. What is left of the body is no request: the next one is
// served where little is left, and else the connection ends.
func TestEarlyResponse(t *testing.T) {
	const length = "Content-Length: %d\r\n\r\n%s"
	const chunked = "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
	little, much := strings.Repeat("x", 1000), strings.Repeat("GET / HTTP/1.1\r\n\r\n", 1<<16)
	next := []string{"200 POST", "200 GET"}
	for _, c := range []struct {
		name, form, body string
		read             int
		want             []string
	}{
		{"length, nothing read", length, little, 0, next},
		{"length, some read", length, little, 10, next},
		{"length, all read", length, little, 1000, next},
		{"chunked, nothing read", chunked, little, 0, next},
		{"chunked, some read", chunked, little, 10, next},
		{"chunked, all read", chunked, little, 1000, next},
		{"length, much left", length, much, 10, next[:1]},
		{"chunked, much left", chunked, much, 10, next[:1]},
	} {
		for _, others := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, ", others ", others), func(t *testing.T) {
				done := make(chan struct{}, 2)
				log := newLog()
				r := newRig(t, Options{ErrorLog: log.Logger, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					_ = http.NewResponseController(w).EnableFullDuplex()
					if req.Method == http.MethodPost {
						_, _ = io.ReadFull(req.Body, make([]byte, c.read))
					}
					if others {
						go func() {
							_, _ = io.Copy(io.Discard, req.Body)
							done <- struct{}{}
						}()
					} else {
						done <- struct{}{}
					}
					fmt.Fprint(w, req.Method)
				})})
				out := r.talk("POST / HTTP/1.1\r\nHost: h\r\n" + fmt.Sprintf(c.form, len(c.body), c.body) + "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
				got := responses(t, out)
				if others && len(c.want) == 1 && len(got) > 0 {
					got = got[:1] // they may have been fast
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
				for range len(r.told(1).seen) {
					<-done
				}
				if told := r.told(1); told.errs[0] != nil || log.String() != "" {
					t.Errorf("served with %v, log %q", told.errs, log.String())
				}
			})
		}
	}
}
