//go:build linux

package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A visitor is the client of the router's network, a process of its own.
type visitor struct {
	arena   arena
	entrant entrant
}

// runVisitor is the process: "visit CERTIFICATE WINDOW DISCIPLINE", a discipline as
// routing names it. It prints the result as JSON.
func runVisitor(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("visit: want a certificate, a time and a discipline, got %q", args)
	}
	length, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	which, err := strconv.Atoi(args[2])
	if err != nil || which < 0 || which >= len(routing) {
		return fmt.Errorf("visit: no discipline %s", args[2])
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("visit: %s holds no certificate", args[0])
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	v := visitor{arena: arena{window: length}}
	v.entrant.client = clientConfig(&issued{certificate: certificate}, false)
	if v.arena.hello, err = recordedHello(v.entrant.client); err != nil {
		return err
	}
	v.entrant.way.next, v.entrant.way.control = new(atomic.Uint32), bindNoPort
	for _, p := range pairs {
		v.entrant.way.pairs = append(v.entrant.way.pairs, pair{
			from: &net.TCPAddr{IP: net.ParseIP(p.client)},
			to:   services{net.JoinHostPort(p.server, echoPort), net.JoinHostPort(p.server, httpsPort)},
		})
	}
	v.arena.peer = v.entrant.way.pairs[0].to
	d := routing[which]
	r, err := d.run(context.Background(), &v.arena, &v.entrant)
	if err != nil {
		return fmt.Errorf("%s: %w", d.title, err)
	}
	return json.NewEncoder(os.Stdout).Encode(visited{r.value, r.done, r.wall})
}

// bindNoPort leaves the choice of the port to connect(2). Bind takes none that any
// connection of the last minute had, wherever that led, and looks for it one by one,
// which takes longer than all else here once thousands were made.
func bindNoPort(_, _ string, c syscall.RawConn) error {
	var err error
	if control := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	}); control != nil {
		return control
	}
	return os.NewSyscallError("setsockopt", err)
}

// A visited is a result as a visitor prints it.
type visited struct {
	Value, Done float64
	Wall        time.Duration
}
