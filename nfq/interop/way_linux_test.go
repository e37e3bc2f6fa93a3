package interop

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sstpwarden/pcaps/netlab"
)

// The ways below return what is to be checked once all went over them.

// mtu has all links carry packets of so many bytes at most.
func (l *lab) mtu(n int) (check func()) {
	l.T.Helper()
	for _, end := range l.ends() {
		if err := end.host.MTU(end.link, n); err != nil {
			l.T.Fatal(err)
		}
	}
	return func() {}
}

// An end is one of a link.
type end struct {
	host *netlab.Host
	link string
}

func (l *lab) ends() []end {
	return []end{{l.Client, netlab.Uplink}, {l.Router, netlab.Inside}, {l.Router, netlab.Outside}, {l.Server, netlab.Uplink}}
}

// lossy loses 4 packets of 100 on each side of where they are inspected, from where on is
// drawn. They are counted: a call has some 20, and when each is drawn for itself, the same
// one is at times lost so often that TCP's pauses are longer than a client waits. Behind
// the inspection they go in twos, so that it sees one that follows its like be lost too.
func (l *lab) lossy() (check func()) {
	l.T.Helper()
	before, after := rand.IntN(25), rand.IntN(49)
	l.T.Logf("packet %d of 25 is lost before, %d and the next of 50 behind", before, after)
	l.Run(l.Router, "nft", "-f", l.File("loss.nft", fmt.Sprintf(`
table inet loss {
	chain before {
		type filter hook prerouting priority raw; policy accept;
		meta l4proto tcp numgen inc mod 25 == %d counter drop
	}
	chain after {
		type filter hook postrouting priority srcnat; policy accept;
		meta l4proto tcp numgen inc mod 50 %d-%d counter drop
	}
}
`, before, after, after+1)))
	return func() {
		list := l.Run(l.Router, "nft", "list", "table", "inet", "loss")
		if strings.Contains(list, "counter packets 0 ") {
			l.T.Errorf("nothing was lost on a side:\n%s", list)
		}
	}
}

// Commands of SIOCETHTOOL (linux/ethtool.h): to get and to set receive and transmit
// checksums, segmentation and their counterparts on the way in.
const (
	ethtoolGetTSO, ethtoolSetTSO = 0x1e, 0x1f
	ethtoolGetGSO, ethtoolSetGSO = 0x23, 0x24
	ethtoolGetGRO, ethtoolSetGRO = 0x2b, 0x2c
)

// noOffload has no packets that are larger than a link carries.
func (l *lab) noOffload() (check func()) {
	l.T.Helper()
	for _, end := range l.ends() {
		err := end.host.Do(func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			for get, set := range map[uint32]uint32{ethtoolGetTSO: ethtoolSetTSO, ethtoolGetGSO: ethtoolSetGSO, ethtoolGetGRO: ethtoolSetGRO} {
				if _, err := ethtool(fd, end.link, set, 0); err != nil {
					return err
				}
				if on, err := ethtool(fd, end.link, get, 0); err != nil || on != 0 {
					return errors.Join(err, errors.New("it is on"))
				}
			}
			return nil
		})
		if err != nil {
			l.T.Fatalf("switching off offloads of %s of %s: %v", end.link, end.host.Name, err)
		}
	}
	return func() {}
}

// ethtool does what a command does that takes or gives a number.
func ethtool(fd int, link string, command, number uint32) (uint32, error) {
	value := struct{ command, number uint32 }{command, number}
	request := struct { // ifreq
		name  [unix.IFNAMSIZ]byte
		value unsafe.Pointer
		rest  [16]byte
	}{value: unsafe.Pointer(&value)}
	copy(request.name[:unix.IFNAMSIZ-1], link)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return 0, os.NewSyscallError("ioctl", errno)
	}
	return value.number, nil
}

// Addresses of a wire: the client's and the router's.
var (
	wireClient = []string{"10.3.0.2/24", "fd00:3::2/64"}
	wireRouter = []string{"10.3.0.1/24", "fd00:3::1/64"}
)

// reordering leads the client's packets to the server, and those that come back, over a
// wire on which some are overtaken by those behind them. Few kernels that are made for
// virtual machines have netem.
func (l *lab) reordering() (check func()) {
	l.T.Helper()
	client, router := l.tun(l.Client, wireClient), l.tun(l.Router, wireRouter)
	for _, route := range []string{"10.2.0.0/24", "fd00:2::/64"} {
		l.Run(l.Client, "ip", "route", "add", route, "dev", wireName)
	}
	var overtaken atomic.Int64
	go carry(client, router, 1, &overtaken)
	go carry(router, client, 2, &overtaken)
	return func() {
		if n := overtaken.Load(); n < 10 {
			l.T.Errorf("%d packets were overtaken", n)
		}
	}
}

const wireName = "wire"

// tun makes a host's end of a wire.
func (l *lab) tun(h *netlab.Host, addrs []string) *os.File {
	l.T.Helper()
	var f *os.File
	err := h.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		request, err := unix.NewIfreq(wireName)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		f = os.NewFile(uintptr(fd), wireName) // not before: it cannot be waited for then
		if err != nil {
			return errors.Join(err, f.Close())
		}
		link, err := netlink.LinkByName(wireName)
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
	if err == nil {
		err = h.Address(wireName, addrs...)
	}
	if err != nil {
		l.T.Fatalf("making the wire: %v", err)
	}
	l.T.Cleanup(func() { _ = f.Close() })
	return f
}

// carry carries packets from one end of a wire to the other. Every fourth is held back
// for a moment.
func carry(from, to *os.File, seed uint64, overtaken *atomic.Int64) {
	random := rand.New(rand.NewPCG(seed, seed))
	var sent atomic.Int64
	for {
		b := make([]byte, 1<<16)
		n, err := from.Read(b)
		if err != nil {
			return
		}
		b = slices.Clone(b[:n])
		if random.IntN(4) > 0 {
			sent.Add(1)
			_, _ = to.Write(b)
			continue
		}
		before := sent.Load()
		time.AfterFunc(time.Duration(1+random.IntN(8))*time.Millisecond, func() {
			if sent.Load() > before {
				overtaken.Add(1)
			}
			_, _ = to.Write(b)
		})
	}
}
