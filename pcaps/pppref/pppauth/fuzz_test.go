package pppauth_test

import (
	"crypto/tls"
	"testing"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// A fuzzed party and an honest one of the other kind, which has not what it takes to succeed.
type fuzzCase struct {
	name     string
	protocol ppp.Protocol
	make     func(t *testing.T) (fuzzed, honest pppauth.Party)
	trusting bool // a peer of a method in which the server proves nothing
}

func fuzzCases(t testing.TB) []fuzzCase {
	k := testCertificates(t)
	var cases []fuzzCase
	for _, w := range ways {
		c, a := w.credentials(t), w.authenticator(t)
		c.EAPMTU, a.EAPMTU, a.Retries = 200, 200, 2
		c.Rand, a.Rand = constant(1), constant(2)
		c.Again = func(*pppauth.Error) (string, bool) { return "another", true }
		if w.method.Option().Protocol == ppp.ProtocolEAP {
			c.Also = []pppauth.Method{pppauth.EAPMSCHAPv2, pppauth.EAPTLS}
			a.Also = c.Also
		}
		wrong, impostor := c, a
		wrong.Password, wrong.Certificate = "wrong", k.alien
		wrong.Insecure = true
		impostor.Password, impostor.Certificate, impostor.ClientCAs = users("alice", "wrong"), k.alienServer, k.ca.pool()
		protocol := w.method.Option().Protocol
		cases = append(cases, fuzzCase{
			w.String() + " peer", protocol, func(t *testing.T) (pppauth.Party, pppauth.Party) {
				return newPeer(t, w.method, c), newServer(t, w.method, impostor)
			}, w.method == pppauth.PAP || w.method == pppauth.CHAPMD5,
		}, fuzzCase{
			w.String() + " server", protocol, func(t *testing.T) (pppauth.Party, pppauth.Party) {
				return newServer(t, w.method, a), newPeer(t, w.method, wrong)
			}, false,
		})
	}
	return cases
}

// What a byte of the input has the fuzzed party go through.
const (
	fuzzTimeout = iota // nothing came
	fuzzHonest         // the honest end's next message
	fuzzBent           // the same with some octets changed: a count, then positions and values
	fuzzRaw            // a packet of the input's own: its length, then its octets
	fuzzOps
)

// FuzzParty checks that no messages make a party panic, send more than one message in answer to one or larger ones than
// it may, or believe in somebody who has proven nothing.
func FuzzParty(f *testing.F) {
	cases := fuzzCases(f)
	for i := range cases {
		f.Add(uint8(i), []byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
		f.Add(uint8(i), []byte{1, 1, 2, 1, 30, 7, 1, 1, 0, 2, 1, 2, 9})
		f.Add(uint8(i), []byte{3, 8, 1, 1, 0, 8, 13, 0x20, 1, 2, 1, 3, 5, 3, 1, 0, 5, 0})
		f.Add(uint8(i), []byte{1, 3, 9, 1, 3, 0, 9, 26, 3, 1, 0, 4})
	}
	f.Fuzz(func(t *testing.T, which uint8, input []byte) {
		c := cases[int(which)%len(cases)]
		fuzzed, honest := c.make(t)
		x := &fuzzRun{t: t, c: c, fuzzed: fuzzed, honest: honest, input: input}
		x.sent(fuzzed.Start())
		x.queue = append(x.queue, honest.Start()...)
		for range 200 {
			if !x.step() {
				break
			}
		}
		fuzzed.Close()
		honest.Close()
	})
}

type fuzzRun struct {
	t              *testing.T
	c              fuzzCase
	fuzzed, honest pppauth.Party
	queue          []ppp.Message // of the honest end
	input          []byte
}

func (x *fuzzRun) next() byte {
	if len(x.input) == 0 {
		return 0
	}
	b := x.input[0]
	x.input = x.input[1:]
	return b
}

func (x *fuzzRun) step() bool {
	if len(x.input) == 0 {
		return false
	}
	switch op := x.next() % fuzzOps; op {
	case fuzzTimeout:
		x.sent(x.fuzzed.Timeout())
		x.queue = append(x.queue, x.honest.Timeout()...)
	case fuzzRaw:
		n := min(int(x.next()), len(x.input))
		x.deliver(x.input[:n])
		x.input = x.input[n:]
	default:
		if len(x.queue) == 0 {
			return true
		}
		b, err := x.queue[0].Append(nil)
		if err != nil {
			x.t.Fatal(err)
		}
		x.queue = x.queue[1:]
		if op == fuzzBent {
			for range x.next() % 8 {
				b[(int(x.next())<<8|int(x.next()))%len(b)] = x.next()
			}
		}
		x.deliver(b)
	}
	return true
}

func (x *fuzzRun) deliver(b []byte) {
	m, _, err := ppp.ParseMessage(x.c.protocol, b)
	if err != nil {
		return
	}
	x.sent(x.fuzzed.Receive(m))
}

// sent checks what the fuzzed party sends and where it stands, and gives it to the honest end.
func (x *fuzzRun) sent(messages []ppp.Message) {
	if len(messages) > 1 {
		x.t.Fatalf("%d messages at once", len(messages))
	}
	o := x.fuzzed.Outcome()
	if o.State == pppauth.Succeeded && !x.c.trusting {
		x.t.Fatalf("%s succeeded: %+v", x.c.name, o)
	}
	if o.HLAK != (sstp.HLAK{}) || (o.Err != nil) != (o.State == pppauth.Failed) {
		x.t.Fatalf("%s: %+v", x.c.name, o)
	}
	for _, m := range messages {
		b, err := m.Append(nil)
		if err != nil {
			x.t.Fatalf("%s sends %#v: %v", x.c.name, m, err)
		}
		if len(b) > 1020 {
			x.t.Fatalf("%s sends %d octets", x.c.name, len(b))
		}
		if m, _, err := ppp.ParseMessage(x.c.protocol, b); err == nil && len(x.queue) < 10 {
			x.queue = append(x.queue, x.honest.Receive(m)...)
		}
	}
}

// The honest ends of the fuzz target get through to the end when nothing is bent: the target reaches every state.
func TestFuzzCasesReachTheEnd(t *testing.T) {
	for _, c := range fuzzCases(t) {
		fuzzed, honest := c.make(t)
		l := &line{t: t}
		atFuzzed, _ := l.converse(fuzzed, honest)
		want := pppauth.Failed
		if atFuzzed.State != want {
			t.Errorf("%s: %v (%v), want %v", c.name, atFuzzed.State, atFuzzed.Err, want)
		}
	}
}

func TestRandomIsNotForTLS(t *testing.T) {
	w := way{pppauth.EAPTLS, tls.VersionTLS13}
	var keys []sstp.HLAK
	for range 2 {
		c, a := w.credentials(t), w.authenticator(t)
		c.Rand, a.Rand = constant(1), constant(2)
		atPeer, _ := (&line{t: t}).converse(newPeer(t, w.method, c), newServer(t, w.method, a))
		keys = append(keys, atPeer.HLAK)
	}
	if keys[0] == keys[1] {
		t.Error("two conversations have the same key")
	}
}
