package mitm

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
)

// LoadRoots gives the system's roots, and those that a PEM file adds ("" adds
// none).
func LoadRoots(file string) (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("loading the system's root certificates: %w", err)
	}
	if file == "" {
		return roots, nil
	}
	if err := addRoots(roots, file); err != nil {
		return nil, fmt.Errorf("loading root certificates: %w", err)
	}
	return roots, nil
}

// addRoots does not skip what it cannot read, as AppendCertsFromPEM does: a root
// that is missing would show much later.
func addRoots(roots *x509.CertPool, file string) error {
	data, err := readFile(file, func(fs.FileInfo) error { return nil })
	if err != nil {
		return err
	}
	n := 0
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != pemCertificate {
			continue
		}
		n++
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return &StoreError{file, fmt.Errorf("certificate %d: %w", n, err), "take it out of the file if it is not needed"}
		}
		roots.AddCert(cert)
	}
	if n == 0 {
		return &StoreError{file, errors.New("holds no certificate"), "it should be certificates as PEM"}
	}
	return nil
}
