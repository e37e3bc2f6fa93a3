package hello_test

import (
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	utls "github.com/refraction-networking/utls"

	"sstpwarden/inspect/ja4"
	"sstpwarden/inspect/tlswire"
	"sstpwarden/pcaps/sstpref/hello"
)

// record returns the first record that a connection of the client writes.
func record(t *testing.T, name, serverName string, o hello.Options) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	u, err := hello.Client(ours, &utls.Config{InsecureSkipVerify: true}, name, serverName, o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = u.Handshake() // nobody answers
	}()
	defer func() {
		_ = theirs.Close()
		<-done
	}()
	b := make([]byte, tlswire.RecordHeaderLen)
	if _, err := io.ReadFull(theirs, b); err != nil {
		t.Fatal(err)
	}
	b = append(b, make([]byte, int(b[3])<<8|int(b[4]))...)
	if _, err := io.ReadFull(theirs, b[tlswire.RecordHeaderLen:]); err != nil {
		t.Fatal(err)
	}
	return b
}

const handshakeHeaderLen = 4

func parse(t *testing.T, record []byte) *tlswire.ClientHello {
	t.Helper()
	h, err := tlswire.ParseClientHello(record[tlswire.RecordHeaderLen+handshakeHeaderLen:])
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const vpn = "vpn.example.test" // the name in the real captures

// The figures of FACTS.md 4.1 and of real captures, size being the record's without its
// header. Where ja3 is empty, no source gives one.
func TestFingerprints(t *testing.T) {
	only13 := hello.Options{MinVersion: tls.VersionTLS13}
	max12 := hello.Options{MaxVersion: tls.VersionTLS12}
	for _, tt := range []struct {
		name, serverName string
		options          hello.Options
		ja3, ja4         string
		size             int
	}{
		// published for SChannel
		{"windows", vpn, hello.Options{}, "2800f914a7a4ba98aa9df62d316a460c", "t13d201200_2b729b4bf6f3_e24568c0d440", 0},
		{"windows", vpn, max12, "a0e9f5d64349fb13191bc781f81f42e1", "t12d190800_d83cc789557e_7af1ed941c26", 0},

		{"windows7", "n3zz-dc1.sstp-test.net", hello.Options{}, "9a35e493f961ac377f948690b5334a9c", "t10d120300_d94e65cdb899_33a13ba74d1c", 116}, // real capture
		{"windows7", vpn, max12, "9a35e493f961ac377f948690b5334a9c", "t10d120300_d94e65cdb899_33a13ba74d1c", 94 + len(vpn)},

		{"sstpc", "", hello.Options{}, "aa35acccd6b1166fadf958d3b4fb43ce", "t13i301000_9bc4b2584674_d41ae481755e", 512}, // FACTS 4.1
		{"sstpc", vpn, hello.Options{}, "3b9cf9a37665ca7a672d4ffabbd6ae0c", "t13d301100_9bc4b2584674_d41ae481755e", 512},
		{"sstpc", "", only13, "c1e58b5fa361cf5bfc0635a61bd8573c", "t13i040900_16476d049b0b_78f1d400d464", 220}, // real captures
		{"sstpc", vpn, only13, "f146948b4a599d4d7ddf071b74696983", "t13d041000_16476d049b0b_78f1d400d464", 245},
		{"sstpc", "", max12, "7acae02cc3219037bac12be28d2b1523", "t12i270600_d660a41a3e0e_e7e480e5a997", 181},
		{"sstpc", vpn, max12, "fbe77b849c381f0cef4c98f74e192946", "t12d270700_d660a41a3e0e_e7e480e5a997", 206},

		{"mihomo", "vpn.example", hello.Options{}, "9b7dcdf3f997f1fb7b4409c94cb7ef36", "t13d131100_f57a46bbacb6_ab7e3b40a677", 0}, // FACTS 4.1

		// nobody has published one: these are of this package's own making
		{"osc", vpn, hello.Options{}, "", "t13d171000_5b57614c22b0_86dd91ae2a36", 0},
		{"mikrotik", "", hello.Options{}, "", "t12i070300_b51973a0c31b_fe6cd5f406c1", 0},
	} {
		t.Run(strings.Join([]string{tt.name, tt.serverName, tt.options.String()}, " "), func(t *testing.T) {
			b := record(t, tt.name, tt.serverName, tt.options)
			h := parse(t, b)
			if got := ja4.JA4(h); got != tt.ja4 {
				t.Errorf("JA4 %s, want %s\n%s", got, tt.ja4, ja4.Raw(h))
			}
			if got := ja4.JA3(h); tt.ja3 != "" && got != tt.ja3 {
				t.Errorf("JA3 %s, want %s\n%s", got, tt.ja3, ja4.JA3String(h))
			}
			if got := len(b) - tlswire.RecordHeaderLen; tt.size != 0 && got != tt.size {
				t.Errorf("%d bytes, want %d", got, tt.size)
			}
			if h.ServerName != tt.serverName {
				t.Errorf("name %q, want %q", h.ServerName, tt.serverName)
			}
			if len(h.ALPN) > 0 || len(h.Malformed) > 0 {
				t.Errorf("ALPN %q, malformed %v", h.ALPN, h.Malformed)
			}
		})
	}
}

// Real ClientHellos, each field and extension but for the random values and the keys.
func TestReal(t *testing.T) {
	read := func(file string) *tlswire.ClientHello {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "inspect", "tlswire", "testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Fatal(err)
		}
		h, err := tlswire.ParseClientHello(b)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	windows7, err := hex.DecodeString("03014d61fa0d291c0eebbf4dc0bcb99a44effab2275f594b3729401dcebd6507efe9" +
		"000018002f00350005000ac013c014c009c00a003200380013000401000" +
		"02f0000001b00190000166e337a7a2d6463312e737374702d746573742e6e6574000a0006000400170018000b00020100")
	if err != nil {
		t.Fatal(err)
	}
	win7, err := tlswire.ParseClientHello(windows7)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		options hello.Options
		want    *tlswire.ClientHello
	}{
		{"windows7", hello.Options{}, win7},
		{"sstpc", hello.Options{MinVersion: tls.VersionTLS13}, read("client_hello_sstpc_tls13.hex")},
		{"sstpc", hello.Options{MaxVersion: tls.VersionTLS12}, read("client_hello_sstpc_tls12.hex")},
		{"mihomo", hello.Options{}, read("client_hello_go126.hex")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := parse(t, record(t, tt.name, tt.want.ServerName, tt.options))
			if len(got.SessionID) != len(tt.want.SessionID) {
				t.Errorf("a session identifier of %d bytes, want %d", len(got.SessionID), len(tt.want.SessionID))
			}
			blank := func(h *tlswire.ClientHello) tlswire.ClientHello {
				c := *h
				c.Random, c.SessionID, c.Extensions = [32]byte{}, nil, slices.Clone(h.Extensions)
				for i, e := range c.Extensions {
					if e.Type == tlswire.ExtensionKeyShare {
						c.Extensions[i].Data = make([]byte, len(e.Data))
					}
				}
				return c
			}
			if diff := cmp.Diff(blank(tt.want), blank(got)); diff != "" {
				t.Errorf("ClientHello (-real +ours):\n%s", diff)
			}
		})
	}
}

