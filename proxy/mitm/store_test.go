package mitm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elazarl/goproxy"
)

func TestSaveLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "ca")
	a := newCATest(t, CreateOptions{})
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"": 0o700 | fs.ModeDir, KeyFile: 0o600, CertificateFile: 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%q has mode %v, want %v (%v)", name, info.Mode(), want, err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("%d files: %v", len(entries), entries)
	}
	b, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !b.Certificate().Equal(a.Certificate()) {
		t.Error("another certificate was loaded")
	}
	up := upstreamOf(host, sign(server(host, host), testPKI().root, ecKey()))
	if err := parsed(t, b, up).CheckSignatureFrom(a.Certificate()); err != nil {
		t.Error(err)
	}
	if cert, err := LoadCertificate(dir); err != nil || !cert.Equal(a.Certificate()) {
		t.Errorf("another certificate alone: %v", err)
	}

	before, _ := os.ReadFile(filepath.Join(dir, KeyFile))
	err = newCATest(t, CreateOptions{}).Save(dir)
	if _, ok := errors.AsType[*StoreError](err); !ok || !errors.Is(err, fs.ErrExist) {
		t.Errorf("saved over another: %v", err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, KeyFile)); !bytes.Equal(before, after) {
		t.Error("the key was overwritten")
	}
}

// TestSaveHalf has files in the way that are no whole authority.
func TestSaveHalf(t *testing.T) {
	for name, want := range map[string]string{
		KeyFile:         "it has no certificate beside it",
		CertificateFile: "it has no key beside it",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := newCATest(t, CreateOptions{}).Save(dir)
		if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if data, _ := os.ReadFile(path); string(data) != "mine" {
			t.Errorf("%s was overwritten", name)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%s: files were left behind: %v", name, entries)
		}
	}
}

// files writes an authority's folder, "" for a file that is not there.
func files(t *testing.T, cert, key string, keyMode fs.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{CertificateFile: cert, KeyFile: key} {
		if text == "" {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, keyMode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func keyPEM(t testing.TB, key crypto.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}))
}

func certPEM(certs ...*issuer) string {
	var s string
	for _, c := range certs {
		s += string(EncodePEM(c.cert))
	}
	return s
}

