package call_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// TestRequest is MS-SSTP 3.3.5.2.2: what a server says to a Call Connect Request.
func TestRequest(t *testing.T) {
	type infos = []sstp.StatusInfo
	const (
		ppp    = "00 01 0006 0001"
		status = "00 02 000c 000000 00 00000004" // value_not_supported
	)
	fault := func(id sstp.AttributeID, status sstp.Status, value string) sstp.StatusInfo {
		info := sstp.StatusInfo{AttribID: id, Status: status}
		if value != "" {
			info.AttribValue = unhex(t, value)
		}
		return info
	}
	id, si := sstp.AttributeEncapsulatedProtocolID, sstp.AttributeStatusInfo
	tests := []struct {
		name string
		wire string
		want infos // nil: accepted
	}{
		{"as specified", "10 01 000e 0001 0001" + ppp, nil},
		{"no error is no objection", "10 01 001a 0001 0002" + ppp + "00 02 000c 000000 00 00000000", nil},
		{"1: status info", "10 01 001a 0001 0002" + ppp + status, infos{fault(si, sstp.StatusStatusInfoNotSupportedInMsg, "00000000 00000004")}},
		{"2: length", "10 01 0010 0001 0001 00 01 0008 00000001", infos{fault(id, sstp.StatusInvalidAttribValueLength, "00000001")}},
		{"3: duplicate", "10 01 0014 0001 0002" + ppp + ppp, infos{fault(id, sstp.StatusDuplicateAttribute, "0001")}},
		{"4: not recognised", "10 01 0014 0001 0002" + ppp + "00 09 0006 0001", infos{fault(9, sstp.StatusUnrecognizedAttribute, "")}},
		{"5: not PPP", "10 01 000e 0001 0001 00 01 0006 0002", infos{fault(id, sstp.StatusValueNotSupported, "0002")}},
		{"6: no protocol", "10 01 0008 0001 0000", infos{fault(id, sstp.StatusRequiredAttributeMissing, "")}},
		{"all of them", "10 01 0020 0001 0003 00 09 0006 0001" + status + "00 01 0006 0002", infos{
			fault(9, sstp.StatusUnrecognizedAttribute, ""),
			fault(si, sstp.StatusStatusInfoNotSupportedInMsg, "00000000 00000004"),
			fault(id, sstp.StatusValueNotSupported, "0002"),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := reach(t, call.Server, call.ServerConnectRequestPending)
			r.now = r.now.Add(10 * time.Second)
			r.Receive(r.now, packet(t, unhex(t, tt.wire)))
			if tt.want == nil {
				if diff := cmp.Diff(sstp.Message(ack(sstp.HashProtocolSHA1|sstp.HashProtocolSHA256)), r.last()); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				if !slices.Equal(r.kinds(), []call.EventKind{call.EventStartPPP}) || r.State() != call.ServerCallConnectedPending || r.timer() != "negotiation" {
					t.Errorf("%v, events %v, timer %q", r.State(), r.kinds(), r.timer())
				}
				return
			}
			if diff := cmp.Diff(sstp.Message(sstp.CallConnectNak{StatusInfo: tt.want}), r.last()); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if !slices.Equal(r.kinds(), []call.EventKind{call.EventRefused}) || !cmp.Equal(r.events[0].StatusInfo, tt.want) {
				t.Errorf("events %+v, want a refusal", r.events)
			}
			// The Negotiation timer goes on (MS-SSTP 3.3.2.1).
			if r.State() != call.ServerConnectRequestPending || r.timer() != "left:50s" || len(r.sent) != 1 {
				t.Errorf("%v, timer %q, sent %q", r.State(), r.timer(), r.told())
			}
		})
	}
}

// TestNakLimit is the retry counter of MS-SSTP 3.3.5.2.2.
func TestNakLimit(t *testing.T) {
	bad := packet(t, unhex(t, "10 01 000e 0001 0001 00 01 0006 0002"))
	for limit, naks := range map[int]int{0: 3, 1: 1, 7: 7, -1: 0} {
		r := reach(t, call.Server, call.ServerConnectRequestPending, func(c *call.Config) { c.RetryLimit = limit })
		for range naks {
			r.Receive(r.now, bad)
		}
		if want := strings.TrimSuffix(strings.Repeat("call_connect_nak ", naks), " "); r.told() != want {
			t.Fatalf("limit %d: sent %q, want %q", limit, r.told(), want)
		}
		r.Receive(r.now, bad)
		if r.State() != call.CallAbortPending || r.abortInfo() != "retry_count_exceeded (status_info)" || !errors.Is(r.Err(), call.ErrRefused) {
			t.Errorf("limit %d: %v, Call Abort says %q, error %v", limit, r.State(), r.abortInfo(), r.Err())
		}
	}
	// An acceptable request is accepted even then.
	r := reach(t, call.Server, call.ServerConnectRequestPending)
	for range call.DefaultRetryLimit {
		r.Receive(r.now, bad)
	}
	r.receive(request())
	if r.State() != call.ServerCallConnectedPending {
		t.Errorf("%v after three refusals and a good request", r.State())
	}
}

