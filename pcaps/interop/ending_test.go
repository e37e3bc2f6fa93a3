//go:build interop

package interop

import (
	"syscall"
	"testing"
	"time"
)

// connect makes a lab with a tunnel of sstpc's that is up.
func connect(t *testing.T, c sstpcConfig, serve ...string) (*lab, *sstplab, *sstpc) {
	t.Helper()
	l := newLab(t)
	l.client.capture("out")
	server := l.serve(append([]string{"--auth", "mschapv2"}, serve...)...)
	client := l.sstpc(c)
	server.checkUp("", "mschapv2")
	client.awaitUp()
	l.client.ping(poolServer)
	return l, server, client
}

// pppd terminates the link (RFC 1661, Section 3.7).
func TestPPPDEnds(t *testing.T) {
	l, server, client := connect(t, sstpcConfig{})
	client.hangUp()
	server.checkGone()
	client.checkGone()
	l.pppdHas("rcvd [LCP TermAck")
	server.stop()
}

// sstpc closes the connection without a word in SSTP or PPP.
func TestSSTPCEnds(t *testing.T) {
	_, server, client := connect(t, sstpcConfig{})
	client.signal(syscall.SIGTERM)
	if e := server.await("failed"); e.Step != "data" || e.User != user {
		t.Errorf("the server says %s, want user %s in step data", e.Raw, user)
	}
	client.checkGone()
	server.stop()
}

func TestServerEnds(t *testing.T) {
	l, server, client := connect(t, sstpcConfig{})
	server.signal(syscall.SIGTERM)
	if e := server.await("disconnected"); e.By != "us" || e.User != user {
		t.Errorf("the server says %s, want user %s by us", e.Raw, user)
	}
	server.await("stopped")
	if status := server.wait(); status != 0 {
		t.Errorf("serve: exit status %d, want 0", status)
	}
	client.checkGone()
	l.logHas("sstpc", "DISCONNECT")
}

// A client that vanishes is given up after two hello intervals (MS-SSTP 3.1.2.1).
func TestClientVanishes(t *testing.T) {
	l, server, _ := connect(t, sstpcConfig{}, "--hello", "2s")
	began := time.Now()
	l.client.run("ip", "link", "set", "out", "down")
	e := server.await("failed")
	seconds(t, "given up", began)
	if e.Step != "data" || e.User != user {
		t.Errorf("the server says %s, want user %s in step data", e.Raw, user)
	}
	server.stop()
}

func TestWrongPassword(t *testing.T) {
	for _, test := range []struct{ name, method, ppp, says string }{
		{"mschapv2", "mschapv2", "mschap-v2", "MS-CHAP authentication failed"},
		{"pap", "pap", "pap", "PAP authentication failed"},
		{"chap_md5", "chap-md5", "chap", "CHAP authentication failed"},
		{"eap_mschapv2", "eap-mschapv2", "eap", "EAP: peer reports authentication failure"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.client.capture("out")
			server := l.serve("--auth", test.method)
			client := l.sstpc(sstpcConfig{password: "wrong", ppp: only(test.ppp), plugin: true})
			e := server.await("refused")
			if e.User != user || e.Reason == "" {
				t.Errorf("the server says %s, want user %s and a reason", e.Raw, user)
			}
			if e := server.await("failed"); e.Step != "authentication" {
				t.Errorf("the server says %s, want step authentication", e.Raw)
			}
			client.wait()
			l.pppdHas(test.says)
			// It is for this client to say who is wrong, not for the server to fail.
			good := l.sstpc(sstpcConfig{ppp: only(test.ppp), plugin: true})
			server.checkUp("", test.method)
			good.awaitUp()
			l.client.ping(poolServer)
		})
	}
}

// pppd is asked to refuse what the server wants.
func TestNoCommonMethod(t *testing.T) {
	l := newLab(t)
	l.client.capture("out")
	server := l.serve("--auth", "mschapv2")
	client := l.sstpc(sstpcConfig{ppp: only("pap")})
	if e := server.await("failed"); e.Step != "lcp" && e.Step != "authentication" {
		t.Errorf("the server says %s, want step lcp or authentication", e.Raw)
	}
	client.wait()
}
