package rules_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/profile"
	"sstpwarden/rules"
)

// A tap stands between a client and a server, as a proxy does, and keeps the
// chunks that it carries.
type tap struct {
	mu     sync.Mutex
	chunks []inspect.Segment
}

func (t *tap) carry(from, to net.Conn, d inspect.Direction) {
	defer func() { _, _ = from.Close(), to.Close() }() // the other direction ends with it
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		t.mu.Lock()
		t.chunks = append(t.chunks, inspect.Segment{Direction: d, Time: time.Now(), Data: bytes.Clone(b[:n])})
		t.mu.Unlock()
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

// dial opens a connection to addr through the tap.
func (t *tap) dial(ctx context.Context, addr string, wait *sync.WaitGroup) (net.Conn, error) {
	far, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer func() { _ = front.Close() }() // for one connection
	near, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		return nil, err
	}
	middle, err := front.Accept()
	wait.Go(func() { t.carry(middle, far, inspect.ClientToServer) })
	wait.Go(func() { t.carry(far, middle, inspect.ServerToClient) })
	return near, err
}

// A nowhere takes packets.
type nowhere struct{}

func (nowhere) Deliver([]byte) error { return nil }
func (nowhere) Close() error         { return nil }

func toNowhere(sstpref.Up, sstpref.Tunnel) (sstpref.Port, error) { return nowhere{}, nil }

var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	return sstpref.SelfSigned(time.Now(), false, "vpn.example")
})

// record opens a tunnel and gives what was on the wire, with its keys.
func record(t *testing.T, client, server string, version uint16, faults sstpref.Faults) ([]inspect.Segment, *tlskeys.Keys) {
	t.Helper()
	cert, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	cp, err := profile.ClientByName(client)
	if err != nil {
		t.Fatal(err)
	}
	sp, err := profile.ServerByName(server)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := sstpref.NewServer(sstpref.ServerConfig{
		TLS: sstpref.ServerTLS(cert, version, version), Profile: sp,
		Authenticator: pppauth.Authenticator{Password: func(string) (string, bool) { return "secret", true }},
		Assign: func(string) (*sstpref.Lease, error) {
			a := pppref.Addresses{Local: netip.MustParseAddr("10.99.0.1"), Peer: netip.MustParseAddr("10.99.0.2")}
			return &sstpref.Lease{Addresses: a, Carry: toNowhere}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() { _ = srv.Serve(ln) }) // until Shutdown
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var keyLog bytes.Buffer
	x := &tap{}
	s, err := sstpref.Dial(ctx, sstpref.ClientConfig{
		Host: "vpn.example", Insecure: true, MinTLS: version, MaxTLS: version, KeyLog: &keyLog,
		Credentials: pppauth.Credentials{Name: "user", Password: "secret"},
		Profile:     cp, Faults: faults, Carry: toNowhere,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return x.dial(ctx, ln.Addr().String(), &wait)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	<-s.Done()
	_ = srv.Shutdown(ctx) // Serve returns with it
	wait.Wait()
	keys := &tlskeys.Keys{}
	if _, err := keys.AddKeyLog(&keyLog); err != nil {
		t.Fatal(err)
	}
	return x.chunks, keys
}

// TestBeforeLogin has every client dial every server, and wants the tunnel to
// be suspected at the latest with the chunk that holds the client's login: who
// feeds a chunk before passing it on lets no login through. Where lengths show
// less it is the chunk with the first packet of IP.
func TestBeforeLogin(t *testing.T) {
	split := func(sizes ...int) sstpref.Faults { return sstpref.Faults{Split: sizes} }
	// hidden says that lengths show too little: of a client that asks for all at
	// once and waits for nothing, where that is cut, and where lengths show only
	// to the block.
	hidden := func(client, server string, cut bool) bool { return client == "mihomo" && (cut || server == "mikrotik") }
	// late says that they show it only when the tunnel is about to be up: of the
	// same client, where the server joins the Ack and LCP, as these two do.
	late := func(client, server string) bool {
		return client == "mihomo" && (server == "rras" || server == "softether")
	}
	for _, client := range profile.ClientNames() {
		for _, server := range profile.ServerNames() {
			versions := []uint16{tls.VersionTLS12, tls.VersionTLS13}
			switch {
			case client == "windows7":
				versions = []uint16{tls.VersionTLS10}
			case client == "mikrotik", server == "mikrotik":
				versions = versions[:1]
			}
			for _, version := range versions {
				for name, faults := range map[string]sstpref.Faults{"whole": {}, "single bytes": split(1), "3 and 7": split(3, 7)} {
					if hidden(client, server, faults.Split != nil) {
						continue
					}
					t.Run(fmt.Sprintf("%s, %s, %s, %s", client, server, tls.VersionName(version), name), func(t *testing.T) {
						t.Parallel()
						chunks, keys := record(t, client, server, version, faults)
						observe(t, chunks, keys, late(client, server))
					})
				}
			}
		}
	}
}

// observe looks at a recorded tunnel without its keys, and with them to see how
// far it came.
func observe(t *testing.T, chunks []inspect.Segment, keys *tlskeys.Keys, late bool) {
	t.Helper()
	closed := inspector(t).Open(ends, start)
	opened := inspect.NewInspector(inspect.Options{Rules: rules.Default(), Keys: keys, Follow: true}).Open(ends, start)
	for _, chunk := range chunks {
		closed.Feed(chunk)
		if closed.Detection().Verdict == inspect.VerdictSuspected {
			switch p := opened.Observation().PPP; {
			case p == nil:
			case p.IPPackets != [2]uint64{}:
				t.Errorf("after a packet of %q", p.User)
			case !late && (p.User != "" || p.Result != ""):
				t.Errorf("after the login of %q", p.User)
			}
			return
		}
		opened.Feed(chunk)
	}
	d := closed.Detection()
	t.Errorf("%v, score %d %v", d.Verdict, d.Score, names(d))
}
