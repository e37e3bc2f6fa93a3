package netlab

import "errors"

// Addresses of a Routed lab. Client and server have two of each family; inside is
// the router towards the client, outside towards the server.
const (
	Client4  = "10.1.0.2"
	Client6  = "fd00:1::2"
	Client4b = "10.1.0.3"
	Client6b = "fd00:1::3"
	Inside4  = "10.1.0.1"
	Inside6  = "fd00:1::1"
	Outside4 = "10.2.0.1"
	Outside6 = "fd00:2::1"
	Server4  = "10.2.0.2"
	Server6  = "fd00:2::2"
	Server4b = "10.2.0.3"
	Server6b = "fd00:2::3"
)

// Interfaces of a Routed lab.
const (
	Inside  = "inside"  // the router's, towards the client
	Outside = "outside" // the router's, towards the server
	Uplink  = "uplink"  // the client's and the server's
)

// A Routed lab is a client and a server with a router between them, which forwards
// IPv4 and IPv6.
type Routed struct {
	Client, Router, Server *Host
}

// NewRouted makes one.
func NewRouted() (*Routed, error) {
	l := &Routed{}
	if err := l.make(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Routed) make() (err error) {
	for name, h := range map[string]**Host{"client": &l.Client, "router": &l.Router, "server": &l.Server} {
		if *h, err = NewHost(name); err != nil {
			return err
		}
	}
	for _, step := range []func() error{
		func() error { return Join(l.Client, Uplink, l.Router, Inside) },
		func() error { return Join(l.Router, Outside, l.Server, Uplink) },
		func() error {
			return l.Client.Address(Uplink, Client4+"/24", Client6b+"/64", Client4b+"/24", Client6+"/64")
		},
		func() error { return l.Router.Address(Inside, Inside4+"/24", Inside6+"/64") },
		func() error { return l.Router.Address(Outside, Outside4+"/24", Outside6+"/64") },
		func() error {
			return l.Server.Address(Uplink, Server4+"/24", Server6b+"/64", Server4b+"/24", Server6+"/64")
		},
		func() error { return l.Router.Sysctl("ipv4/ip_forward", "1") },
		func() error { return l.Router.Sysctl("ipv6/conf/all/forwarding", "1") },
		func() error { return l.Client.Via(Inside4, Inside6) },
		func() error { return l.Server.Via(Outside4, Outside6) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Close lets go of the hosts.
func (l *Routed) Close() error {
	var errs []error
	for _, h := range []*Host{l.Client, l.Router, l.Server} {
		if h != nil {
			errs = append(errs, h.Close())
		}
	}
	return errors.Join(errs...)
}
