package ipcarry

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.zx2c4.com/wireguard/tun"
)

const (
	// tunBatch is how many packets go to the kernel at once. It joins those of one TCP
	// connection to a large one.
	tunBatch = 64
	// tunHead is the room before a packet that package tun wants for the kernel's own
	// header, of 10 bytes.
	tunHead = 16

	addrGenNone = 1 // IN6_ADDR_GEN_MODE_NONE of linux/if_link.h
)

// A tunDevice is a TUN device with its addresses and a queue of packets to the kernel.
type tunDevice struct {
	dev   tun.Device
	net   *netlink.Handle // of the namespace that the device was made in
	link  netlink.Link
	name  string
	log   *slog.Logger
	tasks sync.WaitGroup

	mu      sync.Mutex
	work    sync.Cond
	room    sync.Cond
	filling *[tunBatch][]byte
	n       int
	closed  bool
}

// openTUN makes a TUN device, gives it the addresses and switches it on. A name with %d
// gets a number.
func openTUN(name string, mtu int, addrs []netip.Prefix, log *slog.Logger) (*tunDevice, error) {
	if err := checkMTU(mtu); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dev, err := tun.CreateTUN(name, mtu)
	if err != nil {
		return nil, fmt.Errorf("making the TUN device %s: %w%s", name, err, tunHint(err))
	}
	d := &tunDevice{dev: dev, log: log, filling: new([tunBatch][]byte)}
	d.work.L, d.room.L = &d.mu, &d.mu
	d.tasks.Go(func() {
		for range dev.Events() { // they would stop the device if nobody took them
		}
	})
	if err := d.configure(addrs); err != nil {
		_ = d.close()
		d.release()
		return nil, err
	}
	d.tasks.Go(d.write)
	return d, nil
}

func tunHint(err error) string {
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return ": it takes root or CAP_NET_ADMIN; the user stack needs neither"
	case errors.Is(err, syscall.EBUSY):
		return ": a device of this name is in use"
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENXIO):
		return ": is the kernel's tun module loaded?"
	}
	return ""
}

func (d *tunDevice) configure(addrs []netip.Prefix) (err error) {
	if d.net, err = netlink.NewHandle(syscall.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("opening a netlink socket: %w", err)
	}
	if d.name, err = d.dev.Name(); err != nil {
		return err
	}
	if d.link, err = d.net.LinkByName(d.name); err != nil {
		return fmt.Errorf("finding the TUN device %s: %w", d.name, err)
	}
	// Without this the kernel gives itself a link-local address, which PPP did not
	// negotiate. Kernels without IPv6 refuse it, rightly.
	_ = d.net.LinkSetIP6AddrGenMode(d.link, addrGenNone)
	if err := d.net.LinkSetUp(d.link); err != nil {
		return fmt.Errorf("switching the TUN device %s on: %w", d.name, err)
	}
	for _, a := range addrs {
		if err := d.addAddr(a); err != nil {
			return err
		}
	}
	return nil
}

func (d *tunDevice) addAddr(a netip.Prefix) error {
	address := &netlink.Addr{IPNet: ipNet(a)}
	if a.Addr().Is6() {
		address.Flags = syscall.IFA_F_NODAD // nobody else is there
	}
	if err := d.net.AddrAdd(d.link, address); err != nil && !errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("giving the TUN device %s the address %v: %w", d.name, a, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// put queues a packet for the kernel. It waits for room, which the kernel gives at once.
func (d *tunDevice) put(p []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.n == tunBatch && !d.closed {
		d.room.Wait()
	}
	if d.closed {
		return ErrClosed
	}
	buf := d.filling[d.n]
	if buf == nil {
		buf = make([]byte, 0, tunHead+maxMTU) // room for those that are joined to it
	}
	d.filling[d.n] = append(buf[:tunHead], p...)
	d.n++
	if d.n == 1 {
		d.work.Signal()
	}
	return nil
}

// write hands the queue to the kernel until the device is closed.
func (d *tunDevice) write() {
	writing, bufs := new([tunBatch][]byte), make([][]byte, tunBatch)
	for {
		d.mu.Lock()
		for d.n == 0 && !d.closed {
			d.work.Wait()
		}
		n, closed := d.n, d.closed
		writing, d.filling, d.n = d.filling, writing, 0
		d.room.Broadcast()
		d.mu.Unlock()
		if closed {
			return
		}
		copy(bufs, writing[:n]) // the device changes their lengths
		_, _ = d.dev.Write(bufs[:n], tunHead)
	}
}

// read calls handle for each packet that the kernel sends, until the device is closed.
// handle may change the packet and not keep it.
func (d *tunDevice) read(handle func(p []byte)) {
	size := d.dev.BatchSize()
	bufs, sizes := make([][]byte, size), make([]int, size)
	for i := range bufs {
		bufs[i] = make([]byte, tunHead+maxMTU)
	}
	for {
		n, err := d.dev.Read(bufs, sizes, tunHead)
		for i := range n {
			handle(bufs[i][tunHead : tunHead+sizes[i]])
		}
		switch {
		case err == nil, errors.Is(err, tun.ErrTooManySegments):
		case errors.Is(err, os.ErrClosed), d.isClosed():
			if !d.isClosed() {
				d.log.Error("the TUN device has been removed", "device", d.name)
			}
			return
		default:
			d.log.Warn("reading from the TUN device", "device", d.name, "error", err)
			time.Sleep(100 * time.Millisecond) // a packet that cannot be read; should it last, do not spin
		}
	}
}

func (d *tunDevice) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// close removes the device and waits for what it runs. d.net stays usable until release.
func (d *tunDevice) close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.work.Broadcast()
	d.room.Broadcast()
	d.mu.Unlock()
	err := d.dev.Close()
	d.tasks.Wait()
	return err
}

// release ends d.net.
func (d *tunDevice) release() {
	if d.net != nil {
		d.net.Close()
	}
}
