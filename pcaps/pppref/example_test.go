package pppref_test

import (
	"fmt"
	"net/netip"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/pppref/pppauth"
)

// Two ends on a wire that loses nothing. A holder whose wire may be slow also calls
// Expire when Deadline says so.
func ExampleLink() {
	now := time.Now()
	var wire [2][][]byte // frames on their way from the client, from the server
	news := func(end string) func(pppref.Event) {
		return func(e pppref.Event) {
			switch e := e.(type) {
			case pppref.Authenticated:
				fmt.Println(end, "authenticated:", e.Name, e.Method)
			case pppref.IPv4Up:
				fmt.Println(end, "up:", e.Local, "to", e.Peer, "DNS", e.DNS)
			case pppref.Down:
				fmt.Println(end, "down:", e.Err)
			}
		}
	}
	methods := []pppauth.Method{pppauth.MSCHAPv2}
	ask := func(t ppp.IPCPAddressType) ppp.Option {
		return ppp.IPCPAddress{Type: t, Addr: netip.IPv4Unspecified()}
	}
	client, err := pppref.NewLink(pppref.Config{
		Role: pppref.Client, LCP: []ppp.Option{ppp.MRU(4091), ppp.MagicNumber(0)}, Methods: methods,
		IPCP: []ppp.Option{ask(ppp.IPAddress), ask(ppp.PrimaryDNS)},
		NewParty: func(m pppauth.Method) (pppauth.Party, error) {
			return pppauth.NewPeer(m, pppauth.Credentials{Name: "alice", Password: "secret"})
		},
		Send:  func(f ppp.Frame) { wire[0] = append(wire[0], f.Append(nil)) },
		Event: news("client"),
	})
	if err != nil {
		panic(err)
	}
	server, err := pppref.NewLink(pppref.Config{
		Role: pppref.Server, LCP: []ppp.Option{ppp.MRU(4091), ppp.MagicNumber(0)}, Methods: methods,
		IPCP: []ppp.Option{ask(ppp.IPAddress)},
		NewParty: func(m pppauth.Method) (pppauth.Party, error) {
			return pppauth.NewAuthenticator(m, pppauth.Authenticator{
				Password: func(name string) (string, bool) { return "secret", name == "alice" },
			})
		},
		Assign: func(string) (pppref.Addresses, error) {
			dns := []netip.Addr{netip.MustParseAddr("9.9.9.9")}
			return pppref.Addresses{Local: netip.MustParseAddr("10.0.0.1"), Peer: netip.MustParseAddr("10.0.0.2"), DNS: dns}, nil
		},
		Send:  func(f ppp.Frame) { wire[1] = append(wire[1], f.Append(nil)) },
		Event: news("server"),
	})
	if err != nil {
		panic(err)
	}
	carry := func() {
		for len(wire[0])+len(wire[1]) > 0 {
			for i, to := range []*pppref.Link{server, client} {
				if len(wire[i]) == 0 {
					continue
				}
				octets := wire[i][0]
				wire[i] = wire[i][1:]
				if f, err := ppp.ParseFrame(octets); err == nil {
					to.Receive(now, f)
				}
			}
		}
	}
	server.Open(now)
	client.Open(now)
	carry()
	client.Close(now, "done")
	carry()
	server.LowerDown(now)

	// Output:
	// server authenticated: alice mschapv2
	// client authenticated: alice mschapv2
	// server up: 10.0.0.1 to 10.0.0.2 DNS [9.9.9.9]
	// client up: 10.0.0.2 to 10.0.0.1 DNS [9.9.9.9]
	// client down: <nil>
	// server down: ppp: terminated by peer: the peer ended LCP, saying "done"
}