// TestConnected is MS-SSTP 3.3.5.2.3: what a server checks in a Call Connected.
func TestConnected(t *testing.T) {
	const (
		notInMessage = "attrib_not_supported_in_msg (status_info)"
		notSupported = "value_not_supported (crypto_binding)"
		sha1, sha256 = sstp.HashProtocolSHA1, sstp.HashProtocolSHA256
	)
	value := func(f func(b *sstp.CryptoBinding)) func(*sstp.CryptoBinding, *sstp.ControlMessage) {
		return func(b *sstp.CryptoBinding, _ *sstp.ControlMessage) {
			if b != nil {
				f(b)
			}
		}
	}
	layout := func(f func(m *sstp.ControlMessage)) func(*sstp.CryptoBinding, *sstp.ControlMessage) {
		return func(_ *sstp.CryptoBinding, m *sstp.ControlMessage) {
			if m != nil {
				f(m)
			}
		}
	}
	add := func(a sstp.Attribute) func(*sstp.CryptoBinding, *sstp.ControlMessage) {
		return layout(func(m *sstp.ControlMessage) {
			m.Attributes = append(m.Attributes, a)
			m.NumAttributes++
		})
	}
	statusInfo := func(status byte) sstp.Attribute {
		return sstp.Attribute{ID: sstp.AttributeStatusInfo, Value: []byte{0, 0, 0, 0, 0, 0, 0, status}}
	}
	tests := []struct {
		name   string
		hash   sstp.HashProtocol
		offers sstp.HashProtocol
		edit   func(*sstp.CryptoBinding, *sstp.ControlMessage)
		abort  string // "": accepted
		err    error
	}{
		{"sha256", sha256, sha256, nil, "", nil},
		{"sha1", sha1, sha1, nil, "", nil},
		{"sha1 of both", sha1, sha1 | sha256, nil, "", nil},

		{"no attribute", sha256, sha256, layout(func(m *sstp.ControlMessage) { m.Attributes, m.NumAttributes = nil, 0 }), notInMessage, call.ErrInvalid},
		{"other attribute", sha256, sha256, layout(func(m *sstp.ControlMessage) { m.Attributes[0].ID = sstp.AttributeCryptoBindingReq }), notInMessage, call.ErrInvalid},
		{"too short", sha256, sha256, layout(func(m *sstp.ControlMessage) { m.Attributes[0].Value = m.Attributes[0].Value[:99] }), notInMessage, call.ErrInvalid},
		{"too long", sha256, sha256, layout(func(m *sstp.ControlMessage) { m.Attributes[0].Value = append(m.Attributes[0].Value, 0) }), notInMessage, call.ErrInvalid},
		{"status info with an error", sha256, sha256, add(statusInfo(4)), notInMessage, call.ErrInvalid},
		{"more than announced", sha256, sha256, layout(func(m *sstp.ControlMessage) { m.Trailing = []byte{0} }), "invalid_frame_received (status_info)", call.ErrInvalid},

		{"nonce", sha256, sha256, value(func(b *sstp.CryptoBinding) { b.Nonce[31] ^= 1 }), notSupported, call.ErrNonce},
		{"certificate", sha256, sha256, value(func(b *sstp.CryptoBinding) { b.CertHash[0] ^= 1 }), notSupported, call.ErrCertHash},
		{"certificate, sha1", sha1, sha1, value(func(b *sstp.CryptoBinding) { b.CertHash[19] ^= 1 }), notSupported, call.ErrCertHash},
		{"hash not offered", sha1, sha256, nil, notSupported, call.ErrHashProtocol},
		{"hash unknown", 4, sha256, nil, notSupported, call.ErrHashProtocol},
		{"two hashes", sha1 | sha256, sha1 | sha256, nil, notSupported, call.ErrHashProtocol},
		{"MAC", sha256, sha256, value(func(b *sstp.CryptoBinding) { b.CompoundMAC = bytes.Repeat([]byte{1}, 32) }), notSupported, call.ErrCompoundMAC},
		{"message longer than its MAC", sha256, sha256, add(statusInfo(0)), notSupported, call.ErrCompoundMAC},

		// The order of the checks.
		{"attribute before nonce", sha256, sha256, func(b *sstp.CryptoBinding, m *sstp.ControlMessage) {
			if b != nil {
				b.Nonce[0] ^= 1
				return
			}
			m.Attributes[0].Value = m.Attributes[0].Value[:99]
		}, notInMessage, call.ErrInvalid},
		{"nonce before certificate", sha256, sha256, value(func(b *sstp.CryptoBinding) { b.Nonce[0], b.CertHash[0] = 0, b.CertHash[0]^1 }), notSupported, call.ErrNonce},
		{"nonce before hash", 4, sha256, value(func(b *sstp.CryptoBinding) { b.Nonce[0] = 0 }), notSupported, call.ErrNonce},
		{"certificate before hash", sha1, sha256, value(func(b *sstp.CryptoBinding) { b.CertHash[0] ^= 1 }), notSupported, call.ErrCertHash},
		{"certificate before MAC", sha256, sha256, value(func(b *sstp.CryptoBinding) {
			b.CertHash[0] ^= 1
			b.CompoundMAC = make([]byte, 32)
		}), notSupported, call.ErrCertHash},
	}
	for _, tt := range tests {
		for _, early := range []bool{false, true} {
			name := tt.name
			if early {
				name += ", before PPP authentication"
			}
			t.Run(name, func(t *testing.T) {
				r := reach(t, call.Server, call.ServerCallConnectedPending, func(c *call.Config) { c.HashProtocols = tt.offers })
				r.now = r.now.Add(10 * time.Second)
				if !early {
					r.Authenticated(r.now, testHLAK)
				}
				r.Receive(r.now, connectedPacket(t, tt.hash, tt.edit))
				if early {
					// All but the Compound MAC is checked at once.
					wait := tt.abort == "" || errors.Is(tt.err, call.ErrCompoundMAC) && tt.name == "MAC"
					if got := r.State() == call.ServerCallConnectedPending; got != wait {
						t.Fatalf("%v before authentication", r.State())
					}
					r.Authenticated(r.now, testHLAK)
				}
				if tt.abort == "" {
					if r.State() != call.ServerCallConnected || r.timer() != "hello" || len(r.sent) > 0 || r.Err() != nil {
						t.Errorf("%v, timer %q, sent %q, error %v", r.State(), r.timer(), r.told(), r.Err())
					}
					if !slices.Equal(r.kinds(), []call.EventKind{call.EventConnected}) {
						t.Errorf("events %v", r.kinds())
					}
					return
				}
				if r.State() != call.CallAbortPending || r.timer() != "abort1" || r.abortInfo() != tt.abort || len(r.sent) != 1 {
					t.Errorf("%v, timer %q, sent %q: %s; want %s", r.State(), r.timer(), r.told(), r.abortInfo(), tt.abort)
				}
				if !errors.Is(r.Err(), tt.err) {
					t.Errorf("error %v, want %v", r.Err(), tt.err)
				}
			})
		}
	}
}

