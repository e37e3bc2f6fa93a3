package sstpref

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/login"
)

// from returns a dialer that comes from an address.
func (r *rig) from(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := newWire(tcpWindow, address)
		r.server.admit(far)
		return near, nil
	}
}

// login tries once, from an address, and ends the tunnel if there is one.
func (r *rig) login(t *testing.T, address, name, password string) error {
	t.Helper()
	s, _, err := r.dial(t.Context(), func(c *ClientConfig) {
		c.Dial, c.Credentials.Name, c.Credentials.Password = r.from(address), name, password
	})
	if err == nil {
		err = s.Disconnect(t.Context(), "user request")
	}
	r.server.serving.Wait()
	return err
}

// Connections that have not logged in have a limit, in all and from one address;
// those that have logged in do not count.
func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 8
		a := login.NewAdmission(limit)
		r := newRig(t, func(c *ServerConfig) { c.Admission = a })
		var silent []net.Conn
		connect := func(address string) *wire {
			near, far := newWire(tcpWindow, address)
			t.Cleanup(func() { _ = near.Close() })
			r.server.admit(far)
			silent = append(silent, near)
			return near
		}
		for i := range limit {
			if connect(fmt.Sprintf("198.51.100.%d", 1+i/2)).ended() {
				t.Fatalf("connection %d is refused", i)
			}
		}
		if !connect("198.51.100.1").ended() || !connect("203.0.113.1").ended() {
			t.Error("more are taken than may be")
		}
		for _, want := range []string{"level=WARN msg=refused client=198.51.100.1:50000 reason=\"2 connections from 198.51.100.1 have not logged in", "client=203.0.113.1:50000 reason=\"8 connections have not logged in"} {
			if !strings.Contains(r.log.String(), want) {
				t.Errorf("no %s in\n%s", want, r.log)
			}
		}
		_ = silent[0].Close()
		synctest.Wait()
		// There is room for one: tunnels that are up one after the other.
		for i := range 3 * limit {
			s, _, err := r.dial(t.Context(), func(c *ClientConfig) { c.Dial = r.from("203.0.113.1") })
			if err != nil {
				t.Fatalf("tunnel %d: %v", i, err)
			}
			t.Cleanup(s.Close)
		}
		if got := a.Len(); got != limit-1 {
			t.Errorf("%d connections are counted, want %d", got, limit-1)
		}
		time.Sleep(openingTimeout)
		synctest.Wait()
		if got := a.Len(); got != 0 {
			t.Errorf("%d connections are counted in the end", got)
		}
	})
}

// After five wrong passwords an address is refused, whoever it claims to be and
// even with the right one, until the time is over; others are not.
func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *ServerConfig) { c.Limiter = login.NewLimiter(login.LimiterConfig{}) })
		const guesser, other = "198.51.100.7", "203.0.113.1"
		refused := func(address, name, password string) {
			t.Helper()
			checkStep(t, r.login(t, address, name, password), StepAuthentication, "the server refused the name or the password")
		}
		for range login.DefaultPerAddress {
			refused(guesser, rigUser, "guess")
		}
		refused(guesser, rigUser, rigPassword)
		refused(guesser, rigUser+"2", rigPassword)
		if want := "too many failed logins from 198.51.100.7: 5 within 10m0s; next try from 198.51.100.7 in 9m"; !strings.Contains(r.log.String(), want) {
			t.Errorf("no %s in\n%s", want, r.log)
		}
		if err := r.login(t, other, rigUser, rigPassword); err != nil {
			t.Errorf("another address: %v", err)
		}
		time.Sleep(login.DefaultWindow)
		if err := r.login(t, guesser, rigUser, rigPassword); err != nil {
			t.Errorf("after the window: %v", err)
		}
		if got := strings.Count(r.log.String(), "too many failed logins"); got != 4 { // each is told twice
			t.Errorf("refused %d times", got/2)
		}
	})
}

// A name is limited for all addresses together, with whatever domain before it.
func TestLimiterByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *ServerConfig) { c.Limiter = login.NewLimiter(login.LimiterConfig{}) })
		for i := range login.DefaultPerName {
			name := fmt.Sprintf(`DOMAIN%d\%s`, i, rigUser)
			if i%2 == 0 {
				name = rigUser
			}
			checkStep(t, r.login(t, fmt.Sprintf("198.51.100.%d", i), name, "guess"), StepAuthentication, "refused")
		}
		for _, name := range []string{rigUser, `NEW\` + rigUser} {
			checkStep(t, r.login(t, "203.0.113.1", name, rigPassword), StepAuthentication, "refused")
		}
		if want := `too many failed logins as \"alice\": 10 within 10m0s`; !strings.Contains(r.log.String(), want) {
			t.Errorf("no %s in\n%s", want, r.log)
		}
		if err := r.login(t, "203.0.113.1", rigUser+"2", rigPassword); err != nil {
			t.Errorf("another name: %v", err)
		}
	})
}

// What is no wrong password does not count: a network that breaks, a method that
// does not fit, a client that stops.
func TestLimiterIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *ServerConfig) { c.Limiter = login.NewLimiter(login.LimiterConfig{}) })
		for _, at := range moments {
			for range 2 * login.DefaultPerAddress {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				_, err := r.dialPausing(ctx, pause{at: at.at, pass: true}, &watch{}, nil)
				if err == nil {
					t.Fatal("a tunnel is up")
				}
				cancel()
			}
		}
		r.server.serving.Wait()
		if err := r.login(t, "198.51.100.7", rigUser, rigPassword); err != nil {
			t.Errorf("%v\n%s", err, r.log)
		}
	})
}