// RFC 6066, Section 3: without a name there is no server_name, whatever config says.
func TestNoName(t *testing.T) {
	for _, name := range hello.Names() {
		for _, v := range hello.Versions(name) {
			spec, err := hello.Spec(name, "", hello.Options{MaxVersion: v})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range spec.Extensions {
				if _, ok := e.(*utls.SNIExtension); ok {
					t.Errorf("%s: a server_name that nobody gave", name)
				}
			}
			if h := parse(t, record(t, name, "", hello.Options{MaxVersion: v})); h.ServerName != "" {
				t.Errorf("%s: server_name %q", name, h.ServerName)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options hello.Options
		want    uint16 // the newest version that the hello offers
		err     string
	}{
		{"windows", hello.Options{}, tls.VersionTLS13, ""},
		{"windows", hello.Options{MaxVersion: tls.VersionTLS12}, tls.VersionTLS12, ""},
		{"windows", hello.Options{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13}, tls.VersionTLS13, ""},
		{"windows7", hello.Options{MaxVersion: tls.VersionTLS13}, tls.VersionTLS10, ""},
		{"mikrotik", hello.Options{MaxVersion: tls.VersionTLS13}, tls.VersionTLS12, ""},
		{"windows7", hello.Options{MinVersion: tls.VersionTLS12}, 0, "windows7 offers TLS 1.0, and at least TLS 1.2 is wanted"},
		{"mikrotik", hello.Options{MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS13}, 0, "mikrotik offers TLS 1.2, and TLS 1.3 to TLS 1.3"},
		{"sstpc", hello.Options{MaxVersion: tls.VersionTLS11}, 0, "sstpc offers TLS 1.3 or TLS 1.2, and at most TLS 1.1"},
		{"chrome", hello.Options{}, 0, `"chrome": there are windows, windows7, sstpc, osc, mikrotik, mihomo`},
	} {
		spec, err := hello.Spec(tt.name, vpn, tt.options)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s, %v: %v, want %q", tt.name, tt.options, err, tt.err)
			}
			if _, err := hello.Client(nil, &utls.Config{}, tt.name, vpn, tt.options); err == nil {
				t.Errorf("%s, %v: a client without an error", tt.name, tt.options)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s, %v: %v", tt.name, tt.options, err)
			continue
		}
		if spec.TLSVersMax != tt.want || spec.TLSVersMin == 0 || spec.TLSVersMin > spec.TLSVersMax {
			t.Errorf("%s, %v: TLS %#x to %#x, want at most %#x", tt.name, tt.options, spec.TLSVersMin, spec.TLSVersMax, tt.want)
		}
	}
	if got := (hello.Options{}).String(); got != "any version" {
		t.Errorf("no bounds: %q", got)
	}
	if v := hello.Versions("chrome"); v != nil {
		t.Errorf("versions of an unknown client: %v", v)
	}
}

// uTLS writes keys into what it is given: one spec must not know of another.
func TestFresh(t *testing.T) {
	a := parse(t, record(t, "sstpc", vpn, hello.Options{}))
	b := parse(t, record(t, "sstpc", vpn, hello.Options{}))
	x, _ := a.Extension(tlswire.ExtensionKeyShare)
	y, _ := b.Extension(tlswire.ExtensionKeyShare)
	if slices.Equal(x, y) || a.Random == b.Random {
		t.Error("two hellos have the same key or random")
	}
	spec, err := hello.Spec("windows", vpn, hello.Options{})
	if err != nil {
		t.Fatal(err)
	}
	spec.CipherSuites[0] = 0
	if h := parse(t, record(t, "windows", vpn, hello.Options{})); h.CipherSuites[0] == 0 {
		t.Error("changing a spec changed the next one")
	}
}
