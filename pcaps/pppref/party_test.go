package pppref

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	cryptotls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// selfSigned is a certificate of name that vouches for itself.
func selfSigned(t *testing.T, name string) (cryptotls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: epoch.Add(-time.Hour), NotAfter: epoch.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return cryptotls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// realPair authenticates with package pppauth.
func realPair(t *testing.T, password string, methods ...pppauth.Method) *pair {
	t.Helper()
	theirs, serverRoots := selfSigned(t, "vpn.example")
	ours, clientRoots := selfSigned(t, "alice")
	tuning := pppauth.Tuning{Time: func() time.Time { return epoch }}
	client, server := clientConfig(), serverConfig()
	client.Methods, server.Methods = methods, methods
	client.NewParty = func(m pppauth.Method) (pppauth.Party, error) {
		return pppauth.NewPeer(m, pppauth.Credentials{
			Name: "alice", Password: password, Certificate: ours, Roots: serverRoots, ServerName: "vpn.example",
			Also: pppauth.MethodsOf(m.Option(), methods)[1:], Tuning: tuning,
		})
	}
	server.NewParty = func(m pppauth.Method) (pppauth.Party, error) {
		return pppauth.NewAuthenticator(m, pppauth.Authenticator{
			Name:        "vpn",
			Password:    func(name string) (string, bool) { return "secret", name == "alice" },
			Certificate: theirs, ClientCAs: clientRoots,
			Also: pppauth.MethodsOf(m.Option(), methods)[1:], Tuning: tuning,
		})
	}
	return newPair(t, client, server)
}

func TestRealAuthentication(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, m := range allMethods {
		p := realPair(t, "secret", m)
		p.open()
		p.mustRun(5*time.Second, "up", p.quiet)
		at, _ := find[Authenticated](p.client())
		on, _ := find[Authenticated](p.server())
		keys := m != pppauth.PAP && m != pppauth.CHAPMD5
		if at.HLAK != on.HLAK || on.Name != "alice" || (at.HLAK != sstp.HLAK{}) != keys {
			t.Errorf("%v: %+v at the client, %+v at the server", m, at, on)
		}
		p.client().Close(p.now, "")
		p.collect()
		p.mustRun(time.Minute, "down", p.bothDown)

		if m == pppauth.EAPTLS {
			continue
		}
		p = realPair(t, "wrong", m)
		p.open()
		p.mustRun(2*time.Minute, "down", p.bothDown)
		var cause *pppauth.Error
		if d := p.server().down(); stepOf(d.Err) != StepAuthentication || !errors.As(d.Err, &cause) || cause.Reason != pppauth.WrongPassword {
			t.Errorf("%v with a wrong password: %v", m, d.Err)
		}
		if d := p.client().down(); stepOf(d.Err) != StepAuthentication {
			t.Errorf("%v with a wrong password: %v", m, d.Err)
		}
	}
	// All of them at once.
	p := realPair(t, "secret", allMethods...)
	p.open()
	p.mustRun(5*time.Second, "up", p.quiet)
	for _, e := range p.ends {
		e.LowerDown(p.now)
	}
}

func TestRealAuthenticationLosesFrames(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, m := range allMethods {
		hit := 0
		for frames := 1; hit < frames; hit++ {
			p := realPair(t, "secret", m)
			p.touch = func(n int, _ *end, _ ppp.Frame) (int, time.Duration) {
				if n == hit {
					return 0, 0
				}
				return 1, 0
			}
			p.open()
			p.mustRun(5*time.Minute, m.String()+" up", p.quiet)
			frames = max(frames, min(p.carried, 30))
			for _, e := range p.ends {
				e.LowerDown(p.now)
			}
		}
	}
}
