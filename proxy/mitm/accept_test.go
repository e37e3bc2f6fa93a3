package mitm

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestAlertWatch has records come in pieces.
func TestAlertWatch(t *testing.T) {
	record := func(kind byte, body ...byte) []byte {
		return append([]byte{kind, 3, 3, 0, byte(len(body))}, body...)
	}
	for _, c := range []struct {
		name    string
		records [][]byte
		want    uint8
	}{
		{"nothing", nil, 0},
		{"an alert", [][]byte{record(22, 1, 2, 3), record(21, 2, 48)}, 48},
		{"an alert inside another record", [][]byte{record(22, 21, 3, 3, 0, 2, 2, 48)}, 0},
		{"an encrypted alert", [][]byte{record(21, make([]byte, 26)...)}, 0},
		{"half an alert", [][]byte{record(21, 2, 48)[:6]}, 0},
		{"no alert at all", [][]byte{record(21), record(22), record(21, 1, 90)}, 90},
		{"records behind it", [][]byte{record(21, 2, 46), record(20, 1)}, 46},
	} {
		all := bytes.Join(c.records, nil)
		for cut := range len(all) + 1 {
			var w alertWatch
			w.see(all[:cut])
			w.see(all[cut:])
			if w.alert != c.want {
				t.Errorf("%s, cut at %d: %d, want %d", c.name, cut, w.alert, c.want)
			}
		}
	}
}

// TestAcceptFails has clients that make no handshake.
func TestAcceptFails(t *testing.T) {
	config := ServerConfig(mustLeaf(t, newCATest(t, CreateOptions{}), upstreamOf(host, goodChain()...)), "")
	for _, c := range []struct {
		name   string
		client func(net.Conn)
		want   string
	}{
		{"no TLS", func(c net.Conn) { c.Write([]byte("GET / HTTP/1.1\r\n\r\n")) }, "does not look like a TLS handshake"},
		{"nothing", func(c net.Conn) { io.Copy(io.Discard, c) }, "deadline"},
		{"half a hello", func(c net.Conn) { h := hello(t, 0); c.Write(h[:len(h)/2]); io.Copy(io.Discard, c) }, "deadline"},
		{"other protocols", func(c net.Conn) {
			tls.Client(c, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}).Handshake()
		}, "unsupported versions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			errs := make(chan error, 1)
			addr := serve(t, func(conn net.Conn) {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				_, err := Accept(ctx, conn, config)
				errs <- err
			})
			c.client(dialRaw(t, addr))
			err := <-errs
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "opening TLS of 127.0.0.1:") {
				t.Errorf("%v, want %q", err, c.want)
			}
			if reason, ok := Rejected(err); ok {
				t.Errorf("taken for a rejection: %s", reason)
			}
		})
	}
}
