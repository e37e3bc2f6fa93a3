package interop

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// A way is how a client's connections come to the proxy.
type way struct {
	name   string
	mode   string // of the event
	opened bool   // TLS is opened
}

var ways = []way{
	{"explicit", "explicit", false},
	{"redirect", "redirect", false},
	{"tproxy", "tproxy", false},
	{"explicit_opened", "explicit", true},
	{"redirect_opened", "redirect", true},
	{"tproxy_opened", "tproxy", true},
}

// A passage is a lab with a proxy that is reached in one way.
type passage struct {
	*lab
	way
	warden *warden
	ca     string // what clients trust: PEM
}

// openAll drops SSTP as the default policies do, and opens all TLS.
const openAll = `package sstp

# METADATA
# entrypoint: true
decision := drop("interop.sstp", "SSTP.") if {
	is_sstp
	not sanctioned
}

decision := {"action": "log", "rule": "interop.sanctioned", "reason": "Sanctioned.", "intercept": true} if {
	is_sstp
	sanctioned
}

decision := {"action": "allow", "rule": "interop.rest", "reason": "No SSTP yet.", "intercept": true} if not is_sstp

is_sstp if input.detection.verdict in {"suspected", "confirmed"}
`

// passage makes a lab and starts the proxy there.
func (w way) passage(t *testing.T, programs ...string) *passage {
	t.Helper()
	p := &passage{lab: newLab(t, programs...), way: w, ca: labtest.Shared.CA}
	p.warden = p.lab.warden(p.flags()...)
	return p
}

// flags of the proxy that make the way.
func (p *passage) flags() []string {
	var args []string
	if p.mode == "explicit" {
		args = explicit()
	} else {
		args = transparent(p.mode, "--user", "nobody")
	}
	if p.opened {
		args = append(args, p.opening()...)
	}
	return args
}

// opening are the flags of a proxy that opens all TLS. Its clients trust the
// authority that is made for it.
func (p *passage) opening() []string {
	p.T.Helper()
	dir := filepath.Join(p.Dir, "ca")
	p.Run(p.Router, labtest.Sstpwarden, "ca", "init", "--dir", dir)
	p.ca = p.File("opened.pem", p.Run(p.Router, labtest.Sstpwarden, "ca", "export", "--dir", dir))
	if p.mode != "explicit" {
		p.Run(p.Router, "chown", "-R", "nobody", dir) // who may have to read it again
	}
	set := filepath.Join(p.Dir, "policies")
	p.Run(p.Router, labtest.Sstpwarden, "policy", "init", set)
	p.File("policies/sstp/decision.rego", openAll)
	config := p.File("opening.yaml", fmt.Sprintf("proxy: {intercept: {ca: %s, roots: %s}}\npolicy: {dir: %s}\n", dir, labtest.Shared.CA, set))
	return []string{"--config", config}
}

// curl is the command line of curl that goes this way.
func (p *passage) curl(args ...string) []string {
	line := []string{"curl", "--silent", "--show-error", "--fail", "--globoff", "--max-time", "30", "--cacert", p.ca}
	if p.mode == "explicit" {
		line = append(line, "--proxy", "http://"+proxy4)
	}
	return append(line, args...)
}

// dialTo connects to an address this way, by a CONNECT where the proxy is explicit.
func (p *passage) dialTo(address string) (net.Conn, error) {
	if p.mode != "explicit" {
		return p.dial(address)
	}
	conn, err := p.dial(proxy4)
	if err != nil {
		return nil, err
	}
	if err := connectVia(conn, address); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// proxyURL is what programs are told; "" where they need not know.
func (p *passage) proxyURL() *url.URL {
	if p.mode != "explicit" {
		return nil
	}
	return &url.URL{Scheme: "http", Host: proxy4}
}

// A family is one of IP.
type family struct {
	name   string // of the server, in the family alone
	client string // addresses
	server string
	router string // as the server sees it
}

var families = map[string]family{
	"IPv4": {name: labtest.Web4Name, client: netlab.Client4, server: netlab.Server4, router: netlab.Outside4},
	"IPv6": {name: labtest.Web6Name, client: netlab.Client6, server: netlab.Server6, router: netlab.Outside6},
}

// roots are those that clients trust.
func (p *passage) roots() *x509.CertPool {
	p.T.Helper()
	pem, err := os.ReadFile(p.ca)
	if err != nil {
		p.T.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		p.T.Fatalf("%s holds no certificate", p.ca)
	}
	return pool
}
