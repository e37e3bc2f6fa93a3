package sstpref

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
	"sstpwarden/pcaps/sstpref/login"
	"sstpwarden/pcaps/sstpref/profile"
)

// clientHello is what a client says first.
func clientHello() []byte {
	near, far := newWire(tcpWindow, "198.51.100.7")
	go func() {
		_ = tls.Client(near, &tls.Config{ServerName: "vpn.example", InsecureSkipVerify: true}).Handshake()
	}()
	b := make([]byte, 16<<10)
	n, _ := far.Read(b)
	_ = far.Close()
	return b[:n]
}

// drip writes b byte by byte until it cannot.
func drip(c net.Conn, b []byte, every time.Duration) {
	for i := range b {
		if _, err := c.Write(b[i : i+1]); err != nil {
			return
		}
		time.Sleep(every)
	}
}

// clientTLS is a client's end after the handshake.
func clientTLS(c net.Conn) *tls.Conn {
	t := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	_ = t.Handshake()
	return t
}

// Clients that stop or dawdle anywhere before the call is up are rid of in time,
// with the reason in the log, and nothing of them is left.
func TestSilentClients(t *testing.T) {
	say := func(c net.Conn, messages ...sstp.Packet) {
		b := []byte(opening)
		for _, m := range messages {
			b = m.Append(b)
		}
		_, _ = c.Write(b)
	}
	request := control(sstp.CallConnectRequest{EncapsulatedProtocolID: sstp.EncapsulatedProtocolPPP})
	for _, tt := range []struct {
		name   string
		client func(c net.Conn)
		window int
		after  time.Duration
		log    string
	}{
		{"nothing", func(net.Conn) {}, tcpWindow, openingTimeout, `step=tls error="i/o timeout"`},
		{"half a ClientHello", func(c net.Conn) {
			b := clientHello()
			_, _ = c.Write(b[:len(b)/2])
		}, tcpWindow, openingTimeout, `step=tls error="i/o timeout"`},
		{"a ClientHello, slowly", func(c net.Conn) { drip(c, clientHello(), time.Second) }, tcpWindow, openingTimeout, `step=tls error="i/o timeout"`},
		{"a head, a byte a minute", func(c net.Conn) { drip(clientTLS(c), []byte(opening), time.Minute) }, tcpWindow, openingTimeout, `step=http error="i/o timeout"`},
		{"a head, a byte a second", func(c net.Conn) { drip(clientTLS(c), []byte(opening), time.Second) }, tcpWindow, openingTimeout, `step=http error="i/o timeout"`},
		{"a head without an end", func(c net.Conn) {
			t := clientTLS(c)
			_, _ = t.Write([]byte("SSTP_DUPLEX_POST / HTTP/1.1\r\n"))
			for range 1 << 20 {
				if _, err := t.Write([]byte("A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n")); err != nil {
					return
				}
			}
		}, tcpWindow, 0, "step=http error=\"httphead: "},
		{"the request", func(c net.Conn) { say(clientTLS(c)) }, tcpWindow, 60 * time.Second, `step=sstp error="we closed the connection before a good Call Connect Request had come: negotiation timer expired; does the client speak SSTP?"`},
		{"half a Call Connect Request", func(c net.Conn) {
			t := clientTLS(c)
			say(t)
			_, _ = t.Write(request.Append(nil)[:13])
		}, tcpWindow, 60 * time.Second, "negotiation timer expired; does the client speak SSTP?"},
		{"a Call Connect Request, a byte a minute", func(c net.Conn) {
			t := clientTLS(c)
			say(t)
			drip(t, request.Append(nil), time.Minute)
		}, tcpWindow, 60 * time.Second, "negotiation timer expired; does the client speak SSTP?"},
		// PPP gives up before SSTP does: 10 requests, 3 s apart (RFC 1661, Section 4.6), and Disconnect timer 1.
		{"a Call Connect Request", func(c net.Conn) { say(clientTLS(c), request) }, tcpWindow, 35 * time.Second, `step=lcp error="the peer answered none of 10 Configure-Requests in 30s`},
		{"a bad Call Connect Request", func(c net.Conn) {
			say(clientTLS(c), sstp.Packet{Control: true, Data: []byte{0}})
		}, tcpWindow, 3 * time.Second, "we aborted the call before a good Call Connect Request had come"},
		{"data, and two Call Connect Requests", func(c net.Conn) { say(clientTLS(c), sstp.Packet{}, request, request) }, tcpWindow, 3 * time.Second, "unexpected message: call_connect_request"},
		{"what is not SSTP", func(c net.Conn) {
			t := clientTLS(c)
			say(t)
			_, _ = io.WriteString(t, "GET / HTTP/1.1\r\n\r\n")
		}, tcpWindow, 0, "we closed the connection before a good Call Connect Request had come: sstp: bad Version 0x47"},
		{"reading nothing of TLS", func(c net.Conn) { _, _ = c.Write(clientHello()) }, 100, openingTimeout, `step=tls error="i/o timeout"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				admission := login.NewAdmission(1)
				r := newRig(t, func(c *ServerConfig) { c.Admission = admission })
				began := time.Now()
				near, far := newWire(tt.window, "198.51.100.7")
				var client sync.WaitGroup
				defer client.Wait()
				defer near.Close()
				r.server.admit(far)
				client.Go(func() { tt.client(near) })
				synctest.Wait()
				if got := admission.Len(); got != 1 && tt.after > 0 {
					t.Errorf("%d connections are counted", got)
				}
				r.server.serving.Wait()
				if got := time.Since(began); got != tt.after {
					t.Errorf("ended after %v, want %v", got, tt.after)
				}
				if !strings.Contains(strings.ReplaceAll(r.log.String(), `\"`, `"`), tt.log) {
					t.Errorf("no %s in\n%s", tt.log, r.log)
				}
				if admission.Len() != 0 {
					t.Error("the connection is still counted")
				}
				if err := r.idle(); err != nil {
					t.Error(err)
				}
				if !near.ended() {
					t.Error("the connection is open")
				}
			})
		})
	}
}

// A pause is where a conversation stops: what is passed on of it, and whether
// all that comes then is swallowed.
type pause struct {
	name string
	at   func(p passing) bool
	pass bool // the packet itself
}

// dialPausing dials through a relay that swallows everything from the pause on,
// as if the network were gone.
func (r *rig) dialPausing(ctx context.Context, at pause, seen *watch, edit func(c *ClientConfig)) (*Session, error) {
	s, _, err := r.dial(ctx, func(c *ClientConfig) {
		var paused atomic.Bool
		c.Dial = r.through(func(l *relay, p passing) []sstp.Packet {
			seen.see(p)
			if at.at(p) && !paused.Swap(true) {
				if at.pass {
					_ = l.write(l.far(p), p.Append(nil))
				}
				l.mute()
			}
			return as(p)
		})
		if edit != nil {
			edit(c)
		}
	})
	return s, err
}

func fromServer(protocol ppp.Protocol, code ppp.Code) func(p passing) bool {
	return func(p passing) bool { return !p.fromClient && p.carries(protocol, code) }
}

func fromClient(protocol ppp.Protocol, code ppp.Code) func(p passing) bool {
	return func(p passing) bool { return p.fromClient && p.carries(protocol, code) }
}

func message(m sstp.MessageType) func(p passing) bool {
	return func(p passing) bool { return p.is(m) }
}

// When the network is gone, both ends give up at the specified time, each with the
// step that it was at. PPP's own timers are shorter than SSTP's: 30 s for
// ten requests, 6 s for two Terminate-Requests.
func TestSilence(t *testing.T) {
	const (
		negotiation = 60 * time.Second
		abort       = 3 * time.Second
		ppp30       = 30 * time.Second
		terminate   = 6 * time.Second
		disconnect  = 5 * time.Second
	)
	for _, tt := range []struct {
		pause
		after          time.Duration // the client's
		step           Step
		client, server string
		serverAfter    time.Duration
	}{
		{
			pause{"before the Ack", message(sstp.MessageCallConnectAck), false},
			negotiation + abort,
			StepSSTP, "negotiation timer expired; does the server speak SSTP", "step=lcp error=\"the peer answered none of 10 Configure-Requests in 30s", ppp30 + disconnect,
		},
		{
			pause{"after the Ack", message(sstp.MessageCallConnectAck), true},
			ppp30 + disconnect,
			StepLCP, "the peer answered none of 10 Configure-Requests in 30s", "step=lcp", ppp30 + disconnect,
		},
		{
			pause{"in LCP", fromServer(ppp.ProtocolLCP, 0), true},
			ppp30 + disconnect,
			StepLCP, "the peer asks, but answered none of 10 Configure-Requests in 30s", "step=lcp", ppp30 + disconnect,
		},
		{
			pause{"before authentication", fromServer(ppp.ProtocolEAP, 0), false},
			ppp30 + terminate + disconnect,
			StepAuthentication, "the server sent no request", "step=authentication error=\"authentication failed: eap: the client stopped answering\"", ppp30 + terminate + disconnect,
		},
		{
			pause{"in authentication", fromServer(ppp.ProtocolEAP, 0), true},
			ppp30 + terminate + disconnect,
			StepAuthentication, "the server fell silent in the middle of it", "the client stopped answering", ppp30 + terminate + disconnect,
		},
		{
			pause{"after authentication", message(sstp.MessageCallConnected), false},
			ppp30 + terminate + disconnect,
			StepIPCP, "answered none of 10 Configure-Requests in 30s", "step=ipcp", ppp30 + terminate + disconnect,
		},
		{
			pause{"in IPCP", fromServer(ppp.ProtocolIPCP, 0), true},
			ppp30 + terminate + disconnect,
			StepIPCP, "the peer asks, but answered none of 10 Configure-Requests in 30s", "step=ipcp", ppp30 + terminate + disconnect,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				began := time.Now()
				_, err := r.dialPausing(t.Context(), tt.pause, &watch{}, nil)
				checkStep(t, err, tt.step, tt.client)
				if got := time.Since(began); got != tt.after {
					t.Errorf("the client ended after %v, want %v", got, tt.after)
				}
				if err := r.idle(); err != nil {
					t.Error(err)
				}
				if got := time.Since(began); got != max(tt.after, tt.serverAfter) {
					t.Errorf("both ended after %v, want %v", got, max(tt.after, tt.serverAfter))
				}
				if !strings.Contains(r.log.String(), tt.server) {
					t.Errorf("no %s in\n%s", tt.server, r.log)
				}
			})
		})
	}
}

// checkStep checks at which step a Dial failed, and that the error has the words.
func checkStep(t *testing.T, err error, step Step, words string) {
	t.Helper()
	e, ok := errors.AsType[*StepError](err)
	switch {
	case !ok:
		t.Errorf("got %v, no StepError", err)
	case e.Step != step || !strings.Contains(err.Error(), words):
		t.Errorf("got  %v\nwant %s: ...%s", err, step, words)
	}
}

// A server to which everything but Call Connected comes waits for it as long as
// the Negotiation timer, and says so (MS-SSTP 3.3.2.1, 3.3.6.1).
func TestNoCallConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		began := time.Now()
		s, _, err := r.dial(t.Context(), func(c *ClientConfig) {
			c.Dial = r.through(func(_ *relay, p passing) []sstp.Packet {
				if p.is(sstp.MessageCallConnected) {
					return nil
				}
				return as(p)
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.idle(); err != nil {
			t.Error(err)
		}
		if got, want := time.Since(began), 61*time.Second; got != want { // and Abort timer 2
			t.Errorf("ended after %v, want %v", got, want)
		}
		if want := "we aborted the call before a good Call Connected had come: negotiation timer expired"; !strings.Contains(r.log.String(), want) {
			t.Errorf("no %s in\n%s", want, r.log)
		}
		<-s.Done()
		checkStep(t, s.Err(), StepData, "the server aborted the call: negotiation timeout; it has waited too long for us")
	})
}

// Once the call is up, a peer that falls silent is asked after 60 s, and given up
// after another 60 s without an Abort (MS-SSTP 3.1.2.3).
func TestHelloTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		began := time.Now()
		var seen watch
		// The last packet of either end is that of a network protocol.
		s, err := r.dialPausing(t.Context(), pause{"", fromClient(ppp.ProtocolIPv4, 0), true}, &seen, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if err := s.WritePacket(packet(4, 100, 1)); err != nil {
			t.Error(err)
		}
		<-s.Done()
		checkStep(t, s.Err(), StepData, "we closed the connection: nothing has come for too long; is the server still there, and the path to it?")
		if !errors.Is(s.Err(), call.ErrSilent) {
			t.Errorf("got %v", s.Err())
		}
		if got := time.Since(began).Round(time.Millisecond); got != 120*time.Second {
			t.Errorf("the client gave up after %v", got)
		}
		if err := r.idle(); err != nil {
			t.Error(err)
		}
		if got := time.Since(began).Round(time.Millisecond); got != 130*time.Second {
			t.Errorf("the server gave up after %v", got)
		}
		for kind, want := range map[string]int{
			"client echo_request": 1, "server echo_request": 1,
			"client call_abort": 0, "server call_abort": 0, "client call_disconnect": 0, "server call_disconnect": 0,
		} {
			if got := seen.count(kind); got != want {
				t.Errorf("%d of %s, want %d", got, kind, want)
			}
		}
		if want := "step=data error=\"we closed the connection: nothing has come for too long; is the client still there"; !strings.Contains(r.log.String(), want) {
			t.Errorf("no %s in\n%s", want, r.log)
		}
	})
}

// Bytes that are no packet yet are no sign of life.
func TestHelloTimerDrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		var seen watch
		client, _, err := r.dial(t.Context(), func(c *ClientConfig) { c.Dial = r.through(seen.hook) })
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		on := seen.relay.Load()
		on.mute()
		began := time.Now()
		var dripping sync.WaitGroup
		dripping.Go(func() {
			drip(on.toServer, sstp.Packet{Data: make([]byte, 1000)}.Append(nil), 10*time.Second)
		})
		r.server.serving.Wait()
		if got := time.Since(began).Round(time.Millisecond); got != 120*time.Second {
			t.Errorf("ended after %v\n%s", got, r.log)
		}
		client.Close()
		dripping.Wait()
		if err := r.idle(); err != nil {
			t.Error(err)
		}
	})
}

// A tunnel that nobody uses stays, kept up by echoes.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *ServerConfig) { c.Profile.LCPEcho = profile.EchoTimer{} })
		var seen watch
		s, client, err := r.dial(t.Context(), func(c *ClientConfig) {
			c.Profile.LCPEcho = profile.EchoTimer{}
			c.Dial = r.through(seen.hook)
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		exchange(t, client, r.inside[rigUser], 4)
		// Each end's request is a sign of life for the other, so there is one a minute or two.
		requests, responses := seen.count("client echo_request")+seen.count("server echo_request"), seen.count("client echo_response")+seen.count("server echo_response")
		if requests < 24*60-1 || requests > 2*24*60 || responses != requests {
			t.Errorf("%d requests and %d responses in a day", requests, responses)
		}
		if err := s.Disconnect(t.Context(), "user request"); err != nil || s.Err() != nil {
			t.Errorf("%v, %v", err, s.Err())
		}
		if err := r.idle(); err != nil {
			t.Error(err)
		}
	})
}

// Where IPv4 gets no answer and IPv6 does, the tunnel is up with IPv6 alone.
func TestIPv6Alone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		began := time.Now()
		s, client, err := r.dial(t.Context(), func(c *ClientConfig) {
			c.Dial = r.through(func(_ *relay, p passing) []sstp.Packet {
				if p.carries(ppp.ProtocolIPCP, 0) {
					return nil
				}
				return as(p)
			})
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, r.log)
		}
		if got := time.Since(began); got != 30*time.Second {
			t.Errorf("up after %v", got)
		}
		synctest.Wait()
		exchange(t, client, r.inside[rigUser], 6)
		if err := client.WritePacket(packet(4, 100, 0)); err != nil {
			t.Error(err)
		}
		if got := s.Counts().Dropped; got != 1 {
			t.Errorf("%d packets of IPv4 were dropped", got)
		}
		if err := s.Disconnect(t.Context(), "user request"); err != nil {
			t.Error(err)
		}
	})
}
