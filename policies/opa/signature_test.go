package opa

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"
)

// A keyPair is in PEM.
type keyPair struct{ algorithm, private, public string }

func newKeyPair(algorithm string, private crypto.Signer, err error) keyPair {
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return keyPair{algorithm, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), publicPEM(private.Public())}
}

func publicPEM(key any) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func newECKey(algorithm string, c elliptic.Curve) keyPair {
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	return newKeyPair(algorithm, k, err)
}

var (
	ecKey  = newECKey("ES256", elliptic.P256())
	rsaKey = sync.OnceValue(func() keyPair {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		return newKeyPair("RS256", k, err)
	})
	edKey = sync.OnceValue(func() keyPair {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return newKeyPair("EdDSA", k, err)
	})
)

// sign makes the .signatures.json of tr, in which names begin with prefix, as opa
// sign does.
func (k keyPair) sign(t testing.TB, tr tree, prefix, keyID, claims string) string {
	t.Helper()
	return k.signWith(t, tr, prefix, keyID, claims, bundle.SHA256)
}

func (k keyPair) signWith(t testing.TB, tr tree, prefix, keyID, claims string, alg bundle.HashingAlgorithm) string {
	t.Helper()
	hasher, err := bundle.NewSignatureHasher(alg)
	if err != nil {
		t.Fatal(err)
	}
	var files []bundle.FileInfo
	for _, name := range slices.Sorted(maps.Keys(tr)) {
		var value any = []byte(tr[name])
		if bundle.IsStructuredDoc(name) {
			if err := util.Unmarshal([]byte(tr[name]), &value); err != nil {
				t.Fatal(err)
			}
		}
		sum, err := hasher.HashFile(value)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, bundle.NewFile(prefix+name, hex.EncodeToString(sum), alg.String()))
	}
	config := bundle.NewSigningConfig(k.private, k.algorithm, "")
	if claims != "" {
		config.ClaimsPath = filepath.Join(t.TempDir(), "claims.json")
		tree{config.ClaimsPath: claims}.write(t, "")
	}
	token, err := bundle.GenerateSignedToken(files, config, keyID)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(map[string]any{"signatures": []string{token}})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// signed returns tr with its signature.
func (k keyPair) signed(t testing.TB, tr tree) tree {
	t.Helper()
	out := maps.Clone(tr)
	out[signaturesName] = k.sign(t, tr, "", "", "")
	return out
}

// What the opa command made, version 1.22.2.
func TestSignedByOPA(t *testing.T) {
	const key = "testdata/opa.pub.pem"
	got, revision := reason(t, Source{Path: "testdata/opa-sign", KeyFile: key})
	if got != "Signed and sound." || !strings.HasPrefix(revision, "2026-11-20-") {
		t.Errorf("got %q of %s", got, revision)
	}
	got, revision = reason(t, Source{Path: "testdata/opa-build.tar.gz", KeyFile: key})
	if got != "Signed and sound." || !strings.HasPrefix(revision, "2026-11-21-") {
		t.Errorf("got %q of %s", got, revision)
	}
}

