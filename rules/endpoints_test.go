package rules_test

import (
	"crypto/tls"
	"fmt"
	"sync"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/profile"
	"sstpwarden/pcaps/tap"
	"sstpwarden/rules"
)

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
	only := tap.Versions{Min: version, Max: version}
	session := tap.Session{Client: client, Server: server, Certificate: cert, ClientTLS: only, ServerTLS: only, Faults: faults}
	chunks, keys, err := session.Record(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return chunks, keys
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
