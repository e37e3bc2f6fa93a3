package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// A Device is something between two hosts that is tested: the client's side of it.
type Device struct {
	// Peer is the server's address, as the device sees it.
	Peer string
	// Control is where the server is asked for far ends, host:port: past the device if
	// it has a way of its own, else through it.
	Control string
	// Proxy is the device's address, host:port, if it is an HTTP proxy, "" if not.
	Proxy string
}

// String says where the device is.
func (d *Device) String() string {
	if d.Proxy != "" {
		return "the proxy " + d.Proxy + ", to " + d.Peer
	}
	return "what is on the way to " + d.Peer
}

// Ask finds out whether a server takes orders.
func (d *Device) Ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	c, err := d.ask(ctx)
	if err != nil {
		return err
	}
	return c.Close()
}

func (d *Device) ask(ctx context.Context) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", d.Control)
	if err != nil {
		return nil, fmt.Errorf("asking for a far end: %w: does sstplab matrix --role server run there?", err)
	}
	return c, nil
}

// DefaultControl is the port on which servers are asked for far ends.
const DefaultControl = 7978

// An order is what a client asks its server for: a line of JSON. The answer is a supply;
// the far end is there as long as the connection.
type order struct {
	Seed uint64 `json:"seed"`
	Cell Cell   `json:"cell"`
}

type supply struct {
	Port  int    `json:"port"`
	Error string `json:"error,omitempty"`
}

const (
	// maxOrder bounds an order, in bytes, and orderTime how long it may take.
	maxOrder  = 16 << 10
	orderTime = 30 * time.Second
	// askTime is how long a server may take to be found.
	askTime = 10 * time.Second
	// maxFarTime is how long a far end stays whose client does not go.
	maxFarTime = 5 * time.Minute
	// maxFarEnds is how many there are at once.
	maxFarEnds = 64
)

// devicePath leads through a device.
type devicePath struct{ Device }

func openDevice(_ context.Context, o *Options, _ *Lab) (route, error) {
	if o.Device == nil {
		return nil, &skipError{"no device: see --role"}
	}
	return devicePath{*o.Device}, nil
}

func (d devicePath) dial(ctx context.Context, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

func (d devicePath) proxy() string { return d.Proxy }
func (d devicePath) close() error  { return nil }

// A remoteEnd is a far end on another host, which goes with its connection.
type remoteEnd struct{ control net.Conn }

func (r *remoteEnd) close() { _ = r.control.Close() } // the other host sees it

// open asks the server for a far end.
func (d devicePath) open(ctx context.Context, l *Lab, c *Cell, _ *Setup) (string, farEnd, error) {
	control, err := d.ask(ctx)
	if err != nil {
		return "", nil, err
	}
	var s supply
	err = errors.Join(
		control.SetDeadline(time.Now().Add(maxFarTime)),
		json.NewEncoder(control).Encode(order{l.seed, *c}),
		json.NewDecoder(io.LimitReader(control, maxOrder)).Decode(&s))
	if err == nil && s.Error != "" {
		err = errors.New(s.Error)
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("asking %s for a far end: %w", d.Control, err), control.Close())
	}
	return net.JoinHostPort(d.Peer, strconv.Itoa(s.Port)), &remoteEnd{control}, nil
}

// A DeviceServer gives far ends to clients beyond a device. Whoever reaches it may have
// them: it is for a lab's own network.
type DeviceServer struct {
	// Bind is the address on which far ends listen, and Port theirs, 0 for any. With one
	// of their own there is one far end at a time.
	Bind string
	Port int
	// Log takes a line for each cell.
	Log func(text string)
}

// Serve takes orders from ln until ctx is done.
func (d *DeviceServer) Serve(ctx context.Context, ln net.Listener) error {
	lab, err := NewLab(0)
	if err != nil {
		return err
	}
	room := maxFarEnds
	if d.Port != 0 {
		room = 1
	}
	rooms := make(chan struct{}, room)
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() }) // Accept sees it
	defer stop()
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		c, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("taking orders: %w", err)
		}
		serving.Go(func() {
			defer func() { _ = c.Close() }() // all was said
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			select {
			case rooms <- struct{}{}:
				defer func() { <-rooms }()
				d.order(ctx, lab, c)
			case <-ctx.Done():
			}
		})
	}
}

// order serves one cell.
func (d *DeviceServer) order(ctx context.Context, lab *Lab, c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(orderTime)) // the read below fails if it cannot be set
	var o order
	switch err := json.NewDecoder(io.LimitReader(c, maxOrder)).Decode(&o); {
	case errors.Is(err, io.EOF):
		return // who only asks whether there is somebody
	case err != nil:
		d.Log(fmt.Sprintf("%s: an order that cannot be read: %v", c.RemoteAddr(), err))
		return
	}
	own := &Lab{seed: o.Seed, certificate: lab.certificate}
	port, far, err := d.farEnd(ctx, own, &o.Cell)
	if err != nil {
		d.Log(fmt.Sprintf("%s: %s: %v", c.RemoteAddr(), o.Cell.ID(), err))
		_ = json.NewEncoder(c).Encode(supply{Error: err.Error()}) // the client hears it or has gone
		return
	}
	defer far.close()
	d.Log(fmt.Sprintf("%s: %s on port %d", c.RemoteAddr(), o.Cell.ID(), port))
	if json.NewEncoder(c).Encode(supply{Port: port}) != nil {
		return
	}
	_ = c.SetDeadline(time.Now().Add(maxFarTime)) // the read below ends if it cannot be set
	_, _ = io.Copy(io.Discard, c)                 // until the client goes
}

func (d *DeviceServer) farEnd(ctx context.Context, l *Lab, c *Cell) (int, farEnd, error) {
	if !possible(c) {
		return 0, nil, errors.New("there is no such cell: are both ends of one version?")
	}
	setup, err := l.setup(c)
	if err != nil {
		return 0, nil, err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(d.Bind, strconv.Itoa(d.Port)))
	if err != nil {
		return 0, nil, err
	}
	far, err := l.serve(c, setup, ln)
	if err != nil {
		return 0, nil, errors.Join(err, ln.Close())
	}
	return ln.Addr().(*net.TCPAddr).Port, far, nil
}

// ForDevice returns cells as they are run through a device: each once, without those for
// what stands on other paths.
func ForDevice(cells []Cell, proxy bool) []Cell {
	var out []Cell
	seen := map[string]bool{}
	for _, c := range cells {
		t, err := TransformByName(c.Transform)
		if err != nil || t.Family == familyConnect && !proxy {
			continue
		}
		c.Path = devicePathName
		if id := c.ID(); !seen[id] {
			seen[id] = true
			out = append(out, c)
		}
	}
	return out
}

const devicePathName = "dut"
