package sstpref

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect/sstp"
)

// A Dial that is cancelled returns at once at whatever step it is, says which, and
// leaves nothing behind.
func TestCancel(t *testing.T) {
	silent := func(next func(c net.Conn)) func(r *rig, c *ClientConfig) {
		return func(r *rig, c *ClientConfig) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) {
				near, far := newWire(tcpWindow, "198.51.100.7")
				r.t.Cleanup(func() { _ = far.Close() })
				go next(far)
				return near, nil
			}
		}
	}
	type moment struct {
		name string
		edit func(r *rig, c *ClientConfig)
		step Step
	}
	rows := []moment{
		{"TCP", func(_ *rig, c *ClientConfig) {
			c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}, StepTCP},
		{"proxy", func(r *rig, c *ClientConfig) {
			c.Proxy = &Proxy{Addr: "proxy.example:8080"}
			silent(func(net.Conn) {})(r, c)
		}, StepProxy},
		{"TLS", silent(func(net.Conn) {}), StepTLS},
		{"HTTP", silent(func(c net.Conn) { serverTLS(c) }), StepHTTP},
		{"SSTP", silent(func(c net.Conn) { answer(c, accepted) }), StepSSTP},
	}
	for _, at := range moments[1:] {
		rows = append(rows, moment{at.name, func(r *rig, c *ClientConfig) {
			c.Dial = r.through(func(l *relay, p passing) []sstp.Packet {
				if at.at(p) {
					l.mute()
				}
				return as(p)
			})
		}, at.step})
	}
	for _, tt := range rows {
		for _, kind := range []error{context.Canceled, context.DeadlineExceeded} {
			t.Run(tt.name+", "+kind.Error(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, nil)
					ctx, cancel := context.WithCancel(t.Context())
					if kind == context.DeadlineExceeded { //nolint:errorlint // it is one of two
						ctx, cancel = context.WithTimeout(t.Context(), time.Second)
					} else {
						time.AfterFunc(time.Second, cancel)
					}
					defer cancel()
					began := time.Now()
					var conn net.Conn
					_, _, err := r.dial(ctx, func(c *ClientConfig) {
						tt.edit(r, c)
						dial := c.Dial
						c.Dial = func(ctx context.Context, network, address string) (_ net.Conn, err error) {
							conn, err = dial(ctx, network, address)
							return conn, err
						}
					})
					checkStep(t, err, tt.step, "")
					if !errors.Is(err, kind) {
						t.Errorf("got %v", err)
					}
					if got := time.Since(began); got != time.Second {
						t.Errorf("it took %v", got)
					}
					if conn != nil {
						if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
							t.Errorf("the connection is left: %v", err)
						}
					}
				})
			})
		}
	}
}

// A ctx that is done before there is anything to cancel.
func TestCancelledBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Dial(ctx, ClientConfig{Host: "192.0.2.1", Insecure: true, Carry: func(Up, Tunnel) (Port, error) { return nil, nil }})
	checkStep(t, err, StepTCP, "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The tunnel does not depend on what it was dialled with.
func TestContextAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		s, client, err := r.dial(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		exchange(t, client, r.inside[rigUser], 4)
		if err := s.Disconnect(t.Context(), "user request"); err != nil {
			t.Error(err)
		}
	})
}
