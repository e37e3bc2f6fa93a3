package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"sstpwarden/pcaps/netlab"
)

// A vpn is an SSTP server on the lab's server.
type vpn struct {
	lab     *lab
	profile string
	tls     string // the highest version, "1.2" or "1.3"
	host    string
	port    string
	behind  bool // something that need not let a client through
	process *process
	relay   string // an address on the client that leads here by a plain CONNECT
}

func (v *vpn) String() string { return v.profile + " TLS " + v.tls + " port " + v.port }

// serves says whether a client's profile can come to a tunnel with this server:
// windows7 has no TLS 1.2, and mihomo does not send the Call Connected that RRAS
// waits for.
func (v *vpn) serves(client string) bool {
	switch client {
	case "windows7":
		return v.tls == "1.2" && v.profile != "rras"
	case "mihomo":
		return v.profile != "rras"
	}
	return true
}

// vpns are the servers that clients dial, each at an address of its own.
var vpns = []vpn{
	{profile: "softether", tls: "1.3", host: "10.2.0.11", port: "443"},
	{profile: "softether", tls: "1.2", host: "10.2.0.12", port: "4443"},
	{profile: "rras", tls: "1.3", host: "10.2.0.13", port: "8443"},
	{profile: "rras", tls: "1.2", host: "10.2.0.14", port: "443"},
	{profile: "accel", tls: "1.3", host: "fd00:2::15", port: "992"},
	{profile: "mikrotik", tls: "1.2", host: "10.2.0.16", port: "443"},
}

// vpns starts these servers.
func (l *lab) vpns(list ...vpn) []*vpn {
	l.t.Helper()
	var all []*vpn
	for _, v := range list {
		all = append(all, l.vpn(v))
	}
	for _, v := range all {
		v.process.waitFor(`"event":"listening"`)
	}
	return all
}

func (l *lab) vpn(v vpn, more ...string) *vpn {
	l.t.Helper()
	v.lab = l
	prefix := "/24"
	if strings.Contains(v.host, ":") {
		prefix = "/64"
	}
	if err := l.Server.Address(netlab.Uplink, v.host+prefix); err != nil {
		l.t.Fatal(err)
	}
	args := []string{
		sstplab, "serve", "--listen", net.JoinHostPort(v.host, v.port), "--net", "user", "--user", "alice:secret", "--json",
		"--profile", v.profile, "--cert", shared.cert, "--key", shared.key, "--run-as", "root",
	}
	if v.tls == "1.2" {
		args = append(args, "--tls-min", "1.0", "--tls-max", "1.2")
	}
	v.process = l.start(l.Server, "vpn-"+strings.ReplaceAll(v.host, ":", "."), append(args, more...)...)
	return &v
}

// A lab's event of sstplab.
type happening struct {
	Event, Step, Error, User, Version string
	PacketsIn                         int `json:"packets_in"`
	PacketsOut                        int `json:"packets_out"`
}

func happenings(t *testing.T, text string) []happening {
	t.Helper()
	var all []happening
	for line := range strings.Lines(text) {
		var h happening
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "\n") {
			continue
		}
		if err := json.Unmarshal([]byte(line), &h); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, h)
	}
	return all
}

// An outcome is how an attempt to use a tunnel ended.
type outcome struct {
	status        int
	step          string // the client's, at which it failed
	words         string // the client's
	tls           string
	authenticated bool // the client's response has arrived, and was right
	packets       int  // of IP, that came out of the tunnel at either end
	checked       bool // a page came through the tunnel
	reached       bool // the server
}

var failedStep = regexp.MustCompile(`(?m)^sstplab: (\w+): `)

// call dials the server with a program that fetches a page through the tunnel, and
// says how that ended. A server is called by one client at a time.
func (v *vpn) call(profile string, to string, more ...string) outcome {
	l := v.lab
	l.t.Helper()
	begin := len(v.process.text())
	args := append([]string{
		sstplab, "dial", "sstp://alice:secret@" + to, "--json", "--net", "user", "--insecure", "--profile", profile,
		"--check", "http://" + netlab.Server4 + "/small/1000", "--timeout", "30s",
	}, more...)
	stdout, stderr, err := l.try(l.Client, args...)
	o := outcome{status: status(err), words: strings.TrimSpace(stderr)}
	if m := failedStep.FindStringSubmatch(stderr); m != nil {
		o.step = m[1]
	}
	for _, h := range happenings(l.t, stdout) {
		o.packets += h.PacketsIn
		switch h.Event {
		case "tls":
			o.tls, o.reached = h.Version, true
		case "check":
			o.checked = true
		}
	}
	if !o.reached || v.behind {
		return o
	}
	l.eventually(fmt.Sprintf("%s notices the end of the call of %s:\n%s", v, profile, stderr), func() bool {
		for _, h := range happenings(l.t, v.process.text()[begin:]) {
			if h.Event == "failed" || h.Event == "disconnected" {
				return true
			}
		}
		return false
	})
	for _, h := range happenings(l.t, v.process.text()[begin:]) {
		o.packets += h.PacketsIn
		o.authenticated = o.authenticated || h.Event == "authenticated"
	}
	return o
}

// relayed gives an address on the client that leads to the server through the
// explicit proxy, by CONNECTs that do not say what they are for.
func (v *vpn) relayed() string {
	if v.relay != "" {
		return v.relay
	}
	ln := v.lab.listen(v.lab.Client, "127.0.0.1:0")
	v.relay = ln.Addr().String()
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			go v.relayOne(client)
		}
	}()
	return v.relay
}

func (v *vpn) relayOne(client net.Conn) {
	defer client.Close()
	server, err := v.lab.dial(proxy4)
	if err != nil {
		return
	}
	defer server.Close()
	if connectVia(server, net.JoinHostPort(v.host, v.port)) != nil {
		return
	}
	both(client, server)
}

// both copies between two connections until one ends.
func both(a, b net.Conn) {
	go func() {
		_, _ = io.Copy(a, b)
		_ = a.Close()
	}()
	_, _ = io.Copy(b, a)
	_ = b.Close()
}
