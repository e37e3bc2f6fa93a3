package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// sockets are those that systemd opened for us, by the names that the unit gives
// them (FileDescriptorName=).
type sockets struct {
	mu   sync.Mutex
	free map[string][]*os.File
}

// take takes what systemd passed.
func (s *sockets) take() {
	s.free = map[string][]*os.File{}
	for _, f := range activation.Files(true) {
		s.free[f.Name()] = append(s.free[f.Name()], f)
	}
}

func (s *sockets) next(name string) *os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := s.free[name]
	if len(files) == 0 {
		return nil
	}
	s.free[name] = files[1:]
	return files[0]
}

// discard closes what nobody asked for, and says so.
func (s *sockets) discard(log *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, files := range s.free {
		for _, f := range files {
			log.Warn("systemd passed a socket that nothing here listens on: name it as the service does", "listener", name)
			_ = f.Close() // it was not used
		}
	}
	s.free = nil
}

func (s *sockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, files := range s.free {
		for _, f := range files {
			_ = f.Close() // it was not used
		}
	}
	s.free = nil
}

// A Control sets options on a socket, as that of a [net.ListenConfig] does.
type Control = func(network, address string, c syscall.RawConn) error

// Listener gives the next socket that systemd opened under that name, or else
// listens on the address. Controls are called on the socket in both cases: on
// one of systemd's after it was bound.
func (d *Daemon) Listener(name, network, addr string, controls ...Control) (net.Listener, error) {
	control := func(network, address string, c syscall.RawConn) error {
		for _, f := range controls {
			if err := f(network, address, c); err != nil {
				return err
			}
		}
		return nil
	}
	f := d.sockets.next(name)
	if f == nil {
		lc := net.ListenConfig{Control: control, KeepAlive: -1} // who accepts decides
		l, err := lc.Listen(context.Background(), network, addr)
		if err != nil {
			return nil, listenError(name, addr, err)
		}
		return l, nil
	}
	l, err := inherited(f, control)
	if err != nil {
		return nil, fmt.Errorf("using the socket %s that systemd passed: %w; it must be a listening stream socket", name, err)
	}
	d.log.Info("using a socket of systemd", "listener", name, "address", l.Addr().String())
	return l, nil
}

// Listeners gives all the sockets that systemd opened under that name, or else
// listens on each of the addresses.
func (d *Daemon) Listeners(name, network string, addrs []string, controls ...Control) ([]net.Listener, error) {
	d.sockets.mu.Lock()
	passed := len(d.sockets.free[name])
	d.sockets.mu.Unlock()
	if passed > 0 {
		addrs = make([]string, passed)
	}
	out := make([]net.Listener, 0, len(addrs))
	for _, addr := range addrs {
		l, err := d.Listener(name, network, addr, controls...)
		if err != nil {
			for _, l := range out {
				_ = l.Close() // it was not used
			}
			return nil, err
		}
		out = append(out, l)
		if got := l.Addr().Network(); passed > 0 && got != network {
			for _, l := range out {
				_ = l.Close() // it was not used
			}
			return nil, fmt.Errorf("using the socket %s that systemd passed: it is of %s and not of %s: write ListenStream=ADDRESS:PORT into the unit", name, got, network)
		}
	}
	return out, nil
}

// inherited makes a Listener of a file, which it closes.
func inherited(f *os.File, control Control) (net.Listener, error) {
	defer func() { _ = f.Close() }() // the Listener has its own
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	if s, ok := l.(syscall.Conn); ok {
		raw, err := s.SyscallConn()
		if err == nil {
			err = checkListening(raw)
		}
		if err == nil {
			err = control(l.Addr().Network(), l.Addr().String(), raw)
		}
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// listenError says what to do about an address that cannot be bound.
func listenError(name, addr string, err error) error {
	remedy, path := "", strings.HasPrefix(addr, "/")
	switch {
	case path && errors.Is(err, syscall.EADDRINUSE):
		remedy = "; something listens there already: ss -lxp tells what"
	case path && errors.Is(err, syscall.ENOENT):
		remedy = "; its folder is not there: mkdir " + filepath.Dir(addr) + " (systemd's units make it), or name another"
	case path && errors.Is(err, syscall.EACCES):
		remedy = "; this user may not write to the folder"
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = "; something listens there already: ss -ltnp tells what"
	case errors.Is(err, syscall.EACCES):
		remedy = "; ports below 1024 need root or CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = "; this machine has no such address: ip address lists them"
	}
	if cause, ok := errors.AsType[*net.OpError](err); ok {
		err = cause.Err // the rest is said here
	}
	return fmt.Errorf("listening on %s for %s: %w%s", addr, name, err, remedy)
}

// UnusedSockets gives the names of the sockets that systemd passed and nobody has asked
// for so far, in order.
func (d *Daemon) UnusedSockets() []string {
	d.sockets.mu.Lock()
	defer d.sockets.mu.Unlock()
	var names []string
	for name, files := range d.sockets.free {
		if len(files) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *sockets) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.free[name]) > 0
}
