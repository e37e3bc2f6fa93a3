package ipcarry

import (
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"
)

// BenchmarkTCP carries a stream through Stack and Forwarder, in memory but for the last
// step over the loopback.
func BenchmarkTCP(b *testing.B) {
	const target = "192.0.2.1:80"
	run := func(b *testing.B, serve func(net.Conn), carry func(net.Conn)) {
		f := newForwarder(b, ForwarderConfig{Dial: hosts{"tcp " + target: listen(b, serve)}.dial})
		s := connect(b, f, nil, nil, addr("10.9.0.2"))
		c, err := s.DialContext(b.Context(), "tcp", target)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		b.SetBytes(copyBuffer)
		b.ReportAllocs()
		b.ResetTimer()
		carry(c)
	}
	chunk := make([]byte, copyBuffer)
	b.Run("up", func(b *testing.B) {
		done := make(chan int64, 1)
		run(b, func(c net.Conn) {
			n, _ := io.Copy(io.Discard, c)
			done <- n
		}, func(c net.Conn) {
			for range b.N {
				if _, err := c.Write(chunk); err != nil {
					b.Fatal(err)
				}
			}
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
			if n := <-done; n != int64(b.N)*copyBuffer {
				b.Fatalf("%d bytes arrived", n)
			}
		})
	})
	b.Run("down", func(b *testing.B) {
		run(b, func(c net.Conn) {
			for range b.N {
				if _, err := c.Write(chunk); err != nil {
					return
				}
			}
		}, func(c net.Conn) {
			if n, err := io.Copy(io.Discard, c); n != int64(b.N)*copyBuffer {
				b.Fatalf("%d bytes arrived: %v", n, err)
			}
		})
	})
}

// BenchmarkMemory reports what a client costs: attached and idle, and with a connection
// that has carried a megabyte.
func BenchmarkMemory(b *testing.B) {
	const clients = 200
	f := newForwarder(b, ForwarderConfig{Dial: hosts{"tcp 192.0.2.1:80": listen(b, echoServer)}.dial})
	measure := func() (bytes, goroutines int) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
	}
	for range b.N {
		bytes, goroutines := measure()
		var ports []Port
		for i := range clients {
			p, err := f.Attach(Own(netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})), testMTU, newPipe(nil))
			if err != nil {
				b.Fatal(err)
			}
			ports = append(ports, p)
		}
		after, now := measure()
		b.ReportMetric(float64(after-bytes)/clients/1024, "KiB/client")
		b.ReportMetric(float64(now-goroutines)/clients, "goroutines/client")
		for _, p := range ports {
			p.Close()
		}
	}
	b.StopTimer()
	before, _ := measure()
	const busy = 20
	for i := range busy {
		s := connect(b, f, nil, nil, netip.AddrFrom4([4]byte{10, 8, 0, byte(i)}))
		c, err := s.DialContext(b.Context(), "tcp", "192.0.2.1:80")
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		if err := echoOnce(c); err != nil {
			b.Fatal(err)
		}
	}
	after, _ := measure()
	b.ReportMetric(float64(after-before)/busy/1024, "KiB/pair-with-conn")
}
