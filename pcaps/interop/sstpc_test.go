//go:build interop

package interop

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sstpwarden/pcaps/sstpref/profile"
)

// An sstpc is a running sstp-client, which runs pppd.
type sstpc struct {
	*process
	lab   *lab
	pppd  string // pppd's log
	iface string // its interface, once up
}

// only has pppd authenticate by one method.
func only(method string) []string {
	var options []string
	for _, m := range []string{"pap", "chap", "mschap", "mschap-v2", "eap"} {
		if m != method {
			options = append(options, "refuse-"+m)
		}
	}
	return options
}

// sstpcConfig says how to start sstpc; the zero value dials the server as alice.
type sstpcConfig struct {
	server   string // host or host:port
	password string
	options  []string // of sstpc
	ppp      []string // of pppd, one a line
	// plugin has pppd authenticate by itself and its plugin tell sstpc the keys.
	// Else sstpc knows the password and reads along, which it can for PAP and
	// methods with MS-CHAPv2 only.
	plugin bool
}

// sstpc starts sstp-client on the client.
func (l *lab) sstpc(c sstpcConfig) *sstpc {
	l.t.Helper()
	if c.server == "" {
		c.server = serverIPv4
	}
	if c.password == "" {
		c.password = password
	}
	s := &sstpc{lab: l, pppd: filepath.Join(l.dir, "pppd.log")}
	ppp := []string{"noauth", "nodefaultroute", "nobsdcomp", "nodeflate", "debug", "logfile " + s.pppd}
	args := []string{"sstpc", "--log-level", "4", "--log-stderr", "--ipparam", "interop", "--ca-cert", l.certs.ca}
	if c.plugin {
		ppp = append(ppp, "user "+user, "password "+c.password)
	} else {
		args = append(args, "--user", user, "--password", c.password)
	}
	// sstpc has room for few options on pppd's command line.
	options := filepath.Join(l.dir, "pppd.options")
	if err := os.WriteFile(options, []byte(strings.Join(append(ppp, c.ppp...), "\n")+"\n"), 0o644); err != nil {
		l.t.Fatal(err)
	}
	if err := os.RemoveAll(s.pppd); err != nil { // of an earlier one
		l.t.Fatal(err)
	}
	s.process = l.client.start("sstpc", append(append(args, c.options...), c.server, "file", options)...)
	return s
}

var usingInterface = regexp.MustCompile(`(?m)^Using interface (\S+)$`)

// awaitUp waits for IPv4, and routes the office through the tunnel.
func (s *sstpc) awaitUp() {
	s.t.Helper()
	waitForText(s.t, s.pppd, "remote IP address", s.done)
	b, err := os.ReadFile(s.pppd)
	if err != nil {
		s.t.Fatal(err)
	}
	m := usingInterface.FindSubmatch(b)
	if m == nil {
		s.t.Fatal("pppd.log names no interface")
	}
	s.iface = string(m[1])
	// A message of IPCP that was slow is sent again, and takes the interface down for
	// the moment.
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		_, err := s.lab.client.try("ip", "route", "add", officeNet, "dev", s.iface)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			s.t.Fatal(err)
		}
	}
	s.lab.client.run("ip", "-6", "route", "add", officeNetIPv6, "dev", s.iface)
}

