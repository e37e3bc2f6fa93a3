package opa

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/util"
)

// A publicKey is what sets must be signed with.
type publicKey struct {
	file       string // that it is from
	kind       string // for people
	pem        string
	algorithms []string // of signatures that it can check; the signer chooses
}

// readKey reads a public key in PEM.
func readKey(file string) (*publicKey, error) {
	text, err := readOne(file)
	if err != nil {
		return nil, err
	}
	refuse := func(text, remedy string) (*publicKey, error) {
		return nil, failed(nil, Problem{File: file, Text: text, Remedy: remedy})
	}
	const want = "want the signer's public key in PEM, as openssl pkey -in PRIVATE.pem -pubout writes it"
	block, _ := pem.Decode(text)
	if block == nil {
		return refuse("holds no key", want)
	}
	var key any
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		return refuse("holds a certificate", "take the key out of it with openssl x509 -noout -pubkey")
	default:
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return refuse("holds a private key, which only the signer may have", want)
		}
		return refuse(fmt.Sprintf("holds a %q", block.Type), want)
	}
	if err != nil {
		return refuse("holds a damaged key: "+err.Error(), want)
	}
	k := &publicKey{file: file}
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		k.kind = "an ECDSA key on " + key.Params().Name
		k.algorithms = map[elliptic.Curve][]string{
			elliptic.P256(): {"ES256"}, elliptic.P384(): {"ES384"}, elliptic.P521(): {"ES512"},
		}[key.Curve]
	case *rsa.PublicKey:
		k.kind = "an RSA key"
		k.algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case ed25519.PublicKey:
		k.kind = "an Ed25519 key"
		k.algorithms = []string{"EdDSA"}
	}
	if k.algorithms == nil {
		return refuse(fmt.Sprintf("holds a key that signs no bundles (%s)", cmp.Or(k.kind, fmt.Sprintf("%T", key))),
			"use ECDSA on P-256, P-384 or P-521, RSA or Ed25519")
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return refuse("holds a damaged key: "+err.Error(), want)
	}
	k.pem = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return k, nil
}

// signed are the files that a signature is about, by their names in the set.
type signed map[string]bundle.FileInfo

// verify checks that files are what k's owner signed: all that count, no more
// and no less. Top names the set; dir says that it is a folder.
func (k *publicKey) verify(files []file, top string, dir bool, scope string) error {
	i := slices.IndexFunc(files, func(f file) bool { return f.name == signaturesName })
	if i < 0 {
		remedy := "sign the bundle: opa build --bundle DIR --signing-alg " + k.algorithms[0] + " --signing-key PRIVATE.pem"
		if dir {
			remedy = "sign it, inside the folder: opa sign --bundle . --signing-alg " + k.algorithms[0] + " --signing-key PRIVATE.pem"
		}
		return failed(nil, Problem{File: top, Text: fmt.Sprintf("is not signed, and must be by %s", k.file), Remedy: remedy})
	}
	list, err := k.open(files[i], scope)
	if err != nil {
		return err
	}
	return below(list, files, top, dir).check(files, top, dir)
}

