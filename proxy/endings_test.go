package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// server takes connections and has each served.
func server(t testing.TB, serve func(conn *net.TCPConn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(conn.(*net.TCPConn))
		}
	}()
	return ln.Addr().String()
}

// logging tells of every connection.
var logging = always(policies.Decision{Action: policies.ActionLog})

func connect(t testing.TB, l *lab, to string) *net.TCPConn {
	t.Helper()
	conn := dialLab(t, l)
	resp, _ := ask(t, conn, fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", to))
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("answered %s", resp.Status)
	}
	return conn
}

// Each way for a tunnel to end is told, and reaches the other side.
func TestEndings(t *testing.T) {
	short := func(c *Config) { c.Timeouts.Idle, c.Timeouts.Stall = time.Second, time.Second }
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	for name, tt := range map[string]struct {
		serve  func(conn *net.TCPConn)
		client func(t *testing.T, conn *net.TCPConn)
		end    string
		err    string
	}{
		"the client is done": {
			serve: func(conn *net.TCPConn) {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			},
			client: func(_ *testing.T, conn *net.TCPConn) { _ = conn.Close() },
			end:    event.EndClient,
		},
		"the server is done": {
			serve: func(conn *net.TCPConn) { _ = conn.Close() },
			client: func(_ *testing.T, conn *net.TCPConn) {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			},
			end: event.EndServer,
		},
		"the server resets": {
			serve: func(conn *net.TCPConn) {
				_, _ = conn.Read(make([]byte, 1))
				abort(conn)
			},
			client: func(t *testing.T, conn *net.TCPConn) {
				_, _ = conn.Write([]byte("x"))
				if _, err := conn.Read(make([]byte, 1)); !wasReset(err) {
					t.Errorf("the client sees %v, not a reset", err)
				}
			},
			end: event.EndServer, err: "reset by peer",
		},
		"the client resets": {
			serve: func(conn *net.TCPConn) {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			},
			client: func(_ *testing.T, conn *net.TCPConn) { abort(conn) },
			end:    event.EndClient, err: "reset by peer",
		},
		"nothing comes": {
			serve: func(conn *net.TCPConn) {
				_, _ = conn.Read(make([]byte, 1))
				_ = conn.Close()
			},
			client: func(*testing.T, *net.TCPConn) {},
			end:    event.EndIdle, err: errIdle.Error(),
		},
		"the client never reads": {
			serve: func(conn *net.TCPConn) {
				_, _ = io.Copy(conn, zeros{})
				_ = conn.Close()
			},
			client: func(*testing.T, *net.TCPConn) {},
			end:    event.EndIdle, err: errStalled.Error(),
		},
		"the server never reads": {
			serve: func(conn *net.TCPConn) {
				<-over
				_ = conn.Close()
			},
			client: func(_ *testing.T, conn *net.TCPConn) { _, _ = io.Copy(conn, zeros{}) },
			end:    event.EndIdle, err: errStalled.Error(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := run(t, logging, short)
			conn := connect(t, l, server(t, tt.serve))
			tt.client(t, conn)
			e := l.told(t)
			if e.Proxy.End != tt.end || !strings.Contains(e.Proxy.Error, tt.err) || tt.err == "" && e.Proxy.Error != "" {
				t.Errorf("ended by %q, %q; want %q, %q", e.Proxy.End, e.Proxy.Error, tt.end, tt.err)
			}
		})
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// What is still there when the time to stop is over is cut, and told of.
func TestStop(t *testing.T) {
	to := echo(t)
	l := run(t, logging, nil)
	conn := connect(t, l, to)
	l.stop()
	l.cut()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the tunnel goes on")
	}
	if e := l.told(t); e.Proxy.End != event.EndStopped {
		t.Errorf("ended by %q", e.Proxy.End)
	}
}

// Until then it goes on, and nothing new begins.
func TestStopIsPatient(t *testing.T) {
	to := echo(t)
	l := run(t, logging, nil)
	conn := connect(t, l, to)
	l.stop()
	for {
		other, err := net.Dial("tcp", l.addr)
		if err != nil {
			break // the listener is closed
		}
		_ = other.Close()
		time.Sleep(time.Millisecond)
	}
	if _, err := conn.Write([]byte("still")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != "still" {
		t.Errorf("got %q, %v", b, err)
	}
	_ = conn.Close()
	if e := l.told(t); e.Proxy.End != event.EndClient {
		t.Errorf("ended by %q", e.Proxy.End)
	}
}
