package sstpref

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref/hello"
	"sstpwarden/pcaps/sstpref/profile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every client with every server by every method that the client does, over TLS 1.2
// and 1.3 (what it has, where it is older): a tunnel comes up, carries a megabyte each
// way, and is ended in good order. A client that sends no Call Connected is thrown out
// by strict servers, and carries all that where they do not ask for the binding.
func TestProfiles(t *testing.T) {
	for _, server := range profile.ServerNames() {
		for _, client := range profile.ClientNames() {
			t.Run(client+" to "+server, func(t *testing.T) {
				t.Parallel()
				cp, err := profile.ClientByName(client)
				if err != nil {
					t.Fatal(err)
				}
				sp, err := profile.ServerByName(server)
				if err != nil {
					t.Fatal(err)
				}
				versions := commonVersions(cp, sp)
				if len(versions) == 0 {
					t.Fatal("no version of TLS in common")
				}
				for _, m := range cp.Methods {
					for _, version := range versions {
						t.Run(m.String()+" "+tls.VersionName(version), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { testTunnel(t, cp, sp, m, version) })
						})
						if cp.NoCallConnected && sp.VerifyBinding {
							lenient := sp
							lenient.VerifyBinding = false
							t.Run(m.String()+" "+tls.VersionName(version)+" unbound", func(t *testing.T) {
								synctest.Test(t, func(t *testing.T) { testTunnel(t, cp, lenient, m, version) })
							})
						}
					}
				}
			})
		}
	}
}

// commonVersions are those of TLS 1.2 and 1.3 that both do; what the client has if it
// is older.
func commonVersions(cp profile.Client, sp profile.Server) []uint16 {
	versions := []uint16{tls.VersionTLS13, tls.VersionTLS12}
	if cp.Hello != "" {
		versions = hello.Versions(cp.Hello)
	}
	return slices.DeleteFunc(versions, func(v uint16) bool { return sp.TLS.MaxVersion != 0 && v > sp.TLS.MaxVersion })
}

func testTunnel(t *testing.T, cp profile.Client, sp profile.Server, m pppauth.Method, version uint16) {
	r := newRig(t, func(c *ServerConfig) {
		c.Profile, c.Methods = sp, []pppauth.Method{m}
		c.TLS = ServerTLS(rigRSA(), version, version)
		c.Authenticator.Certificate, c.Authenticator.ClientCAs = rigClient(), certPool(rigClient())
	})
	s, client, err := r.dial(t.Context(), func(c *ClientConfig) {
		c.Profile, c.MinTLS, c.MaxTLS = cp, version, version
		c.Credentials.Certificate, c.Credentials.Roots = rigClient(), certPool(rigClient())
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, r.log)
	}
	defer s.Close()
	synctest.Wait()
	if cp.NoCallConnected && sp.VerifyBinding {
		<-s.Done() // as with the real ones: nothing binds PPP to TLS
		if want := "cause=\"negotiation timer expired\""; s.Err() == nil || !strings.Contains(r.log.String(), want) {
			t.Errorf("ended with %v, want %s in\n%s", s.Err(), want, r.log)
		}
		if err := r.idle(); err != nil {
			t.Error(err)
		}
		return
	}
	if cp.NoCallConnected {
		if err := client.WritePacket(packet(4, 100, 0)); err != nil { // the server waits for it
			t.Error(err)
		}
		synctest.Wait()
	}
	server := r.inside[rigUser]
	if server == nil {
		t.Fatalf("the server has no tunnel\n%s", r.log)
	}
	server.got = nil
	exchange(t, client, server, 4)
	if err := s.Disconnect(context.Background(), "user request"); err != nil {
		t.Errorf("disconnecting: %v\n%s", err, r.log)
	}
	if err := s.Err(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if err := r.idle(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Log(r.log)
	}
}
