package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/profile"
)

// TestProfiles asks the reference server in every profile.
func TestProfiles(t *testing.T) {
	names := map[string]string{"reference": "", "rras": "rras", "softether": "softether", "accel": "accel", "mikrotik": "mikrotik"}
	for _, name := range profile.ServerNames() {
		want, ok := names[name]
		if !ok {
			t.Errorf("profile %s: what is it to be named?", name)
			continue
		}
		for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12, tls.VersionTLS13} {
			p, err := profile.ServerByName(name)
			if err != nil {
				t.Fatal(err)
			}
			if p.TLS.MaxVersion != 0 && version > p.TLS.MaxVersion {
				continue // it has no such TLS
			}
			t.Run(name+" "+tls.VersionName(version), func(t *testing.T) {
				r := ask(t, &Prober{}, Target{Name: "vpn.example", Addr: serve(t, p, version)})
				if r.SSTP != Yes || r.Implementation != want || r.Err != "" {
					t.Errorf("%v %q: %s: %s", r.SSTP, r.Implementation, r.Reason, r.Err)
				}
				if r.TLS == nil || r.TLS.Version != map[uint16]string{tls.VersionTLS10: "TLS 1.0", tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"}[version] {
					t.Errorf("%+v", r.TLS)
				}
				if len(r.Evidence) == 0 || r.Evidence[0].Rule != RuleAnswer || !r.Evidence[0].Proof {
					t.Errorf("%+v", r.Evidence)
				}
			})
		}
	}
}

// serve runs the reference server until the test ends.
func serve(t *testing.T, p profile.Server, version uint16, path ...string) netip.AddrPort {
	t.Helper()
	s, err := sstpref.NewServer(sstpref.ServerConfig{
		TLS:     sstpref.ServerTLS(testCertificate(), version, version),
		Assign:  func(string) (*sstpref.Lease, error) { return nil, errors.New("nobody logs in") },
		Profile: p, Path: strings.Join(path, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(context.Background()), <-served); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// TestProfilesRefuse has the servers asked for a path that they do not have.
func TestProfilesRefuse(t *testing.T) {
	for name, want := range map[string]Answer{"reference": No, "rras": No, "softether": No, "accel": No, "mikrotik": Unclear} {
		t.Run(name, func(t *testing.T) {
			p, err := profile.ServerByName(name)
			if err != nil {
				t.Fatal(err)
			}
			addr := serve(t, p, tls.VersionTLS12, "/elsewhere/")
			if r := ask(t, &Prober{}, Target{Addr: addr}); r.SSTP != want || r.Reason == "" {
				t.Errorf("%v: %s: %s", r.SSTP, r.Reason, r.Err)
			}
		})
	}
}
