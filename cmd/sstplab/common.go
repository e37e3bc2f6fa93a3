package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"sstpwarden/cmd/cli"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/record"
)

// endFlags are what both ends have.
type endFlags struct {
	logFlags
	net            string
	profile        string
	auth           []string
	path           string
	tlsMin, tlsMax string
	keylog, pcap   string
	mtu            int
	faults         []string
	listFaults     bool
}

func (f *endFlags) register(fl *pflag.FlagSet, profiles []string) {
	f.logFlags.register(fl)
	fl.StringVar(&f.net, "net", "", "where packets go: `tun`, a device (needs root; the default as root), or user, a stack of our own")
	fl.StringVar(&f.profile, "profile", "reference", "behave as `NAME`: "+strings.Join(profiles, ", "))
	fl.StringSliceVar(&f.auth, "auth", nil, "authenticate by these `METHODS` alone: mschapv2, eap-mschapv2, eap-tls, chap-md5, pap; serve asks for the first first, dial does what it is asked for (default: the profile's)")
	fl.StringVar(&f.path, "path", "", "the `PATH` of SSTP on the server (default: that of the specification)")
	fl.StringVar(&f.tlsMin, "tls-min", "", "the lowest `VERSION` of TLS: 1.0, 1.1, 1.2 (the default), 1.3")
	fl.StringVar(&f.tlsMax, "tls-max", "", "the highest `VERSION` of TLS")
	fl.IntVar(&f.mtu, "mtu", 1400, "send no IP packets of more than so many `BYTES`")
	fl.StringVar(&f.keylog, "keylog", "", "append the secrets of TLS to `FILE`, in NSS key log format")
	fl.StringVar(&f.pcap, "pcap", "", "write the session to `FILE` as a capture (pcapng) with its TLS secrets")
	fl.StringArrayVar(&f.faults, "fault", nil, "do `NAME[=VALUE]` wrong on purpose; may be repeated; --list-faults names them")
	fl.BoolVar(&f.listFaults, "list-faults", false, "list the faults, and end")
}

// resolveNet gives the network that is to be used.
func (f *endFlags) resolveNet() error {
	switch f.net {
	case "":
		f.net = "user"
		if os.Geteuid() == 0 {
			f.net = "tun"
		}
	case "tun", "user":
	default:
		return cli.Usagef("--net %s is not known: use tun or user", f.net)
	}
	return nil
}

func (f *endFlags) tlsVersions() (lowest, highest uint16, err error) {
	if lowest, err = sstpref.ParseTLSVersion(f.tlsMin); err != nil {
		return 0, 0, cli.Usagef("--tls-min: %w", err)
	}
	if highest, err = sstpref.ParseTLSVersion(f.tlsMax); err != nil {
		return 0, 0, cli.Usagef("--tls-max: %w", err)
	}
	if highest != 0 && lowest > highest {
		return 0, 0, cli.Usagef("--tls-min %s is above --tls-max %s", f.tlsMin, f.tlsMax)
	}
	return lowest, highest, nil
}

func printFaults(w io.Writer) error {
	usage, help := sstpref.FaultNames()
	for i := range usage {
		if _, err := fmt.Fprintf(w, "%-28s %s\n", usage[i], help[i]); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\nPACKET is one of %s.\n", strings.Join(sstpref.PacketKinds(), ", "))
	return err
}

// openKeyLog opens a key log for its owner alone; nil if there is none.
func openKeyLog(name string) (io.WriteCloser, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, &cli.ExitError{Status: cli.ExitUsage, Err: fmt.Errorf("opening the key log: %w", err)}
	}
	return f, nil
}

// patience is for peers that are to disconnect: PPP's timers take 6 seconds, and
// SSTP's 5 more.
const patience = 15 * time.Second

// lookListen says what to do when an address cannot be listened on.
func lookListen(err error) string {
	switch {
	case errors.Is(err, syscall.EACCES):
		return "; ports below 1024 take root: choose one above"
	case errors.Is(err, syscall.EADDRINUSE):
		return "; another program listens there: choose another port"
	}
	return ""
}

// failed is the error of something that could not be done.
func failed(format string, args ...any) error {
	return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf(format, args...)}
}

// usable is the error of a file that was named and is of no use: nothing was
// done.
func usable(format string, args ...any) error {
	return &cli.ExitError{Status: cli.ExitUsage, Err: fmt.Errorf(format, args...)}
}

// closers are what is to be closed at the end, the last first.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

// close closes, and tells what was lost by it.
func (c *closers) close() {
	for _, f := range slices.Backward(*c) {
		if err := f(); err != nil && !errors.Is(err, net.ErrClosed) {
			fmt.Fprintln(os.Stderr, "sstplab:", cli.Printable(err.Error()))
		}
	}
}

func readRoots(name string) (*x509.CertPool, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, usable("reading certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, usable("%s holds no certificate in PEM", name)
	}
	return pool, nil
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// recording opens the key log and the capture.
func (f *endFlags) recording(closing *closers) (keys io.Writer, capture *record.Capture, err error) {
	var logs []io.Writer
	log, err := openKeyLog(f.keylog)
	if err != nil {
		return nil, nil, err
	}
	if log != nil {
		closing.add(log.Close)
		logs = append(logs, log)
	}
	if f.pcap != "" {
		file, err := os.OpenFile(f.pcap, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // it holds secrets
		if err != nil {
			return nil, nil, usable("writing the capture: %w", err)
		}
		closing.add(file.Close)
		if capture, err = record.NewCapture(file, "an SSTP session of sstplab"); err != nil {
			return nil, nil, usable("%s: %w", f.pcap, err)
		}
		closing.add(capture.Close)
		logs = append(logs, capture.KeyLog())
	}
	if len(logs) == 0 {
		return nil, nil, nil
	}
	return io.MultiWriter(logs...), capture, nil
}
