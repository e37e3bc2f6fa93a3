package interop

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// curlCode runs curl through the proxy, and gives the statuses of its request and of
// its CONNECT; the body where that is asked for.
func (l *lab) curlCode(args ...string) (request, connect, body string) {
	l.T.Helper()
	stdout, stderr, _ := l.Try(l.Client, append([]string{
		"curl", "--silent", "--show-error", "--globoff", "--max-time", "30", "--noproxy", "", "--cacert", labtest.Shared.CA, "--proxy", "http://" + proxy4,
		"--write-out", "\n%{http_code} %{http_connect}",
	}, args...)...)
	i := strings.LastIndex(stdout, "\n")
	var codes [2]string
	if n, err := fmt.Sscan(stdout[i+1:], &codes[0], &codes[1]); n != 2 {
		l.T.Fatalf("curl %v: %v, %s, %s", args, err, stdout, stderr)
	}
	return codes[0], codes[1], stdout[:max(i, 0)]
}

// Clients that must log in are told so; the name is told in events, and counts in
// the policy.
func TestLogin(t *testing.T) {
	t.Parallel()
	l := newLab(t, "curl", "htpasswd")
	l.plainWeb()
	file := filepath.Join(l.Dir, "users")
	l.Run(l.Router, "htpasswd", "-B", "-C", "5", "-b", "-c", file, "alice", "secret")
	l.Run(l.Router, "htpasswd", "-B", "-C", "5", "-b", file, "bob", "with:colon")
	w := l.warden(append(explicit(), "--auth", file, "--data", l.File("data.yaml", "sanctioned: {users: [alice]}\n"))...)
	web := "http://" + labtest.WebName + "/small/10"
	for _, c := range []struct {
		name string
		args []string
		ok   bool
	}{
		{"right", []string{"--proxy-user", "alice:secret"}, true},
		{"a colon in the password", []string{"--proxy-user", "bob:with:colon"}, true},
		{"wrong password", []string{"--proxy-user", "alice:wrong"}, false},
		{"unknown user", []string{"--proxy-user", "carol:secret"}, false},
		{"none", nil, false},
		{"a digest", []string{"--proxy-user", "alice:secret", "--proxy-digest"}, false},
	} {
		request, _, body := l.curlCode(append(c.args, web)...)
		_, connect, _ := l.curlCode(append(c.args, "--proxytunnel", web)...)
		if c.ok && (request != "200" || connect != "200" || len(body) != 10) || !c.ok && (request != "407" || connect != "407") {
			t.Errorf("%s: the request has %s, CONNECT %s, the body %d bytes", c.name, request, connect, len(body))
		}
	}
	w.WaitFor("user=carol")
	if n := w.metric(`refused_total{cause="login"}`); n < 4 {
		t.Errorf("%v logins were refused", n)
	}
	// The server is not told the proxy's password.
	v := l.vpn(vpns[0])
	for user, want := range map[string]string{"alice:secret": "log", "bob:with%3Acolon": "drop"} {
		told := w.Told()
		v.call("windows", direct(v), "--proxy", "http://"+user+"@"+proxy4)
		if e := w.closed(told); e.User != strings.Split(user, ":")[0] || e.Decision.Action != want {
			t.Errorf("%s: event %+v, decision %+v", user, e, e.Decision)
		}
	}
}

// Only clients of certain networks are served.
func TestClients(t *testing.T) {
	t.Parallel()
	l := newLab(t, "curl")
	l.plainWeb()
	w := l.warden(append(explicit(), "--allow-client", netlab.Client4b+","+netlab.Client6b)...)
	for address, ok := range map[string]bool{netlab.Client4: false, netlab.Client4b: true, netlab.Client6: false, netlab.Client6b: true} {
		via := proxy4
		if strings.Contains(address, ":") {
			via = proxy6
		}
		stdout, _, err := l.Try(l.Client, "curl", "--silent", "--fail", "--max-time", "30", "--interface", address, "--proxy", "http://"+via, "http://"+labtest.WebName+"/small/10")
		if ok && (err != nil || len(stdout) != 10) || !ok && err == nil {
			t.Errorf("%s: %v, %q", address, err, stdout)
		}
	}
	w.WaitFor("in none of the networks")
	if n := w.metric(`refused_total{cause="client"}`); n != 2 {
		t.Errorf("%v clients were refused", n)
	}
}

// What trusts the proxy's machine, or is it, is out of reach, however it is written.
func TestDestinations(t *testing.T) {
	t.Parallel()
	l := newLab(t, "curl")
	l.plainWeb()
	l.warden(explicit()...)
	canary := []net.Listener{l.Listen(l.Router, ":80")}
	for _, host := range []string{
		"127.0.0.1", "[::1]", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "0.0.0.0", "[::]",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]",
		"224.0.0.1", "255.255.255.255", "[ff02::1]", "168.63.129.16", "100.100.100.200", "[fd00:ec2::254]",
	} {
		for _, spelled := range []bool{false, true} { // by curl, which may write it in another way, and as it is
			request, connect, text := "", "", ""
			if spelled {
				request, connect = l.rawCode(host)
			} else {
				request, _, text = l.curlCode("http://" + host + "/")
				_, connect, _ = l.curlCode("--proxytunnel", "http://"+host+"/")
			}
			// Nobody knows a name that consists of digits.
			name := spelled && slices.Contains([]string{"127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1"}, host)
			if !name && (request != "403" || connect != "403") || name && (request[0] < '4' || connect[0] < '4') {
				t.Errorf("%s (%v): the request has %s, CONNECT %s: %s", host, spelled, request, connect, text)
			}
		}
	}
	for _, host := range []string{netlab.Inside4, netlab.Outside4, "[" + netlab.Inside6 + "]", "[" + netlab.Outside6 + "]"} {
		if request, connect := l.rawCode(host + ":" + explicitPort); request != "403" || connect != "403" {
			t.Errorf("the proxy itself at %s: the request has %s, CONNECT %s", host, request, connect)
		}
	}
	for _, ln := range canary {
		_ = ln.(*net.TCPListener).SetDeadline(past)
		if conn, err := ln.Accept(); err == nil {
			t.Errorf("the proxy connected to its machine, from %s", conn.RemoteAddr())
		}
	}
	// All others are within reach.
	if request, _, _ := l.curlCode("http://" + labtest.WebName + "/small/1"); request != "200" {
		t.Errorf("the server: %s", request)
	}
}