// open checks the signature itself and returns what it is about.
func (k *publicKey) open(f file, scope string) (signed, error) {
	refuse := func(cause error, text, remedy string) (signed, error) {
		return nil, failed(cause, Problem{File: f.shown, Text: text, Remedy: remedy})
	}
	const again = "sign the set again"
	var config bundle.SignaturesConfig
	if err := json.Unmarshal(f.text, &config); err != nil {
		return refuse(err, "is damaged: "+err.Error(), again)
	}
	if len(config.Signatures) != 1 {
		return refuse(nil, fmt.Sprintf("holds %d signatures, not one", len(config.Signatures)), again)
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var claims bundle.DecodedSignature
	parts := strings.Split(config.Signatures[0], ".")
	if len(parts) != 3 {
		return refuse(nil, "is damaged: no JSON Web Signature", again)
	}
	for i, into := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			return refuse(err, "is damaged: "+err.Error(), again)
		}
	}
	if !slices.Contains(k.algorithms, header.Algorithm) {
		return refuse(nil, fmt.Sprintf("is signed with %q, and %s holds %s, which is for %s",
			header.Algorithm, k.file, k.kind, strings.Join(k.algorithms, ", ")), "sign with the private key that belongs to it, or give the other public key")
	}
	if claims.Scope != scope {
		return refuse(nil, fmt.Sprintf("is for scope %q, not %q", claims.Scope, scope), "sign it for this scope, or set the scope that it is signed for")
	}
	const id = "key" // there is one key, whatever the signer called it
	keys := map[string]*bundle.KeyConfig{id: {Key: k.pem, Algorithm: header.Algorithm}}
	infos, err := bundle.VerifyBundleSignature(config, bundle.NewVerificationConfig(keys, id, scope, nil))
	if err != nil {
		return refuse(err, fmt.Sprintf("is not by the owner of %s, or was changed", k.file), "sign the set with the private key that belongs to it")
	}
	list := make(signed, len(infos))
	for _, name := range slices.Sorted(maps.Keys(infos)) {
		info := infos[name]
		switch info.Algorithm {
		case bundle.MD5.String(), bundle.SHA1.String():
			return refuse(nil, fmt.Sprintf("uses %s, which is broken, for %s", info.Algorithm, name), "sign with SHA-256, as opa sign does")
		}
		list[strings.TrimPrefix(name, "/")] = info
	}
	return list, nil
}

// below returns list with names as they are below the top of the set. For a
// folder, opa sign names files from where it was called, or from the root of the
// disk: all names must then begin with the last folders of the way here.
func below(list signed, files []file, top string, dir bool) signed {
	fits := func(l signed) bool {
		return !slices.ContainsFunc(files, func(f file) bool { _, ok := l[f.name]; return !ok && f.name != signaturesName })
	}
	way, err := filepath.Abs(top)
	if !dir || err != nil || fits(list) {
		return list
	}
	best, prefix := list, ""
	for _, folder := range slices.Backward(strings.Split(filepath.ToSlash(way), "/")) {
		prefix = folder + "/" + prefix
		l := signed{}
		for name, info := range list {
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				l[rest] = info
			}
		}
		if len(l) != len(list) {
			continue
		}
		if best = l; fits(l) {
			break
		}
	}
	return best
}

// check compares files with what was signed.
func (s signed) check(files []file, top string, dir bool) error {
	var problems []Problem
	again := "build and sign the bundle again if this is meant"
	if dir {
		again = "if this is meant, sign again, inside the folder: opa sign --bundle ."
	}
	left := maps.Clone(s)
	for _, f := range files {
		if f.name == signaturesName {
			continue
		}
		if _, ok := s[f.name]; !ok {
			problems = append(problems, Problem{File: f.shown, Text: "is not among the files that were signed", Remedy: again})
			continue
		}
		if err := bundle.VerifyBundleFile(f.name, *bytes.NewBuffer(f.text), left); err != nil {
			problems = append(problems, Problem{File: f.shown, Text: "is not as it was signed", Remedy: again})
		}
		delete(left, f.name)
	}
	for name := range left {
		if r, _ := roleOf(name); r == rolePolicy || r == roleData || r == roleManifest {
			problems = append(problems, Problem{File: top, Text: fmt.Sprintf("lacks %s, which was signed with the rest", name), Remedy: again})
		}
	}
	return failed(nil, problems...)
}

// agrees says that doc is what OPA reads in a file of data too. Readers of YAML
// differ, and what was signed is what OPA read.
func agrees(text []byte, doc map[string]any) bool {
	var signed any
	if err := util.Unmarshal(text, &signed); err != nil {
		return false
	}
	return same(doc, signed) || signed == nil && len(doc) == 0
}

// same compares what JSON can say. Numbers may be spelt differently.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, same)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(a.String(), b.String())
	}
	return a == b
}

func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	const fraction = ".eE"
	if !strings.ContainsAny(a, fraction) && !strings.ContainsAny(b, fraction) {
		return false // integers of any size have one spelling
	}
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err1 == nil && err2 == nil && x == y
}
