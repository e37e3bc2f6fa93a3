//go:build interop

package interop

import (
	"syscall"
	"testing"
)

// dial starts sstplab's client on the client; to "" is the server as alice.
func (l *lab) dial(to string, args ...string) *sstplab {
	l.t.Helper()
	if to == "" {
		to = target(password, serverIPv4)
	}
	return l.client.sstplab("dial", append([]string{"dial", to, "--ca", l.certs.ca}, args...)...)
}

func target(password, host string) string { return "sstp://" + user + ":" + password + "@" + host }

// Our two ends, in the kernel's network.
func TestDial(t *testing.T) {
	for _, test := range []struct {
		name, to, method string
		dial             []string
	}{
		{name: "default"},
		{name: "tls12_mschapv2", method: "mschapv2", dial: []string{"--tls-max", "1.2", "--auth", "mschapv2"}},
		{name: "pap", method: "pap", dial: []string{"--auth", "pap"}},
		{name: "ipv6", to: target(password, "["+serverIPv6+"]:443")},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.client.capture("out")
			server := l.serve()
			client := l.dial(test.to, append([]string{"--net", "tun", "--route", officeNet}, test.dial...)...)
			server.checkUp("", test.method)
			client.await("up")
			l.client.ping(poolServer)
			l.client.ping(officeIPv4)
			l.exchange(officeIPv4)
			client.stop()
			server.checkGone()
			server.stop()
		})
	}
}

func TestDialServerEnds(t *testing.T) {
	l := newLab(t)
	server := l.serve()
	client := l.dial("", "--net", "tun", "--route", officeNet)
	client.await("up")
	server.checkUp("", "")
	server.stop()
	if e := client.await("disconnected"); e.By != "peer" {
		t.Errorf("the client says %s, want by the peer", e.Raw)
	}
	if status := client.wait(); status != 1 {
		t.Errorf("dial: exit status %d, want 1: the server ended it", status)
	}
}

func TestDialCheck(t *testing.T) {
	for _, net := range []string{"tun", "user"} {
		t.Run(net, func(t *testing.T) {
			l := newLab(t)
			server := l.serve()
			client := l.dial("", "--net", net, "--check", "http://"+officeIPv4+"/100000")
			if status := client.wait(); status != 0 {
				t.Errorf("dial --check: exit status %d, want 0", status)
			}
			server.checkUp("", "")
			server.checkGone()
		})
	}
}

// Without root: the client's stack behind a SOCKS5 and HTTP proxy.
func TestDialSOCKS(t *testing.T) {
	l := newLab(t)
	server := l.serve("--net", "user")
	client := l.dial("", "--net", "user", "--socks", "127.0.0.1:1080")
	server.checkUp("", "")
	client.await("up")
	client.await("proxy_listening")
	l.exchange(officeIPv4, "-x", "socks5h://127.0.0.1:1080")
	l.exchange(officeIPv4, "-x", "http://127.0.0.1:1080")
	client.stop()
	server.checkGone()
}

func TestDialWrongPassword(t *testing.T) {
	l := newLab(t)
	server := l.serve()
	client := l.dial(target("wrong", serverIPv4), "--net", "tun")
	if e := server.await("refused"); e.User != user || e.Reason == "" {
		t.Errorf("the server says %s, want user %s and a reason", e.Raw, user)
	}
	if status := client.wait(); status != 1 {
		t.Errorf("dial: exit status %d, want 1", status)
	}
	l.logHas("dial", "authentication")
}

func TestDialThroughSquid(t *testing.T) {
	l := newProxyLab(t, squidLogin)
	l.client.capture("out")
	server := l.serve()
	client := l.dial("", "--net", "tun", "--route", officeNet, "--proxy", "http://carol:s3same@"+proxyIPv4+":"+proxyPort)
	server.checkUp("", "")
	client.await("up")
	l.client.ping(officeIPv4)
	l.exchange(officeIPv4)
	client.signal(syscall.SIGTERM)
	server.checkGone()
	client.wait()
	server.stop()
	l.checkSquidLog(`(?m)^CONNECT 10\.9\.0\.1:443 200 user=carol version=1\.0 `)
}

func TestDialIPv6Inside(t *testing.T) {
	l := newLab(t)
	l.client.capture("out")
	server := l.serve("--pool", poolIPv6)
	client := l.dial("", "--net", "tun", "--tun", "tunnel", "--route", officeNetIPv6)
	server.checkUp("", "")
	client.await("up")
	l.client.awaitIPv6("tunnel")
	l.client.ping(officeIPv6)
	l.exchange("[" + officeIPv6 + "]")
	client.stop()
	server.checkGone()
}
