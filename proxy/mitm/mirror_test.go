package mitm

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const host = "vpn.example"

// A case is an upstream as it may be, and what clients make of it.
type mirrorCase struct {
	name  string
	asked string // host unless it is said
	chain []*issuer
	want  Problem
	ours  Problem // through us, if not the same
}

func mirrorCases() []mirrorCase {
	p := testPKI()
	good := func(edit func(*x509.Certificate)) *x509.Certificate {
		t := server(host, host)
		if edit != nil {
			edit(t)
		}
		return t
	}
	byRoot := func(edit func(*x509.Certificate)) []*issuer {
		return []*issuer{sign(good(edit), p.root, ecKey())}
	}
	past := func(t *x509.Certificate) {
		t.NotBefore, t.NotAfter = time.Now().AddDate(-3, 0, 0), time.Now().Add(-time.Hour)
	}
	oldAbove := caTest("old intermediate")
	past(oldAbove)
	old := sign(oldAbove, p.root, ecKey())
	narrowAbove := caTest("narrow intermediate")
	narrowAbove.PermittedDNSDomains, narrowAbove.PermittedDNSDomainsCritical = []string{"other.example"}, true
	narrow := sign(narrowAbove, p.root, ecKey())
	return []mirrorCase{
		{"valid", "", byRoot(nil), ProblemNone, 0},
		{"valid through an intermediate", "", []*issuer{sign(good(nil), p.above, ecKey()), p.above}, ProblemNone, 0},
		{"valid RSA", "", []*issuer{sign(good(nil), p.root, rsaKey())}, ProblemNone, 0},
		{"valid for years", "", byRoot(func(t *x509.Certificate) {
			t.NotBefore, t.NotAfter = time.Now().AddDate(-4, 0, 0), time.Now().AddDate(20, 0, 0)
		}), ProblemNone, 0},
		{"wildcard", "a.vpn.example", byRoot(func(t *x509.Certificate) { t.DNSNames = []string{"*.vpn.example"} }), ProblemNone, 0},
		{"wildcard two levels up", "b.a.vpn.example", byRoot(func(t *x509.Certificate) { t.DNSNames = []string{"*.vpn.example"} }), ProblemName, 0},
		{"address", "127.0.0.1", byRoot(func(t *x509.Certificate) { t.DNSNames, t.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1)} }), ProblemNone, 0},
		{"another address", "127.0.0.1", byRoot(func(t *x509.Certificate) { t.DNSNames, t.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 2)} }), ProblemName, 0},
		{"name for an address", "127.0.0.1", byRoot(nil), ProblemName, 0},
		{"expired", "", byRoot(past), ProblemExpired, 0},
		{"expired and unknown", "", []*issuer{sign(good(past), p.stranger, ecKey())}, ProblemExpired, 0},
		{"not yet valid", "", byRoot(func(t *x509.Certificate) { t.NotBefore = time.Now().Add(48 * time.Hour) }), ProblemExpired, 0},
		{"wrong name", "", byRoot(func(t *x509.Certificate) { t.DNSNames = []string{"www.example"} }), ProblemName, 0},
		{"wrong name and unknown", "", []*issuer{sign(server("www.example", "www.example"), p.stranger, ecKey())}, ProblemName, 0},
		{"common name only", "", byRoot(func(t *x509.Certificate) { t.DNSNames = nil }), ProblemName, 0},
		{"no name", "", byRoot(func(t *x509.Certificate) { t.Subject, t.DNSNames = pkix.Name{}, nil }), ProblemName, 0},
		{"self-signed", "", []*issuer{sign(good(nil), nil, ecKey())}, ProblemUnknownAuthority, 0},
		{"unknown authority", "", []*issuer{sign(good(nil), p.stranger, ecKey()), p.stranger}, ProblemUnknownAuthority, 0},
		{"missing intermediate", "", []*issuer{sign(good(nil), p.above, ecKey())}, ProblemUnknownAuthority, 0},
		// Problems of what stands above the leaf are not in the leaf: it is signed
		// by nobody who is trusted instead.
		{"expired intermediate", "", []*issuer{sign(good(nil), old, ecKey()), old}, ProblemExpired, ProblemUnknownAuthority},
		{"for clients only", "", byRoot(func(t *x509.Certificate) { t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), ProblemOther, ProblemUnknownAuthority},
		{"outside an intermediate's constraints", "", []*issuer{sign(good(nil), narrow, ecKey()), narrow}, ProblemOther, ProblemUnknownAuthority},
	}
}