// hangUp has pppd end the link, which is how sstpc ends in good order: told to end
// itself, it just closes the connection.
func (s *sstpc) hangUp() {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join("/run", s.iface+".pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
}

// checkGone checks that nothing is left of the tunnel.
func (s *sstpc) checkGone() {
	s.t.Helper()
	s.wait()
	deadline := time.Now().Add(patience)
	for {
		if _, err := s.lab.client.try("ip", "link", "show", s.iface); err != nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the tunnel's interface %s is still there", s.iface)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestSSTPC(t *testing.T) {
	tls12, tls13 := []string{"--tls-max", "1.2"}, []string{"--tls-min", "1.3"}
	for _, test := range []struct {
		name   string
		tls    string // as the server sees it
		method string // as the server calls it
		serve  []string
		client sstpcConfig
	}{
		{name: "tls12_mschapv2", tls: "1.2", method: "mschapv2", serve: tls12, client: sstpcConfig{ppp: only("mschap-v2")}},
		{name: "tls13_mschapv2", tls: "1.3", method: "mschapv2", serve: tls13, client: sstpcConfig{ppp: only("mschap-v2")}},
		{name: "tls12_pap", tls: "1.2", method: "pap", serve: tls12, client: sstpcConfig{ppp: only("pap")}},
		{name: "tls13_pap", tls: "1.3", method: "pap", serve: tls13, client: sstpcConfig{ppp: only("pap")}},
		{name: "ipv6", tls: "1.3", method: "mschapv2", client: sstpcConfig{ppp: only("mschap-v2"), server: "[" + serverIPv6 + "]:443"}},
		{name: "user_stack", tls: "1.3", method: "mschapv2", serve: []string{"--net", "user"}, client: sstpcConfig{ppp: only("mschap-v2")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.client.capture("out")
			serve := l.serve(append([]string{"--auth", test.method}, test.serve...)...)
			c := l.sstpc(test.client)
			serve.checkUp(test.tls, test.method)
			c.awaitUp()
			l.client.ping(poolServer)
			l.client.ping(officeIPv4)
			l.exchange(officeIPv4)
			c.hangUp()
			serve.checkGone()
			c.checkGone()
			serve.stop()
		})
	}
}

// What else pppd can authenticate by, and who computes the keys of the crypto
// binding.
func TestSSTPCMethods(t *testing.T) {
	for _, test := range []struct {
		name, method string
		client       sstpcConfig
	}{
		{name: "mschapv2_plugin", method: "mschapv2", client: sstpcConfig{ppp: only("mschap-v2"), plugin: true}},
		{name: "pap_plugin", method: "pap", client: sstpcConfig{ppp: only("pap"), plugin: true}},
		{name: "chap_md5_plugin", method: "chap-md5", client: sstpcConfig{ppp: only("chap"), plugin: true}},
		{name: "eap_mschapv2", method: "eap-mschapv2", client: sstpcConfig{ppp: only("eap")}},
		{name: "eap_mschapv2_plugin", method: "eap-mschapv2", client: sstpcConfig{ppp: only("eap"), plugin: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.client.capture("out")
			serve := l.serve("--auth", test.method)
			c := l.sstpc(test.client)
			serve.checkUp("", test.method)
			c.awaitUp()
			l.client.ping(officeIPv4)
			c.hangUp()
			serve.checkGone()
		})
	}
}

// A client with a certificate is authenticated. Of the two keys of 32 bytes that
// EAP-TLS gives, pppd before 2.5 keeps 16 bytes each, so what sstpc binds with is
// wrong, and the server has to refuse it.
func TestSSTPCEAPTLS(t *testing.T) {
	l := newLab(t)
	l.client.capture("out")
	version, err := l.client.try("pppd", "--version")
	if err != nil {
		t.Fatal(err)
	}
	serve := l.serve("--auth", "eap-tls", "--client-ca", l.certs.ca)
	c := l.sstpc(sstpcConfig{plugin: true, ppp: append(only("eap"), "ca "+l.certs.ca, "cert "+l.certs.clientCert, "key "+l.certs.clientKey)})
	if !strings.HasPrefix(version, "pppd version 2.4.") {
		serve.checkUp("", "eap-tls")
		c.awaitUp()
		l.client.ping(officeIPv4)
		return
	}
	if e := serve.await("authenticated"); e.User != user || e.Method != "eap-tls" {
		t.Errorf("the server says %s, want user %s by eap-tls", e.Raw, user)
	}
	if e := serve.await("failed"); e.Step != "sstp" || !strings.Contains(e.Raw, "crypto binding") {
		t.Errorf("the server says %s, want step sstp for the crypto binding", e.Raw)
	}
	c.wait()
	l.logHas("sstpc", "Connection was aborted, Value of attribute is incorrect") // STATUS_VALUE_NOT_SUPPORTED
}

// Each server that we behave as serves a client that is not ours.
func TestSSTPCProfiles(t *testing.T) {
	for _, name := range profile.ServerNames() {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.client.capture("out")
			serve := l.serve("--auth", "mschapv2", "--profile", name)
			c := l.sstpc(sstpcConfig{})
			serve.checkUp("", "mschapv2")
			c.awaitUp()
			l.client.ping(officeIPv4)
			c.hangUp()
			serve.checkGone()
		})
	}
}

// IPv6 in the tunnel: an address from the server's prefix, and a way out.
func TestSSTPCIPv6Inside(t *testing.T) {
	for _, net := range []string{"tun", "user"} {
		t.Run(net, func(t *testing.T) {
			l := newLab(t)
			l.client.capture("out")
			serve := l.serve("--net", net, "--pool", poolIPv6)
			c := l.sstpc(sstpcConfig{ppp: []string{"+ipv6"}})
			serve.checkUp("", "")
			c.awaitUp()
			l.client.awaitIPv6(c.iface)
			l.client.ping(officeIPv6)
			l.exchange("[" + officeIPv6 + "]")
		})
	}
}
