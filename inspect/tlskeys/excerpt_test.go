package tlskeys

import (
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"sstpwarden/inspect/tlswire"

	"github.com/google/go-cmp/cmp"
)

func TestKeyLogFor(t *testing.T) {
	ours, others := strings.Repeat("ab", 32), strings.Repeat("ef", 32)
	short, long := strings.Repeat("cd", 32), strings.Repeat("cd", 48)
	lines := []string{
		"CLIENT_RANDOM " + ours + " " + long,
		"CLIENT_HANDSHAKE_TRAFFIC_SECRET " + ours + " " + short,
		"SERVER_HANDSHAKE_TRAFFIC_SECRET " + ours + " " + long,
		"SERVER_TRAFFIC_SECRET_0 " + ours + " " + short,
	}
	k := &Keys{}
	log := "SERVER_TRAFFIC_SECRET_0 " + others + " " + hex32 + "\n" + strings.ToUpper(lines[3]) + "\n" + strings.Join(lines[:3], "\n") +
		"\nEXPORTER_SECRET " + ours + " " + hex32
	if _, err := k.AddKeyLog(strings.NewReader(log)); err != nil {
		t.Fatal(err)
	}
	random := [32]byte([]byte(strings.Repeat("\xab", 32)))
	want := strings.Join(lines, "\n") + "\n"
	for name, k := range map[string]*Keys{"": k, "derived ": k.Derive()} {
		if diff := cmp.Diff(want, string(k.KeyLogFor(random))); diff != "" {
			t.Errorf("%skeys (-want +got):\n%s", name, diff)
		}
		if got := k.KeyLogFor([32]byte{}); got != nil {
			t.Errorf("%skeys have %q of a connection that is not known", name, got)
		}
	}
}

// What was opened with an RSA key opens with the lines that come of it, and
// the one connection alone.
func TestKeyLogForDerived(t *testing.T) {
	key, err := os.ReadFile("testdata/openssl/rsa.key")
	if err != nil {
		t.Fatal(err)
	}
	recordings := map[string]*recording{}
	for _, name := range []string{"tls11_rsa_ems", "tls12_rsa_session_id", "tls12_rsa_ticket"} {
		recordings[name] = load(t, "openssl/"+name+".txt")
	}
	for name, rec := range recordings {
		t.Run(name, func(t *testing.T) {
			known := &Keys{}
			if err := known.AddRSAKey(key); err != nil {
				t.Fatal(err)
			}
			k := known.Derive()
			for i, records := range rec.connections {
				want := openAll(t, k.NewOpener(), records)
				random := randomOf(t, records)
				lines := string(k.KeyLogFor(random))
				if !strings.HasPrefix(lines, "CLIENT_RANDOM ") || strings.Count(lines, "\n") != 1 {
					t.Fatalf("connection %d: lines %q", i, lines)
				}
				if known.KeyLogFor(random) != nil {
					t.Errorf("connection %d: the keys below were told", i)
				}
				alone := &Keys{}
				if _, err := alone.AddKeyLog(strings.NewReader(lines)); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, openAll(t, alone.NewOpener(), records)); diff != "" {
					t.Errorf("connection %d (-with the RSA key +with its lines):\n%s", i, diff)
				}
			}
			if above := k.Derive().KeyLogFor(randomOf(t, rec.connections[0])); above == nil {
				t.Error("derived keys do not ask those below")
			}
		})
	}
}

// A key that does not fit leaves nothing to hand on.
func TestKeyLogForUnopened(t *testing.T) {
	rec := load(t, "openssl/tls12_rsa_ticket.txt")
	k := &Keys{}
	if err := k.AddRSAKey(pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(serverRSAKey(t)))); err != nil {
		t.Fatal(err)
	}
	if o := k.NewOpener(); openAll(t, o, rec.connections[0]).Errors == nil || o.Opened() {
		t.Error("it was opened")
	}
	if got := k.KeyLogFor(randomOf(t, rec.connections[0])); got != nil {
		t.Errorf("got %q", got)
	}
}

// randomOf is a recorded connection's client random.
func randomOf(t testing.TB, records []taken) [32]byte {
	t.Helper()
	m, _, err := tlswire.ParseMessage(records[0].Fragment)
	if err != nil {
		t.Fatal(err)
	}
	hello, err := tlswire.ParseClientHello(m.Body)
	if err != nil {
		t.Fatal(err)
	}
	return hello.Random
}
