package matrix

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/websocket"
)

var http1 = []string{"http/1.1"}

// webScenarios are HTTP and what grows out of it, by net/http on both ends.
var webScenarios = []Scenario{
	{Name: "https-page", About: "a page of 30,000 bytes and four small ones", alpn: http1, client: overHTTP1(func(c *http.Client) error {
		return errorsOf(get(c, "/bytes/30000"), get(c, "/bytes/400"), get(c, "/bytes/1200"), get(c, "/bytes/90"), get(c, "/bytes/7000"))
	}), server: serveHTTP},
	{Name: "https-one", About: "one short answer and no more", alpn: http1, client: overHTTP1(func(c *http.Client) error { return get(c, "/bytes/12") }), server: serveHTTP},
	{Name: "https-api", About: "20 posts of 14 to 300 bytes, answered with 20 to 90", alpn: http1, client: overHTTP1(func(c *http.Client) error {
		for i := range 20 {
			if err := post(c, fmt.Sprintf("/bytes/%d", 20+i*70/20), 14+i*15); err != nil {
				return err
			}
		}
		return nil
	}), server: serveHTTP},
	{Name: "https-upload", About: "an upload of 200,000 bytes", alpn: http1, client: overHTTP1(func(c *http.Client) error { return post(c, "/bytes/40", 200_000) }), server: serveHTTP},
	{Name: "https-download", About: "a download of 300,000 bytes", alpn: http1, client: overHTTP1(func(c *http.Client) error { return get(c, "/bytes/300000") }), server: serveHTTP},
	{Name: "long-poll", About: "polls that are answered after 250 ms with 40 bytes", alpn: http1, client: overHTTP1(func(c *http.Client) error {
		for range 6 {
			if err := get(c, "/wait/40"); err != nil {
				return err
			}
		}
		return nil
	}), server: serveHTTP},
	{Name: "server-events", About: "40 server-sent events of 48 bytes", alpn: http1, client: overHTTP1(func(c *http.Client) error { return get(c, "/events/48") }), server: serveHTTP},
	{Name: "h2-page", About: "HTTP/2: five pages", alpn: []string{"h2"}, client: overHTTP2(func(c *http.Client) error {
		return errorsOf(get(c, "/bytes/30000"), get(c, "/bytes/400"), get(c, "/bytes/1200"), get(c, "/bytes/90"), get(c, "/bytes/7000"))
	}), server: serveHTTP},
	{Name: "grpc-stream", About: "HTTP/2: messages of 14 bytes up and 48 down in one stream, as gRPC has them", alpn: []string{"h2"}, client: overHTTP2(stream), server: serveHTTP},
	{Name: "websocket", About: "a WebSocket: 60 short messages each way", alpn: http1, client: overWebSocket(func(i int) int { return 3 + i*7%60 }), server: serveHTTP},
	{Name: "websocket-14-48", About: "a WebSocket whose frames have 14 bytes up and 48 down", alpn: http1, client: overWebSocket(func(int) int { return 8 }), server: serveHTTP},
}

