package sstpref

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// dialTo dials what serve makes of its end of a connection, and checks that the
// client's end is closed if no tunnel comes of it.
func dialTo(t *testing.T, ctx context.Context, serve func(c net.Conn), edit func(c *ClientConfig)) error { //nolint:revive // t goes first
	t.Helper()
	var near *wire
	var serving sync.WaitGroup
	c := ClientConfig{
		Host: "vpn.example", Insecure: true, Credentials: newRigCredentials(),
		Carry: func(Up, Tunnel) (Port, error) { return &inner{}, nil },
		Dial: func(context.Context, string, string) (net.Conn, error) {
			var far *wire
			near, far = newWire(tcpWindow, "198.51.100.7")
			t.Cleanup(func() {
				_ = far.Close()
				serving.Wait()
			})
			serving.Go(func() { serve(far) })
			return near, nil
		},
	}
	if edit != nil {
		edit(&c)
	}
	s, err := Dial(ctx, c)
	if err == nil {
		s.Close()
		t.Error("a tunnel is up")
	}
	if near != nil {
		if _, err := near.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the connection is left: %v", err)
		}
	}
	return err
}

// serverTLS is a server's end after the handshake.
func serverTLS(c net.Conn) *tls.Conn {
	t := tls.Server(c, ServerTLS(rigRSA(), 0, 0))
	_ = t.Handshake()
	return t
}

// answer reads a request and answers with text.
func answer(c net.Conn, text string) *tls.Conn {
	t := serverTLS(c)
	if _, _, err := readRequest(&headReader{from: t}, sstp.URIPath, false); err != nil {
		return t
	}
	_, _ = io.WriteString(t, text)
	return t
}

const accepted = "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n"

