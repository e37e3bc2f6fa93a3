package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/mitm"
)

func newCA() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "Make and look after the certificate authority for opening TLS",
		Long: `Where a policy says "intercept", the proxy opens a client's TLS with
certificates of its own authority. Clients have to trust it: make it once
(init), and install its certificate on them (export).`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCAInit(), newCAExport(), newCARenew(), newCAShow())
	return cmd
}

// caDir adds the flag for the authority's folder. The function gives its value.
func caDir(cmd *cobra.Command) func() (string, error) {
	dir := cmd.Flags().String("dir", "", "the authority's `DIR` (default "+strconv.Quote(defaultCADirText())+")")
	return func() (string, error) {
		if *dir != "" {
			return *dir, nil
		}
		if cmd.Flags().Changed("dir") {
			return "", cli.Usagef("%s: --dir is empty: name a folder", caName(cmd))
		}
		return defaultCADir()
	}
}

func caName(cmd *cobra.Command) string { return "ca " + cmd.Name() }

// caSystemDir is where a service keeps it.
const caSystemDir = "/var/lib/sstpwarden/ca"

// defaultCADir is where the authority is kept unless told otherwise.
func defaultCADir() (string, error) {
	if os.Geteuid() == 0 {
		return caSystemDir, nil
	}
	if data := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "sstpwarden", "ca"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", cli.Usagef("there is no home folder to keep the authority in: name a folder with --dir")
	}
	return filepath.Join(home, ".local", "share", "sstpwarden", "ca"), nil
}

func defaultCADirText() string {
	if os.Geteuid() == 0 {
		return caSystemDir
	}
	return "$XDG_DATA_HOME/sstpwarden/ca"
}

// A validity is a duration in days and years, as --valid takes it.
type validity time.Duration

const day = 24 * time.Hour

func (v *validity) String() string {
	d := time.Duration(*v)
	if d%(365*day) == 0 {
		return fmt.Sprintf("%dy", d/(365*day))
	}
	return fmt.Sprintf("%dd", d/day)
}

func (v *validity) Type() string { return "duration" }

func (v *validity) Set(s string) error {
	units := map[string]time.Duration{"d": day, "w": 7 * day, "y": 365 * day}
	if len(s) > 1 {
		unit, ok := units[s[len(s)-1:]]
		n, err := strconv.ParseUint(s[:len(s)-1], 10, 16)
		if d := time.Duration(n) * unit; ok && err == nil && n > 0 && d <= 30*365*day {
			*v = validity(d)
			return nil
		}
	}
	return errors.New("use days, weeks or years, at most 30 years: 90d, 5y")
}

func validFlag(cmd *cobra.Command) *validity {
	v := validity(mitm.DefaultValid)
	cmd.Flags().Var(&v, "valid", "how `LONG` the certificate is valid, in days or years: 90d, 5y")
	return &v
}

func newCAInit() *cobra.Command {
	var o mitm.CreateOptions
	var permitNet, excludeNet []string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a new certificate authority",
		Long: `Init makes a key (ECDSA, P-256) and its certificate: ca.key, which only its
owner may read, and ca.crt. It overwrites nothing.

With --permit-dns or --permit-net clients accept the authority for those names
and networks and nothing else, whoever gets hold of the key; what is excluded
is taken out of that.`,
		Example: `  sstpwarden ca init
  sstpwarden ca init --name "Example Inc. outbound TLS" --exclude-dns bank.example,health.example`,
		Args: cli.NoArgs,
	}
	dir := caDir(cmd)
	valid := validFlag(cmd)
	fl := cmd.Flags()
	fl.StringVar(&o.Name, "name", "", "the `NAME` that clients see (default \""+mitm.DefaultName+"\" and this host's name)")
	fl.StringSliceVar(&o.Constraints.PermitDNS, "permit-dns", nil, "permit these DNS `NAMES` and all below them, and no others")
	fl.StringSliceVar(&o.Constraints.ExcludeDNS, "exclude-dns", nil, "permit none of these DNS `NAMES` and none below them")
	fl.StringSliceVar(&permitNet, "permit-net", nil, "permit addresses in these `NETWORKS`, and no others")
	fl.StringSliceVar(&excludeNet, "exclude-net", nil, "permit no address in these `NETWORKS`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		at, err := dir()
		if err != nil {
			return err
		}
		if o.Constraints.PermitNet, err = networks("--permit-net", permitNet); err != nil {
			return err
		}
		if o.Constraints.ExcludeNet, err = networks("--exclude-net", excludeNet); err != nil {
			return err
		}
		o.Valid = time.Duration(*valid)
		if o.Name == "" {
			o.Name = hostCAName()
		}
		return initCA(cmd, at, o)
	}
	return cmd
}

// hostCAName tells authorities apart on clients that have several.
func hostCAName() string {
	host, err := os.Hostname()
	name := mitm.DefaultName + " " + host
	if err != nil || host == "" || len(name) > 64 {
		return mitm.DefaultName
	}
	return name
}

