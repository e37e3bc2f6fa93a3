package matrix

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"sstpwarden/pcaps/ipcarry"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/record"
)

// disconnectPatience is how long a client waits for its server's farewell.
const disconnectPatience = 2 * time.Second

// A nearEnd is a cell's client.
type nearEnd struct {
	cell    *Cell
	setup   *Setup
	path    route
	addr    string // of the far end
	capture *record.Capture
	tap     *wiretap
}

// dial opens a recorded connection, to the path's proxy where there is one.
func (n *nearEnd) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	to, port := n.addr, int(n.setup.Client.Port)
	if p := n.path.proxy(); p != "" {
		to, port = p, 3128
	}
	c, err := n.path.dial(ctx, to)
	if err != nil {
		n.tap.ended(err)
		return nil, err
	}
	t := &tapped{Conn: c, tap: n.tap}
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok && a.IP.IsLoopback() {
		local, _ := c.LocalAddr().(*net.TCPAddr)
		t.local = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 10), Port: local.Port}
		t.remote = &net.TCPAddr{IP: net.IPv4(203, 0, 113, 10), Port: port}
	}
	out := n.capture.Conn(t, false)
	for _, w := range n.setup.NearWire {
		out = w(out)
	}
	return out, nil
}

// run runs the client, which has to end by ctx.
func (n *nearEnd) run(ctx context.Context) Outcome {
	n.tap.began = time.Now()
	n.setup.Client.KeyLog = io.MultiWriter(n.capture.KeyLog(), n.setup.Near)
	if n.cell.Benign() {
		return n.runBenign(ctx)
	}
	return n.runSSTP(ctx)
}

func (n *nearEnd) runSSTP(ctx context.Context) Outcome {
	c := n.setup.Client
	c.Dial, c.Inside = n.dial, chain(n.setup.NearInside)
	if proxy := n.path.proxy(); proxy != "" {
		c.Proxy = &sstpref.Proxy{Addr: proxy}
		n.setConnect()
	}
	var stack *ipcarry.Stack
	c.Carry = func(up sstpref.Up, t sstpref.Tunnel) (sstpref.Port, error) {
		var err error
		stack, err = ipcarry.NewStack(ipcarry.StackConfig{Addrs: []netip.Addr{up.Addresses.Local}, MTU: up.MTU}, t)
		return stack, err
	}
	s, err := sstpref.Dial(ctx, *c)
	if err != nil {
		return n.failed(err)
	}
	carried, err := download(ctx, s, stack)
	if err == nil {
		err = hold(ctx, s, n.setup.Hold)
	}
	o := n.tap.outcome(Passed, "", nil)
	if err != nil {
		result := Passed
		if carried == 0 {
			result = Connected
		}
		o = n.tap.outcome(result, string(sstpref.StepData), err)
	}
	o.Carried = carried
	n.tap.finish()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), disconnectPatience)
	defer cancel()
	_ = s.Disconnect(ending, "done") // who does not answer is cut off
	return o
}

// setConnect has the client ask its proxy for the far end's real address, by the name of
// which the CONNECT would go nowhere.
func (n *nearEnd) setConnect() {
	host, port, _ := net.SplitHostPort(n.addr) // it is a listener's
	var number uint16
	_, _ = fmt.Sscan(port, &number) // likewise
	inner, own := n.setup.Client.Profile.Connect, n.setup.connect
	n.setup.Client.Profile.Connect = func(_ string, _ uint16, user, password string) []byte {
		if own != nil {
			return own(n.addr)
		}
		// Sstpc appends a port to what has one.
		return bytes.Replace(inner(host, number, user, password), []byte(n.addr+":443 "), []byte(n.addr+" "), 1)
	}
}

// failed is the outcome of a tunnel that did not come up.
func (n *nearEnd) failed(err error) Outcome {
	stage := "tcp"
	if e, ok := errors.AsType[*sstpref.StepError](err); ok {
		stage = string(e.Step)
	}
	o := n.tap.outcome(Cut, stage, err)
	if stage == string(sstpref.StepProxy) && strings.Contains(o.Error, "the proxy answered") {
		o.How = "refusal"
	}
	return o
}

// download gets something through the tunnel, and returns how much came.
func download(ctx context.Context, s *sstpref.Session, stack *ipcarry.Stack) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-s.Done():
			cancel(cmp.Or(s.Err(), errors.New("the tunnel ended")))
		case <-stop:
		}
	}()
	c, err := stack.DialContext(ctx, "tcp", netip.AddrPortFrom(innerServer, innerPort).String())
	if err != nil {
		return 0, cmp.Or(context.Cause(ctx), err)
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })() // the read below sees it
	defer func() { _ = c.Close() }()
	if _, err := c.Write(make([]byte, innerUp)); err != nil {
		return 0, cmp.Or(context.Cause(ctx), err)
	}
	got, err := io.Copy(io.Discard, c)
	if got < innerDown {
		return got, cmp.Or(context.Cause(ctx), err, io.ErrUnexpectedEOF)
	}
	return got, nil
}

// hold leaves the tunnel idle.
func hold(ctx context.Context, s *sstpref.Session, d time.Duration) error {
	if d == 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.Done():
		return cmp.Or(s.Err(), errors.New("the tunnel ended"))
	}
}
