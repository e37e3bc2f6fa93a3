package ipcarry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
)

// A ClientDeviceConfig says what a ClientDevice is.
type ClientDeviceConfig struct {
	// Name of the device, "sstp%d" by default: %d becomes a number.
	Name string
	// Addrs are the client's addresses. With a link-local one of IPv6, those that the
	// server's Router Advertisements bring are added.
	Addrs []netip.Addr
	// DNS are the name servers that DialContext asks, through the tunnel. The host's own
	// settings stay as they are. Without any, the host's resolver is asked.
	DNS []netip.Addr
	// MTU of the tunnel in bytes.
	MTU int
	// Routes are the destinations that the host sends into the tunnel; none by default.
	Routes []netip.Prefix
	// Keep are addresses that stay on the way they have now, whatever Routes say: that of
	// the SSTP server above all, or the tunnel would run through itself.
	Keep []netip.Addr
	// Log takes what a user should know.
	Log *slog.Logger
}

// A ClientDevice is the client's end of a tunnel as a TUN device. It takes root or
// CAP_NET_ADMIN. It is a Port, and safe for concurrent use but for Deliver.
type ClientDevice struct {
	cfg    ClientDeviceConfig
	tun    *tunDevice
	tunnel Tunnel
	kept   []netlink.Route
	mu     sync.Mutex
	addrs  []netip.Addr
}

// NewClientDevice makes the device with its addresses and routes and switches it on.
func NewClientDevice(cfg ClientDeviceConfig, t Tunnel) (*ClientDevice, error) {
	if len(cfg.Addrs) == 0 {
		return nil, errors.New("a TUN device needs an address: the server gave none")
	}
	if cfg.Name == "" {
		cfg.Name = "sstp%d"
	}
	var own []netip.Prefix
	for _, a := range cfg.Addrs {
		own = append(own, withLength(a))
	}
	dev, err := openTUN(cfg.Name, cfg.MTU, own, cfg.Log)
	if err != nil {
		return nil, err
	}
	d := &ClientDevice{cfg: cfg, tun: dev, tunnel: t, addrs: slices.Clone(cfg.Addrs)}
	if err := d.addRoutes(); err != nil {
		_ = d.Close()
		return nil, err
	}
	go dev.read(d.send) // not waited for: send may hang in the tunnel
	for _, a := range cfg.Addrs {
		if a.Is6() && a.IsLinkLocalUnicast() {
			go func() { _ = t.WritePacket(AppendRouterSolicitation(nil, a)) }()
			break
		}
	}
	return d, nil
}

// withLength makes a link-local address reach the server's, and others themselves.
func withLength(a netip.Addr) netip.Prefix {
	if a.Is6() && a.IsLinkLocalUnicast() {
		return netip.PrefixFrom(a, LinkLocal.Bits())
	}
	return netip.PrefixFrom(a, a.BitLen())
}

// Name returns the device's name.
func (d *ClientDevice) Name() string { return d.tun.name }

// addRoutes pins the addresses to keep down before it changes the ways of others.
func (d *ClientDevice) addRoutes() error {
	for _, a := range d.cfg.Keep {
		if err := d.keep(a); err != nil {
			return err
		}
	}
	for _, p := range d.cfg.Routes {
		route := &netlink.Route{LinkIndex: d.tun.link.Attrs().Index, Dst: ipNet(p.Masked())}
		if p.Addr().Is4() {
			route.Scope = netlink.SCOPE_LINK
		}
		if err := d.tun.net.RouteAdd(route); err != nil {
			return fmt.Errorf("routing %v into %s: %w%s", p, d.tun.name, err, routeHint(err))
		}
	}
	return nil
}

func routeHint(err error) string {
	if errors.Is(err, syscall.EEXIST) {
		return ": such a route is there already; two halves, such as 0.0.0.0/1 and 128.0.0.0/1, go before a default route"
	}
	return ""
}

