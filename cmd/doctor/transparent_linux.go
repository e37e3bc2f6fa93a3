package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"sstpwarden/nfq/nft"
	"sstpwarden/pcaps/netlab"
)

func isErrno(err error, want syscall.Errno) bool { return errors.Is(err, want) }

// transparent looks at what a mode needs of the kernel, then has it happen.
func (e *examination) transparent(ctx context.Context, name string) {
	e.ports(name, e.config.Proxy.Transparent.Listen)
	mode, err := nft.ParseMode(name)
	if err != nil {
		e.find(name, "mode", Missing, err.Error(), "")
		return
	}
	if !e.capability(name, cap.NET_ADMIN) {
		return
	}
	e.forwarding(name)
	features, err := nft.Check(mode)
	if err != nil {
		e.find(name, "kernel", Unknown, err.Error(), "")
		return
	}
	if e.features(name, features) {
		e.prove(ctx, name, mode)
	}
}

// features tells of what the kernel has, and says whether that is all it takes.
func (e *examination) features(area string, features []nft.Feature) (whole bool) {
	whole = true
	for _, f := range features {
		switch {
		case f.Err == nil:
			e.find(area, f.Name, OK, f.Text, "")
		case f.Optional != "":
			e.find(area, f.Name, Warning, fmt.Sprintf("%s: %v; %s", f.Text, f.Err, f.Optional), f.Need)
		default:
			whole = false
			e.find(area, f.Name, Missing, fmt.Sprintf("%s: %v", f.Text, f.Err), f.Need)
		}
	}
	return whole
}

// forwarding is what a router needs whose clients are elsewhere.
func (e *examination) forwarding(area string) {
	for _, family := range [][2]string{{"IPv4 forwarding", "ipv4/ip_forward"}, {"IPv6 forwarding", "ipv6/conf/all/forwarding"}} {
		name, file := family[0], family[1]
		b, err := os.ReadFile("/proc/sys/net/" + file)
		switch {
		case err != nil:
			e.find(area, name, Unknown, err.Error(), "")
		case strings.TrimSpace(string(b)) == "0":
			e.find(area, name, Warning, "this host forwards nothing: only its own connections can be taken", "sysctl -w net."+strings.ReplaceAll(file, "/", ".")+"=1")
		default:
			e.find(area, name, OK, "", "")
		}
	}
}

// proofTime is how long a proof may take.
const proofTime = 10 * time.Second

// prove has connections taken in a network of three hosts.
func (e *examination) prove(ctx context.Context, area string, mode nft.Mode) {
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	for _, server := range []string{netlab.Server4, netlab.Server6} {
		name := "proof over IPv4"
		if strings.Contains(server, ":") {
			name = "proof over IPv6"
		}
		detail, err := taken(ctx, mode, server)
		if err != nil {
			e.find(area, name, Missing, err.Error(), "")
			continue
		}
		e.find(area, name, OK, detail, "")
	}
}

// taken has a client connect to a server through a router whose firewall sends the
// connection to a listener, and says what came there.
func taken(ctx context.Context, mode nft.Mode, server string) (detail string, err error) {
	lab, err := netlab.NewRouted()
	if err != nil {
		return "", err
	}
	defer func() { _ = lab.Close() }()
	var lc net.ListenConfig
	if mode == nft.TPROXY {
		lc.Control = nft.TransparentListenControl(nft.DefaultMark)
	}
	ln, err := lab.Router.Listen(ctx, ":0", lc)
	if err != nil {
		return "", err
	}
	defer func() { _ = ln.Close() }()
	var rules *nft.Installed
	err = lab.Router.Do(func() error {
		rules, err = nft.Setup(nft.ProxyOptions{Mode: mode, Port: uint16(ln.Addr().(*net.TCPAddr).Port), FailOpen: true})
		return err
	})
	if err != nil {
		return "", err
	}
	defer func() { _ = rules.Close() }()
	came := make(chan error, 1)
	go func() { came <- answer(ln, mode, netip.AddrPortFrom(netip.MustParseAddr(server), 443)) }()
	conn, err := lab.Client.Dial(ctx, net.JoinHostPort(server, "443"), net.Dialer{})
	if err != nil {
		return "", fmt.Errorf("a connection from %s to %s did not come through: %w", netlab.Client4, server, err)
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if b, err := io.ReadAll(conn); err != nil || string(b) != "taken" {
		return "", fmt.Errorf("the client was answered %q, %w", b, err)
	}
	if err := <-came; err != nil {
		return "", err
	}
	return fmt.Sprintf("a connection to %s was taken on its way, with its destination", net.JoinHostPort(server, "443")), nil
}

// answer takes one connection and says whether it knows where it was to go.
func answer(ln net.Listener, mode nft.Mode, want netip.AddrPort) error {
	conn, err := ln.Accept()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var got netip.AddrPort
	if mode == nft.TPROXY {
		got = conn.LocalAddr().(*net.TCPAddr).AddrPort()
	} else if got, err = nft.OriginalDst(conn.(*net.TCPConn)); err != nil {
		return err
	}
	got = netip.AddrPortFrom(got.Addr().Unmap(), got.Port())
	if got != want {
		return fmt.Errorf("a connection to %v came as one to %v", want, got)
	}
	_, err = io.WriteString(conn, "taken")
	return err
}