func errorsOf(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

func get(c *http.Client, path string) error { return do(c, http.MethodGet, path, nil) }

func post(c *http.Client, path string, size int) error {
	return do(c, http.MethodPost, path, strings.NewReader(strings.Repeat("p", size)))
}

func do(c *http.Client, method, path string, body io.Reader) error {
	q, err := http.NewRequest(method, "http://"+otherName+path, body)
	if err != nil {
		return err
	}
	q.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	r, err := c.Do(q)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return errorsOf(err, r.Body.Close())
}

// overHTTP1 runs f on a client that has the one connection.
func overHTTP1(f func(*http.Client) error) func(context.Context, net.Conn) error {
	return overHTTP(f, (*http.Protocols).SetHTTP1)
}

// overHTTP2 is the same in HTTP/2. TLS is below, and none of net/http's business.
func overHTTP2(f func(*http.Client) error) func(context.Context, net.Conn) error {
	return overHTTP(f, (*http.Protocols).SetUnencryptedHTTP2)
}

func overHTTP(f func(*http.Client) error, speak func(*http.Protocols, bool)) func(context.Context, net.Conn) error {
	return func(_ context.Context, c net.Conn) error {
		var once sync.Once
		dial := func(context.Context, string, string) (out net.Conn, err error) {
			err = net.ErrClosed // of a second connection
			once.Do(func() { out, err = c, nil })
			return out, err
		}
		t := &http.Transport{DialContext: dial, MaxConnsPerHost: 1, DisableCompression: true, Protocols: new(http.Protocols)}
		speak(t.Protocols, true)
		defer t.CloseIdleConnections()
		return f(&http.Client{Transport: t})
	}
}

// A lone listener hands out one connection, and then waits for its end.
type lone struct {
	conn chan net.Conn
	addr net.Addr
	over chan struct{}
}

func (l *lone) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

func (l *lone) Close() error   { return nil }
func (l *lone) Addr() net.Addr { return l.addr }

// A told connection tells of its end, whoever closes it.
type told struct {
	net.Conn
	once  sync.Once
	ended chan struct{}
}

func (t *told) Close() error {
	t.once.Do(func() { close(t.ended) })
	return t.Conn.Close()
}

// serveHTTP serves HTTP/1.1 or HTTP/2, as the client speaks.
func serveHTTP(c net.Conn) error {
	t := &told{Conn: c, ended: make(chan struct{})}
	l := &lone{conn: make(chan net.Conn, 1), addr: c.LocalAddr(), over: t.ended}
	l.conn <- t
	s := &http.Server{Handler: pages(), ReadHeaderTimeout: benignPatience, Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	if err := s.Serve(l); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil // it ends with the connection
}

// pages is the web server of all scenarios.
func pages() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/bytes/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)   // the client sees an error
		_, _ = w.Write(filled(r, "/bytes/")) // likewise
	})
	m.HandleFunc("/wait/", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(250 * time.Millisecond)
		_, _ = w.Write(filled(r, "/wait/"))
	})
	m.HandleFunc("/events/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 40 {
			_, _ = w.Write(filled(r, "/events/"))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	m.HandleFunc("/stream", serveStream)
	m.Handle("/socket", websocket.Server{Handler: func(c *websocket.Conn) {
		c.PayloadType = websocket.BinaryFrame
		for {
			var b []byte
			if websocket.Message.Receive(c, &b) != nil || websocket.Message.Send(c, make([]byte, 46)) != nil {
				return
			}
		}
	}})
	return m
}

// filled is what a path asks for, so many bytes.
func filled(r *http.Request, prefix string) []byte {
	n := 0
	_, _ = fmt.Sscan(strings.TrimPrefix(r.URL.Path, prefix), &n) // paths are this package's own
	return bytes.Repeat([]byte{'b'}, n)
}

// grpcPrefix is what stands in front of a message of gRPC: a flag and a length.
const grpcPrefix = 5

func message(size int) []byte {
	b := make([]byte, grpcPrefix+size)
	binary.BigEndian.PutUint32(b[1:], uint32(size))
	return b
}

// stream sends messages in a request's body and reads others from the answer's.
func stream(c *http.Client) error {
	r, w := io.Pipe()
	q, err := http.NewRequest(http.MethodPost, "http://"+otherName+"/stream", r)
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/grpc")
	answer, err := c.Do(q)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // all was read
	in := make([]byte, grpcPrefix+48)
	for range 60 {
		if _, err := w.Write(message(14)); err != nil {
			return err
		}
		if _, err := io.ReadFull(answer.Body, in); err != nil {
			return err
		}
	}
	return w.Close()
}

func serveStream(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	_ = c.Flush() // the client waits for the head
	in := make([]byte, grpcPrefix+14)
	for {
		if _, err := io.ReadFull(r.Body, in); err != nil {
			return
		}
		_, _ = w.Write(message(48))
		_ = c.Flush()
	}
}

// overWebSocket sends 60 messages of these sizes, each answered.
func overWebSocket(size func(i int) int) func(context.Context, net.Conn) error {
	return func(_ context.Context, c net.Conn) error {
		config, err := websocket.NewConfig("wss://"+otherName+"/socket", "https://"+otherName)
		if err != nil {
			return err
		}
		s, err := websocket.NewClient(config, c)
		if err != nil {
			return err
		}
		for i := range 60 {
			var b []byte
			if err := errorsOf(websocket.Message.Send(s, make([]byte, size(i))), websocket.Message.Receive(s, &b)); err != nil {
				return err
			}
		}
		return nil
	}
}

// askProxy sends a CONNECT and reads the answer.
func askProxy(c net.Conn, to string) error {
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0\r\n\r\n", to, to); err != nil {
		return err
	}
	r := bufio.NewReader(oneByte{c}) // nothing behind the head is to be read
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy answered %s to CONNECT %s", answer.Status, to)
	}
	return nil
}

type oneByte struct{ io.Reader }

func (o oneByte) Read(b []byte) (int, error) { return o.Reader.Read(b[:min(len(b), 1)]) }