// keep adds a route for the address that is like the one it has.
func (d *ClientDevice) keep(a netip.Addr) error {
	routes, err := d.tun.net.RouteGet(a.AsSlice())
	if err != nil || len(routes) == 0 {
		return fmt.Errorf("finding the way to %v, which is to stay as it is: %w", a, err)
	}
	now := routes[0]
	if now.Type == syscall.RTN_LOCAL {
		return nil // this host: the local table comes first
	}
	route := netlink.Route{LinkIndex: now.LinkIndex, Gw: now.Gw, Dst: ipNet(netip.PrefixFrom(a, a.BitLen()))}
	if route.Gw == nil && a.Is4() {
		route.Scope = netlink.SCOPE_LINK
	}
	switch err := d.tun.net.RouteAdd(&route); {
	case errors.Is(err, syscall.EEXIST):
		return nil
	case err != nil:
		return fmt.Errorf("keeping the way to %v: %w", a, err)
	}
	d.kept = append(d.kept, route)
	return nil
}

// send gives the tunnel a packet of the kernel's. While it waits the kernel's own queue
// fills, which holds up the senders.
func (d *ClientDevice) send(p []byte) {
	ip, ok := parsePacket(p)
	if !ok || ip.dst.IsMulticast() || d.tun.isClosed() {
		return
	}
	ClampMSS(ip.bytes, d.cfg.MTU)
	_ = d.tunnel.WritePacket(ip.bytes)
}

// Deliver takes a packet that the server sent.
func (d *ClientDevice) Deliver(p []byte) error {
	if d.tun.isClosed() {
		return ErrClosed
	}
	ip, ok := parsePacket(p)
	if !ok {
		return nil
	}
	if ra, _, err := ParseRouterAdvertisement(p); err == nil {
		d.learn(&ra)
		return nil
	}
	if isSYN(&ip) {
		ip.bytes = slices.Clone(ip.bytes) // the packet is the caller's
		ClampMSS(ip.bytes, d.cfg.MTU)
	}
	return d.tun.put(ip.bytes)
}

// learn gives the device addresses of the prefixes of ra.
func (d *ClientDevice) learn(ra *RouterAdvertisement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.addrs, func(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() })
	if i < 0 || d.tun.isClosed() {
		return
	}
	local := d.addrs[i].As16()
	for _, prefix := range ra.Prefixes {
		a := InterfaceID(prefix, [8]byte(local[8:]))
		if slices.Contains(d.addrs, a) || len(d.addrs) >= maxLearned {
			continue
		}
		d.addrs = append(d.addrs, a)
		if err := d.tun.addAddr(netip.PrefixFrom(a, a.BitLen())); err != nil {
			d.tun.log.Warn("an address of a router advertisement does not fit", "error", err)
		}
	}
	for _, a := range ra.DNS {
		if !slices.Contains(d.cfg.DNS, a) && len(d.cfg.DNS) < maxLearned {
			d.cfg.DNS = append(slices.Clone(d.cfg.DNS), a)
		}
	}
}

// Addrs returns the addresses that the device has now.
func (d *ClientDevice) Addrs() []netip.Addr {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.addrs)
}

// DialContext connects through the device whatever the routes say. It is of the shape that
// http.Transport takes.
func (d *ClientDevice) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	dns := d.cfg.DNS
	d.mu.Unlock()
	bound := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		control := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptString(int(fd), syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, d.tun.name)
		})
		return errors.Join(control, err)
	}}
	if len(dns) > 0 {
		servers := bound
		bound.Resolver = resolver(dns, servers.DialContext)
		if host, port, err := net.SplitHostPort(address); err == nil && isName(host) {
			address = net.JoinHostPort(absolute(host), port)
		}
	}
	return bound.DialContext(ctx, network, address)
}

func isName(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil
}

// Close removes the device, and with it its addresses and routes.
func (d *ClientDevice) Close() error {
	err := d.tun.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, route := range d.kept {
		_ = d.tun.net.RouteDel(&route)
	}
	d.kept = nil
	d.tun.release()
	return err
}
