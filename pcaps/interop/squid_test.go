//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The proxy's client side. The client has no way to the server but this.
const (
	proxyIPv4       = "10.8.0.1"
	proxyClientIPv4 = "10.8.0.2"
	proxyPort       = "3128"
)

// squidConfig logs what a request's head says of SSTP. %[1]s is the test's
// folder, %[2]s what may be asked for.
const squidConfig = `
http_port ` + proxyIPv4 + `:` + proxyPort + `
%[2]s
http_access deny all
logformat heads %%rm %%ru %%>Hs user=%%un version=%%{SSTPVERSION}>h agent="%%{User-Agent}>h"
access_log stdio:%[1]s/squid-access.log heads
cache_log stdio:/dev/stderr
pid_filename %[1]s/squid.pid
cache deny all
cache_mem 8 MB
pinger_enable off
shutdown_lifetime 0 seconds
coredump_dir /tmp
visible_hostname proxy.example
`

const squidOpen = "http_access allow all"

// squidLogin asks for a password by Basic authentication.
const squidLogin = `
auth_param basic program /bin/sh -c 'while read -r login; do [ "$login" = "carol s3same" ] && echo OK || echo ERR; done'
acl known proxy_auth REQUIRED
http_access allow known`

// newProxyLab makes a lab whose client reaches the server through squid only.
func newProxyLab(t *testing.T, access string) *lab {
	t.Helper()
	l := emptyLab(t)
	l.client, l.server = l.namespace("client"), l.namespace("server")
	proxy := l.namespace("proxy")
	l.link(l.client, "out", []string{proxyClientIPv4 + "/24"}, proxy, "in", []string{proxyIPv4 + "/24"}, oneWay)
	l.link(proxy, "out", []string{clientIPv4 + "/24"}, l.server, "out", []string{serverIPv4 + "/24"}, oneWay)
	l.openOffice()
	config := filepath.Join(l.dir, "squid.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, squidConfig, l.dir, access), 0o644); err != nil {
		t.Fatal(err)
	}
	proxy.start("squid", "squid", "-N", "-f", config).waitFor("Accepting HTTP Socket connections")
	return l
}

// checkLog waits until squid has logged a request like that, which it does when
// it is over.
func (l *lab) checkSquidLog(pattern string) {
	l.t.Helper()
	log := filepath.Join(l.dir, "squid-access.log")
	b, err := os.ReadFile(log)
	if err != nil {
		l.t.Fatal(err)
	}
	if !regexp.MustCompile(pattern).Match(b) {
		l.t.Errorf("squid's log has nothing like %s", pattern)
	}
}

func TestSSTPCThroughSquid(t *testing.T) {
	for _, test := range []struct{ name, access, login, logged string }{
		{"open", squidOpen, "", `(?m)^CONNECT 10\.9\.0\.1:443 200 user=- version=1\.0 agent="sstp-client"$`},
		{"login", squidLogin, "carol:s3same@", `(?m)^CONNECT 10\.9\.0\.1:443 200 user=carol version=1\.0 agent="sstp-client"$`},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newProxyLab(t, test.access)
			l.client.capture("out")
			server := l.serve()
			client := l.sstpc(sstpcConfig{options: []string{"--proxy", "http://" + test.login + proxyIPv4 + ":" + proxyPort}})
			server.checkUp("", "")
			client.awaitUp()
			l.client.ping(officeIPv4)
			l.exchange(officeIPv4)
			client.hangUp()
			server.checkGone()
			client.checkGone()
			server.stop()
			l.checkSquidLog(test.logged)
		})
	}
}