// What a server does wrong before SSTP begins is told by the step, with words that
// say what it was and where to look, and in time.
func TestServersBeforeSSTP(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(c net.Conn)
		edit  func(c *ClientConfig)
		after time.Duration
		step  Step
		words []string
	}{
		{
			"no answer to TCP", nil, func(c *ClientConfig) {
				c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}
			},
			30 * time.Second, StepTCP,
			[]string{"nothing answers"},
		},
		{
			"refused", nil, func(c *ClientConfig) {
				c.Dial = func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
				}
			},
			0, StepTCP,
			[]string{"connection refused", "does a server listen there?"},
		},
		{
			"no such name", nil, func(c *ClientConfig) {
				c.Dial = func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "vpn.example", IsNotFound: true}}
				}
			},
			0, StepTCP,
			[]string{"no such host", "is the name right?"},
		},
		{"silent", func(net.Conn) {}, nil, 30 * time.Second, StepTLS, []string{"deadline exceeded; the server, or something on the way, does not answer"}},
		{"closes upon the ClientHello", func(c net.Conn) { _, _ = c.Read(make([]byte, 16<<10)); _ = c.Close() }, nil, 0, StepTLS, []string{"something on the way may cut TLS"}},
		{"SSH", func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.6\r\n") }, nil, 0, StepTLS, []string{"what listens there does not speak TLS"}},
		{"SSH, slowly", func(c net.Conn) { drip(c, []byte("SSH-2.0-OpenSSH_9.6\r\n"), time.Minute) }, nil, 30 * time.Second, StepTLS, []string{"does not answer"}},
		{
			"an old version of TLS", func(c net.Conn) {
				_ = tls.Server(c, ServerTLS(rigRSA(), tls.VersionTLS10, tls.VersionTLS11)).Handshake()
			},
			nil, 0, StepTLS,
			[]string{"the server wants another version of TLS: see --tls-min"},
		},
		{
			"no suite in common", func(c net.Conn) {
				config := ServerTLS(mustCert(true), tls.VersionTLS12, tls.VersionTLS12)
				config.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
				_ = tls.Server(c, config).Handshake()
			},
			nil, 0, StepTLS,
			[]string{"no cipher suite in common"},
		},
		{
			"half a ServerHello", func(c net.Conn) {
				one, other := newWire(tcpWindow, "198.51.100.7")
				go func() { _, _ = io.Copy(one, c); _ = one.Close() }()
				go func() { _ = tls.Server(other, ServerTLS(rigRSA(), 0, 0)).Handshake(); _ = other.Close() }()
				b := make([]byte, 80)
				_, _ = io.ReadFull(one, b)
				_, _ = c.Write(b)
			},
			nil, 30 * time.Second, StepTLS,
			[]string{"does not answer"},
		},
		{"silent after TLS", func(c net.Conn) { serverTLS(c) }, nil, httpTimeout, StepHTTP, []string{"no answer within 1m0s", "is it an SSTP server?"}},
		{"closes after TLS", func(c net.Conn) { _ = serverTLS(c).Close() }, nil, 0, StepHTTP, []string{"the server closed the connection instead of an answer", "is it an SSTP server"}},
		{"cuts after TLS", func(c net.Conn) { serverTLS(c); _ = c.Close() }, nil, 0, StepHTTP, []string{"the server closed the connection instead of an answer"}},
		{"silent after the request", func(c net.Conn) { answer(c, "") }, nil, httpTimeout, StepHTTP, []string{"no answer within 1m0s", "is it an SSTP server?"}},
		{"closes after the request", func(c net.Conn) { _ = answer(c, "").Close() }, nil, 0, StepHTTP, []string{"the server closed the connection instead of an answer"}},
		{"half an answer", func(c net.Conn) { answer(c, accepted[:30]) }, nil, httpTimeout, StepHTTP, []string{"no answer within 1m0s", "is it an SSTP server?"}},
		{"an answer, a byte a minute", func(c net.Conn) { drip(answer(c, ""), []byte(accepted), time.Minute) }, nil, httpTimeout, StepHTTP, []string{"no answer within 1m0s", "is it an SSTP server?"}},
		{"half an answer, and closes", func(c net.Conn) { _ = answer(c, accepted[:30]).Close() }, nil, 0, StepHTTP, []string{"unexpected EOF"}},
		{"web, not found", func(c net.Conn) { answer(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") }, nil, 0, StepHTTP, []string{"the server answered 404 Not Found to SSTP_DUPLEX_POST", "another path or name"}},
		{"web, method", func(c net.Conn) { answer(c, "HTTP/1.1 405 Method Not Allowed\r\n\r\n") }, nil, 0, StepHTTP, []string{"405 Method Not Allowed"}},
		{"web, any method", func(c net.Conn) { answer(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") }, nil, 0, StepHTTP, []string{"web server that takes any method"}},
		{"no HTTP", func(c net.Conn) { answer(c, "220 mail.example ESMTP\r\n") }, nil, 0, StepHTTP, []string{"the answer is no HTTP"}},
		{"an endless head", func(c net.Conn) {
			t := answer(c, "HTTP/1.1 200 OK\r\n")
			for range 1 << 20 {
				if _, err := io.WriteString(t, "A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"); err != nil {
					return
				}
			}
		}, nil, 0, StepHTTP, []string{"the answer is no HTTP"}},
		{"silent after the answer", func(c net.Conn) { answer(c, accepted) }, nil, 63 * time.Second, StepSSTP, []string{"negotiation timer expired", "does the server speak SSTP"}},
		{"closes after the answer", func(c net.Conn) { _ = answer(c, accepted).Close() }, nil, 0, StepSSTP, []string{"the other end closed the connection without a word"}},
		{"no SSTP", func(c net.Conn) { answer(c, accepted+"hello, world") }, nil, 0, StepSSTP, []string{"bad Version 0x68", "is there something else than SSTP at the other end"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := dialTo(t, t.Context(), tt.serve, tt.edit)
				if got := time.Since(began); got != tt.after {
					t.Errorf("failed after %v, want %v", got, tt.after)
				}
				checkStep(t, err, tt.step, "")
				for _, words := range tt.words {
					if !strings.Contains(fmt.Sprint(err), words) {
						t.Errorf("got %v, want %q in it", err, words)
					}
				}
			})
		})
	}
}

// Certificates are checked for the name that was dialled, whatever name was told.
func TestCertificates(t *testing.T) {
	for _, tt := range []struct {
		name  string
		names []string
		from  time.Duration // from now: when the certificate was made
		edit  func(c *ClientConfig, cert tls.Certificate)
		words []string // none: all is well so far
	}{
		{"trusted", []string{"vpn.example"}, 0, func(c *ClientConfig, cert tls.Certificate) { c.Roots = certPool(cert) }, nil},
		{"insecure", []string{"other.example"}, -1000 * 24 * time.Hour, func(c *ClientConfig, _ tls.Certificate) { c.Insecure = true }, nil},
		{"told another name", []string{"vpn.example"}, 0, func(c *ClientConfig, cert tls.Certificate) {
			c.Roots, c.SNI = certPool(cert), "www.example"
		}, nil},
		{"no name told", []string{"vpn.example"}, 0, func(c *ClientConfig, cert tls.Certificate) { c.Roots, c.NoSNI = certPool(cert), true }, nil},
		{"address", []string{"2001:db8::7"}, 0, func(c *ClientConfig, cert tls.Certificate) {
			c.Roots, c.Host = certPool(cert), "2001:db8::7"
		}, nil},
		{"wrong name", []string{"www.example"}, 0, func(c *ClientConfig, cert tls.Certificate) { c.Roots = certPool(cert) }, []string{
			"certificate is valid for www.example, not vpn.example", `the certificate is of "www.example", from "www.example", SHA-256 `,
		}},
		{"the name told is not the one dialled", []string{"www.example"}, 0, func(c *ClientConfig, cert tls.Certificate) {
			c.Roots, c.SNI = certPool(cert), "www.example"
		}, []string{"not vpn.example"}},
		{"wrong address", []string{"192.0.2.9"}, 0, func(c *ClientConfig, cert tls.Certificate) {
			c.Roots, c.Host = certPool(cert), "192.0.2.8"
		}, []string{"192.0.2.8"}},
		{"expired", []string{"vpn.example"}, -400 * 24 * time.Hour, func(c *ClientConfig, cert tls.Certificate) { c.Roots = certPool(cert) }, []string{"expired", "is the clock right?"}},
		{"not yet valid", []string{"vpn.example"}, 24 * time.Hour, func(c *ClientConfig, cert tls.Certificate) { c.Roots = certPool(cert) }, []string{"not yet valid", "is the clock right?"}},
		{"unknown issuer", []string{"vpn.example"}, 0, func(c *ClientConfig, _ tls.Certificate) { c.Roots = certPool(rigRSA()) }, []string{
			"signed by unknown authority", "trust its issuer with --ca FILE, or whatever it is with --insecure",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cert, err := SelfSigned(time.Now().Add(tt.from), true, tt.names...)
				if err != nil {
					t.Fatal(err)
				}
				err = dialTo(t, t.Context(), func(c net.Conn) {
					s := tls.Server(c, ServerTLS(cert, 0, 0))
					if s.Handshake() == nil {
						_ = s.Close()
					}
				}, func(c *ClientConfig) {
					c.Insecure = false
					tt.edit(c, cert)
				})
				if tt.words == nil {
					checkStep(t, err, StepHTTP, "closed the connection")
				}
				for _, words := range tt.words {
					checkStep(t, err, StepCertificate, words)
				}
			})
		})
	}
}

// Each way of proving who one is fails with a wrong password and a wrong name at
// the step of authentication, at once, and the server says which it was.
func TestWrongCredentials(t *testing.T) {
	for _, m := range []pppauth.Method{pppauth.PAP, pppauth.CHAPMD5, pppauth.MSCHAPv2, pppauth.EAPMSCHAPv2} {
		for _, tt := range []struct {
			name string
			edit func(c *pppauth.Credentials)
			log  string
		}{
			{"password", func(c *pppauth.Credentials) { c.Password += "x" }, "wrong password"},
			{"user", func(c *pppauth.Credentials) { c.Name = "mallory" }, "no such user"},
		} {
			t.Run(m.String()+", wrong "+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, func(c *ServerConfig) { c.Methods = []pppauth.Method{m} })
					began := time.Now()
					_, _, err := r.dial(t.Context(), func(c *ClientConfig) { tt.edit(&c.Credentials) })
					checkStep(t, err, StepAuthentication, "the server refused the name or the password")
					if e, ok := errors.AsType[*pppauth.Error](err); !ok || e.Reason != pppauth.Refused {
						t.Errorf("got %v", err)
					}
					if got := time.Since(began); got > 2*time.Second {
						t.Errorf("failed after %v", got)
					}
					if err := r.idle(); err != nil {
						t.Error(err)
					}
					if !strings.Contains(r.log.String(), tt.log) || strings.Contains(r.log.String(), rigPassword) {
						t.Errorf("no %q in, or the password in\n%s", tt.log, r.log)
					}
					if r.taken != 0 || len(r.inside) != 0 {
						t.Error("the server has given addresses")
					}
				})
			})
		}
	}
}

