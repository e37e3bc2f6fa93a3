package call_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/sstpref/call"
)

// TestOrder: packets and events come in the order in which they came about.
func TestOrder(t *testing.T) {
	var log []string
	logged := func(c *call.Config) {
		c.Send = func(typ sstp.MessageType, _ sstp.Packet) { log = append(log, typ.String()) }
		c.Event = func(e call.Event) {
			if e.Kind == call.EventState {
				log = append(log, fmt.Sprintf("%v>%v: %s", e.From, e.To, e.Cause))
				return
			}
			log = append(log, fmt.Sprintf("event %d", e.Kind))
		}
	}
	r := newRig(t, call.Server, logged)
	r.Open(r.now)
	r.receive(request())
	r.Authenticated(r.now, testHLAK)
	r.Receive(r.now, connectedPacket(t, sstp.HashProtocolSHA1, nil))
	r.Disconnect(r.now)
	r.receive(sstp.CallDisconnectAck{})
	want := []string{
		"server_call_disconnected>server_connect_request_pending: opened",
		"call_connect_ack",
		"server_connect_request_pending>server_call_connected_pending: received call_connect_request",
		fmt.Sprintf("event %d", call.EventStartPPP),
		"server_call_connected_pending>server_call_connected: received call_connected",
		fmt.Sprintf("event %d", call.EventConnected),
		fmt.Sprintf("event %d", call.EventEnding),
		"server_call_connected>call_disconnect_in_progress_1: asked to disconnect",
		"call_disconnect",
		"call_disconnect_in_progress_1>call_disconnect_ack_pending: sent call_disconnect",
		"call_disconnect_ack_pending>server_call_disconnected: received call_disconnect_ack",
		fmt.Sprintf("event %d", call.EventClosed),
	}
	if !slices.Equal(log, want) {
		t.Errorf("log\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
	}
}

// TestLocalEnds: Disconnect and Abort work "irrespective of the current state"
// (MS-SSTP 3.2.4.2), but on a call that does not end already.
func TestLocalEnds(t *testing.T) {
	for _, role := range []call.Role{call.Client, call.Server} {
		for i, state := range statesOf(role) {
			for name, do := range map[string]func(*rig){
				"call_disconnect": func(r *rig) { r.Disconnect(r.now) },
				"call_abort":      func(r *rig) { r.Abort(r.now, sstp.StatusValueNotSupported) },
			} {
				r := reach(t, role, state)
				timer := r.timer()
				do(r)
				if i == 0 || state.Ending() {
					if r.State() != state || len(r.sent)+len(r.events) > 0 || r.timer() != timer {
						t.Errorf("%s in %v: %v, sent %q, timer %q", name, state, r.State(), r.told(), r.timer())
					}
					continue
				}
				want, wantTimer := call.CallDisconnectAckPending, "disconnect1"
				if name == "call_abort" {
					want, wantTimer = call.CallAbortPending, "abort1"
				}
				if r.State() != want || r.told() != name || r.timer() != wantTimer {
					t.Errorf("%s in %v: %v, sent %q, timer %q", name, state, r.State(), r.told(), r.timer())
				}
				if e := r.callErr(); e.State != state || e.Role != role || e.Remote {
					t.Errorf("%s in %v: error %+v", name, state, e)
				}
			}
		}
	}
}

// TestTransportClosed is "HTTPS connection disconnected" of MS-SSTP 3.1.7.2: no
// message, whatever the state, and nothing more ever.
func TestTransportClosed(t *testing.T) {
	for _, role := range []call.Role{call.Client, call.Server} {
		for _, state := range statesOf(role) {
			r := reach(t, role, state)
			reason := r.Err()
			r.TransportClosed(r.now, io.EOF)
			if !r.State().Disconnected() || len(r.sent) > 0 {
				t.Errorf("%v: %v, sent %q", state, r.State(), r.told())
			}
			kinds := []call.EventKind{call.EventEnding, call.EventClosed}
			if state.Ending() {
				kinds = kinds[1:]
				if !errors.Is(r.Err(), reason) {
					t.Errorf("%v: error %v, want the first reason, %v", state, r.Err(), reason)
				}
			} else if e := r.callErr(); e.Op != call.OpTransport || e.State != state || !errors.Is(e, io.EOF) {
				t.Errorf("%v: error %+v", state, e)
			}
			if !slices.Equal(r.kinds(), kinds) {
				t.Errorf("%v: events %v, want %v", state, r.kinds(), kinds)
			}
			if last := r.events[len(r.events)-1]; last.Kind != call.EventClosed || last.Err != r.callErr() {
				t.Errorf("%v: the last event is %+v", state, last)
			}
			r.clear()
			r.TransportClosed(r.now, io.EOF)
			r.Open(r.now)
			r.Disconnect(r.now)
			r.Abort(r.now, sstp.StatusValueNotSupported)
			r.Authenticated(r.now, testHLAK)
			for _, p := range messages(t) {
				r.Receive(r.now, p)
			}
			r.pass(time.Hour)
			if len(r.sent)+len(r.events) > 0 || r.Data(r.now, true) || r.MaySend(true) {
				t.Errorf("%v: sent %q, events %v after the end", state, r.told(), r.events)
			}
		}
	}
}

// TestBadFraming is MS-SSTP 3.1.5.1: what cannot be delineated ends the call
// without a message.
func TestBadFraming(t *testing.T) {
	_, _, syntax := sstp.ParsePacket([]byte("HTTP/1.1 400 Bad Request"))
	r := reach(t, call.Client, call.ClientConnectRequestSent)
	r.TransportClosed(r.now, fmt.Errorf("reading: %w", syntax))
	if e := r.callErr(); !r.State().Disconnected() || len(r.sent) > 0 || e.Op != call.OpClose || !errors.Is(e, syntax) {
		t.Errorf("%v, sent %q, error %v", r.State(), r.told(), r.Err())
	}
}

// TestReentry: callbacks may call the call.
func TestReentry(t *testing.T) {
	t.Run("closing at once", func(t *testing.T) {
		var r *rig
		r = reach(t, call.Client, call.ClientCallConnected, func(c *call.Config) {
			inner := c.Event
			c.Event = func(e call.Event) {
				inner(e)
				if e.Kind == call.EventEnding {
					r.TransportClosed(r.now, nil)
				}
			}
		})
		r.Disconnect(r.now)
		if !r.State().Disconnected() || len(r.sent) > 0 {
			t.Errorf("%v, sent %q on a closed connection", r.State(), r.told())
		}
		if last := r.events[len(r.events)-1].Kind; last != call.EventClosed || r.Pending() > 0 {
			t.Errorf("the last event is %v, %d are pending", last, r.Pending())
		}
	})
	t.Run("answers within Send", func(t *testing.T) {
		var client, server *call.Call
		var log []string
		to := func(peer **call.Call, who string) func(sstp.MessageType, sstp.Packet) {
			return func(typ sstp.MessageType, p sstp.Packet) {
				log = append(log, who+typ.String())
				(*peer).Receive(start, p)
			}
		}
		makeCall := func(role call.Role, peer **call.Call, who string, event func(call.Event)) *call.Call {
			c, err := call.New(call.Config{Role: role, Certificate: certificate, Send: to(peer, who), Event: event})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		server = makeCall(call.Server, &client, "s ", func(e call.Event) {
			if e.Kind == call.EventStartPPP {
				server.Authenticated(start, testHLAK)
			}
		})
		client = makeCall(call.Client, &server, "c ", func(e call.Event) {
			switch e.Kind {
			case call.EventStartPPP:
				client.Authenticated(start, testHLAK)
			case call.EventConnected:
				client.Disconnect(start)
			default:
			}
		})
		server.Open(start)
		client.Open(start)
		want := "c call_connect_request, s call_connect_ack, c call_connected, c call_disconnect, s call_disconnect_ack"
		if got := strings.Join(log, ", "); got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
		if client.State() != call.ClientCallDisconnected || server.State() != call.CallDisconnectTimeoutPending {
			t.Errorf("client %v, server %v", client.State(), server.State())
		}
	})
}

func TestNew(t *testing.T) {
	send := func(sstp.MessageType, sstp.Packet) {}
	good := func(role call.Role) call.Config {
		return call.Config{Role: role, Certificate: certificate, Send: send}
	}
	tests := []struct {
		name string
		edit func(*call.Config)
		want string
	}{
		{"role", func(c *call.Config) { c.Role = 0 }, "there is no role 0"},
		{"send", func(c *call.Config) { c.Send = nil }, "no Send"},
		{"certificate", func(c *call.Config) { c.Certificate = nil }, "no certificate of the server to bind to"},
		{"hash", func(c *call.Config) { c.HashProtocols = 0x80 }, "hash protocols 0x80: neither sha1 nor sha256 is among them"},
		{"timer", func(c *call.Config) { c.Timers.Abort2 = -1 }, "timer Abort2 is negative: -1ns"},
		{"rand", func(c *call.Config) { c.Rand = strings.NewReader("short") }, "reading random bytes for the nonce: unexpected EOF"},
	}
	for _, role := range []call.Role{call.Client, call.Server} {
		if c, err := call.New(good(role)); err != nil || !c.State().Disconnected() || c.Err() != nil {
			t.Errorf("New: %v", err)
		}
		for _, tt := range tests {
			if tt.name == "rand" && role == call.Client {
				continue // it makes no nonce
			}
			cfg := good(role)
			tt.edit(&cfg)
			c, err := call.New(cfg)
			if want := "making an SSTP call: " + tt.want; c != nil || err == nil || err.Error() != want {
				t.Errorf("%v, %s: error %v, want %q", role, tt.name, err, want)
			}
		}
	}
	// Nothing to hash, nothing to need.
	for _, cfg := range []call.Config{
		{Role: call.Client, Send: send, Quirks: call.Quirks{NoCallConnected: true}},
		{Role: call.Client, Send: send, Faults: call.Faults{NeverConnected: true}},
		{Role: call.Server, Send: send, Quirks: call.Quirks{AcceptUnbound: true}},
	} {
		if _, err := call.New(cfg); err != nil {
			t.Errorf("New(%+v): %v", cfg.Quirks, err)
		}
	}
}

// TestNonces: each server has another, from crypto/rand.
func TestNonces(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		r := reach(t, call.Server, call.ServerConnectRequestPending, func(c *call.Config) { c.Rand = nil })
		r.receive(request())
		nonce := r.last().(sstp.CallConnectAck).CryptoBindingRequest.Nonce
		seen[string(nonce[:])] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d nonces in 100 calls", len(seen))
	}
}
