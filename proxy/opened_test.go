package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

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

// A server may not send more on a connection than may wait for a client.
func TestOpenedWindow(t *testing.T) {
	web, roots := tlsServer(t, true, nil)
	window := make(chan uint32, 1)
	addr := server(t, func(raw *net.TCPConn) {
		defer raw.Close()
		conn := tls.Server(raw, &tls.Config{Certificates: web.TLS.Certificates, NextProtos: []string{"h2"}})
		if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		fr := http2.NewFramer(conn, conn)
		_ = fr.WriteSettings()
		sum := uint32(1<<16 - 1) // RFC 9113, Section 6.9.2
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			if f, ok := f.(*http2.WindowUpdateFrame); ok && f.StreamID == 0 {
				sum += f.Increment
			}
			if f.Header().Type == http2.FrameHeaders {
				window <- sum
				return
			}
		}
	})
	a, pool := authority(t)
	resp, err := through(t, run(t, opening, intercepting(a, roots)), pool, true).Get("https://" + addr)
	if err == nil {
		_ = resp.Body.Close()
	}
	if got := <-window; got > maxDownload+1<<16 {
		t.Errorf("the server may send %d bytes", got)
	}
}
