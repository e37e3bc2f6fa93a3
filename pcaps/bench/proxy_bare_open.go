package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// The bare opening proxy is what any proxy written in Go that opens TLS has to do
// at least: two handshakes, of which one verifies the server, and the plaintext
// copied from one to the other. It looks at nothing, and its certificate is made
// beforehand.

const bareOpenName = "bare Go opening"

// runBareOpen is the process: "bareopen ADDRESS CERTIFICATE KEY ROOTS". It ends
// when its standard input does.
func runBareOpen(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("bareopen: want an address, a certificate, a key and roots, got %q", args)
	}
	pair, err := tls.LoadX509KeyPair(args[1], args[2])
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(args[3])
	if err != nil {
		return err
	}
	if !roots.AppendCertsFromPEM(pem) {
		return errors.New("bareopen: no roots")
	}
	o := &bareOpener{
		server: &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}, SessionTicketsDisabled: true},
		client: &tls.Config{RootCAs: roots, ServerName: originName, NextProtos: []string{"http/1.1"}},
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that matters
		_ = l.Close()
	}()
	return serve(l, func(c *net.TCPConn) { carryTo(c, o.open) })
}

type bareOpener struct{ server, client *tls.Config }

// open carries the plaintext between two connections.
func (o *bareOpener) open(client, server *net.TCPConn) {
	up, down := tls.Client(server, o.client), tls.Server(client, o.server)
	if up.Handshake() != nil || down.Handshake() != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(up, down) // whatever ends it, the direction has ended
		_ = up.CloseWrite()
	}()
	_, _ = io.Copy(down, up)
	_ = down.CloseWrite()
	<-done
}

// beginBareOpen starts it.
func beginBareOpen(ctx context.Context, a *arena, e *entrant) (*child, error) {
	leaf, err := issue(a.dir, "bareopen", a.issuer)
	if err != nil {
		return nil, err
	}
	if e.way.proxy, err = freeAddress(); err != nil {
		return nil, err
	}
	return startChild(ctx, []string{e.way.proxy}, a.self, "bareopen", e.way.proxy, leaf.certFile, leaf.keyFile, a.issuer.certFile)
}
