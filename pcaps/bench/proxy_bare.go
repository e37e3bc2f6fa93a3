package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// The bare splice proxy is what any CONNECT proxy written in Go has to do at
// least: read a head, dial, and let the kernel move the bytes, which is what
// io.Copy between two *net.TCPConn comes to on Linux.

// errHead is for a head that does not end where it should.
var errHead = errors.New("no end of the head, or bytes after it")

// runBare is the process: "bare ADDRESS". It ends when its standard input does.
func runBare(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("bare: want an address, got %q", args)
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that matters
		_ = l.Close()
	}()
	return serve(l, func(c *net.TCPConn) { carryTo(c, splice) })
}

// serve hands out connections until the listener is closed.
func serve(l net.Listener, handle func(*net.TCPConn)) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil { // too many open files, until some are closed
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go handle(c.(*net.TCPConn))
	}
}

// carryTo connects a client to where it wants, and has the two carried.
func carryTo(client *net.TCPConn, carry func(client, server *net.TCPConn)) {
	defer func() { _ = client.Close() }()
	head, err := readHead(client)
	if err != nil {
		return
	}
	fields := bytes.Fields(head)
	if len(fields) < 2 || string(fields[0]) != "CONNECT" {
		return
	}
	conn, err := net.Dial("tcp", string(fields[1]))
	if err != nil {
		return
	}
	server := conn.(*net.TCPConn)
	defer func() { _ = server.Close() }()
	if _, err := io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	carry(client, server)
}

// splice carries both directions as they are.
func splice(client, server *net.TCPConn) {
	up := make(chan struct{})
	go func() {
		defer close(up)
		half(server, client)
	}()
	half(client, server)
	<-up
}

// half copies one direction, its end included.
func half(to, from *net.TCPConn) {
	_, _ = io.Copy(to, from) // whatever ends it, the direction has ended
	_ = to.CloseWrite()
}

// readHead reads an HTTP head that nothing follows before it is answered.
func readHead(r io.Reader) ([]byte, error) {
	b := make([]byte, 0, 1<<10)
	for len(b) < cap(b) {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if at := bytes.Index(b, []byte("\r\n\r\n")); at >= 0 {
			if at+4 < len(b) {
				return nil, errHead
			}
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errHead
}