func (c *mirrorCase) config() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{chain(c.chain...)}}
}

func (c *mirrorCase) host() string {
	if c.asked == "" {
		return host
	}
	return c.asked
}

// through is what a client sees through us.
func (c *mirrorCase) through() Problem {
	if c.ours != ProblemNone {
		return c.ours
	}
	return c.want
}

// TestMirror has one client ask the upstream itself, and through us.
func TestMirror(t *testing.T) {
	a := newCATest(t, CreateOptions{})
	p := testPKI()
	for _, c := range mirrorCases() {
		t.Run(c.name, func(t *testing.T) {
			direct := serveTLS(t, c.config())
			us := (&opener{
				cache:    NewCache(a, CacheOptions{}),
				upstream: direct,
				o:        UpstreamOptions{ServerName: c.host(), Roots: pool(p.root.cert)},
			}).start(t)
			roots := pool(p.root.cert, a.Certificate())
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				there, here := seen(t, direct, c.host(), roots, version), seen(t, us, c.host(), roots, version)
				if got := Classify(there); got != c.want {
					t.Errorf("%s: the upstream shows %v (%v), want %v", tls.VersionName(version), got, there, c.want)
				}
				if got := Classify(here); got != c.through() {
					t.Errorf("%s: we show %v (%v), want %v", tls.VersionName(version), got, here, c.through())
				}
			}
		})
	}
}

// TestMirrorOpenSSL is TestMirror for two programs of another library, which
// take a common name where there is no other.
func TestMirrorOpenSSL(t *testing.T) {
	need(t, "openssl")
	need(t, "curl")
	a := newCATest(t, CreateOptions{})
	p := testPKI()
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, append(EncodePEM(p.root.cert), a.PEM()...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range mirrorCases() {
		t.Run(c.name, func(t *testing.T) {
			direct := serveTLS(t, c.config())
			us := (&opener{
				cache:    NewCache(a, CacheOptions{}),
				upstream: direct,
				o:        UpstreamOptions{ServerName: c.host(), Roots: pool(p.root.cert)},
			}).start(t)
			there, here := openssl(t, direct, c.host(), roots), openssl(t, us, c.host(), roots)
			if there != here && c.ours == ProblemNone {
				t.Errorf("openssl sees %q at the upstream, and %q through us", there, here)
			}
			if (there == "") != (here == "") {
				t.Errorf("openssl sees %q at the upstream, and %q through us", there, here)
			}
			if there, here := curl(t, direct, c.host(), roots), curl(t, us, c.host(), roots); there != here {
				t.Errorf("curl exits with %d at the upstream, and with %d through us", there, here)
			}
		})
	}
}

// openssl gives the class of openssl's error.
func openssl(t *testing.T, addr, name, roots string) string {
	t.Helper()
	check := "-verify_hostname"
	if net.ParseIP(name) != nil {
		check = "-verify_ip"
	}
	cmd := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", addr, "-servername", name, check, name, "-CAfile", roots, "-verify_return_error")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	for text, class := range map[string]string{
		"certificate has expired":         "expired",
		"certificate is not yet valid":    "expired",
		"ostname mismatch":                "name",
		"IP address mismatch":             "name",
		"unable to get local issuer":      "unknown",
		"unable to verify the first":      "unknown",
		"self-signed certificate":         "unknown",
		"unsuitable certificate purpose":  "other",
		"unsupported certificate purpose": "other",
		"permitted subtree violation":     "other",
		"excluded subtree violation":      "other",
	} {
		if strings.Contains(string(out), text) {
			return class
		}
	}
	t.Errorf("openssl: %v\n%s", err, out)
	return "?"
}

// curl gives curl's exit status.
func curl(t *testing.T, addr, name, roots string) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "curl", "-sS", "--noproxy", "*", "--cacert", roots, "--connect-to", "::"+addr, "https://"+name+"/")
	out, err := cmd.CombinedOutput()
	if err == nil {
		if string(out) != "hi\n" {
			t.Errorf("curl got %q", out)
		}
		return 0
	}
	e, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatal(err)
	}
	return e.ExitCode()
}
