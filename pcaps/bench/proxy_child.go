package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"syscall"
	"time"
)

const (
	// startPatience is how long a program may take until it accepts
	// connections, and stopPatience how long to end once told to.
	startPatience = 30 * time.Second
	stopPatience  = 3 * time.Second
)

// A child is a server that this program started and ends.
type child struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	stdin  io.Closer
	ended  chan struct{}
	err    error // once ended
	stderr tail  // complete once ended
}

// startChild starts a server and waits until it accepts connections at the
// addresses.
func startChild(ctx context.Context, addresses []string, command ...string) (*child, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	c, err := begin(cmd, cmd.Start, cancel)
	if err != nil {
		return nil, err
	}
	for _, address := range addresses {
		if err := c.await(ctx, address); err != nil {
			c.stop()
			return nil, fmt.Errorf("starting %s: %w%s", command[0], err, c.stderr.note())
		}
	}
	return c, nil
}

// begin starts a program that cancel ends.
func begin(cmd *exec.Cmd, start func() error, cancel context.CancelFunc) (*child, error) {
	c := &child{cmd: cmd, cancel: cancel, ended: make(chan struct{})}
	c.cmd.Stderr = &c.stderr
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = stopPatience
	// Our own children end when their standard input does, so they end with us
	// however we end.
	stdin, err := c.cmd.StdinPipe()
	if err == nil {
		c.stdin, err = stdin, start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// await waits until the child accepts connections at the address.
func (c *child) await(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-c.ended:
			return fmt.Errorf("it ended: %w", errors.Join(c.err, err))
		case <-ctx.Done():
			return fmt.Errorf("it does not accept connections: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the child. It may be called more than once.
func (c *child) stop() {
	c.cancel()
	<-c.ended
	_ = c.stdin.Close() // Wait has closed it
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// freeAddress is an address on the loopback where nobody listens. Nothing
// keeps it free; a program that finds it taken says so and takes no part.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
