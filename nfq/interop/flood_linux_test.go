package interop

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// strangers are whom packets of a flood seem to come from.
var strangers = netip.MustParsePrefix("198.18.0.0/15")

// admit has the router take a flood, and lead back what is answered.
func (l *lab) admit() {
	l.T.Helper()
	l.Run(l.Router, "ip", "route", "add", strangers.String(), "via", netlab.Client4)
	for _, link := range []string{"all", netlab.Inside} {
		if err := l.Router.Sysctl("ipv4/conf/"+link+"/rp_filter", "0"); err != nil {
			l.T.Fatal(err)
		}
	}
}

// countStrangers prepares for a flood, and gives how many packets of it reach the server,
// which does not answer.
func (l *lab) countStrangers() func() int {
	l.T.Helper()
	l.admit()
	l.Run(l.Server, "nft", "-f", l.File("count.nft", `
table inet count {
	chain input {
		type filter hook prerouting priority raw; policy accept;
		ip saddr 198.18.0.0/15 counter drop
	}
}
`))
	return func() int {
		m := regexp.MustCompile(`counter packets (\d+)`).FindStringSubmatch(l.Run(l.Server, "nft", "list", "table", "inet", "count"))
		n, err := strconv.Atoi(m[1])
		if err != nil {
			l.T.Fatal(err)
		}
		return n
	}
}

// flood sends so many first packets of connections, or until stopped where that is not
// nil, so many a second; 0 is as fast as can be.
func (l *lab) flood(packets, rate int, stopped func() bool) (sent int) {
	l.T.Helper()
	err := l.Client.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		defer unix.Close(fd)
		to := netip.MustParseAddr(netlab.Server4)
		begin := time.Now()
		for stopped != nil && !stopped() || stopped == nil && sent < packets {
			b := firstPacket(to, 443)
			if err := unix.Sendto(fd, b, 0, &unix.SockaddrInet4{Addr: to.As4()}); err != nil {
				return os.NewSyscallError("sendto", err)
			}
			sent++
			if rate > 0 && sent%100 == 0 {
				time.Sleep(time.Until(begin.Add(time.Duration(sent) * time.Second / time.Duration(rate))))
			}
		}
		return nil
	})
	if err != nil {
		l.T.Errorf("flooding: %v", err)
	}
	return sent
}

// firstPacket is a SYN of any stranger.
func firstPacket(to netip.Addr, port uint16) []byte {
	b := make([]byte, 40)
	b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_TCP // the kernel fills in the length and the checksum
	from := strangers.Addr().As4()
	binary.BigEndian.PutUint32(b[12:], binary.BigEndian.Uint32(from[:])|rand.Uint32N(1<<17))
	address := to.As4()
	copy(b[16:], address[:])
	binary.BigEndian.PutUint16(b[20:], uint16(1024+rand.IntN(60000)))
	binary.BigEndian.PutUint16(b[22:], port)
	binary.BigEndian.PutUint32(b[24:], rand.Uint32())
	b[32], b[33] = 5<<4, 2 // no options; SYN
	binary.BigEndian.PutUint16(b[34:], 64240)
	sum := uint32(unix.IPPROTO_TCP + 20)
	for i := 12; i < 40; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[36:], ^uint16(sum))
	return b
}

// floodTime is how long a flood takes.
func floodTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("INTEROP_FLOOD")
	if text == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("INTEROP_FLOOD: %v", err)
	}
	return d
}

// holding is how many connections each of those who hold them has.
const holding = 1500

// hold opens connections that say half a ClientHello and no more, and closes the oldest
// ones, until it is stopped. It gives how many there were.
func (l *lab) hold(ctx context.Context, from, to string) (opened int64) {
	conns := make([]net.Conn, holding)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
	}()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	err := l.Client.Do(func() error {
		for n := 0; ctx.Err() == nil; n++ {
			conn, err := d.DialContext(ctx, "tcp", to)
			if err != nil {
				continue // the server has too many just now
			}
			_ = conn.(*net.TCPConn).SetLinger(0)
			_, _ = conn.Write(halfHello)
			if old := conns[n%holding]; old != nil {
				_ = old.Close()
			}
			conns[n%holding] = conn
			opened++
		}
		return nil
	})
	if err != nil {
		l.T.Errorf("holding connections: %v", err)
	}
	return opened
}

// A flood of first packets and of half ClientHellos takes no more memory than it may, and
// others go on.
func TestFlood(t *testing.T) {
	const (
		connections = 300 // watched, of each of two queues
		rate        = 10000
		// 40 MiB at rest; 65,536 connections of each queue that said nothing yet, of 300
		// bytes; and the garbage collector lets the heap double.
		most = 192 << 20
	)
	l := newLab(t)
	l.web()
	l.countStrangers() // the server's own limits are not the matter
	w := l.warden("--config", l.File("config.yaml", fmt.Sprintf("nfq:\n  queues: {count: 2}\n  limits: {connections: %d}\n", connections)))
	accepted := l.Listen(l.Server, ":4433")
	go func() {
		for {
			conn, err := accepted.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = copyAll(discard{conn}, conn) // until the client ends it
				_ = conn.Close()
			}()
		}
	}()
	before := w.Memory()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var flooding sync.WaitGroup
	var packets int
	var opened atomic.Int64
	flooding.Go(func() { packets = l.flood(0, rate, func() bool { return ctx.Err() != nil }) })
	for from, to := range map[string]string{netlab.Client4: netlab.Server4, netlab.Client6: netlab.Server6b} {
		flooding.Go(func() { opened.Add(l.hold(ctx, from, net.JoinHostPort(to, "4433"))) })
	}
	loads := []*traffic{
		l.load(netlab.Client4b, plain4, http2v4, http1v4), l.load(netlab.Client6b, plain6, http2v6, http1v6),
		l.load(netlab.Client4, http2v4), // by the way that the flood comes
	}
	highest := before
	var quarters []int64 // the highest of each quarter of the time
	// It takes longer where the machine makes too little of a flood of it.
	begin, lasts := time.Now(), floodTime(t)
	full := func() bool { return w.exceptions("memory") > connections }
	for time.Since(begin) < lasts || !full() && time.Since(begin) < lasts+labtest.Patience {
		now := w.Memory()
		if highest = max(highest, now); int(4*time.Since(begin)/lasts) >= len(quarters) {
			quarters = append(quarters, now>>20)
		} else {
			quarters[len(quarters)-1] = max(quarters[len(quarters)-1], now>>20)
		}
		if n := w.Metric("nfq_connections"); n > 2*connections {
			t.Errorf("%v connections are watched", n)
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	flooding.Wait()
	var longest time.Duration
	for _, tr := range loads {
		tr.some()
		longest = max(longest, tr.longest())
		tr.checkAll()
	}
	t.Logf("%d first packets, %d half ClientHellos: %d MiB of memory at first, %d MiB at most (by quarters %v); others made %d, %d and %d requests and waited %v at most",
		packets, opened.Load(), before>>20, highest>>20, quarters, loads[0].done, loads[1].done, loads[2].done, longest.Round(time.Millisecond))
	if highest > most {
		t.Errorf("the process took %d MiB", highest>>20)
	}
	if !full() || packets < 1000 {
		t.Errorf("that was no flood: %d packets, %d connections", packets, opened.Load())
	}
	v := l.vpn(labtest.VPN{Profile: "rras", TLS: "1.2", Host: netlab.Server4b, Port: "992"})
	if c := v.call("windows", 1000); c.Status != 1 || c.Checked {
		t.Errorf("after it a tunnel comes to %+v", c)
	}
}

// discard takes what a connection reads.
type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error) { return len(b), nil }
