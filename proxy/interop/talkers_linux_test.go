package interop

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"golang.org/x/net/websocket"
)

// Ports of servers that speak something else than HTTP.
const (
	mailPort   = "25"  // speaks first
	shellPort  = "22"  // speaks first, as does the client
	binaryPort = "777" // echoes what was sent when that has ended
)

// talkers starts them, at all addresses of the server.
func (c *carry) talkers() {
	c.talker(mailPort, talkMail)
	c.talker(shellPort, talkShell)
	c.talker(binaryPort, talkBinary)
}

func (l *lab) talker(port string, talk func(*net.TCPConn) error) {
	ln := l.Listen(l.Server, ":"+port)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = talk(conn.(*net.TCPConn)) // the client notices
			}()
		}
	}()
}

func talkMail(conn *net.TCPConn) error {
	if _, err := io.WriteString(conn, "220 mail.example ESMTP\r\n"); err != nil {
		return err
	}
	for r := bufio.NewReader(conn); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		answer := "250 " + line
		if line == "QUIT\r\n" {
			answer = "221 bye\r\n"
		}
		if _, err := io.WriteString(conn, answer); err != nil || line == "QUIT\r\n" {
			return err
		}
	}
}

func talkShell(conn *net.TCPConn) error {
	if _, err := io.WriteString(conn, "SSH-2.0-lab\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "you are %s", line)
	return err
}

func talkBinary(conn *net.TCPConn) error {
	b, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	_, err = conn.Write(b)
	return errors.Join(err, conn.CloseWrite())
}

// reach connects to a port of the server, this way.
func (c *carry) reach(port string) net.Conn {
	c.T.Helper()
	conn, err := c.dialTo(net.JoinHostPort(c.f.server, port))
	if err != nil {
		c.T.Fatal(err)
	}
	c.T.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (c *carry) serverFirst() {
	r := bufio.NewReader(c.reach(mailPort))
	c.checkLines(r, nil, "220 mail.example ESMTP\r\n")
	conn := c.reach(mailPort)
	r = bufio.NewReader(conn)
	c.checkLines(r, nil, "220 mail.example ESMTP\r\n")
	c.checkLines(r, conn, "EHLO client.example\r\n", "250 EHLO client.example\r\n")
	c.checkLines(r, conn, "QUIT\r\n", "221 bye\r\n")
	if _, err := r.ReadByte(); err != io.EOF {
		c.T.Errorf("after the end there is %v", err)
	}
}

// checkLines sends all lines but the last, which is what is to come then.
func (c *carry) checkLines(r *bufio.Reader, conn net.Conn, lines ...string) {
	c.T.Helper()
	last := len(lines) - 1
	for _, line := range lines[:last] {
		if _, err := io.WriteString(conn, line); err != nil {
			c.T.Fatal(err)
		}
	}
	if got, err := r.ReadString('\n'); err != nil || got != lines[last] {
		c.T.Fatalf("got %q, %v, want %q", got, err, lines[last])
	}
}

func (c *carry) bothFirst() {
	conn := c.reach(shellPort)
	r := bufio.NewReader(conn)
	c.checkLines(r, conn, "SSH-2.0-client\r\n", "SSH-2.0-lab\r\n")
	c.checkLines(r, nil, "you are SSH-2.0-client\r\n")
}

// binary sends what is no protocol, ends its direction, and gets it back.
func (c *carry) binary() {
	for _, sent := range [][]byte{{0}, noise()[:1<<20], []byte("\x16\x03\x01 not TLS at all"), []byte("GET is no request")} {
		conn := c.reach(binaryPort)
		if _, err := conn.Write(sent); err != nil {
			c.T.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			c.T.Fatal(err)
		}
		if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, sent) {
			c.T.Errorf("%q...: %v, %d bytes came back, or others", sent[:1], err, len(got))
		}
	}
}

// websocket speaks it in clear and in TLS; to an explicit proxy in clear both as
// its own request and through a tunnel.
func (c *carry) websocket() {
	conns := map[string]net.Conn{
		"ws":  c.reach("80"),
		"wss": tls.Client(c.reach("8443"), &tls.Config{ServerName: c.f.name, RootCAs: c.roots(), NextProtos: []string{"http/1.1"}}),
	}
	if c.mode == "explicit" {
		conns["ws without CONNECT"] = c.connect(proxy4)
	}
	for name, conn := range conns {
		scheme, port := strings.Fields(name)[0], map[string]string{"ws": "80", "wss": "8443"}
		location := fmt.Sprintf("%s://%s:%s/websocket", scheme, c.f.name, port[scheme])
		config, err := websocket.NewConfig(location, "http://"+c.f.name)
		if err != nil {
			c.T.Fatal(err)
		}
		var rw io.ReadWriteCloser = conn
		if name == "ws without CONNECT" {
			rw = &absolute{ReadWriteCloser: conn, host: c.f.name}
		}
		ws, err := websocket.NewClient(config, rw)
		if err != nil {
			c.T.Errorf("%s: %v", name, err)
			continue
		}
		for _, text := range []string{"hello", strings.Repeat("x", 70_000), ""} {
			var got string
			if err := websocket.Message.Send(ws, text); err != nil {
				c.T.Errorf("%s: %v", name, err)
				break
			}
			if err := websocket.Message.Receive(ws, &got); err != nil || got != text {
				c.T.Errorf("%s: %v, %d bytes came back of %d", name, err, len(got), len(text))
				break
			}
		}
		_ = ws.Close()
	}
}

// absolute has the first request name the whole URL, as a proxy wants it.
type absolute struct {
	io.ReadWriteCloser
	host string
	sent bool
}

// Write implements io.Writer.
func (a *absolute) Write(b []byte) (int, error) {
	if a.sent {
		return a.ReadWriteCloser.Write(b)
	}
	a.sent = true
	text := strings.Replace(string(b), "GET /", "GET http://"+a.host+"/", 1)
	if _, err := io.WriteString(a.ReadWriteCloser, text); err != nil {
		return 0, err
	}
	return len(b), nil
}
