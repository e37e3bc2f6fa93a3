package mitm

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func nets(s ...string) []netip.Prefix {
	var p []netip.Prefix
	for _, n := range s {
		p = append(p, netip.MustParsePrefix(n))
	}
	return p
}

// constrained are authorities, and what certificates they may sign.
var constrained = []struct {
	name string
	c    Constraints
	yes  []string
	no   []string
}{
	{"none", Constraints{}, []string{"a.example", "*.a.example", "127.0.0.1", "::1"}, nil},
	{
		"permitted names",
		Constraints{PermitDNS: []string{"corp.example", "LAB.example."}},
		[]string{"corp.example", "a.corp.example", "A.B.CORP.example", "*.corp.example", "x.lab.example"},
		[]string{"example", "mycorp.example", "corp.example.net", "*.example", "127.0.0.1", "::1"},
	},
	{
		"excluded names",
		Constraints{ExcludeDNS: []string{"bank.example", "a.b.example"}},
		[]string{"corp.example", "mybank.example", "127.0.0.1", "b.example", "*.other.example"},
		[]string{"bank.example", "x.bank.example", "*.bank.example", "*.example", "*.b.example", "c.a.b.example"},
	},
	{
		"both names",
		Constraints{PermitDNS: []string{"corp.example"}, ExcludeDNS: []string{"hr.corp.example"}},
		[]string{"corp.example", "a.corp.example"},
		[]string{"hr.corp.example", "a.hr.corp.example", "b.example", "*.corp.example"},
	},
	{
		"permitted networks",
		Constraints{PermitNet: nets("10.0.0.0/8", "127.0.0.0/31")},
		[]string{"10.1.2.3", "127.0.0.1"},
		[]string{"127.0.0.2", "11.0.0.1", "::1", "corp.example"},
	},
	{
		"permitted networks of IPv6",
		Constraints{PermitNet: nets("2001:db8::/32")},
		[]string{"2001:db8::1"},
		[]string{"2001:db9::1", "127.0.0.1", "corp.example"},
	},
	{
		"excluded networks",
		Constraints{ExcludeNet: nets("192.168.0.0/16", "fd00::/8")},
		[]string{"127.0.0.1", "::1", "corp.example"},
		[]string{"192.168.1.1", "fd00::1"},
	},
	{
		"names and networks",
		Constraints{PermitDNS: []string{"corp.example"}, PermitNet: nets("10.0.0.0/8"), ExcludeNet: nets("10.9.0.0/16")},
		[]string{"corp.example", "10.1.2.3"},
		[]string{"b.example", "10.9.1.1", "127.0.0.1", "::1"},
	},
}

// forName is an upstream with one name.
func forName(name string) *issuer {
	t := server("", name)
	if ip := net.ParseIP(name); ip != nil {
		t.DNSNames, t.IPAddresses = nil, []net.IP{ip}
	}
	return sign(t, testPKI().root, ecKey())
}

// concrete is a host that a wildcard stands for.
func concrete(name string) string { return strings.Replace(name, "*", "host", 1) }