func networks(flag string, values []string) ([]netip.Prefix, error) {
	var nets []netip.Prefix
	for _, s := range values {
		if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
			nets = append(nets, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil || p != p.Masked() {
			return nil, cli.Usagef("ca init: %s %s is not a network: write it like 192.0.2.0/24 or 2001:db8::/32", flag, s)
		}
		nets = append(nets, p)
	}
	return nets, nil
}

func initCA(cmd *cobra.Command, dir string, o mitm.CreateOptions) error {
	a, err := mitm.Create(o)
	if err != nil {
		return cli.Usagef("ca init: %w", err)
	}
	if err := a.Save(dir); err != nil {
		if e, ok := errors.AsType[*mitm.StoreError](err); ok && errors.Is(err, fs.ErrExist) && e.Remedy == "" {
			err = existsCA(dir)
		}
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("ca init: %w", err)}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: written.\n\n", event.Printable(dir))
	if err := describeCA(&b, a.Certificate()); err != nil {
		return printed(err)
	}
	fmt.Fprintf(&b, "\nKeep %s to yourself: whoever has it can stand in for every server.\nNext: sstpwarden ca export%s >sstpwarden.crt, and install that on the clients.\n", event.Printable(filepath.Join(dir, mitm.KeyFile)), again(cmd, dir))
	_, err = b.WriteTo(cmd.OutOrStdout())
	return printed(err)
}

// existsCA says what to do about an authority that is there already.
func existsCA(dir string) error {
	what := "an authority"
	if cert, err := mitm.LoadCertificate(dir); err == nil {
		what = fmt.Sprintf("%q, valid until %s", cert.Subject.CommonName, cert.NotAfter.UTC().Format(time.DateOnly))
	}
	return fmt.Errorf("%s holds %s already: use it; sstpwarden ca renew gives it a new certificate; for another one name another --dir, or move this one away (clients will not trust the new one until they have its certificate)", dir, what)
}

// again gives the --dir flag for the next command, where it is needed.
func again(cmd *cobra.Command, dir string) string {
	if !cmd.Flags().Changed("dir") {
		return ""
	}
	return " --dir " + event.Printable(dir)
}

func newCAExport() *cobra.Command {
	var der bool
	var out string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print the authority's certificate, to be installed on clients",
		Example: `  sstpwarden ca export >sstpwarden.crt
  sstpwarden ca export --der --out sstpwarden.cer`,
		Args: cli.NoArgs,
	}
	dir := caDir(cmd)
	cmd.Flags().BoolVar(&der, "der", false, "in binary, as some Windows and Android programs want it")
	cmd.Flags().StringVar(&out, "out", "", "write to `FILE`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		at, err := dir()
		if err != nil {
			return err
		}
		cert, err := mitm.LoadCertificate(at)
		if err != nil {
			return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("ca export: %w", err)}
		}
		data := mitm.EncodePEM(cert)
		if der {
			data = cert.Raw
		}
		if err := exportTo(cmd, out, at, data); err != nil {
			return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("ca export: %w", err)}
		}
		hintInstall(cmd.ErrOrStderr(), cert, out)
		return nil
	}
	return cmd
}

func exportTo(cmd *cobra.Command, out, dir string, data []byte) error {
	o, err := createOutput(out, cmd.OutOrStdout(), []string{filepath.Join(dir, mitm.KeyFile), filepath.Join(dir, mitm.CertificateFile)})
	if err != nil {
		return err
	}
	defer o.abandon()
	if _, err := o.Write(data); err != nil {
		return fmt.Errorf("writing the certificate: %w", err)
	}
	if o.path != "" {
		// Everybody may have it, unlike other results.
		if err := o.file.Chmod(0o644); err != nil {
			return fmt.Errorf("writing the certificate: %w", err)
		}
	}
	return o.finish()
}

// hintInstall says what to do with a certificate, where it does not get in the
// way of a pipe.
func hintInstall(w io.Writer, cert *x509.Certificate, file string) {
	if file == "" || file == "-" {
		file = "sstpwarden.crt"
	}
	fmt.Fprintf(w, `Certificate of %s, SHA-256 %s.
To have a client trust it (PEM unless it says --der), on
  Debian, Ubuntu   cp %[3]s /usr/local/share/ca-certificates/sstpwarden.crt && update-ca-certificates
  Fedora, RHEL     cp %[3]s /etc/pki/ca-trust/source/anchors/ && update-ca-trust
  Windows          certutil -addstore -f Root %[3]s
  macOS            security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain %[3]s
  Firefox          Settings, Certificates, Authorities, Import (it may have a store of its own)
`, event.Printable(strconv.Quote(cert.Subject.CommonName)), fingerprint(cert.Raw), event.Printable(file))
	if time.Now().After(cert.NotAfter) {
		fmt.Fprintln(w, "It has EXPIRED, and clients will not take it: sstpwarden ca renew")
	}
}

func newCARenew() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "renew",
		Short: "Give the authority a new certificate, with the same key",
		Long: `Renew makes a new certificate with the same name, key and constraints, valid
from now. Clients that have the old one go on with it until it expires; give
them the new one before that. The old one is kept beside it.`,
		Args: cli.NoArgs,
	}
	dir := caDir(cmd)
	valid := validFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		at, err := dir()
		if err != nil {
			return err
		}
		a, old, err := mitm.RenewFiles(at, time.Duration(*valid))
		if err != nil {
			return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("ca renew: %w", err)}
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "%s: written. The certificate before it is in %s.\n\n", event.Printable(filepath.Join(at, mitm.CertificateFile)), event.Printable(old))
		if err := describeCA(&b, a.Certificate()); err != nil {
			return printed(err)
		}
		fmt.Fprintf(&b, "\nNext: reload the proxy, and install the certificate on the clients (sstpwarden ca export%s).\n", again(cmd, at))
		_, err = b.WriteTo(cmd.OutOrStdout())
		return printed(err)
	}
	return cmd
}
