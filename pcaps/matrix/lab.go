package matrix

import (
	"crypto/tls"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"time"

	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/profile"
)

// Who logs in. What the tunnels carry is made up.
const (
	userName     = "lab"
	userPassword = "lab-Passw0rd"
)

// Addresses within the tunnels.
var (
	innerServer = netip.MustParseAddr("10.99.0.1")
	innerClient = netip.MustParseAddr("10.99.0.2")
)

// A Lab is what all cells of a run share.
type Lab struct {
	seed        uint64
	certificate tls.Certificate
}

// NewLab makes a lab. The seed makes what is random in a cell the same in each run, but
// for what TLS and authentication draw.
func NewLab(seed uint64) (*Lab, error) {
	cert, err := sstpref.SelfSigned(time.Now(), false, hostName, otherName, "*.example.example.example.com", "localhost", "127.0.0.1", "::1", "203.0.113.10")
	if err != nil {
		return nil, fmt.Errorf("making the lab's certificate: %w", err)
	}
	return &Lab{seed, cert}, nil
}

// random is a cell's own source of numbers.
func (l *Lab) random(c *Cell) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(c.ID())) // it cannot fail
	return rand.New(rand.NewPCG(l.seed, h.Sum64()))
}

// setup makes both ends of a cell, changed as its transform has it.
func (l *Lab) setup(c *Cell) (*Setup, error) {
	choice, ok := findTLS(c.TLS)
	if !ok {
		return nil, fmt.Errorf("cell %s: there is no TLS %q", c.ID(), c.TLS)
	}
	t, err := TransformByName(c.Transform)
	if err != nil {
		return nil, fmt.Errorf("cell %s: %w", c.ID(), err)
	}
	s := &Setup{
		Client: &sstpref.ClientConfig{Host: hostName, Port: 443, Insecure: true, Credentials: pppauth.Credentials{Name: userName, Password: userPassword}},
		Server: &sstpref.ServerConfig{Authenticator: pppauth.Authenticator{Password: func(name string) (string, bool) { return userPassword, name == userName }}},
		Rand:   l.random(c), Near: newSecrets(), Far: newSecrets(),
	}
	lowest := min(choice.version, tls.VersionTLS12)
	s.Server.TLS = sstpref.ServerTLS(l.certificate, lowest, choice.version)
	if choice.suites != nil {
		s.Server.TLS.CipherSuites = choice.suites
	}
	s.Client.MinTLS, s.Client.MaxTLS = choice.version, choice.version
	if !c.Benign() {
		if s.Client.Profile, err = profile.ClientByName(c.Client); err != nil {
			return nil, err
		}
		if s.Server.Profile, err = profile.ServerByName(c.Server); err != nil {
			return nil, err
		}
		if choice.suites != nil {
			s.Server.Profile.TLS.CipherSuites = nil
		}
	}
	if k, err := findPath(c.Path); err == nil && (k.proxied || k.name == devicePathName) && t.Name != None && t.Family != familyConnect {
		s.connect = bareConnect // else the header alone would tell, and nothing else be tried
	}
	t.apply(s)
	return s, nil
}
