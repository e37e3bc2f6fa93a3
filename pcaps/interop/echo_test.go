//go:build interop

package interop

import (
	"testing"
	"time"
)

// silent keeps pppd from filling the silence.
var silent = []string{"lcp-echo-interval", "0"}

// The server asks after its hello interval, sstpc answers, and the tunnel lives on
// (MS-SSTP 3.1.5.2.4).
func TestServerEcho(t *testing.T) {
	l, server, client := connect(t, sstpcConfig{ppp: silent}, "--hello", "2s")
	time.Sleep(9 * time.Second) // some intervals; without an answer it would end after two
	l.logHas("sstpc", "ECHO REQUEST")
	l.client.ping(officeIPv4)
	client.hangUp()
	server.checkGone()
}

// sstpc asks after a minute of silence, which RRAS does not break by an echo of LCP.
func TestClientEcho(t *testing.T) {
	l, server, client := connect(t, sstpcConfig{ppp: silent}, "--hello", "5m", "--profile", "rras")
	time.Sleep(65 * time.Second)
	l.logHas("sstpc", "ECHO REQUEST")
	l.logHas("sstpc", "ECHO REPLY")
	l.client.ping(officeIPv4)
	client.hangUp()
	server.checkGone()
}