func TestLoadRefuses(t *testing.T) {
	good := sign(caTest("good"), nil, ecKey())
	goodKey := keyPEM(t, good.key)
	edit := func(f func(*x509.Certificate)) string {
		c := caTest("edited")
		f(c)
		return certPEM(sign(c, nil, good.key))
	}
	ofKey := func(key crypto.Signer) (cert, keyText string) {
		return certPEM(sign(caTest("other key"), nil, key)), keyPEM(t, key)
	}
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	edCert, edKey := ofKey(ed)
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	p224Cert, p224Key := ofKey(p224)
	long := strings.Repeat(certPEM(good), maxAbove+2)
	goproxyCert := string(EncodePEM(goproxy.GoproxyCa.Leaf))
	for _, c := range []struct {
		name, cert, key string
		mode            fs.FileMode
		want            []string // what, where and what to do
	}{
		{"nothing", "", "", 0o600, []string{"file does not exist", "sstpwarden ca init"}},
		{"no certificate", "", goodKey, 0o600, []string{"ca.crt", "file does not exist"}},
		{"no key", certPEM(good), "", 0o600, []string{"ca.key", "file does not exist", "put the key of ca.crt back"}},
		{"others may read", certPEM(good), goodKey, 0o640, []string{"ca.key", "others may read the key (mode 0640)", "chmod 600"}},
		{"another key", certPEM(good), keyPEM(t, ecKey()), 0o600, []string{"ca.key", "not the key of the certificate"}},
		{"another kind of key", certPEM(good), keyPEM(t, rsaKey()), 0o600, []string{"ca.key", "not the key"}},
		{"Ed25519", edCert, edKey, 0o600, []string{"ca.crt", "neither ECDSA nor RSA"}},
		{"P-224", p224Cert, p224Key, 0o600, []string{"ca.crt", "use P-256"}},
		{"expired", edit(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Unix(1, 0), time.Unix(1e9, 0) }), goodKey, 0o600, []string{"ca.crt", "expired 2001-09-09", "sstpwarden ca renew"}},
		{"not yet valid", edit(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), goodKey, 0o600, []string{"not valid before", "clock"}},
		{"no authority", edit(func(c *x509.Certificate) { c.IsCA = false; c.KeyUsage = x509.KeyUsageDigitalSignature }), goodKey, 0o600, []string{"not the certificate of an authority"}},
		{"no basic constraints", edit(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = false, false }), goodKey, 0o600, []string{"not the certificate of an authority"}},
		{"may not sign", edit(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }), goodKey, 0o600, []string{"key usage does not allow"}},
		{"for mail only", edit(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }), goodKey, 0o600, []string{"does not allow certificates of servers"}},
		{"goproxy's", goproxyCert, string(goproxy.CA_KEY), 0o600, []string{"everybody has its key", "goproxy"}},
		{"unrelated chain", certPEM(good, testPKI().above), goodKey, 0o600, []string{"certificate 1 is not signed by the one behind it"}},
		{"long chain", long, goodKey, 0o600, []string{"more than 9 certificates"}},
		{"no PEM", "hello", goodKey, 0o600, []string{"ca.crt", "holds no certificate", "as PEM"}},
		{"broken certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", goodKey, 0o600, []string{"ca.crt", "malformed"}},
		{"no key in it", certPEM(good), certPEM(good), 0o600, []string{"ca.key", "holds no private key"}},
		{"broken key", certPEM(good), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600, []string{"ca.key", "cannot be read"}},
		{"passphrase", certPEM(good), "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", 0o600, []string{"ca.key", "has a passphrase"}},
		{"old passphrase", certPEM(good), "-----BEGIN EC PRIVATE KEY-----\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n", 0o600, []string{"ca.key", "has a passphrase"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(files(t, c.cert, c.key, c.mode))
			if err == nil {
				t.Fatal("loaded")
			}
			for _, want := range append(c.want, "loading certificate authority: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
}

func TestLoadRefusesFolders(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "ca init") {
		t.Error(err)
	}
	a := newCATest(t, CreateOptions{})
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "others may write to the folder (mode 0777)") {
		t.Error(err)
	}
	if _, err := Load(filepath.Join(dir, KeyFile)); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Error(err)
	}
	if err := a.Save(filepath.Join(dir, KeyFile, "x")); err == nil {
		t.Error("saved below a file")
	}
	odd := t.TempDir()
	if err := os.Mkdir(filepath.Join(odd, CertificateFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(odd); err == nil || !strings.Contains(err.Error(), "ca.crt: not a file") {
		t.Error(err)
	}
}

// TestLoadOpenSSL takes what openssl makes, in its forms.
func TestLoadOpenSSL(t *testing.T) {
	need(t, "openssl")
	for name, script := range map[string]string{
		"EC, its own form": `openssl ecparam -name secp384r1 -genkey -out ca.key`,
		"EC, PKCS #8":      `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key`,
		"RSA, its own":     `openssl genrsa -traditional -out ca.key 2048`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), "sh", "-ec", script+`; openssl req -x509 -new -key ca.key -days 30 -subj "/CN=made by openssl" -text -out ca.crt; chmod 600 ca.key`)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			a, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			up := upstreamOf(host, sign(server(host, host), testPKI().root, ecKey()))
			if _, err := parsed(t, a, up).Verify(x509.VerifyOptions{Roots: pool(a.Certificate()), DNSName: host}); err != nil {
				t.Error(err)
			}
			renewed, _, err := RenewFiles(dir, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parsed(t, renewed, up).Verify(x509.VerifyOptions{Roots: pool(a.Certificate()), DNSName: host}); err != nil {
				t.Error(err)
			}
		})
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkPublicKey(small.Public()); err == nil || !strings.Contains(err.Error(), "1024 bits") {
		t.Error(err)
	}
}