// Certificates of users, and methods that do not fit.
func TestAuthenticationFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server func(c *ServerConfig)
		client func(c *ClientConfig)
		hook   func(p passing) []sstp.Packet
		words  string
	}{
		{
			"a user's certificate that nobody vouches for", func(c *ServerConfig) {
				c.Methods = []pppauth.Method{pppauth.EAPTLS}
				c.Authenticator.Certificate, c.Authenticator.ClientCAs = rigClient(), certPool(rigRSA())
			}, func(c *ClientConfig) {
				c.Credentials.Certificate, c.Credentials.Roots = rigClient(), certPool(rigClient())
			}, nil, "authentication failed: eap-tls: ",
		},
		{
			"a server's certificate that nobody vouches for", func(c *ServerConfig) {
				c.Methods = []pppauth.Method{pppauth.EAPTLS}
				c.Authenticator.Certificate, c.Authenticator.ClientCAs = rigClient(), certPool(rigClient())
			}, func(c *ClientConfig) {
				c.Credentials.Certificate, c.Credentials.Roots = rigClient(), certPool(rigRSA())
			}, nil, "authentication failed: eap-tls: the server's certificate, of \"alice\", is not accepted",
		},
		{
			"no method in common", func(c *ServerConfig) { c.Methods = []pppauth.Method{pppauth.MSCHAPv2} },
			func(c *ClientConfig) { c.Methods = []pppauth.Method{pppauth.PAP} }, nil, "no method in common: the server wants",
		},
		{
			"a server that does not know the password", func(c *ServerConfig) { c.Methods = []pppauth.Method{pppauth.MSCHAPv2} }, nil,
			func(p passing) []sstp.Packet {
				if !p.carries(ppp.ProtocolCHAP, 3) { // Success
					return as(p)
				}
				return []sstp.Packet{pppPacket(ppp.ProtocolCHAP, ppp.CHAPSuccess{
					Identifier: p.Data[len(p.Data)-len("S=")-40-3], Message: ppp.MSCHAPv2Success{}.String(),
				})}
			}, "authentication failed: mschapv2: ",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, tt.server)
				_, _, err := r.dial(t.Context(), func(c *ClientConfig) {
					if tt.client != nil {
						tt.client(c)
					}
					if tt.hook != nil {
						c.Dial = r.through(func(_ *relay, p passing) []sstp.Packet { return tt.hook(p) })
					}
				})
				checkStep(t, err, StepAuthentication, tt.words)
				if err := r.idle(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
