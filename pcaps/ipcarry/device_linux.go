package ipcarry

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
)

// A DeviceConfig says what a Device is.
type DeviceConfig struct {
	// Name of the device, "sstp%d" by default: %d becomes a number.
	Name string
	// MTU of the device in bytes: the largest of its tunnels. Tunnels with a smaller one
	// tell senders so.
	MTU int
	// Gateways are the server's own addresses with the lengths of the clients' prefixes,
	// such as 10.9.0.1/24, which also route the clients to the device.
	Gateways []netip.Prefix
	// Log takes what an admin should know.
	Log *slog.Logger
}

// A Device is a TUN device that all clients of a server are behind. It takes root or
// CAP_NET_ADMIN to make, and nothing afterwards.
//
// What the kernel does with clients' packets is the admin's matter: to let them out, switch
// on net.ipv4.ip_forward and net.ipv6.conf.all.forwarding, and masquerade the pool's
// addresses or route them. Without, clients reach this host. It is safe for concurrent use.
type Device struct {
	tun   *tunDevice
	cfg   DeviceConfig
	count counters
	done  sync.WaitGroup

	mu      sync.RWMutex
	clients map[netip.Prefix]*deviceClient
	lengths map[int]int // how many prefixes there are of a length; those of IPv6 count from 1000
	closed  bool
}

// NewDevice makes the device, with its addresses, and switches it on.
func NewDevice(cfg DeviceConfig) (*Device, error) {
	if cfg.Name == "" {
		cfg.Name = "sstp%d"
	}
	t, err := openTUN(cfg.Name, cfg.MTU, cfg.Gateways, cfg.Log)
	if err != nil {
		return nil, err
	}
	d := &Device{tun: t, cfg: cfg, clients: map[netip.Prefix]*deviceClient{}, lengths: map[int]int{}}
	d.done.Go(func() { t.read(d.route) })
	return d, nil
}

// Name returns the device's name.
func (d *Device) Name() string { return d.tun.name }

// Stats returns the Device's counters.
func (d *Device) Stats() Stats {
	s := d.count.stats()
	seen := map[*deviceClient]bool{}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, c := range d.clients {
		seen[c] = true
	}
	s.Clients = len(seen)
	return s
}

// Attach makes the Port of a client that has the addresses own and whose tunnel carries
// packets of mtu bytes.
func (d *Device) Attach(own []netip.Prefix, mtu int, t Tunnel) (Port, error) {
	if err := checkOwn(own); err != nil {
		return nil, err
	}
	if err := checkMTU(mtu); err != nil {
		return nil, err
	}
	c := &deviceClient{d: d, own: own, mtu: mtu, tunnel: t}
	c.work.L = &c.mu
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, ErrClosed
	}
	for has := range d.clients {
		for _, wants := range own {
			if has.Overlaps(wants) {
				return nil, fmt.Errorf("%v is in use by another client, which has %v", wants, has)
			}
		}
	}
	for _, p := range own {
		d.clients[p] = c
		d.lengths[lengthKey(p)]++
	}
	go c.write()
	return c, nil
}

func lengthKey(p netip.Prefix) int {
	if p.Addr().Is6() {
		return 1000 + p.Bits()
	}
	return p.Bits()
}

func (d *Device) detach(c *deviceClient) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range c.own {
		if d.clients[p] != c {
			continue
		}
		delete(d.clients, p)
		if d.lengths[lengthKey(p)]--; d.lengths[lengthKey(p)] == 0 {
			delete(d.lengths, lengthKey(p))
		}
	}
}

