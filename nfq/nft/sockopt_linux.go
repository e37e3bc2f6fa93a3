package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Control sets up a socket; net.Dialer and net.ListenConfig take it.
type Control = func(network, address string, c syscall.RawConn) error

// MarkControl gives a socket the mark, by which the table knows it as the proxy's own. It
// takes the capability CAP_NET_ADMIN.
func MarkControl(mark uint32) Control {
	return func(_, _ string, c syscall.RawConn) error {
		return setOptions(c, markOption(mark))
	}
}

// TransparentListenControl lets a listener have connections to foreign addresses, for
// TPROXY. Their local address is the server's. It takes the capability CAP_NET_ADMIN.
//
// The mark is put on the listener and what it accepts: without one of their own they would
// take that of the client's packets, where net.ipv4.tcp_fwmark_accept is on, and what
// they answer would be routed back to this host.
func TransparentListenControl(mark uint32) Control {
	return func(network, _ string, c syscall.RawConn) error {
		return setOptions(c, transparentOption(network), markOption(mark))
	}
}

// TransparentDialControl lets a net.Dialer have a foreign LocalAddr, that of the client,
// for TPROXY. The port of LocalAddr should be 0: it is chosen for each server apart, so
// that a client has all of them towards each, and it must not be the client's own, which
// the way back could not be told by. It takes the capability CAP_NET_ADMIN.
func TransparentDialControl(mark uint32) Control {
	return func(network, _ string, c syscall.RawConn) error {
		return setOptions(c, transparentOption(network), option{"IP_BIND_ADDRESS_NO_PORT", unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1}, markOption(mark))
	}
}

type option struct {
	name       string
	level, opt int
	value      int
}

func markOption(mark uint32) option {
	return option{"SO_MARK", unix.SOL_SOCKET, unix.SO_MARK, int(mark)}
}

// transparentOption goes by the socket's family. For IPv6 it holds for IPv4 through the
// same socket, too.
func transparentOption(network string) option {
	if network == "tcp6" {
		return option{"IPV6_TRANSPARENT", unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1}
	}
	return option{"IP_TRANSPARENT", unix.SOL_IP, unix.IP_TRANSPARENT, 1}
}

func setOptions(c syscall.RawConn, options ...option) error {
	var err error
	control := c.Control(func(fd uintptr) {
		for _, o := range options {
			if err = unix.SetsockoptInt(int(fd), o.level, o.opt, o.value); err != nil {
				err = os.NewSyscallError("setsockopt "+o.name, err)
				return
			}
		}
	})
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: it takes root or the capability CAP_NET_ADMIN", err)
	}
	return errors.Join(control, err)
}

// originalDst is SO_ORIGINAL_DST of linux/netfilter_ipv4.h and IP6T_SO_ORIGINAL_DST of
// linux/netfilter_ipv6/ip6_tables.h.
const originalDst = 80

// OriginalDst is where the client of a redirected connection wanted to go. It is
// ErrNotRedirected if that is here. With TPROXY the connection's LocalAddr says it.
func OriginalDst(conn *net.TCPConn) (netip.AddrPort, error) {
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, net.ErrClosed
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	here := local.AddrPort()
	here = netip.AddrPortFrom(here.Addr().Unmap(), here.Port())
	var dst netip.AddrPort
	control := raw.Control(func(fd uintptr) {
		if here.Addr().Is4() {
			dst, err = originalDst4(int(fd))
		} else {
			dst, err = originalDst6(int(fd))
		}
	})
	switch {
	case control != nil:
		return netip.AddrPort{}, control
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOPROTOOPT): // the kernel does not track it; it has nothing to track with
		return netip.AddrPort{}, ErrNotRedirected
	case err != nil:
		return netip.AddrPort{}, os.NewSyscallError("getsockopt SO_ORIGINAL_DST", err)
	case dst.Port() == here.Port() && dst.Addr().WithZone("") == here.Addr().WithZone(""):
		return netip.AddrPort{}, ErrNotRedirected
	}
	return dst, nil
}

// The two below borrow types of package unix that are long enough for the sockaddr that
// the kernel writes.

func originalDst4(fd int) (netip.AddrPort, error) {
	// sockaddr_in: family, port, address.
	v, err := unix.GetsockoptIPv6Mreq(fd, unix.SOL_IP, originalDst)
	if err != nil {
		return netip.AddrPort{}, err
	}
	b := v.Multiaddr
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), uint16(b[2])<<8|uint16(b[3])), nil
}

func originalDst6(fd int) (netip.AddrPort, error) {
	v, err := unix.GetsockoptIPv6MTUInfo(fd, unix.SOL_IPV6, originalDst)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr := netip.AddrFrom16(v.Addr.Addr)
	if v.Addr.Scope_id != 0 {
		addr = addr.WithZone(strconv.Itoa(int(v.Addr.Scope_id)))
	}
	port := binary.NativeEndian.AppendUint16(nil, v.Addr.Port) // as the kernel wrote it
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(port)), nil
}
