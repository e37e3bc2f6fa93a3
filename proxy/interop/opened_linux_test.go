package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// newOpened makes a lab whose proxy opens TLS.
func newOpened(t *testing.T, name string) *passage {
	t.Helper()
	for _, w := range ways {
		if w.name == name {
			return w.passage(t, "curl")
		}
	}
	t.Fatalf("no way %s", name)
	return nil
}

// A client that rejects the proxy's certificate is left alone the next time, and the
// list says so.
func TestRejectedCertificate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"explicit_opened", "tproxy_opened"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newOpened(t, name)
			p.web()
			p.ca = labtest.Shared.CA // not the proxy's
			address := "https://" + labtest.WebName + ":8443/whoami"
			rejected := 0
			p.Eventually("the client is left alone", func() bool {
				_, stderr, err := p.Try(p.Client, p.curl(address)...)
				if err != nil && labtest.Status(err) != 60 {
					t.Errorf("curl says %v, %s", err, stderr)
				}
				rejected++
				return err == nil
			})
			if noted := p.warden.metric(`intercept_total{result="rejected"}`); rejected < 2 || noted != float64(rejected-1) {
				t.Errorf("the client was left alone at attempt %d, and %v rejections are noted", rejected, noted)
			}
			list := p.Run(p.Router, labtest.Sstpwarden, "bypass", "list", "--admin", "unix:"+p.warden.Admin)
			if !strings.Contains(list, "rejected") || !strings.Contains(list, labtest.WebName) {
				t.Errorf("the list is\n%s", list)
			}
			p.Run(p.Router, labtest.Sstpwarden, "bypass", "clear", "--kind", "rejected", "--admin", "unix:"+p.warden.Admin)
			if _, stderr, err := p.Try(p.Client, p.curl(address)...); labtest.Status(err) != 60 {
				t.Errorf("once that is forgotten curl says %v, %s", err, stderr)
			}
			p.Run(p.Router, labtest.Sstpwarden, "bypass", "clear", "--kind", "rejected", "--admin", "unix:"+p.warden.Admin)
			p.Run(p.Router, labtest.Sstpwarden, "bypass", "add", "--name", ".example", "--admin", "unix:"+p.warden.Admin)
			p.Run(p.Client, p.curl(address)...)
		})
	}
}

// Browsers open connections in advance, and give up those that they do not need any
// more, in the middle of the handshake too. That is no rejection of a certificate
// that they accept elsewhere, and their next connection is opened as ever.
func TestUnusedConnections(t *testing.T) {
	t.Parallel()
	for name, unused := range map[string]func(*passage, *net.TCPConn) error{
		"after_the_handshake": func(p *passage, conn *net.TCPConn) error {
			c := tls.Client(conn, &tls.Config{ServerName: labtest.WebName, RootCAs: p.roots()})
			return errors.Join(c.Handshake(), c.Close())
		},
		"in_the_handshake": func(_ *passage, conn *net.TCPConn) error {
			_, err := conn.Write(clientHello())
			_, short := io.ReadFull(conn, make([]byte, 100)) // of the server's
			return errors.Join(err, short, conn.Close())
		},
		"before_the_answer": func(_ *passage, conn *net.TCPConn) error {
			_, err := conn.Write(clientHello())
			return errors.Join(err, conn.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newOpened(t, "tproxy_opened")
			p.web()
			curl := p.curl("https://" + labtest.WebName + ":8443/whoami")
			p.Run(p.Client, curl...)
			for n := range 5 {
				if err := unused(p, p.connect(netlab.Server4+":8443")); err != nil {
					t.Fatalf("connection %d: %v", n, err)
				}
			}
			p.Eventually("all have ended", func() bool { return p.warden.metric("connections") == 0 })
			if _, stderr, err := p.Try(p.Client, curl...); err != nil {
				t.Errorf("curl: %v, %s", err, stderr)
			}
			if list := p.bypass(); len(list) != 0 {
				t.Errorf("now these are left alone: %+v", list)
			}
		})
	}
}

// A listed labtest.Entry is of the bypass list.
type listed struct{ Kind, Name, Address, Client string }

// bypass gives the list of what is not opened.
func (p *passage) bypass() []listed { return p.lab.bypass(p.warden) }

func (l *lab) bypass(w *warden) []listed {
	l.T.Helper()
	out := l.Run(l.Router, labtest.Sstpwarden, "bypass", "list", "--json", "--admin", "unix:"+w.Admin)
	var list []listed
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		l.T.Fatalf("%v: %s", err, out)
	}
	return list
}

// What is wrong with a server's certificate the client sees; a server that wants the
// client's is not opened.
func TestServersAsTheyAre(t *testing.T) {
	t.Parallel()
	p := newOpened(t, "tproxy_opened")
	for _, s := range []struct {
		port   string
		config *tls.Config
		args   []string
		status int // of curl
	}{
		{"5001", &tls.Config{Certificates: []tls.Certificate{selfSigned(t, labtest.WebName, time.Hour)}}, nil, 60},
		{"5002", &tls.Config{Certificates: []tls.Certificate{selfSigned(t, labtest.WebName, -time.Hour)}}, nil, 60},
		{"5003", &tls.Config{Certificates: []tls.Certificate{selfSigned(t, labtest.WebName, time.Hour)}}, []string{"--insecure"}, 0},
		{
			"5004", &tls.Config{Certificates: []tls.Certificate{labtest.Shared.Leaf}, ClientAuth: tls.RequireAnyClientCert},
			[]string{"--cacert", labtest.Shared.CA, "--cert", labtest.Shared.Cert, "--key", labtest.Shared.Key},
			0,
		},
		{"5005", &tls.Config{Certificates: []tls.Certificate{labtest.Shared.Leaf}, MaxVersion: tls.VersionTLS12}, nil, 0},
		{
			"5006", &tls.Config{Certificates: []tls.Certificate{labtest.Shared.Leaf}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10, NextProtos: []string{"http/1.1"}},
			[]string{"--cacert", labtest.Shared.CA, "--ciphers", "DEFAULT@SECLEVEL=0", "--tlsv1.0"},
			0,
		},
	} {
		server := &http.Server{Handler: http.HandlerFunc(whoami), TLSConfig: s.config, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: labtest.Patience}
		ln := p.Listen(p.Server, ":"+s.port)
		go func() { _ = server.ServeTLS(ln, "", "") }()
		t.Cleanup(func() { _ = server.Close() })
		_, stderr, err := p.Try(p.Client, p.curl(append(s.args, "https://"+labtest.WebName+":"+s.port+"/")...)...)
		if labtest.Status(err) != s.status {
			t.Errorf("port %s: curl says %v, %s", s.port, err, stderr)
		}
	}
	// A name that the certificate does not have.
	p.talker(binaryPort, talkBinary)
	p.web()
	if _, stderr, err := p.Try(p.Client, p.curl("--resolve", "other.example:443:"+netlab.Server4, "https://other.example/whoami")...); labtest.Status(err) != 60 {
		t.Errorf("another name: curl says %v, %s", err, stderr)
	}
}

// selfSigned makes a certificate that is valid until then, from now.
func selfSigned(t *testing.T, name string, until time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(until), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
