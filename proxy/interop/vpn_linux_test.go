package interop

import (
	"fmt"
	"io"
	"net"
	"strings"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// A vpn is an SSTP server of a lab.
type vpn struct {
	*labtest.VPN
	lab    *lab
	behind bool   // something that need not let a client through
	relay  string // an address on the client that leads here by a plain CONNECT
}

// vpns are the servers that clients dial, each at an address of its own.
var vpns = []labtest.VPN{
	{Profile: "softether", TLS: "1.3", Host: "10.2.0.11", Port: "443"},
	{Profile: "softether", TLS: "1.2", Host: "10.2.0.12", Port: "4443"},
	{Profile: "rras", TLS: "1.3", Host: "10.2.0.13", Port: "8443"},
	{Profile: "rras", TLS: "1.2", Host: "10.2.0.14", Port: "443"},
	{Profile: "accel", TLS: "1.3", Host: "fd00:2::15", Port: "992"},
	{Profile: "mikrotik", TLS: "1.2", Host: "10.2.0.16", Port: "443"},
}

// vpns starts these servers.
func (l *lab) vpns(list ...labtest.VPN) []*vpn {
	l.T.Helper()
	var all []*vpn
	for _, v := range list {
		all = append(all, l.vpn(v))
	}
	return all
}

// vpn starts a server at an address that it is given for that.
func (l *lab) vpn(v labtest.VPN) *vpn {
	l.T.Helper()
	prefix := "/24"
	if strings.Contains(v.Host, ":") {
		prefix = "/64"
	}
	if err := l.Server.Address(netlab.Uplink, v.Host+prefix); err != nil {
		l.T.Fatal(err)
	}
	return &vpn{VPN: l.VPN(v), lab: l}
}

// An outcome is how an attempt to use a tunnel ended.
type outcome struct {
	labtest.Call
	authenticated bool // the client's response has arrived, and was right
	packets       int  // of IP, that came out of the tunnel at either end
	reached       bool // the server
}

// call dials the server with a program that fetches a page through the tunnel, and
// says how that ended. A server is called by one client at a time.
func (v *vpn) call(profile string, to string, more ...string) outcome {
	l := v.lab
	l.T.Helper()
	begin := len(v.Text())
	o := outcome{Call: v.Call(l.Client, profile, to, "http://"+netlab.Server4+"/small/1000", more...)}
	o.packets, o.reached = o.Packets, o.TLS != ""
	if !o.reached || v.behind {
		return o
	}
	l.Eventually(fmt.Sprintf("%s notices the end of the call of %s:\n%s", v, profile, o.Words), func() bool {
		for _, h := range labtest.Happenings(l.T, v.Text()[begin:]) {
			if h.Event == "failed" || h.Event == "disconnected" {
				return true
			}
		}
		return false
	})
	for _, h := range labtest.Happenings(l.T, v.Text()[begin:]) {
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
	ln := v.lab.Listen(v.lab.Client, "127.0.0.1:0")
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
	if connectVia(server, net.JoinHostPort(v.Host, v.Port)) != nil {
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
