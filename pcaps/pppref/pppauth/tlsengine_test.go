package pppauth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"testing"
)

// enginePair returns both ends of a handshake without client certificates, with a key log.
func enginePair(t *testing.T, version uint16) (client, server *tlsEngine, keyLog *bytes.Buffer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyLog = &bytes.Buffer{}
	client = newTLSEngine(&tls.Config{InsecureSkipVerify: true, MaxVersion: version, KeyLogWriter: keyLog}, false)
	server = newTLSEngine(&tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, SessionTicketsDisabled: true, MaxVersion: version,
	}, true)
	t.Cleanup(client.close)
	t.Cleanup(server.close)
	return client, server, keyLog
}

// RFC 5216, Section 2.3: the MSK is the first half of PRF(master secret, "client EAP encryption", client random and server
// random), computed here from the key log by RFC 5246, Section 5, without crypto/tls's exporter.
func TestMasterSessionKeyTLS12(t *testing.T) {
	client, server, keyLog := enginePair(t, tls.VersionTLS12)
	var serverRandom []byte
	fromClient, fromServer := client.step(nil), tlsResult{}
	for !fromClient.done || !fromServer.done {
		if fromServer = server.step(fromClient.out); serverRandom == nil {
			serverRandom = fromServer.out[5+4+2:][:32] // after the headers of record and handshake, and the version
		}
		if len(fromServer.out) > 0 {
			fromClient = client.step(fromServer.out)
		}
	}
	if fromClient.err != nil || fromServer.err != nil {
		t.Fatal(fromClient.err, fromServer.err)
	}
	var clientRandom, master []byte
	if _, err := fmt.Sscanf(keyLog.String(), "CLIENT_RANDOM %x %x\n", &clientRandom, &master); err != nil {
		t.Fatal(err)
	}
	newHash := sha256.New
	if fromClient.state.CipherSuite == tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 {
		newHash = sha512.New384
	}
	want := tlsPRF(newHash, master, slices.Concat([]byte("client EAP encryption"), clientRandom, serverRandom), 64)
	for _, key := range [][]byte{fromClient.key, fromServer.key} {
		if !bytes.Equal(key, want) {
			t.Errorf("MSK %x\nwant %x", key, want)
		}
	}
}

func tlsPRF(newHash func() hash.Hash, secret, seed []byte, n int) []byte {
	mac := func(parts ...[]byte) []byte {
		h := hmac.New(newHash, secret)
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	var out []byte
	for a := mac(seed); len(out) < n; a = mac(a) {
		out = append(out, mac(a, seed)...)
	}
	return out[:n]
}

// RFC 9190, Section 2.1.1: the client is done only with the server's octet of 0, and takes nothing else for it.
func TestCommitment(t *testing.T) {
	client, server, _ := enginePair(t, tls.VersionTLS13)
	hello := client.step(nil)
	finished := client.step(server.step(hello.out).out)
	if finished.done {
		t.Fatal("the client is done before the server's commitment")
	}
	last := server.step(finished.out)
	if !last.done || last.err != nil {
		t.Fatalf("the server: %+v", last)
	}
	if r := client.step(last.out); !r.done || r.err != nil || len(r.out) != 0 || !bytes.Equal(r.key, last.key) {
		t.Errorf("the client: %+v", r)
	}
	for _, e := range []*tlsEngine{client, server} {
		if r := e.step([]byte("more")); r.err == nil || !r.done {
			t.Error("an engine that has ended takes more")
		}
	}
}

// A client that shows no certificate, which this package's own always does.
func TestNoClientCertificate(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			client, server, _ := enginePair(t, version)
			a := &Authenticator{Certificate: server.config.Certificates[0], ClientCAs: x509.NewCertPool()}
			server.config = serverConfig(a)
			fromClient, fromServer := client.step(nil), tlsResult{}
			for !fromServer.done {
				if fromServer = server.step(fromClient.out); !fromServer.done {
					fromClient = client.step(fromServer.out)
				}
			}
			if e := handshakeError(fromServer.err, "client"); e.Reason != Certificate || e.Error() != "eap-tls: the client showed no certificate" {
				t.Errorf("the server: %v, %v", e.Reason, e)
			}
			if r := client.step(fromServer.out); handshakeError(r.err, "server").Reason != CertificateRefused {
				t.Errorf("the client: %v", r.err)
			}
		})
	}
}

func TestCommitmentThatIsNone(t *testing.T) {
	client, _, _ := enginePair(t, tls.VersionTLS13)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	// A server that says two octets instead of one.
	server := newTLSEngine(nil, true)
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, SessionTicketsDisabled: true}
	server.running = true
	go func() {
		conn := tls.Server((*engineConn)(server), config)
		err := conn.Handshake()
		if err == nil {
			_, err = conn.Write([]byte{0, 0})
		}
		server.parked <- tlsResult{done: true, err: err}
	}()
	<-server.parked
	flight := server.step(client.step(nil).out)
	last := server.step(client.step(flight.out).out)
	r := client.step(last.out)
	if r.err == nil || r.err.Error() != "the server sent data where RFC 9190, Section 2.1.1 wants one octet of 0" {
		t.Errorf("the client: %v", r.err)
	}
}

func TestHandshakeErrorTexts(t *testing.T) {
	tests := []struct {
		err    error
		reason Reason
		want   string
	}{
		{errNoCertificate, Certificate, "eap-tls: the client showed no certificate"},
		{
			fmt.Errorf("%w: cannot", errNoKey), BadMessage,
			"eap-tls: no key can be had from TLS: the other end's TLS 1.2 is without the extended master secret (RFC 7627): cannot",
		},
		{errors.New("tls: odd"), BadMessage, "eap-tls: the TLS handshake with the client failed: tls: odd"},
	}
	for _, tt := range tests {
		e := handshakeError(tt.err, "client")
		if e.Reason != tt.reason || e.Error() != tt.want {
			t.Errorf("%v: %v, %q\nwant %v, %q", tt.err, e.Reason, e, tt.reason, tt.want)
		}
	}
}