// find returns the client that has the address.
func (d *Device) find(a netip.Addr) *deviceClient {
	base := 0
	if a.Is6() {
		base = 1000
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for key := range d.lengths {
		if bits := key - base; bits >= 0 && bits <= a.BitLen() {
			if c := d.clients[netip.PrefixFrom(a, bits).Masked()]; c != nil {
				return c
			}
		}
	}
	return nil
}

// route gives a packet of the kernel's to the client that it is for.
func (d *Device) route(p []byte) {
	ip, ok := parsePacket(p)
	if !ok || ip.dst.IsMulticast() {
		return // the kernel says hello to all on a new device
	}
	c := d.find(ip.dst)
	if c == nil {
		d.count.ignored.Add(1)
		return
	}
	ClampMSS(ip.bytes, c.mtu)
	if len(ip.bytes) <= c.mtu {
		c.push(ip.bytes)
		return
	}
	if ip.src.Is4() && binary.BigEndian.Uint16(p[6:])&flagDF == 0 {
		fragment4(&ip, c.mtu, c.push)
		return
	}
	d.count.dropped.Add(1)
	if ip.mayAnswer() {
		_ = d.tun.put(appendError(nil, &ip, ip.dst, tooBig, c.mtu))
	}
}

// Close ends all Ports and removes the device.
func (d *Device) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	var clients []*deviceClient
	for _, c := range d.clients {
		clients = append(clients, c)
	}
	d.mu.Unlock()
	for _, c := range clients {
		_ = c.Close()
	}
	err := d.tun.close()
	d.done.Wait()
	d.tun.release()
	return err
}

const (
	// deviceRoom is how many bytes may wait for a client's tunnel. What comes on top is
	// dropped, as a router does: TCP slows down.
	deviceRoom = 384 << 10
	// deviceCost is what a packet takes of it beside its bytes.
	deviceCost = 128
)

// A deviceClient is the Port of one tunnel on a Device.
type deviceClient struct {
	d      *Device
	own    []netip.Prefix
	mtu    int
	tunnel Tunnel

	mu     sync.Mutex
	work   sync.Cond
	queue  [][]byte
	bytes  int
	closed bool
}

// Deliver takes a packet that the client sent.
func (c *deviceClient) Deliver(p []byte) error {
	ip, ok := parsePacket(p)
	if c.d.count.screen(&ip, ok, c.owns) == drop {
		if c.isClosed() {
			return ErrClosed
		}
		return nil
	}
	if c.isClosed() {
		return ErrClosed
	}
	if isSYN(&ip) { // the packet is the caller's
		ip.bytes = bytes.Clone(ip.bytes)
		ClampMSS(ip.bytes, c.mtu)
	}
	return c.d.tun.put(ip.bytes)
}

func isSYN(p *packet) bool {
	d := p.data()
	return p.proto == protoTCP && !p.fragment && len(d) >= tcpHeader && d[13]&tcpFlagSYN != 0
}

// owns lets no client pass for another, nor for the host.
func (c *deviceClient) owns(p *packet) bool { return contains(c.own, p.src) }

func (c *deviceClient) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// push queues a packet for the client, or drops it. It does not wait.
func (c *deviceClient) push(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if c.bytes+len(p)+deviceCost > deviceRoom {
		c.d.count.dropped.Add(1)
		return
	}
	c.queue = append(c.queue, bytes.Clone(p))
	c.bytes += len(p) + deviceCost
	if len(c.queue) == 1 {
		c.work.Signal()
	}
}

// write hands the queue to the tunnel until the Port is closed.
func (c *deviceClient) write() {
	var batch [][]byte
	for {
		c.mu.Lock()
		for len(c.queue) == 0 && !c.closed {
			c.work.Wait()
		}
		closed := c.closed
		batch, c.queue = c.queue, batch[:0]
		c.mu.Unlock()
		for i, p := range batch {
			if !closed {
				_ = c.tunnel.WritePacket(p)
			}
			batch[i] = nil
			c.mu.Lock()
			c.bytes -= len(p) + deviceCost
			closed = c.closed
			c.mu.Unlock()
		}
		if closed {
			return
		}
	}
}

// Close takes the client's addresses off the Device.
func (c *deviceClient) Close() error {
	c.d.detach(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.work.Signal()
	return nil
}