// TestConstraints signs certificates that an authority should not, and asks
// clients: what we refuse to sign they refuse, and nothing else.
func TestConstraints(t *testing.T) {
	need(t, "openssl")
	need(t, "curl")
	for _, c := range constrained {
		t.Run(c.name, func(t *testing.T) {
			a := newCATest(t, CreateOptions{Constraints: c.c})
			roots := filepath.Join(t.TempDir(), "roots.pem")
			if err := os.WriteFile(roots, a.PEM(), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, name := range c.yes {
				up := upstreamOf(concrete(name), forName(name))
				leaf, err := a.Leaf(up, "")
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if !a.Allows(name) {
					t.Errorf("%s is not allowed", name)
				}
				addr := serveTLS(t, ServerConfig(leaf, ""))
				if err := seen(t, addr, concrete(name), pool(a.Certificate()), tls.VersionTLS13); err != nil {
					t.Errorf("Go: %s: %v", name, err)
				}
				if status := curl(t, addr, urlHost(name), roots); status != 0 {
					t.Errorf("curl: %s: exit status %d", name, status)
				}
			}
			free := &Authority{key: a.key, cert: a.cert, clock: a.clock} // as with a stolen key
			free.cert = &x509.Certificate{}
			*free.cert = *a.cert
			free.cert.PermittedDNSDomains, free.cert.ExcludedDNSDomains, free.cert.PermittedIPRanges, free.cert.ExcludedIPRanges = nil, nil, nil, nil
			for _, name := range c.no {
				up := upstreamOf(concrete(name), forName(name))
				if up.VerifyErr != nil {
					t.Fatal(up.VerifyErr)
				}
				_, err := a.Leaf(up, "")
				if e, ok := errors.AsType[*ConstraintError](err); !ok || !strings.EqualFold(e.Name, name) || !strings.Contains(err.Error(), "unopened") {
					t.Errorf("%s: %v", name, err)
				}
				if a.Allows(name) {
					t.Errorf("%s is allowed", name)
				}
				leaf, err := free.Leaf(up, "")
				if err != nil {
					t.Fatal(err)
				}
				addr := serveTLS(t, ServerConfig(leaf, ""))
				err = seen(t, addr, concrete(name), pool(a.Certificate()), tls.VersionTLS13)
				if e, ok := errors.AsType[x509.CertificateInvalidError](err); !ok || e.Reason != x509.CANotAuthorizedForThisName {
					t.Errorf("Go: %s: %v", name, err)
				}
				if strings.HasPrefix(name, "*") {
					continue // openssl lets a wildcard reach into what is excluded
				}
				if class := openssl(t, addr, concrete(name), roots); class != "other" {
					t.Errorf("openssl: %s: %q", name, class)
				}
				if status := curl(t, addr, urlHost(name), roots); status != 60 {
					t.Errorf("curl: %s: exit status %d", name, status)
				}
			}
		})
	}
}

func urlHost(name string) string {
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return concrete(name)
}

// TestConstraintsUntrusted has upstreams that are not trusted be shown as such,
// whatever their names.
func TestConstraintsUntrusted(t *testing.T) {
	a := newCATest(t, CreateOptions{Constraints: Constraints{PermitDNS: []string{"corp.example"}}})
	up := upstreamOf(host, sign(server(host, host), testPKI().stranger, ecKey()))
	if got := Classify(seen(t, serveTLS(t, ServerConfig(mustLeaf(t, a, up), "")), host, pool(a.Certificate()), tls.VersionTLS13)); got != ProblemUnknownAuthority {
		t.Error(got)
	}
}

// TestConstraintsCommonName has a name that only old clients look at.
func TestConstraintsCommonName(t *testing.T) {
	a := newCATest(t, CreateOptions{Constraints: Constraints{PermitDNS: []string{"corp.example"}}})
	for name, want := range map[string]bool{"a.corp.example": true, "b.example": false, "A person": true} {
		_, err := a.Leaf(upstreamOf(host, sign(server(name), testPKI().root, ecKey())), "")
		if (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mustLeaf(t testing.TB, a *Authority, up Upstream) *tls.Certificate {
	t.Helper()
	leaf, err := a.Leaf(up, "")
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func TestConstraintsWrong(t *testing.T) {
	for _, c := range []struct {
		c    Constraints
		want string
	}{
		{Constraints{PermitDNS: []string{"*.corp.example"}}, `write "corp.example", names below it are meant too`},
		{Constraints{ExcludeDNS: []string{".corp.example"}}, `write "corp.example"`},
		{Constraints{PermitDNS: []string{""}}, `"" is not a DNS name`},
		{Constraints{PermitDNS: []string{"a..b"}}, "is not a DNS name"},
		{Constraints{PermitDNS: []string{"münchen.example"}}, "xn--"},
		{Constraints{PermitDNS: []string{strings.Repeat("a.", 130) + "b"}}, "is not a DNS name"},
		{Constraints{ExcludeDNS: []string{"127.0.0.1"}}, "is an address"},
		{Constraints{PermitNet: []netip.Prefix{{}}}, "a network is not valid"},
		{Constraints{PermitNet: nets("10.0.0.1/8")}, "10.0.0.1/8 is not a network"},
		{Constraints{ExcludeNet: nets("::ffff:10.0.0.0/104")}, "is not a network"},
	} {
		if _, err := Create(CreateOptions{Constraints: c.c}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.c, err, c.want)
		}
	}
}
