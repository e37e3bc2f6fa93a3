package sstpref

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sstpwarden/pcaps/sstpref/profile"
)

// A fate is what a fault leads to. The zero value: nothing, all works.
type fate struct {
	step  Step   // at which Dial fails; "" if it does not
	words string // in its error, or in the session's if that ends
	log   string // in the server's log
	after time.Duration
	ends  bool // the tunnel comes up, and ends by itself
	lost  bool // what this end sends does not arrive
	bad   bool // what this end sends arrives changed
}

const (
	boundWrong   = "the server aborted the call: value not supported (crypto binding); the certificate it shows and the one we saw differ, or the keys of PPP authentication do"
	refusedNaks  = "retry count exceeded; it keeps refusing: does it carry PPP?"
	logBound     = "step=sstp error=\"we aborted the call before a good Call Connected had come: the crypto binding "
	tooManyNaks  = "call connect request refused too many times: value not supported (encapsulated protocol id)"
	echoInvalid  = "invalid frame received; it could not read our last message"
	logLCP       = "step=lcp error="  // likewise
	logWaiting   = "step=sstp error=" // both ends wait as long, and either may be the first
	logEchoWrong = "we aborted the call: invalid message: echo_response"
)

// Each fault, of the client against the server and of the server against the client.
var fates = []struct {
	fault          string
	client, server fate
}{
	{"split=1", fate{}, fate{}},
	{"split=3+500", fate{}, fate{}},
	{"split-header", fate{}, fate{}},
	{"join=1000", fate{}, fate{}},
	{"join=100000", fate{}, fate{}},
	{"slow-read=5000", fate{}, fate{}},
	{"fragment-hello=1", fate{}, fate{}},
	{"fragment-hello-records=1", fate{}, fate{}},
	{"reserved-bits", fate{}, fate{}},
	{
		"nak",
		fate{},
		fate{step: StepSSTP, words: refusedNaks, log: tooManyNaks, after: time.Second},
	},
	{"wrong-nonce", fate{step: StepSSTP, words: boundWrong, log: logBound + "has a nonce that is not ours", after: time.Second}, fate{}},
	{"wrong-certificate", fate{step: StepSSTP, words: boundWrong, log: logBound + "has the hash of another certificate than ours", after: time.Second}, fate{}},
	{"wrong-mac", fate{step: StepSSTP, words: boundWrong, log: logBound + "was made with another key than PPP authentication has left here", after: time.Second}, fate{}},
	{"never-connected", fate{step: StepSSTP, words: "negotiation time", log: "negotiation time", after: 60 * time.Second}, fate{}},

	{"drop=call_connect_request", fate{step: StepSSTP, log: logWaiting, after: 60 * time.Second}, fate{}},
	{
		"drop=call_connect_ack",
		fate{},
		// It is the server that gives up first, because of LCP.
		fate{step: StepSSTP, words: "the server ended the call before the Call Connect Request was accepted", log: logLCP, after: 30 * time.Second},
	},
	{"drop=call_connect_nak", fate{}, fate{}},
	{"drop=call_connected", fate{ends: true, words: "the server aborted the call: negotiation timeout", log: "we aborted the call before a good Call Connected had come: negotiation timer expired"}, fate{}},
	{"drop=call_abort", fate{}, fate{}},
	{"drop=call_disconnect", fate{}, fate{}},
	{"drop=call_disconnect_ack", fate{}, fate{}},
	{"drop=echo_request", fate{}, fate{}},
	{"drop=echo_response", fate{ends: true, words: "the other end closed the connection without a word", log: "we closed the connection: nothing has come for too long"}, fate{}},
	{
		"drop=ppp",
		fate{step: StepLCP, log: logLCP, after: 30 * time.Second},
		fate{step: StepLCP, log: logLCP, after: 30 * time.Second},
	},
	{"drop=data", fate{lost: true}, fate{lost: true}},

	{"corrupt=call_connect_request", fate{step: StepSSTP, words: refusedNaks, log: tooManyNaks, after: time.Second}, fate{}},
	{"corrupt=call_connect_ack", fate{}, fate{step: StepSSTP, words: boundWrong, log: logBound + "has a nonce that is not ours", after: time.Second}},
	{"corrupt=call_connect_nak", fate{}, fate{}},
	{"corrupt=call_connected", fate{step: StepSSTP, words: boundWrong, log: logBound + "was made with another key", after: time.Second}, fate{}},
	{"corrupt=call_abort", fate{}, fate{}},
	{"corrupt=call_disconnect", fate{}, fate{}},
	{"corrupt=call_disconnect_ack", fate{}, fate{}},
	{
		"corrupt=echo_request", fate{}, // it is the server's that come first here
		fate{ends: true, words: "we aborted the call: invalid message: echo_request", log: echoInvalid},
	},
	{"corrupt=echo_response", fate{ends: true, words: echoInvalid, log: logEchoWrong}, fate{}},
	{
		"corrupt=ppp",
		fate{step: StepLCP, log: logLCP, after: 30 * time.Second},
		fate{step: StepLCP, log: logLCP, after: 30 * time.Second},
	},
	{"corrupt=data", fate{bad: true}, fate{bad: true}},

	{"delay=call_connect_request:59s", fate{after: 59 * time.Second}, fate{}},
	{"delay=call_connect_request:61s", fate{step: StepSSTP, log: logWaiting, after: 60 * time.Second}, fate{}},
	{"delay=call_connect_ack:20s", fate{}, fate{after: 20 * time.Second}},
	{"delay=call_connect_nak:1h", fate{}, fate{}},
	{"delay=call_connected:20s", fate{after: 20 * time.Second}, fate{}},
	{"delay=call_abort:1h", fate{}, fate{}},
	{"delay=call_disconnect:4s", fate{}, fate{}},
	{"delay=call_disconnect_ack:4s", fate{}, fate{}},
	{"delay=echo_request:3s", fate{}, fate{}},
	{"delay=echo_response:3s", fate{}, fate{}},
	{"delay=ppp:100ms", fate{after: time.Second}, fate{after: time.Second}},
	{"delay=data:100ms", fate{}, fate{}},
}

