package proxy

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/proxy/guard"
)

// Within a request of an opened connection either side may be silent as long as
// one of a tunnel may.
func TestOpenedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times := Timeouts{}.withDefaults()
		o := times.opened()
		o.ErrorLog = log.New(io.Discard, "", 0)
		o.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %v", b, err)
		})
		server, client := net.Pipe()
		defer client.Close()
		done := make(chan error)
		go func() {
			_, err := guard.Serve(t.Context(), server, o)
			done <- err
		}()
		fmt.Fprint(client, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
		for _, chunk := range []string{"2\r\nab\r\n", "2\r\ncd\r\n", "0\r\n\r\n"} {
			time.Sleep(times.Idle)
			fmt.Fprint(client, chunk)
		}
		time.Sleep(times.Stall - time.Second)
		b, err := io.ReadAll(client)
		if !strings.HasPrefix(string(b), "HTTP/1.1 200") || !strings.HasSuffix(string(b), "abcd <nil>") || err != nil {
			t.Errorf("answered %q, %v", b, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
