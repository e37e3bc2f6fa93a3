package call_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// TestFaultyConnected: a server that does as specified finds each fault.
func TestFaultyConnected(t *testing.T) {
	tests := []struct {
		name   string
		faults call.Faults
		want   error
	}{
		{"nonce", call.Faults{WrongNonce: true}, call.ErrNonce},
		{"certificate", call.Faults{WrongCertHash: true}, call.ErrCertHash},
		{"MAC", call.Faults{WrongMAC: true}, call.ErrCompoundMAC},
		{"hash not offered", call.Faults{HashProtocol: sstp.HashProtocolSHA1}, call.ErrHashProtocol},
		{"hash unknown", call.Faults{HashProtocol: 0x40}, call.ErrHashProtocol},
		{"reserved bits", call.Faults{ReservedBits: true}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(client, server *call.Config) {
				client.Faults = tt.faults
				server.HashProtocols = sstp.HashProtocolSHA256
			})
			w.run(5 * time.Second)
			if tt.want == nil {
				if w.server.State() != call.ServerCallConnected {
					t.Errorf("%v: %v", w.server.State(), w.server.Err())
				}
				return
			}
			if !errors.Is(w.server.Err(), tt.want) {
				t.Errorf("the server says %v, want %v", w.server.Err(), tt.want)
			}
			e := w.client.callErr()
			if !e.Remote || e.AttribID != sstp.AttributeCryptoBinding || e.Status != sstp.StatusValueNotSupported || e.State != call.ClientCallConnected {
				t.Errorf("the client says %+v", e)
			}
		})
	}
}

// TestOneFaultAlone: the Compound MAC is right for what the message holds.
func TestOneFaultAlone(t *testing.T) {
	for _, f := range []call.Faults{{WrongNonce: true}, {WrongCertHash: true}, {HashProtocol: sstp.HashProtocolSHA1}, {ReservedBits: true}, {WrongMAC: true}} {
		r := reach(t, call.Client, call.ClientConnectAckReceived, func(c *call.Config) { c.Faults = f })
		r.Authenticated(r.now, testHLAK)
		want, err := testHLAK.CompoundMAC([sstp.CallConnectedLen]byte(r.sent[0].Append(nil)))
		if err != nil {
			t.Fatal(err)
		}
		got := r.last().(sstp.CallConnected).CryptoBinding.CompoundMAC
		if cmp.Equal(want, got) == f.WrongMAC {
			t.Errorf("%+v: Compound MAC %x, want %x", f, got, want)
		}
	}
}

func TestNeverConnected(t *testing.T) {
	w := newWorld(t, func(client, _ *call.Config) { client.Faults.NeverConnected = true })
	w.run(forever)
	if got := w.client.Err().Error(); got != "the server aborted the call before PPP authentication was done: negotiation timeout; it has waited too long for us: look at LCP and PPP authentication" {
		t.Errorf("the client says %q", got)
	}
	if !errors.Is(w.server.Err(), call.ErrNegotiationTimeout) || w.server.callErr().State != call.ServerCallConnectedPending {
		t.Errorf("the server says %v", w.server.Err())
	}
}

func TestNakFault(t *testing.T) {
	value := unhex(t, "0001")
	tests := []struct {
		status, want sstp.Status
		value        []byte
	}{
		{0, sstp.StatusValueNotSupported, value},
		{sstp.StatusDuplicateAttribute, sstp.StatusDuplicateAttribute, value},
		{sstp.StatusUnrecognizedAttribute, sstp.StatusUnrecognizedAttribute, nil},
		{sstp.StatusRequiredAttributeMissing, sstp.StatusRequiredAttributeMissing, nil},
	}
	for _, tt := range tests {
		r := reach(t, call.Server, call.ServerConnectRequestPending, func(c *call.Config) {
			c.Faults = call.Faults{Nak: true, NakStatus: tt.status}
		})
		r.receive(request())
		want := sstp.CallConnectNak{StatusInfo: []sstp.StatusInfo{{
			AttribID: sstp.AttributeEncapsulatedProtocolID, Status: tt.want, AttribValue: tt.value,
		}}}
		if diff := cmp.Diff(sstp.Message(want), r.last()); diff != "" {
			t.Errorf("status %v (-want +got):\n%s", tt.status, diff)
		}
	}
	// Both ends have the same retry limit: the server gives up first.
	w := newWorld(t, func(_, server *call.Config) { server.Faults.Nak = true })
	w.run(forever)
	if e := w.client.callErr(); !errors.Is(w.server.Err(), call.ErrRefused) || !e.Remote || e.Status != sstp.StatusRetryCountExceeded {
		t.Errorf("client %v, server %v", w.client.Err(), w.server.Err())
	}
}

func TestReservedBits(t *testing.T) {
	r := reach(t, call.Client, call.ClientCallDisconnected, func(c *call.Config) { c.Faults.ReservedBits = true })
	r.Open(r.now)
	r.Abort(r.now, sstp.StatusNegotiationTimeout)
	for i, want := range []string{
		"10 ff f00e 0001 0001 ff 01 f006 0001",
		"10 ff f014 0005 0001 ff 02 f00c ffffff 02 00000008",
	} {
		if diff := cmp.Diff(unhex(t, want), r.sent[i].Append(nil)); diff != "" {
			t.Errorf("packet %d (-want +got):\n%s", i, diff)
		}
	}
}
