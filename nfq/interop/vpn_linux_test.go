package interop

import (
	"cmp"
	"net"
	"strconv"
	"syscall"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// A vpn is an SSTP server of a lab.
type vpn struct {
	*labtest.VPN
	lab    *lab
	inside string // whose page is fetched through the tunnel, "" for the server's
}

// vpn starts a server that has an address of the lab.
func (l *lab) vpn(v labtest.VPN) *vpn {
	l.T.Helper()
	return &vpn{VPN: l.VPN(v), lab: l}
}

// softether is a server that all clients but windows7 get a tunnel of.
func (l *lab) softether(host, port string) *vpn {
	l.T.Helper()
	return l.vpn(labtest.VPN{Profile: "softether", TLS: "1.3", Host: host, Port: port})
}

// call dials the server with a program that fetches a page of so many bytes through the
// tunnel.
func (v *vpn) call(profile string, page int, more ...string) labtest.Call {
	v.lab.T.Helper()
	return v.callFrom(v.lab.Client, v.Address(), profile, page, more...)
}

// callFrom is call from another host, to an address that leads to the server.
func (v *vpn) callFrom(h *netlab.Host, to, profile string, page int, more ...string) labtest.Call {
	v.lab.T.Helper()
	return v.Call(h, profile, to, "http://"+cmp.Or(v.inside, netlab.Server4b)+"/"+strconv.Itoa(page), more...)
}

// A visit is what the server knows of a call.
type visit struct {
	authenticated bool // the client's response has arrived, and was right
	packets       int  // of IP, that came out of the tunnel
}

// visits ends the server, and gives those that there were, by the client's port.
func (v *vpn) visits() map[int]visit {
	v.lab.T.Helper()
	v.Signal(syscall.SIGTERM)
	v.Wait()
	all := map[int]visit{}
	for _, h := range labtest.Happenings(v.lab.T, v.Text()) {
		_, text, _ := net.SplitHostPort(h.Client)
		port, err := strconv.Atoi(text)
		if err != nil {
			continue
		}
		o := all[port]
		o.packets += h.PacketsIn
		o.authenticated = o.authenticated || h.Event == "authenticated"
		all[port] = o
	}
	return all
}
