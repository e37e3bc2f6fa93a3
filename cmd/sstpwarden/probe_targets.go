package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"sstpwarden/cmd/cli"
	"sstpwarden/proxy/probe"
)

// A probeTarget is a server as it was named.
type probeTarget struct {
	host   string     // a name, "" with an address
	addr   netip.Addr // invalid with a name
	port   uint16
	listed bool // it stands in a list
}

func (t probeTarget) String() string {
	host := t.host
	if t.addr.IsValid() {
		host = t.addr.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(t.port)))
}

// parseProbeTarget reads HOST, HOST:PORT, an address, [IPv6] or [IPv6]:PORT.
func parseProbeTarget(s string) (probeTarget, error) {
	t := probeTarget{port: 443}
	if scheme, _, ok := strings.Cut(s, "://"); ok {
		return t, fmt.Errorf("%s: write HOST:PORT, without %s://", s, scheme)
	}
	host, port := s, ""
	if _, err := netip.ParseAddr(s); err != nil { // an IPv6 address without brackets has no port
		bare, bracketed := strings.CutPrefix(s, "[")
		if bracketed {
			bare, port, bracketed = strings.Cut(bare, "]")
			if !bracketed || port != "" && port[0] != ':' {
				return t, fmt.Errorf("%s: an IPv6 address stands in brackets, and a port behind them: [2001:db8::7]:443", s)
			}
			if a, err := netip.ParseAddr(bare); err != nil || !a.Is6() {
				return t, fmt.Errorf("%s: there is no IPv6 address in the brackets", s)
			}
			host = bare
		} else if i := strings.LastIndexByte(s, ':'); i >= 0 {
			host, port = s[:i], s[i:]
		}
	}
	if port != "" {
		n, err := strconv.ParseUint(port[1:], 10, 16)
		if err != nil || n == 0 {
			return t, fmt.Errorf("%s: %q is no port: give 1 to 65535", s, port[1:])
		}
		t.port = uint16(n)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		t.addr = a.Unmap()
		return t, nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		ascii = host // it is no name of the web, yet may be one of a host
	}
	if t.host = strings.ToLower(strings.TrimSuffix(ascii, ".")); !probe.IsHostName(t.host) {
		return t, fmt.Errorf("%s: %q is no host name", s, host)
	}
	return t, nil
}

// probeTargets gives what arguments and list name, each once. What is wrong is
// told before any server is asked.
func probeTargets(args []string, list string, stdin io.Reader) ([]probeTarget, error) {
	if len(args) == 0 && list == "" {
		return nil, cli.Usagef("probe: which server? Name some, or a file of them with --list")
	}
	var targets []probeTarget
	seen := map[string]bool{}
	add := func(t probeTarget) {
		if key := t.String(); !seen[key] {
			seen[key] = true
			targets = append(targets, t)
		}
	}
	for _, arg := range args {
		t, err := parseProbeTarget(arg)
		if err != nil {
			return nil, cli.Usagef("probe: %w", err)
		}
		add(t)
	}
	if list == "" {
		return targets, nil
	}
	from, name := stdin, "stdin"
	if list != "-" {
		file, err := os.Open(list)
		if err != nil {
			return nil, &cli.ExitError{Status: cli.ExitUsage, Err: fmt.Errorf("probe: reading the list: %w", err)}
		}
		defer func() { _ = file.Close() }() // it was only read
		from, name = file, list
	}
	listed, err := readProbeList(from, name)
	if err != nil {
		return nil, &cli.ExitError{Status: cli.ExitUsage, Err: fmt.Errorf("probe: reading the list: %w", err)}
	}
	for _, t := range listed {
		add(t)
	}
	if len(targets) == 0 {
		return nil, &cli.ExitError{Status: cli.ExitUsage, Err: fmt.Errorf("probe: %s names no server", name)}
	}
	return targets, nil
}

const (
	maxListLine   = 1 << 10
	maxListLines  = 1 << 20
	maxListErrors = 10 // told at a time
)

// readProbeList reads a server a line. Errors name the lines.
func readProbeList(from io.Reader, name string) ([]probeTarget, error) {
	var targets []probeTarget
	var wrong []error
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxListLine)
	n := 0
	for lines.Scan() && len(wrong) < maxListErrors {
		if n++; n > maxListLines {
			return nil, fmt.Errorf("%s: more than %d lines: is it a list of servers?", name, maxListLines)
		}
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		t, err := parseProbeTarget(text)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", name, n, err))
			continue
		}
		t.listed = true
		targets = append(targets, t)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		wrong = append(wrong, fmt.Errorf("%s:%d: more than %d bytes: is it a list of servers?", name, n+1, maxListLine))
	} else if err != nil {
		wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
	}
	return targets, errors.Join(wrong...)
}

const (
	maxTried = 4  // addresses of a name, until one can be connected to
	maxAsked = 16 // with --all-addresses
)

// ask asks one server, or each of its addresses.
func (r *probeRun) ask(ctx context.Context, t probeTarget) []probe.Result {
	addrs, err := r.resolve(ctx, t)
	name := t.host
	if r.sni != "" {
		name = r.sni
	}
	if err != nil {
		return []probe.Result{probe.Unreached(t.String(), name, probe.StepResolve, err)}
	}
	var results []probe.Result
	most := maxTried
	if r.allAddresses {
		most = maxAsked
	}
	for _, addr := range addrs[:min(most, len(addrs))] {
		got := r.askAddress(ctx, t, probe.Target{Name: name, Addr: netip.AddrPortFrom(addr, t.port)})
		if r.allAddresses {
			results = append(results, got)
			continue
		}
		results = []probe.Result{got}
		if got.Step != probe.StepConnect {
			break
		}
	}
	return results
}

func (r *probeRun) askAddress(ctx context.Context, t probeTarget, at probe.Target) probe.Result {
	if t.listed && !r.allowPrivate {
		if err := probe.Public(at.Addr.Addr()); err != nil {
			got := probe.Unreached(t.String(), at.Name, probe.StepConnect, fmt.Errorf("%w; --allow-private asks it all the same", err))
			got.Server = at.Addr
			return got
		}
	}
	r.pacer.wait(ctx)
	got := r.prober.Ask(ctx, at)
	got.Target = t.String() // as it was named
	return got
}

func (r *probeRun) resolve(ctx context.Context, t probeTarget) ([]netip.Addr, error) {
	if t.addr.IsValid() {
		return []netip.Addr{t.addr}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.host)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%s has no address", t.host)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, nil
}