// rawCode asks the proxy for a host as it is written, and gives the statuses.
func (l *lab) rawCode(host string) (request, connect string) {
	l.T.Helper()
	codes := map[string]string{}
	port := ""
	if !strings.HasSuffix(host, ":"+explicitPort) {
		port = ":80"
	}
	for name, text := range map[string]string{
		"GET":     "GET http://" + host + "/ HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
		"CONNECT": "CONNECT " + host + port + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
	} {
		status, _, err := ask(l.connect(proxy4), text)
		if err != nil {
			l.T.Errorf("%s: %v", text, err)
		}
		codes[name] = fmt.Sprint(status)
	}
	return codes["GET"], codes["CONNECT"]
}

// What is out of reach can be allowed, and ports can be listed.
func TestDestinationsAllowed(t *testing.T) {
	t.Parallel()
	l := newLab(t, "curl")
	l.web()
	own := l.Listen(l.Router, "127.0.0.1:80")
	go func() { _ = http.Serve(own, http.HandlerFunc(whoami)) }()
	l.warden(append(explicit(), "--allow-destination", "127.0.0.0/8", "--config", l.File("ports.yaml", "proxy: {destinations: {ports: [80, 8000-9000]}}\n"))...)
	for address, want := range map[string]string{
		"http://127.0.0.1/": "200", "http://localhost/": "200", "http://[::1]/": "403", "http://127.0.0.1:" + explicitPort + "/": "403",
		"http://" + labtest.Web4Name + "/small/1": "200", "http://" + labtest.Web4Name + ":443/": "403",
	} {
		if request, _, _ := l.curlCode(address); request != want {
			t.Errorf("%s: %s, want %s", address, request, want)
		}
	}
	if request, connect, _ := l.curlCode("https://" + labtest.Web4Name + ":8443/small/1"); request != "200" || connect != "200" {
		t.Errorf("port 8443: the request has %s, CONNECT %s", request, connect)
	}
	if _, connect, _ := l.curlCode("https://" + labtest.Web4Name + "/small/1"); connect != "403" {
		t.Errorf("port 443: CONNECT has %s", connect)
	}
}

// Whoever connects to the transparent port itself comes nowhere.
func TestTransparentPortItself(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"redirect", "tproxy"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.web()
			w := l.warden(transparent(mode)...)
			for _, host := range []string{netlab.Inside4, netlab.Inside6, netlab.Outside4} {
				for range 5 {
					conn, err := l.dial(net.JoinHostPort(host, transparentPort))
					if err != nil {
						continue
					}
					if got := endOf(t, conn); got != "" {
						t.Errorf("%s: got %q", host, got)
					}
					_ = conn.Close()
				}
			}
			if n := w.metric(`connections_total{mode="transparent"}`); n > 15 {
				t.Errorf("15 connections became %v: the proxy connects to itself", n)
			}
		})
	}
}

// A proxy that goes through another says there what its client said.
func TestUpstream(t *testing.T) {
	t.Parallel()
	l := newLab(t, "curl", "htpasswd")
	l.web()
	file := filepath.Join(l.Dir, "users")
	l.Run(l.Server, "htpasswd", "-B", "-C", "5", "-b", "-c", file, "proxy", "secret")
	far := l.wardenOn(l.Server, "far", append(explicit(), "--auth", file)...)
	near := l.warden(append(append(explicit(), transparent("tproxy")...), "--upstream", "http://proxy:secret@"+netlab.Server4+":"+explicitPort, "--dry-run")...)
	for _, origin := range []string{"http://" + labtest.WebName, "https://" + labtest.WebName, "https://" + labtest.Web6Name + ":8443"} {
		address := fmt.Sprintf("%s/noise/%d", origin, some)
		for _, via := range []string{"http://" + proxy4, ""} {
			got := l.Run(l.Client, "curl", "--silent", "--show-error", "--fail", "--max-time", "60", "--cacert", labtest.Shared.CA, "--proxy", via, address)
			if got != string(noise()[:some]) {
				t.Errorf("%s via %q: %d bytes came, or others", address, via, len(got))
			}
		}
	}
	status, body, err := ask(l.connect(proxy4), "CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example\r\nSSTPVERSION: 1.0\r\n\r\n")
	if err != nil || status != http.StatusForbidden {
		t.Errorf("the far proxy refuses SSTP, and the client is told %d %s, %v", status, body, err)
	}
	if e := far.closed(0); e.User != "proxy" || e.Decision.Action != "drop" || !e.Decision.Enforced {
		t.Errorf("the far proxy's event %+v, decision %+v", e, e.Decision)
	}
	if e := near.closed(0); e.Decision.Action != "drop" || e.Decision.Enforced {
		t.Errorf("the near proxy's event %+v, decision %+v", e, e.Decision)
	}
}