func TestFaults(t *testing.T) {
	for _, row := range fates {
		for side, want := range map[string]fate{"client": row.client, "server": row.server} {
			t.Run(row.fault+" of the "+side, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testFault(t, side, row.fault, want) })
			})
		}
	}
}

func testFault(t *testing.T, side, fault string, want fate) {
	faults, err := ParseFaults([]string{fault})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *ServerConfig) {
		c.Profile.LCPEcho = profile.EchoTimer{}
		c.Timers.Hello = 50 * time.Second // the client's is 60 s
		if side == "server" {
			c.Faults = faults
		}
	})
	began := time.Now()
	s, client, err := r.dial(t.Context(), func(c *ClientConfig) {
		c.Profile.LCPEcho = profile.EchoTimer{}
		c.Dial = r.from("198.51.100.7")
		if side == "client" {
			c.Faults = faults
		}
	})
	// What ends with messages takes another few seconds, and what is written slowly some milliseconds.
	if got := time.Since(began); got < want.after || got > want.after+5*time.Second {
		t.Errorf("Dial took %v, want %v", got, want.after)
	}
	switch {
	case want.step != "":
		checkStep(t, err, want.step, want.words)
	case err != nil:
		t.Fatal(err)
	case want.ends && strings.Contains(want.log, "Call Connected"):
		<-s.Done() // there is no tunnel at the server
		checkStep(t, s.Err(), StepData, want.words)
	default:
		testFaultyTunnel(t, r, s, client, side, want)
	}
	if err == nil {
		s.Close()
	}
	if err := r.idle(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(r.log.String(), want.log) {
		t.Errorf("no %s in\n%s", want.log, r.log)
	}
}

func testFaultyTunnel(t *testing.T, r *rig, s *Session, client *inner, side string, want fate) {
	time.Sleep(5 * time.Second)
	synctest.Wait()
	server := r.inside[rigUser]
	const size, count = 1000, 50
	for n := range count {
		_, _ = client.WritePacket(packet(4, size, n)), server.WritePacket(packet(4, size, n))
	}
	time.Sleep(3 * time.Minute) // echoes go both ways
	check := func(name string, to *inner, lost, bad bool) {
		to.mu.Lock()
		defer to.mu.Unlock()
		n := count
		if lost {
			n = 0
		}
		if len(to.got) != n {
			t.Errorf("%s: %d packets came, want %d", name, len(to.got), n)
		}
		for n, p := range to.got {
			sent := packet(4, size, n)
			if bad {
				sent[size-1] ^= 0xff
			}
			if !bytes.Equal(p, sent) {
				t.Errorf("%s: packet %d is another", name, n)
				return
			}
		}
	}
	check("server", server, want.lost && side == "client", want.bad && side == "client")
	check("client", client, want.lost && side == "server", want.bad && side == "server")
	if want.ends {
		<-s.Done()
		checkStep(t, s.Err(), StepData, want.words)
		return
	}
	began := time.Now()
	if err := s.Disconnect(t.Context(), "user request"); err != nil || s.Err() != nil {
		t.Errorf("disconnecting: %v, %v\n%s", err, s.Err(), r.log)
	}
	if got := time.Since(began); got > 6*time.Second {
		t.Errorf("disconnecting took %v", got)
	}
}

// The table has every fault, and every packet for those of packets.
func TestFaultsComplete(t *testing.T) {
	in := map[string]bool{}
	for _, row := range fates {
		name, value, _ := strings.Cut(row.fault, "=")
		in[name] = true
		packet, _, _ := strings.Cut(value, ":")
		in[name+"="+packet] = true
	}
	usage, _ := FaultNames()
	for _, u := range usage {
		name, value, _ := strings.Cut(u, "=")
		if !in[name] {
			t.Errorf("nothing of %s", u)
		}
		if strings.HasPrefix(value, "PACKET") {
			for _, kind := range PacketKinds() {
				if !in[name+"="+kind] {
					t.Errorf("nothing of %s", fmt.Sprint(name, "=", kind))
				}
			}
		}
	}
}
