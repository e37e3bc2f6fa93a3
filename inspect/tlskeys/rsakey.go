package tlskeys

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

var (
	errNotPEM = errors.New("tlskeys: no PEM block found: the key is wanted as PEM " +
		"(a .pfx or .p12 file is converted with: openssl pkcs12 -in FILE -nodes -nocerts)")
	errNoPrivateKey = errors.New("tlskeys: the PEM holds no private key")
	errEncryptedKey = errors.New("tlskeys: the private key is encrypted: decrypt it first (openssl pkey -in FILE -out PLAIN)")
)

// AddRSAKey adds the RSA private keys of a PEM file (PKCS #1 or PKCS #8; other
// blocks, such as certificates, may stand beside them). An RSA key opens the
// connections of that server which exchanged their secret with RSA, up to TLS
// 1.2, and sessions resumed from those. It cannot open (EC)DHE: that needs a
// key log.
//
// The error says what to do; nothing is added then.
func (k *Keys) AddRSAKey(file []byte) error {
	var keys []*rsa.PrivateKey
	blocks := 0
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		blocks++
		key, err := parsePrivateKey(block)
		if err != nil {
			return err
		}
		if key != nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		if blocks == 0 {
			return errNotPEM
		}
		return errNoPrivateKey
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rsa = append(k.rsa, keys...)
	return nil
}

// parsePrivateKey returns the RSA key of a PEM block, or nil if the block is
// no private key.
func parsePrivateKey(block *pem.Block) (*rsa.PrivateKey, error) {
	if !bytes.HasSuffix([]byte(block.Type), []byte("PRIVATE KEY")) {
		return nil, nil
	}
	// The header is that of RFC 1423, as OpenSSL's traditional format has it.
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, errEncryptedKey
	}
	if block.Type == "RSA PRIVATE KEY" {
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("tlskeys: parsing PKCS #1 private key: %w", err)
		}
		return key, nil
	}
	if block.Type != "PRIVATE KEY" {
		return nil, notRSA(block.Type)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("tlskeys: parsing PKCS #8 private key: %w", err)
	}
	if key, ok := key.(*rsa.PrivateKey); ok {
		return key, nil
	}
	return nil, notRSA(fmt.Sprintf("%T", key))
}

func notRSA(kind string) error {
	return fmt.Errorf("tlskeys: %s is not an RSA key: connections to its server use (EC)DHE, which only a key log can open", kind)
}
