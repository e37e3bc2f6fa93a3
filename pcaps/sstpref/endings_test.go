package sstpref

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// moments are those of a conversation at which a server is made to misbehave, by
// the packet that comes in its place.
var moments = []struct {
	name string
	at   func(p passing) bool
	step Step
	when string // in the words of the call
}{
	{"instead of the Ack", message(sstp.MessageCallConnectAck), StepSSTP, " before the Call Connect Request was accepted"},
	{"in LCP", fromServer(ppp.ProtocolLCP, 0), StepLCP, " before PPP authentication was done"},
	{"in authentication", fromServer(ppp.ProtocolEAP, 0), StepAuthentication, " before PPP authentication was done"},
	{"in IPCP", fromServer(ppp.ProtocolIPCP, 0), StepIPCP, ""},
}

// Servers that end it at any step: what the client says of that, and how long it
// takes.
func TestServersThatEnd(t *testing.T) {
	abortedBy := func(s sstp.Status) sstp.Packet {
		return control(sstp.CallAbort{StatusInfo: &sstp.StatusInfo{AttribID: sstp.AttributeStatusInfo, Status: s}})
	}
	type ending struct {
		name  string
		send  []byte // instead of the packet
		cut   bool   // and close the connection; else say nothing more
		sstp  bool   // it is SSTP that fails, whatever else is under way
		after time.Duration
		words func(when string) string
	}
	endings := []ending{
		{"closes", nil, true, false, 0, func(string) string { return "the other end closed the connection without a word" }},
		{
			"half a packet",
			[]byte{sstp.Version, 0, 1, 0, 0xff},
			true, false, 0,
			func(when string) string { return "the connection to the server is gone" + when + ": unexpected EOF" },
		},
		{"no packet", []byte("HTTP/1.1 502 Bad Gateway\r\n\r\n"), false, true, 0, func(when string) string {
			return "we closed the connection" + when + ": sstp: bad Version 0x48 at byte 0 (MS-SSTP 2.2.1); is there something else than SSTP at the other end, or in between?"
		}},
		{"too short a packet", []byte{sstp.Version, 0, 0, 3}, false, true, 0, func(when string) string { return "we closed the connection" + when + ": sstp: bad Length 0x3" }},
		{"no message", sstp.Packet{Control: true, Data: []byte{1}}.Append(nil), false, true, 3 * time.Second, func(when string) string { return "we aborted the call" + when + ": sstp: bad Length" }},
		{"an unknown message", sstp.Packet{Control: true, Data: []byte{0, 99, 0, 0}}.Append(nil), false, true, 3 * time.Second, func(when string) string {
			return "we aborted the call" + when + ": unexpected message: " + sstp.MessageType(99).String()
		}},
		{"a client's message", control(sstp.CallConnectRequest{EncapsulatedProtocolID: 1}).Append(nil), false, true, 3 * time.Second, func(when string) string {
			return "we aborted the call" + when + ": unexpected message: call_connect_request"
		}},
		{"Disconnect", control(sstp.CallDisconnect{}).Append(nil), false, false, time.Second, func(when string) string { return "the server ended the call" + when }},
		{"Abort without a status", control(sstp.CallAbort{}).Append(nil), false, true, time.Second, func(when string) string {
			return "the server aborted the call" + when + ": no reason given; its log may say more"
		}},
		{"Abort with too short a status", sstp.Packet{Control: true, Data: []byte{0, 5, 0, 1, 0, 2, 0, 8, 0, 0, 0, 0}}.Append(nil), false, true, time.Second, func(when string) string {
			return "the server aborted the call" + when + ": no reason given"
		}},
	}
	for status, look := range map[sstp.Status]string{
		sstp.StatusValueNotSupported:       "value not supported; it does not do what we ask for",
		sstp.StatusUnacceptedFrameReceived: "unaccepted frame received; it did not expect our last message",
		sstp.StatusRetryCountExceeded:      "retry count exceeded; it keeps refusing: does it carry PPP?",
		sstp.StatusInvalidFrameReceived:    "invalid frame received; it could not read our last message: is the server strict, or are bytes changed on the way?",
		sstp.StatusNegotiationTimeout:      "negotiation timeout; it has waited too long for us: look at LCP and PPP authentication",
		sstp.StatusAttribNotSupportedInMsg: "attrib not supported in msg; it misses an attribute in our last message, or found one too many",
		sstp.Status(77):                    sstp.Status(77).String() + "; its log may say more",
	} {
		endings = append(endings, ending{"Abort, " + status.String(), abortedBy(status).Append(nil), false, true, time.Second, func(when string) string {
			return "the server aborted the call" + when + ": " + look
		}})
	}
	for _, at := range moments {
		for _, how := range endings {
			t.Run(how.name+" "+at.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, nil)
					began := time.Now()
					_, _, err := r.dial(t.Context(), func(c *ClientConfig) {
						c.Dial = r.through(func(l *relay, p passing) []sstp.Packet {
							if !l.isMuted() && at.at(p) {
								_, _ = l.toClient.Write(how.send)
								if how.cut {
									l.cut()
								}
								l.mute()
							}
							return as(p)
						})
					})
					step := at.step
					if how.sstp {
						step = StepSSTP
					}
					checkStep(t, err, step, how.words(at.when))
					if got := time.Since(began); got != how.after {
						t.Errorf("failed after %v, want %v", got, how.after)
					}
					if err := r.idle(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// A server that ends PPP is quoted.
func TestServersThatTerminate(t *testing.T) {
	bye := pppPacket(ppp.ProtocolLCP, ppp.Terminate{Code: ppp.CodeTerminateRequest, Identifier: 99, Data: []byte("no seat left on this train")})
	for _, tt := range []struct {
		name string
		at   func(p passing) bool
		step Step
	}{
		{"in authentication", fromServer(ppp.ProtocolEAP, 0), StepAuthentication},
		{"in IPCP", fromServer(ppp.ProtocolIPCP, 0), StepIPCP},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				_, _, err := r.dial(t.Context(), func(c *ClientConfig) {
					c.Dial = r.through(func(_ *relay, p passing) []sstp.Packet {
						if tt.at(p) {
							return []sstp.Packet{bye}
						}
						return as(p)
					})
				})
				checkStep(t, err, tt.step, `the peer ended LCP, saying "no seat left on this train"`)
				if err := r.idle(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What the server's own side cannot do reaches the client in words.
func TestServersThatCannot(t *testing.T) {
	for _, tt := range []struct {
		name  string
		edit  func(c *ServerConfig)
		step  Step
		words string
		log   string
	}{
		{
			"no address", func(c *ServerConfig) {
				c.Assign = func(string) (*Lease, error) { return nil, errors.New("no address is left in 10.99.0.0/30") }
			},
			StepIPCP, `the peer ended LCP, saying "no address is left in 10.99.0.0/30"`, "step=ipcp error=\"no addresses for the user: no address is left in 10.99.0.0/30\"",
		},
		{"Nak for ever", func(c *ServerConfig) { c.Faults.Call.Nak = true }, StepSSTP, "retry count exceeded; it keeps refusing: does it carry PPP?", "call connect request refused too many times: value not supported (encapsulated protocol id)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, tt.edit)
				began := time.Now()
				_, _, err := r.dial(t.Context(), nil)
				checkStep(t, err, tt.step, tt.words)
				if err := r.idle(); err != nil {
					t.Error(err)
				}
				if got := time.Since(began); got > 5*time.Second {
					t.Errorf("it took %v", got)
				}
				if !strings.Contains(r.log.String(), tt.log) {
					t.Errorf("no %s in\n%s", tt.log, r.log)
				}
			})
		})
	}
}

// A server that offers no hash for the crypto binding that is known.
func TestNoCommonHash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		_, _, err := r.dial(t.Context(), func(c *ClientConfig) {
			c.Dial = r.through(func(_ *relay, p passing) []sstp.Packet {
				if p.is(sstp.MessageCallConnectAck) {
					return []sstp.Packet{control(sstp.CallConnectAck{CryptoBindingRequest: sstp.CryptoBindingRequest{HashProtocolBitmask: 0x80}})}
				}
				return as(p)
			})
		})
		checkStep(t, err, StepSSTP, "no hash protocol that both ends do: 0x80 is offered, sha1|sha256 can be done")
		if err := r.idle(); err != nil {
			t.Error(err)
		}
		if want := "step=sstp error=\"the client aborted the call before a good Call Connected had come: value not supported (crypto binding req)"; !strings.Contains(r.log.String(), want) {
			t.Errorf("no %s in\n%s", want, r.log)
		}
	})
}

// A carrier that fails ends the tunnel, on either side.
func TestCarrierFails(t *testing.T) {
	broken := func(Up, Tunnel) (Port, error) { return nil, errors.New("no TUN device here") }
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		_, _, err := r.dial(t.Context(), func(c *ClientConfig) { c.Carry = broken })
		checkStep(t, err, StepData, "no TUN device here")
		if err := r.idle(); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *ServerConfig) {
			assign := c.Assign
			c.Assign = func(name string) (*Lease, error) {
				lease, err := assign(name)
				lease.Carry = broken
				return lease, err
			}
		})
		if s, _, err := r.dial(t.Context(), nil); err == nil {
			<-s.Done()
			if !errors.Is(s.Err(), ErrDisconnected) {
				t.Errorf("ended with %v", s.Err())
			}
		}
		if err := r.idle(); err != nil {
			t.Error(err)
		}
		if want := "step=data error=\"no TUN device here\""; !strings.Contains(r.log.String(), want) {
			t.Errorf("no %s in\n%s", want, r.log)
		}
	})
}
