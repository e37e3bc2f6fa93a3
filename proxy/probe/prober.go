package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

// DefaultTimeout bounds asking where a Prober has no Timeout.
const DefaultTimeout = 10 * time.Second

// A Target is a server to ask.
type Target struct {
	// Name for TLS (SNI) and Host; "", an address, or what is no host name stand
	// for the address.
	Name string
	Addr netip.AddrPort
}

// String gives host:port.
func (t Target) String() string {
	if t.Name == "" {
		return t.Addr.String()
	}
	return net.JoinHostPort(t.Name, strconv.Itoa(int(t.Addr.Port())))
}

// canonical gives the target as it is asked and compared. The name may come from
// a client's hello, and what is no name is not repeated to anyone.
func (t Target) canonical() Target {
	t.Addr = netip.AddrPortFrom(t.Addr.Addr().Unmap(), t.Addr.Port())
	t.Name = strings.ToLower(strings.TrimSuffix(t.Name, "."))
	if _, err := netip.ParseAddr(t.Name); err == nil || !IsHostName(t.Name) {
		t.Name = ""
	}
	return t
}

// IsHostName says that s can stand in TLS and in Host as the name of a server:
// letters, digits, '-' and '_' in labels of up to 63, 253 bytes in all.
func IsHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// A Prober asks servers. The zero value is ready; its methods may be called
// concurrently, and its fields are not changed after the first call.
type Prober struct {
	// Dial opens connections, and gives up when ctx is done; nil stands for the
	// system's. Network is "tcp".
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Timeout of one server in all; 0 stands for DefaultTimeout.
	Timeout time.Duration
	// Rules name implementations; nil for those built in.
	Rules *inspect.Ruleset

	once sync.Once
	namer
}

// Ask asks one server. It takes at most the Timeout, and a little to say goodbye.
// Whatever the server does, or ctx, there is a result.
func (p *Prober) Ask(ctx context.Context, t Target) Result {
	p.once.Do(func() { p.namer = newNamer(p.Rules) })
	t = t.canonical()
	r := Result{Time: now(), Target: t.String(), Server: t.Addr, Name: t.Name}
	timeout := p.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	a := attempt{p: p, target: t, result: &r, timeout: timeout, stopped: ctx.Err}
	a.run(asking)
	if e, ok := r.Learned(); ok {
		r.Evidence = append([]inspect.Evidence{e}, r.Evidence...)
	}
	return r
}

// An attempt is one server being asked.
type attempt struct {
	p       *Prober
	target  Target
	result  *Result
	timeout time.Duration
	stopped func() error // who wanted the answer does no more
	conn    *tapConn
}

func (a *attempt) run(ctx context.Context) {
	start := time.Now()
	raw, err := a.dial(ctx)
	if err != nil {
		a.fail(StepConnect, err, "no connection")
		return
	}
	a.result.Timing.Connect = since(start)
	defer func() { _ = raw.Close() }() // for good, whatever happened
	// What is under way ends when ctx does.
	defer context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })()
	a.conn = &tapConn{Conn: raw}

	start = time.Now()
	c := tls.Client(a.conn, clientConfig(a.target.Name))
	if err := c.HandshakeContext(ctx); err != nil {
		a.handshakeFailed(err)
		return
	}
	a.result.Timing.TLS = since(start)
	state := c.ConnectionState()
	a.result.TLS = tlsFacts(state, start)

	start = time.Now()
	request := newRequest(a.target).Append(nil)
	received, err := exchange(c, request)
	if err == nil {
		a.result.Timing.Answer = since(start)
	}
	a.judge(received, err)
	a.result.Implementation, a.result.Evidence = a.p.name(session{a.conn.hello, state, request, received.bytes})
	leave(ctx, c, a.result.SSTP)
}

func (a *attempt) dial(ctx context.Context) (net.Conn, error) {
	if !a.target.Addr.IsValid() || a.target.Addr.Port() == 0 {
		return nil, fmt.Errorf("%s is no address to connect to", a.target.Addr)
	}
	dial := a.p.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return dial(ctx, "tcp", a.target.Addr.String())
}

// fail words errors that are our own doing.
func (a *attempt) fail(step Step, err error, reason string) {
	var network net.Error
	switch {
	case a.stopped() != nil:
		err, reason = errors.New("stopped"), "the probe was stopped"
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("nothing within %v: is the port filtered, or does it need more time?", a.timeout)
	default:
		err = bare(err)
	}
	a.result.fail(step, err, reason)
}

// bare takes the address off an error of the network, which the result has anyway.
func bare(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op != "remote error" {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		err = e.Err
	}
	return err
}

// linger bounds how long, and maxLinger how much of a page is taken in behind the
// head: a connection that is closed over unread bytes ends in a reset.
const (
	linger    = 250 * time.Millisecond
	maxLinger = 64 << 10
)

// leave says goodbye. A server that waits for the next message of SSTP sends none
// itself, so that nothing is waited for there.
func leave(ctx context.Context, c *tls.Conn, answer Answer) {
	defer func() { _ = c.Close() }() // close_notify and FIN; nobody waits for more
	if answer == Yes || ctx.Err() != nil || c.CloseWrite() != nil {
		return
	}
	until := time.Now().Add(linger)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	if c.SetReadDeadline(until) != nil || ctx.Err() != nil {
		return
	}
	page := make([]byte, 4096)
	for taken := 0; taken < maxLinger; {
		n, err := c.Read(page)
		if err != nil {
			return
		}
		taken += n
	}
}

func now() event.Time { return event.NewTime(time.Now()) }

// since gives milliseconds, to the microsecond.
func since(start time.Time) float64 {
	return float64(time.Since(start).Round(time.Microsecond)) / float64(time.Millisecond)
}
