package sstpref

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/sstp"
)

// A server that is lenient takes what is SSTP by its path alone.
func TestLenient(t *testing.T) {
	for _, tt := range []struct {
		head string
		ok   bool
	}{
		{opening, true},
		{strings.Replace(opening, sstp.Method, "POST", 1), true},
		{strings.Replace(opening, "18446744073709551615", "7", 1), true},
		{strings.Replace(opening, "/sra_", "/other_", 1), false},
	} {
		_, status, err := readRequest(&headReader{from: strings.NewReader(tt.head)}, sstp.URIPath, true)
		if (err == nil) != tt.ok {
			t.Errorf("%q: status %d, %v", tt.head, status, err)
		}
	}
}

// A greeted connection has a line in front of what is read from it.
type greeted struct {
	net.Conn
	r *bufio.Reader
}

func (g greeted) Read(b []byte) (int, error) { return g.r.Read(b) }

func (g greeted) NetConn() net.Conn { return g.Conn }

// greet exchanges a line each way.
func greet(c net.Conn) (net.Conn, error) {
	failed := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, "hello\n")
		failed <- err
	}()
	g := greeted{c, bufio.NewReader(c)}
	line, err := g.r.ReadString('\n')
	if err == nil && line != "hello\n" {
		err = errors.New("greeted with " + line)
	}
	return g, errors.Join(err, <-failed)
}

// What a caller puts around SSTP, and in the place of the profile's TLS.
func TestHooks(t *testing.T) {
	for _, name := range []string{"crypto/tls", "hello", "own"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked []string
				r := newRig(t, func(c *ServerConfig) {
					c.Inside, c.Lenient = greet, true
					c.TLS.NextProtos = []string{"sstp"}
					c.TLS.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
						asked = h.SupportedProtos
						return nil, nil
					}
				})
				s, client, err := r.dial(t.Context(), func(c *ClientConfig) {
					c.Inside, c.ALPN = greet, []string{"other", "sstp"}
					request := c.Profile.Request
					c.Profile.Request = func(host string, port uint16, id [16]byte, path string) httphead.Request {
						h := request(host, port, id, path)
						h.Method = "PUT"
						return h
					}
					switch name {
					case "hello":
						c.Profile.Hello = "windows"
					case "own":
						c.TLS = func(ctx context.Context, n net.Conn) (net.Conn, *TLSInfo, error) {
							u := tls.Client(n, &tls.Config{InsecureSkipVerify: true, NextProtos: c.ALPN})
							if err := u.HandshakeContext(ctx); err != nil {
								return nil, nil, err
							}
							return u, &TLSInfo{Certificates: u.ConnectionState().PeerCertificates}, nil
						}
					}
				})
				if err != nil {
					t.Fatalf("%v\n%s", err, r.log)
				}
				defer s.Close()
				synctest.Wait()
				exchange(t, client, r.inside[rigUser], 4)
				if strings.Join(asked, " ") != "other sstp" {
					t.Errorf("ALPN %q", asked)
				}
			})
		})
	}
}

// What a hook says is told, and nothing is left.
func TestInsideFails(t *testing.T) {
	broken := func(net.Conn) (net.Conn, error) { return nil, errors.New("broken inside") }
	for _, server := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *ServerConfig) {
				if server {
					c.Inside = broken
				}
			})
			_, _, err := r.dial(t.Context(), func(c *ClientConfig) {
				if !server {
					c.Inside = broken
				}
			})
			want := "broken inside"
			if server {
				want = "closed"
			}
			checkStep(t, err, StepHTTP, want)
			synctest.Wait()
			if err := r.idle(); err != nil {
				t.Error(err)
			}
		})
	}
}