// TestEarlyConnected: a Call Connected that comes before PPP authentication is
// done is held, once and for no longer than the Negotiation timer.
func TestEarlyConnected(t *testing.T) {
	early := func(t *testing.T) *rig {
		r := reach(t, call.Server, call.ServerCallConnectedPending)
		p := connectedPacket(t, sstp.HashProtocolSHA256, nil)
		r.Receive(r.now, p)
		clear(p.Data) // the caller's again
		return r
	}
	t.Run("another key", func(t *testing.T) {
		r := early(t)
		r.Authenticated(r.now, sstp.HLAK{})
		if !errors.Is(r.Err(), call.ErrCompoundMAC) || r.abortInfo() != "value_not_supported (crypto_binding)" {
			t.Errorf("error %v, Call Abort says %q", r.Err(), r.abortInfo())
		}
	})
	t.Run("no key yet is not a key of zeros", func(t *testing.T) {
		r := reach(t, call.Server, call.ServerCallConnectedPending)
		b := sstp.CryptoBinding{HashProtocol: sstp.HashProtocolSHA256, Nonce: [sstp.NonceLen]byte(serverNonce)}
		b.CertHash, _ = sstp.CertHash(b.HashProtocol, certificate)
		m := sstp.AppendMessage(nil, sstp.CallConnected{CryptoBinding: b})
		b.CompoundMAC, _ = sstp.HLAK{}.CompoundMAC([sstp.CallConnectedLen]byte(m))
		r.receive(sstp.CallConnected{CryptoBinding: b})
		if r.State() != call.ServerCallConnectedPending || r.MaySend(false) {
			t.Errorf("%v without authentication", r.State())
		}
	})
	t.Run("twice", func(t *testing.T) {
		r := early(t)
		r.Receive(r.now, connectedPacket(t, sstp.HashProtocolSHA256, nil))
		if r.State() != call.CallAbortPending || r.abortInfo() != "unaccepted_frame_received (status_info)" {
			t.Errorf("%v, Call Abort says %q", r.State(), r.abortInfo())
		}
	})
	t.Run("never authenticated", func(t *testing.T) {
		r := early(t)
		r.pass(60 * time.Second)
		if r.State() != call.CallAbortPending || r.abortInfo() != "negotiation_timeout (status_info)" {
			t.Errorf("%v, Call Abort says %q", r.State(), r.abortInfo())
		}
		r.Authenticated(r.now, testHLAK)
		if r.State() != call.CallAbortPending {
			t.Errorf("%v, want no way back", r.State())
		}
	})
}
