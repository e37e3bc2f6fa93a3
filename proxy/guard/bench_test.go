package guard

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"

	"sstpwarden/inspect/httphead"
)

// Each benchmark runs with net/http alone and behind the guard.

// serving returns the address of a server of handler.
func serving(b *testing.B, guarded bool, handler http.Handler) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	if !guarded {
		srv := &http.Server{Handler: handler}
		go srv.Serve(ln)
		b.Cleanup(func() { srv.Close() })
		return ln.Addr().String()
	}
	ctx, cancel := context.WithCancel(b.Context())
	o := Options{
		Handler: handler,
		Judge:   func(*httphead.Request) Verdict { return Pass() },
		Read:    func([]byte) error { return nil },
		Written: func([]byte) error { return nil },
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go Serve(ctx, conn, o)
		}
	}()
	b.Cleanup(func() {
		cancel()
		ln.Close()
	})
	return ln.Addr().String()
}

func both(b *testing.B, f func(b *testing.B, guarded bool)) {
	b.Helper()
	for _, guarded := range []bool{false, true} {
		name := "net-http"
		if guarded {
			name = "guard"
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			f(b, guarded)
		})
	}
}

// A head as browsers send them.
const browserHead = "GET http://www.example.com/index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n" +
	"Connection: keep-alive\r\nCookie: session=0123456789abcdef0123456789abcdef\r\nUpgrade-Insecure-Requests: 1\r\nPriority: u=0, i\r\n\r\n"

var small = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })

// answerLen is how long the answer to a request is.
func answerLen(b *testing.B, addr string) int {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, browserHead)
	n, err := conn.Read(make([]byte, 4096))
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func BenchmarkRequest(b *testing.B) {
	both(b, func(b *testing.B, guarded bool) {
		addr := serving(b, guarded, small)
		answer := make([]byte, answerLen(b, addr))
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		for b.Loop() {
			io.WriteString(conn, browserHead)
			if _, err := io.ReadFull(conn, answer); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkConnection(b *testing.B) {
	both(b, func(b *testing.B, guarded bool) {
		addr := serving(b, guarded, small)
		answer := make([]byte, answerLen(b, addr))
		for b.Loop() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			io.WriteString(conn, browserHead)
			if _, err := io.ReadFull(conn, answer); err != nil {
				b.Fatal(err)
			}
			conn.Close()
		}
	})
}

const bodyLen = 64 << 20

func BenchmarkUpload(b *testing.B) {
	for _, framing := range []string{"Content-Length", "chunked"} {
		b.Run(framing, func(b *testing.B) {
			both(b, func(b *testing.B, guarded bool) {
				addr := serving(b, guarded, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					n, err := io.Copy(struct{ io.Writer }{io.Discard}, req.Body)
					fmt.Fprint(w, n, err)
				}))
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
				br := bufio.NewReader(conn)
				b.SetBytes(bodyLen)
				piece := make([]byte, 64<<10)
				head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", bodyLen)
				if framing == "chunked" {
					head = chunked
					piece = append(append([]byte("8000\r\n"), make([]byte, 32<<10)...), "\r\n"...)
					piece = append(piece, piece...)
				}
				for b.Loop() {
					io.WriteString(conn, head)
					for range bodyLen / (64 << 10) {
						conn.Write(piece)
					}
					if framing == "chunked" {
						io.WriteString(conn, "0\r\n\r\n")
					}
					resp, err := http.ReadResponse(br, nil)
					if err != nil {
						b.Fatal(err)
					}
					if got, err := io.ReadAll(resp.Body); string(got) != fmt.Sprint(bodyLen, nil) || err != nil {
						b.Fatalf("got %q, %v", got, err)
					}
				}
			})
		})
	}
}

func BenchmarkDownload(b *testing.B) {
	both(b, func(b *testing.B, guarded bool) {
		body := make([]byte, bodyLen)
		addr := serving(b, guarded, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(bodyLen))
			io.Copy(w, struct{ io.Reader }{bytes.NewReader(body)})
		}))
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		br := bufio.NewReader(conn)
		b.SetBytes(bodyLen)
		buf := make([]byte, 256<<10)
		for b.Loop() {
			io.WriteString(conn, getA)
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				b.Fatal(err)
			}
			if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, buf); n != bodyLen || err != nil {
				b.Fatal(n, err)
			}
		}
	})
}

// BenchmarkIdle measures what an idle connection holds after its first request, both
// its ends in this process.
func BenchmarkIdle(b *testing.B) {
	both(b, func(b *testing.B, guarded bool) {
		addr := serving(b, guarded, small)
		answer := make([]byte, answerLen(b, addr))
		var before, after runtime.MemStats
		const n = 500
		for b.Loop() {
			runtime.GC()
			runtime.ReadMemStats(&before)
			var conns []net.Conn
			for range n {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					b.Fatal(err)
				}
				io.WriteString(conn, browserHead)
				if _, err := io.ReadFull(conn, answer); err != nil {
					b.Fatal(err)
				}
				conns = append(conns, conn)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			for _, conn := range conns {
				conn.Close()
			}
		}
		used := func(m *runtime.MemStats) uint64 { return m.HeapAlloc + m.StackInuse }
		b.ReportMetric(float64(int64(used(&after)-used(&before)))/n, "B/conn")
	})
}
