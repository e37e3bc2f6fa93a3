package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/mitm"
)

func newCAShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the authority's name, fingerprints, validity and constraints",
		Long: `Show prints what clients see of the authority, and says whether the proxy
could use it: the exit status is 1 if not.`,
		Args: cli.NoArgs,
	}
	dir := caDir(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		at, err := dir()
		if err != nil {
			return err
		}
		failed := func(err error) error {
			return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("ca show: %w", err)}
		}
		cert, err := mitm.LoadCertificate(at)
		if err != nil {
			return failed(err)
		}
		if asJSON {
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			err = enc.Encode(caJSON(cert))
		} else {
			err = describeCA(cmd.OutOrStdout(), cert)
		}
		if err != nil {
			return printed(err)
		}
		if _, err := mitm.Load(at); err != nil {
			return failed(err)
		}
		return nil
	}
	return cmd
}

// A caDescription is what show --json prints.
type caDescription struct {
	Subject    string         `json:"subject"`
	Issuer     string         `json:"issuer"`
	Serial     string         `json:"serial"`
	SHA256     string         `json:"sha256"`      // of the certificate
	SPKISHA256 string         `json:"spki_sha256"` // of the public key: the same after a renewal
	Key        string         `json:"key"`
	NotBefore  time.Time      `json:"not_before"`
	NotAfter   time.Time      `json:"not_after"`
	Constraint *caConstraints `json:"constraints,omitempty"`
}

type caConstraints struct {
	PermitDNS  []string `json:"permit_dns,omitempty"`
	ExcludeDNS []string `json:"exclude_dns,omitempty"` // "" is every name
	PermitNet  []string `json:"permit_net,omitempty"`
	ExcludeNet []string `json:"exclude_net,omitempty"`
}

func caJSON(cert *x509.Certificate) *caDescription {
	d := &caDescription{
		Subject:    cert.Subject.String(),
		Issuer:     cert.Issuer.String(),
		Serial:     colons(cert.SerialNumber.Bytes()),
		SHA256:     fingerprint(cert.Raw),
		SPKISHA256: fingerprint(cert.RawSubjectPublicKeyInfo),
		Key:        keyKind(cert),
		NotBefore:  cert.NotBefore.UTC(),
		NotAfter:   cert.NotAfter.UTC(),
	}
	c := caConstraints{cert.PermittedDNSDomains, cert.ExcludedDNSDomains, netStrings(cert.PermittedIPRanges), netStrings(cert.ExcludedIPRanges)}
	if len(c.PermitDNS)+len(c.ExcludeDNS)+len(c.PermitNet)+len(c.ExcludeNet) > 0 {
		d.Constraint = &c
	}
	return d
}

// describeCA prints a certificate for people.
func describeCA(w io.Writer, cert *x509.Certificate) error {
	d := caJSON(cert)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(tw, "%s\t%s\n", name, event.Printable(value))
		}
	}
	line("Subject", d.Subject)
	if d.Issuer != d.Subject {
		line("Issuer", d.Issuer)
	}
	line("Key", d.Key)
	line("Serial", d.Serial)
	line("Valid", d.NotBefore.Format(time.DateTime)+" to "+d.NotAfter.Format(time.DateTime)+" UTC")
	line("SHA-256", d.SHA256)
	line("Key's SHA-256", d.SPKISHA256)
	if c := d.Constraint; c != nil {
		line("Permitted names", strings.Join(c.PermitDNS, ", "))
		line("Excluded names", every(c.ExcludeDNS, []string{""}, "all"))
		line("Permitted networks", strings.Join(c.PermitNet, ", "))
		line("Excluded networks", every(c.ExcludeNet, []string{"0.0.0.0/0", "::/0"}, "all"))
	}
	return tw.Flush()
}

// every puts a list in words that has everything in it.
func every(list, everything []string, word string) string {
	for _, e := range everything {
		if !slices.Contains(list, e) {
			return strings.Join(list, ", ")
		}
	}
	return word
}

func netStrings(nets []*net.IPNet) []string {
	var s []string
	for _, n := range nets {
		s = append(s, n.String())
	}
	return s
}

func keyKind(cert *x509.Certificate) string {
	switch k := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	}
	return cert.PublicKeyAlgorithm.String()
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return colons(sum[:])
}

// colons writes bytes as certificate viewers do.
func colons(b []byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", b), " ", ":")
}