// Bundles that OPA's own package signs and writes, with each kind of key and
// whatever the signer called it.
func TestSignedBundle(t *testing.T) {
	t.Chdir(t.TempDir())
	rsaPSS := rsaKey()
	rsaPSS.algorithm = "PS256"
	pkcs1 := rsaKey()
	block, _ := pem.Decode([]byte(pkcs1.public))
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1.public = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(pub.(*rsa.PublicKey))}))
	for _, k := range []keyPair{
		ecKey, newECKey("ES384", elliptic.P384()), newECKey("ES512", elliptic.P521()), rsaKey(), rsaPSS, pkcs1, edKey(),
	} {
		for _, keyID := range []string{"", "default", "any other"} {
			raw := []byte(says("data.own.reason"))
			b := bundle.Bundle{
				Manifest: bundle.Manifest{Revision: "7"},
				Data:     map[string]any{"own": map[string]any{"reason": "signed"}},
				Modules:  []bundle.ModuleFile{{URL: "/in/a.rego", Path: "/in/a.rego", Raw: raw, Parsed: ast.MustParseModule(string(raw))}},
			}
			b.Manifest.Init()
			if err := b.GenerateSignature(bundle.NewSigningConfig(k.private, k.algorithm, ""), keyID, false); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := bundle.NewWriter(&out).Write(b); err != nil {
				t.Fatal(err)
			}
			tree{"b.tar.gz": out.String(), "k.pem": k.public}.write(t, "")
			got, revision := reason(t, Source{Path: "b.tar.gz", KeyFile: "k.pem"})
			if got != "signed" || !strings.HasPrefix(revision, "7-") {
				t.Errorf("%s, key id %q: got %q of %s", k.algorithm, keyID, got, revision)
			}
			if err := os.Remove("b.tar.gz"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// opa sign names files from where it was called.
func TestSignedFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	content := tree{"a.rego": says(`"r"`), "a/data.json": "{}", "README.md": "x", "a_test.rego": "package a"}
	for _, prefix := range []string{"", "set/", "etc/set/", strings.TrimPrefix(filepath.ToSlash(wd), "/") + "/etc/set/"} {
		content.write(t, "etc/set")
		tree{"etc/set/" + signaturesName: ecKey.sign(t, content, prefix, "", ""), "k.pem": ecKey.public}.write(t, "")
		for _, path := range []string{"etc/set", "./etc/set/", wd + "/etc/set"} {
			if got, _ := reason(t, Source{Path: path, KeyFile: "k.pem"}); got != "r" {
				t.Errorf("%s in %s: got %q", prefix, path, got)
			}
		}
	}
	// What does not count need not be signed, nor be there.
	tree{"etc/set/b.txt": "x", "etc/set/b_test.rego": "x", "etc/set/.b.rego": "x", "etc/set/README.md": "y"}.write(t, "")
	if err := os.Remove("etc/set/a_test.rego"); err != nil {
		t.Fatal(err)
	}
	if got, _ := reason(t, Source{Path: "etc/set", KeyFile: "k.pem"}); got != "r" {
		t.Errorf("got %q", got)
	}
}

func TestSignatureErrors(t *testing.T) {
	content := tree{"a.rego": says(`"r"`), "b/data.json": `{"x": 1}`, ".manifest": "{}"}
	with := func(more tree) tree {
		out := ecKey.signed(t, content)
		maps.Copy(out, more)
		return out
	}
	without := func(name string) tree {
		out := ecKey.signed(t, content)
		delete(out, name)
		return out
	}
	again := "if this is meant, sign again, inside the folder: opa sign --bundle ."
	token := func(s string) tree { return with(tree{signaturesName: `{"signatures": ["` + s + `"]}`}) }
	other := newECKey("ES256", elliptic.P256())
	yamlSays := tree{"a.rego": says(`"r"`), "data.yaml": "x: -0\n"} // 0 to OPA
	for _, tt := range []struct {
		name, scope string
		set         tree
		want        string
	}{
		{"not signed", "", content, "set: is not signed, and must be by k.pem; sign it, inside the folder: opa sign --bundle . --signing-alg ES256 --signing-key PRIVATE.pem"},
		{"other key", "", other.signed(t, content), "set/.signatures.json: is not by the owner of k.pem, or was changed; sign the set with the private key that belongs to it"},
		{"other kind of key", "", edKey().signed(t, content), `set/.signatures.json: is signed with "EdDSA", and k.pem holds an ECDSA key on P-256, which is for ES256; sign with the private key that belongs to it, or give the other public key`},
		{"secret in place of a key", "", keyPair{algorithm: "HS256", private: ecKey.public}.signed(t, content), `set/.signatures.json: is signed with "HS256", and k.pem holds an ECDSA key on P-256, which is for ES256; sign with the private key that belongs to it, or give the other public key`},
		{"unsigned token", "", token("eyJhbGciOiJub25lIn0.e30."), `set/.signatures.json: is signed with "none", and k.pem holds an ECDSA key on P-256, which is for ES256; sign with the private key that belongs to it, or give the other public key`},
		{"no token", "", token("x"), "set/.signatures.json: is damaged: no JSON Web Signature; sign the set again"},
		{"no base64", "", token("!.!.!"), "set/.signatures.json: is damaged: illegal base64 data at input byte 0; sign the set again"},
		{"no JSON in it", "", token("eA.eA.eA"), "set/.signatures.json: is damaged: invalid character 'x' looking for beginning of value; sign the set again"},
		{"half", "", with(tree{signaturesName: `{"signatures": [`}), "set/.signatures.json: is damaged: unexpected end of JSON input; sign the set again"},
		{"none in it", "", with(tree{signaturesName: `{"signatures": []}`}), "set/.signatures.json: holds 0 signatures, not one; sign the set again"},
		{"two in it", "", with(tree{signaturesName: `{"signatures": ["a", "b"]}`}), "set/.signatures.json: holds 2 signatures, not one; sign the set again"},
		{"plug-in", "", with(tree{signaturesName: strings.Replace(ecKey.sign(t, content, "", "", ""), "{", `{"plugin": "x", `, 1)}), "set/.signatures.json: is not by the owner of k.pem, or was changed; sign the set with the private key that belongs to it"},
		{"scope", "edge", with(nil), `set/.signatures.json: is for scope "", not "edge"; sign it for this scope, or set the scope that it is signed for`},
		{"other scope", "", with(tree{signaturesName: ecKey.sign(t, content, "", "", `{"scope": "edge"}`)}), `set/.signatures.json: is for scope "edge", not ""; sign it for this scope, or set the scope that it is signed for`},
		{"right scope", "edge", with(tree{signaturesName: ecKey.sign(t, content, "", "", `{"scope": "edge"}`)}), ""},
		{"weak hash", "", with(tree{signaturesName: ecKey.signWith(t, content, "", "", "", bundle.MD5)}), "set/.signatures.json: uses MD5, which is broken, for .manifest; sign with SHA-256, as opa sign does"},
		{"changed", "", with(tree{"a.rego": says(`"evil"`), "b/data.json": `{"x": 2}`, ".manifest": `{"revision": "x"}`}), `3 problems:
set/.manifest: is not as it was signed; ` + again + `
set/a.rego: is not as it was signed; ` + again + `
set/b/data.json: is not as it was signed; ` + again},
		{"spaces do not count in data", "", with(tree{"b/data.json": `{ "x":1}`}), ""},
		{"added", "", with(tree{"c.rego": "package c"}), "set/c.rego: is not among the files that were signed; " + again},
		{"removed", "", without("b/data.json"), "set: lacks b/data.json, which was signed with the rest; " + again},
		{"policy removed", "", without("a.rego"), "set: lacks a.rego, which was signed with the rest; " + again},
		{"signed elsewhere", "", with(tree{signaturesName: ecKey.sign(t, content, "other/", "", "")}), `5 problems:`},
		{"two readers of YAML", "", ecKey.signed(t, yamlSays), "set/data.yaml: means one thing to OPA, which signed it, and another here; write it in JSON, as data.json, and sign again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			tt.set.write(t, "set")
			tree{"k.pem": ecKey.public, "set.tgz": string(pack(t, tt.set, ""))}.write(t, "")
			_, err := Load(context.Background(), Source{Path: "set", KeyFile: "k.pem", Scope: tt.scope})
			got := ""
			if err != nil {
				got = strings.TrimPrefix(err.Error(), "loading policies: ")
			}
			if !strings.Contains(tt.want, "\n") && strings.HasSuffix(tt.want, " problems:") {
				got, _, _ = strings.Cut(got, "\n")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := Load(context.Background(), Source{Path: "set.tgz", KeyFile: "k.pem", Scope: tt.scope}); (err == nil) != (tt.want == "") {
				t.Errorf("as a bundle: %v", err)
			}
		})
	}
}

func TestKeyErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	ecKey.signed(t, tree{"a.rego": says(`"r"`)}).write(t, "set")
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind, text string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(text)}))
	}
	const want = "; want the signer's public key in PEM, as openssl pkey -in PRIVATE.pem -pubout writes it"
	for _, tt := range []struct{ key, want string }{
		{"", "k.pem: holds no key" + want},
		{"ssh-ed25519 AAAA", "k.pem: holds no key" + want},
		{ecKey.private, "k.pem: holds a private key, which only the signer may have" + want},
		{block("EC PRIVATE KEY", "x"), "k.pem: holds a private key, which only the signer may have" + want},
		{block("CERTIFICATE", "x"), "k.pem: holds a certificate; take the key out of it with openssl x509 -noout -pubkey"},
		{block("X509 CRL", "x"), `k.pem: holds a "X509 CRL"` + want},
		{block("PUBLIC KEY", "x"), "k.pem: holds a damaged key: asn1: "},
		{publicPEM(p224.Public()), "k.pem: holds a key that signs no bundles (an ECDSA key on P-224); use ECDSA on P-256, P-384 or P-521, RSA or Ed25519"},
	} {
		tree{"k.pem": tt.key}.write(t, "")
		_, err := Load(context.Background(), Source{Path: "set", KeyFile: "k.pem"})
		if err == nil || !strings.HasPrefix(err.Error(), "loading policies: "+tt.want) {
			t.Errorf("got %v\nwant %s", err, tt.want)
		}
	}
}

func TestSame(t *testing.T) {
	n := func(s string) any { return json.Number(s) }
	for _, tt := range []struct {
		a, b any
		want bool
	}{
		{n("1"), n("1.0"), true},
		{n("4.43e2"), n("443"), true},
		{n("9007199254740993"), n("9007199254740992"), false},
		{n("1"), "1", false},
		{"yes", true, false},
		{nil, nil, true},
		{nil, map[string]any{}, false},
		{[]any{n("1"), "x"}, []any{n("1.0"), "x"}, true},
		{[]any{n("1")}, []any{n("1"), n("1")}, false},
		{map[string]any{"a": n("1")}, map[string]any{"a": n("1e0")}, true},
		{map[string]any{"a": n("1")}, map[string]any{"b": n("1")}, false},
		{map[string]any{}, []any{}, false},
	} {
		if got := same(tt.a, tt.b); got != tt.want {
			t.Errorf("%v and %v: %t", tt.a, tt.b, got)
		}
	}
}