// listener is a listener in memory.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv6loopback, Port: 443} }

func (l *listener) dial(context.Context, string, string) (net.Conn, error) {
	near, far := newWire(tcpWindow, "198.51.100.7")
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, errors.New("connection refused")
	}
}

// A server takes connections of several listeners, and Shutdown ends all: sessions
// in good order, with what has not come so far at once, clients that do not answer
// when the time is over.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := login.NewAdmission(0)
		r := newRig(t, func(c *ServerConfig) { c.Admission = a })
		one, two := newListener(), newListener()
		served := make(chan error, 2)
		go func() { served <- r.server.Serve(one) }()
		go func() { served <- r.server.Serve(two) }()
		var good, gone []*Session
		for i := range 50 {
			from := one
			if i%2 == 0 {
				from = two
			}
			s, _, err := r.dial(t.Context(), func(c *ClientConfig) {
				c.Dial = from.dial
				c.Credentials.Name = fmt.Sprint(rigUser, i)
			})
			if err != nil {
				t.Fatal(err)
			}
			good = append(good, s)
		}
		for i := range 3 {
			var seen watch
			s, _, err := r.dial(t.Context(), func(c *ClientConfig) {
				c.Credentials.Name = fmt.Sprint(rigUser, " gone ", i)
				c.Dial = r.through(seen.hook)
			})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			seen.relay.Load().mute()
			gone = append(gone, s)
		}
		for range 5 {
			c, err := one.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if err := r.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if got := time.Since(began); got != 3*time.Second {
			t.Errorf("it took %v", got)
		}
		for range 2 {
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
		for _, s := range good {
			select {
			case <-s.Done():
			default:
				t.Fatal("a session is left")
			}
			if !errors.Is(s.Err(), ErrDisconnected) {
				t.Errorf("ended with %v", s.Err())
			}
		}
		if got := strings.Count(r.log.String(), "msg=disconnected"); got != len(good)+len(gone) {
			t.Errorf("%d sessions were disconnected, want %d", got, len(good)+len(gone))
		}
		if err := r.idle(); err != nil {
			t.Error(err)
		}
		if a.Len() != 0 {
			t.Errorf("%d connections are still counted", a.Len())
		}
		if _, err := one.dial(t.Context(), "", ""); err == nil {
			t.Error("the listener is open")
		}
		if err := r.server.Serve(newListener()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("serving again: %v", err)
		}
		if err := r.server.Shutdown(t.Context()); err != nil {
			t.Errorf("once more: %v", err)
		}
		for _, s := range gone {
			s.Close()
		}
	})
}

// Shutdown without anybody who does not answer takes the seconds that a Disconnect takes.
func TestShutdownInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		var sessions []*Session
		for i := range 20 {
			s, _, err := r.dial(t.Context(), func(c *ClientConfig) { c.Credentials.Name = fmt.Sprint(rigUser, i) })
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, s)
		}
		began := time.Now()
		if err := r.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if got := time.Since(began); got > 2*time.Second {
			t.Errorf("it took %v", got)
		}
		for _, s := range sessions {
			<-s.Done()
			if !errors.Is(s.Err(), ErrDisconnected) {
				t.Errorf("ended with %v", s.Err())
			}
		}
		if err := r.idle(); err != nil {
			t.Error(err)
		}
	})
}

// Shutdown while clients are on their way in, at any point, leaves nothing.
func TestShutdownMeanwhile(t *testing.T) {
	for after := range 40 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			packets, stop := 0, make(chan struct{})
			var dialling sync.WaitGroup
			dialling.Go(func() {
				s, _, err := r.dial(t.Context(), func(c *ClientConfig) {
					c.Dial = r.through(func(_ *relay, p passing) []sstp.Packet {
						r.mu.Lock()
						defer r.mu.Unlock()
						if packets++; packets == after {
							close(stop)
						}
						return as(p)
					})
				})
				if err == nil {
					<-s.Done()
				}
			})
			if after > 0 {
				select {
				case <-stop:
				case <-time.After(time.Minute): // it takes fewer packets
				}
			}
			began := time.Now()
			if err := r.server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if got := time.Since(began); got > 15*time.Second {
				t.Errorf("after %d packets: it took %v", after, got)
			}
			dialling.Wait()
			if err := r.idle(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A flaky listener fails a few times.
type flaky struct {
	*listener
	errs []error
}

func (f *flaky) Accept() (net.Conn, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	return f.listener.Accept()
}

// A listener that is closed by somebody else, or that fails, ends Serve with an
// error; a process that is out of files waits until there are some.
func TestServeErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		l := newListener()
		_ = l.Close()
		if err := r.server.Serve(l); !errors.Is(err, net.ErrClosed) || !strings.Contains(fmt.Sprint(err), "accepting connections: ") {
			t.Errorf("closed: got %v", err)
		}
		if err := r.server.Serve(&flaky{newListener(), []error{syscall.EMFILE, syscall.ENFILE, syscall.EINVAL}}); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("failing: got %v", err)
		}
		l = newListener()
		served := make(chan error, 1)
		go func() {
			served <- r.server.Serve(&flaky{l, []error{syscall.EMFILE, syscall.ECONNABORTED, syscall.EMFILE}})
		}()
		s, _, err := r.dial(t.Context(), func(c *ClientConfig) { c.Dial = l.dial })
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(r.log.String(), "level=WARN msg=accept"); got != 5 {
			t.Errorf("%d warnings in\n%s", got, r.log)
		}
		if err := r.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		<-s.Done()
	})
}