// TestSubordinate has an authority below one that clients trust already.
func TestSubordinate(t *testing.T) {
	p := testPKI()
	ours := sign(caTest("ours"), p.above, ecKey())
	for name, text := range map[string]string{
		"with the root":    certPEM(ours, p.above, p.root),
		"without the root": certPEM(ours, p.above),
	} {
		t.Run(name, func(t *testing.T) {
			dir := files(t, text, keyPEM(t, ours.key), 0o600)
			a, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			up := upstreamOf(host, sign(server(host, host), p.root, ecKey()))
			leaf, err := a.Leaf(up, host)
			if err != nil {
				t.Fatal(err)
			}
			if len(leaf.Certificate) != 3 {
				t.Errorf("%d certificates are sent, want the leaf, the authority's and the one above", len(leaf.Certificate))
			}
			addr := serveTLS(t, ServerConfig(leaf, ""))
			if err := seen(t, addr, host, pool(p.root.cert), tls.VersionTLS13); err != nil {
				t.Error(err)
			}
			if _, _, err := RenewFiles(dir, time.Hour); err == nil || !strings.Contains(err.Error(), "issued by another authority") {
				t.Errorf("renewed: %v", err)
			}
			again := filepath.Join(t.TempDir(), "again")
			if err := a.Save(again); err != nil {
				t.Fatal(err)
			}
			if b, err := Load(again); err != nil || len(b.above) != len(a.above) {
				t.Errorf("the chain was not saved: %v", err)
			}
		})
	}
}

func TestRenewFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	a := newCATest(t, CreateOptions{Clock: func() time.Time { return time.Now().AddDate(-10, 0, 0) }})
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil {
		t.Fatal("it should have expired")
	}
	var kept []string
	for range 2 {
		before, err := LoadCertificate(dir)
		if err != nil {
			t.Fatal(err)
		}
		b, old, err := RenewFiles(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := Load(dir)
		if err != nil || !loaded.Certificate().Equal(b.Certificate()) {
			t.Fatalf("the new one is not in place: %v", err)
		}
		data, err := os.ReadFile(old)
		if err != nil || !bytes.Equal(data, EncodePEM(before)) {
			t.Errorf("%s is not the old one: %v", old, err)
		}
		kept = append(kept, filepath.Base(old))
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 4 || kept[0] == kept[1] {
		t.Errorf("%v, kept %v", entries, kept)
	}
	if _, _, err := RenewFiles(t.TempDir(), 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("renewed nothing: %v", err)
	}
}

// FuzzLoad has files of an authority be anything: any text, or any certificate
// and key as PEM.
func FuzzLoad(f *testing.F) {
	a, p := newCATest(f, CreateOptions{}), testPKI()
	for _, is := range []*issuer{{a.key, a.cert}, p.above, sign(caTest("RSA"), nil, rsaKey())} {
		cert, key := certPEM(is), keyPEM(f, is.key)
		f.Add([]byte(cert), []byte(key), false)
		block, _ := pem.Decode([]byte(key))
		f.Add(is.cert.Raw, block.Bytes, true)
	}
	f.Add([]byte(certPEM(p.above, p.root)), []byte(keyPEM(f, p.above.key)), false)
	f.Add([]byte(""), []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n-----END RSA PRIVATE KEY-----\n"), false)
	up := upstreamOf(host, goodChain()...)
	f.Fuzz(func(t *testing.T, cert, key []byte, der bool) {
		if der {
			cert = pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: cert})
			key = pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: key})
		}
		a, err := parse("", cert, key, time.Now)
		if err == nil {
			err = a.checkTime("")
		}
		if err != nil {
			if s, ok := errors.AsType[*StoreError](err); !ok || s.Path == "" || s.Remedy == "" {
				t.Fatalf("it does not say what to do: %v", err)
			}
			return
		}
		if _, err := a.Leaf(up, ""); err != nil {
			if _, ok := errors.AsType[*ConstraintError](err); !ok {
				t.Fatalf("what was loaded cannot sign: %v", err)
			}
		}
	})
}
