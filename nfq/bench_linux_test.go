package nfq

import (
	"context"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	nfqueue "github.com/florianl/go-nfqueue/v2"
	"golang.org/x/sys/unix"

	"sstpwarden/nfq/nft"
	"sstpwarden/pcaps/netlab"
	"sstpwarden/pcaps/netlab/labtest"
)

// BenchmarkQueue has packets of known connections judged, by our loop and by the library's
// callback. An operation is one packet, sent, queued, judged and let go; what it costs the
// sender is the same for both.
func BenchmarkQueue(b *testing.B) {
	for name, read := range map[string]func(context.Context, QueueConfig, *Worker) (stop func(), err error){
		"loop":    readByLoop,
		"library": readByLibrary,
	} {
		b.Run(name, func(b *testing.B) {
			labtest.Need(b)
			h, err := netlab.NewHost("host")
			if err != nil {
				b.Fatal(err)
			}
			defer h.Close()
			o := nft.InspectOptions{Hooks: []nft.HookName{nft.HookOutput}, Loopback: true}
			w := newBench(b, quiet, func(c *Config) { c.Exceptions.Undecided = Watch }).Worker
			ctx, cancel := context.WithCancel(context.Background())
			var stop func()
			var table *nft.Inspection
			if err := h.Do(func() (err error) {
				if stop, err = read(ctx, QueueConfig{Number: nft.DefaultQueue, Marks: o.Marks()}, w); err != nil {
					return err
				}
				table, err = nft.SetupInspect(o)
				return err
			}); err != nil {
				b.Fatal(err)
			}
			if err := h.Do(func() error { return load(b, w) }); err != nil {
				b.Error(err)
			}
			if err := table.Close(); err != nil {
				b.Error(err)
			}
			cancel()
			stop()
		})
	}
}

func readByLoop(ctx context.Context, c QueueConfig, w *Worker) (stop func(), err error) {
	q, err := Open(c, w)
	if err != nil {
		return nil, err
	}
	ended := make(chan error)
	go func() { ended <- q.Run(ctx) }()
	return func() { <-ended }, nil
}

func readByLibrary(ctx context.Context, c QueueConfig, w *Worker) (stop func(), err error) {
	c = c.withDefaults()
	nf, err := nfqueue.Open(c.library())
	if err != nil {
		return nil, err
	}
	if err := nf.Con.SetReadBuffer(c.Buffer); err != nil {
		return nil, err
	}
	err = nf.RegisterWithErrorFunc(ctx, func(a nfqueue.Attribute) int {
		if v := w.Packet(*a.Payload, time.Now()); v.Action == Accept {
			_ = nf.SetVerdict(*a.PacketID, nfqueue.NfAccept)
		} else {
			_ = nf.SetVerdictWithOption(*a.PacketID, nfqueue.NfRepeat, nfqueue.WithMark(c.mark(0, v)))
		}
		return 0
	}, func(error) int {
		if ctx.Err() != nil {
			return 1
		}
		return 0
	})
	return func() { _ = nf.Close() }, err
}

// load sends packets, and never has more than a window of them under way.
func load(b *testing.B, w *Worker) error {
	const window, connections = 256, 64
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	var segments [][]byte
	for i := range connections {
		local := netip.MustParseAddr("127.0.0.1")
		c := newConn(netip.AddrPortFrom(local, uint16(50000+i)), netip.AddrPortFrom(local, 443))
		segments = append(segments, c.says(page)[20:])
	}
	cpu := processorTime()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		for uint64(i) >= w.counts.packets.Load()+window {
			runtime.Gosched()
		}
		if _, err := unix.Write(fd, segments[i%connections]); err != nil {
			return err
		}
	}
	for w.counts.packets.Load() < uint64(b.N) {
		runtime.Gosched()
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
	b.ReportMetric(float64((processorTime()-cpu).Microseconds())/float64(b.N), "cpu-us/op")
	return nil
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPacket is the judge alone.
func BenchmarkPacket(b *testing.B) {
	w := newBench(b, quiet, nil)
	c := newConn(client4, server4)
	for _, p := range append(c.handshake(), c.says(page)) {
		w.take(p)
	}
	p := c.from(1, ack, "")
	b.ReportAllocs()
	for b.Loop() {
		w.Packet(p, w.now)
	}
}

// BenchmarkConnection judges a connection that leaves the queue: a page over TLS.
func BenchmarkConnection(b *testing.B) {
	all, _ := frames(b, "../pcaps/testdata/negative/web-curl-h2-tls13-multi.pcap")
	w := newBench(b, quiet, nil)
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range all {
			if v := w.Packet(f.ip, f.at); v.Action == Settle {
				break
			}
		}
		for w.left.len() > 0 {
			w.forgetFirst()
		}
	}
}
