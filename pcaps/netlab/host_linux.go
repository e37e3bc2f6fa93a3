package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A Host is a network namespace. Its methods may be called from any goroutine.
type Host struct {
	Name string
	ns   netns.NsHandle
}

// NewHost makes a host that has nothing but its loopback.
func NewHost(name string) (*Host, error) {
	h := &Host{Name: name}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		var err error
		h.ns, err = netns.New()
		made <- err
	}()
	if err := <-made; err != nil {
		return nil, fmt.Errorf("making a network namespace, which takes root: %w", err)
	}
	err := h.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	if err == nil { // addresses of IPv6 can be used at once
		err = h.Sysctl("ipv6/conf/default/accept_dad", "0")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing host %s: %w", name, err), h.Close())
	}
	return h, nil
}

// Close lets go of the namespace: it ends when no process and no socket is in it.
func (h *Host) Close() error { return h.ns.Close() }

// Do calls f in the host's network. Sockets that f opens stay there, and so do
// processes that it starts; goroutines that it starts do not.
func (h *Host) Do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(h.ns); err != nil {
			done <- fmt.Errorf("entering the network of %s: %w", h.Name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// A Cmd is a program on a host.
type Cmd struct {
	*exec.Cmd
	host *Host
}

// Command is exec.CommandContext on the host.
func (h *Host) Command(ctx context.Context, name string, args ...string) *Cmd {
	return &Cmd{exec.CommandContext(ctx, name, args...), h}
}

// Start is that of exec.Cmd.
func (c *Cmd) Start() error { return c.host.Do(c.Cmd.Start) }

// Run is that of exec.Cmd.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output is that of exec.Cmd, but that the error does not hold what the program said to
// standard error.
func (c *Cmd) Output() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// CombinedOutput is that of exec.Cmd.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// Sysctl sets what stands below /proc/sys/net.
func (h *Host) Sysctl(name, value string) error {
	return h.Do(func() error {
		// The thread's own, not that of the process.
		return os.WriteFile(filepath.Join("/proc/thread-self/root/proc/sys/net", name), []byte(value), 0)
	})
}

// Listen listens on the host. Control may be nil.
func (h *Host) Listen(ctx context.Context, address string, lc net.ListenConfig) (ln net.Listener, err error) {
	err = h.Do(func() error {
		ln, err = lc.Listen(ctx, "tcp", address)
		return err
	})
	return ln, err
}

// Dial connects from the host.
func (h *Host) Dial(ctx context.Context, address string, d net.Dialer) (conn net.Conn, err error) {
	err = h.Do(func() error {
		conn, err = d.DialContext(ctx, "tcp", address)
		return err
	})
	return conn, err
}

// Address gives an interface addresses, "10.1.0.2/24", and sets it up. Of those of
// IPv6 the last is the one that connections come from.
func (h *Host) Address(link string, addrs ...string) error {
	return h.Do(func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		for _, s := range addrs {
			addr, err := netlink.ParseAddr(s)
			if err != nil {
				return err
			}
			if addr.IP.To4() == nil {
				addr.Flags = unix.IFA_F_NODAD
			}
			if err := netlink.AddrAdd(l, addr); err != nil {
				return fmt.Errorf("giving %s of %s the address %s: %w", link, h.Name, s, err)
			}
		}
		return netlink.LinkSetUp(l)
	})
}

// Via sets default routes.
func (h *Host) Via(gateways ...string) error {
	return h.Do(func() error {
		for _, g := range gateways {
			if err := netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(g)}); err != nil {
				return fmt.Errorf("default route of %s by %s: %w", h.Name, g, err)
			}
		}
		return nil
	})
}

// MTU sets an interface's.
func (h *Host) MTU(link string, mtu int) error {
	return h.Do(func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(l, mtu)
	})
}

// Join links two hosts, by interfaces of these names.
func Join(a *Host, aLink string, b *Host, bLink string) error {
	return a.Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = aLink
		// With the same index at both ends the kernel does not see that they are
		// two, and lets the link come up a second late.
		attrs.Index = 100
		err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: bLink, PeerNamespace: netlink.NsFd(b.ns)})
		if err != nil {
			return fmt.Errorf("linking %s and %s: %w", a.Name, b.Name, err)
		}
		return nil
	})
}
