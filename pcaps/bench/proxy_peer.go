package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// The peer is the server behind all proxies, a process of its own. It has two
// services: an echo of plain bytes, and HTTPS with these paths:
//
//	/small   a small answer
//	/hold    the same, and then an echo of TLS records that it does not open
//	/records TLS records of random bytes without end, which cost no encryption
//	/file    a large answer
const (
	smallAnswer = 1 << 10
	largeAnswer = 4 << 20
	recordSize  = 16 << 10
)

// runPeer is the process: "peer CERTIFICATE KEY ECHO-ADDRESS HTTPS-ADDRESS". It
// ends when its standard input does.
func runPeer(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("peer: want a certificate, a key and two addresses, got %q", args)
	}
	config, err := originConfig(args[0], args[1])
	if err != nil {
		return err
	}
	echoes, err := net.Listen("tcp", args[2])
	if err != nil {
		return err
	}
	sealed, err := net.Listen("tcp", args[3])
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that matters
		_, _ = echoes.Close(), sealed.Close()
	}()
	go func() { _ = serve(echoes, func(c *net.TCPConn) { echo(c, c) }) }() // ends with the listener
	p := &peer{config: config, records: applicationRecords(16)}
	return serve(sealed, p.https)
}

type peer struct {
	config  *tls.Config
	records []byte
}

// echo returns what comes until nothing does.
func echo(r io.Reader, c *net.TCPConn) {
	defer func() { _ = c.Close() }()
	b := make([]byte, 512) // ten thousand of them are held
	for {
		n, err := r.Read(b)
		if n > 0 {
			if _, err := c.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *peer) https(c *net.TCPConn) {
	if p.converse(c) { // what TLS needed is let go
		echo(c, c)
	}
	_ = c.Close() // or echo has
}

// converse answers requests, until the connection is to be held or has ended.
func (p *peer) converse(c *net.TCPConn) (hold bool) {
	g := &gatherer{Conn: c}
	conn := tls.Server(g, p.config)
	r := bufio.NewReaderSize(conn, 1<<10)
	for {
		request, err := http.ReadRequest(r)
		if err != nil {
			return false
		}
		switch request.URL.Path {
		case "/records":
			for err == nil { // until the client closes
				_, err = c.Write(p.records)
			}
		case "/file":
			err = answer(g, conn, largeAnswer)
		default:
			err = answer(g, conn, smallAnswer)
		}
		if err != nil || request.Close || request.URL.Path == "/hold" {
			return err == nil && !request.Close
		}
	}
}

// answer is a response of so many bytes, written to w and gathered. The head and
// the first of them go at once.
func answer(g *gatherer, w io.Writer, size int) error {
	b := fmt.Appendf(make([]byte, 0, len(body)), "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", size)
	first := min(size, cap(b)-len(b))
	b = append(b, body[:first]...)
	for left := size - first; ; {
		err := g.gather(func() error {
			_, err := w.Write(b)
			return err
		})
		if err != nil || left == 0 {
			return err
		}
		b = body[:min(left, len(body))]
		left -= len(b)
	}
}

// body is what answers consist of.
var body = bytes.Repeat([]byte{'.'}, 128<<10)

// applicationRecords are n records of application data of the largest size,
// random bytes as encryption would leave them.
func applicationRecords(n int) []byte {
	var all []byte
	for range n {
		all = append(all, applicationRecord(recordSize+17)...) // content type and tag
	}
	return all
}

func applicationRecord(size int) []byte {
	b := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(size))
	b = append(b, make([]byte, size)...)
	_, _ = rand.Read(b[5:]) // never fails
	return b
}

// errNotFromPeer is for an answer that the peer did not give.
var errNotFromPeer = errors.New("the answer is not the peer's")

// get asks for a small answer over a connection that is open.
func get(conn io.ReadWriter, host, path string) error {
	if err := request(conn, host, path); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || n != smallAnswer) {
		err = fmt.Errorf("%w: status %d, %d bytes", errNotFromPeer, response.StatusCode, n)
	}
	return err
}

// request asks the host that a CONNECT named, as squid wants it.
func request(w io.Writer, host, path string) error {
	_, err := fmt.Fprintf(w, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", path, host)
	return err
}
