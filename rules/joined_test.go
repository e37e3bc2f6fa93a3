package rules_test

import (
	"math/rand/v2"
	"testing"

	"sstpwarden/inspect"
)

// joined are sessions of a client that says its request, the Call Connect
// Request and its first LCP packet in one write, with servers that join what
// they answer, from the reference endpoint and a capture.
var joined = []conversation{
	{name: "mihomo, SoftEther", writes: join(
		c(220), s(125, 80), c(40), s(31), c(36), s(18), c(18), s(18))},
	{name: "mihomo, SoftEther, the Ack apart", writes: join(
		c(220), s(125, 48, 32), c(40), s(31), c(36), s(18), c(18), s(18))},
	{name: "mihomo, RRAS", writes: join(
		c(220), s(123, 124), c(42), s(30), c(16), s(30), c(54), s(49), c(60), s(18), c(18), s(18))},
	{name: "mihomo, RRAS, the Ack apart", writes: join(
		c(220), s(123, 48, 76), c(42), s(30), c(16), s(30), c(54), s(49), c(60), s(18), c(18), s(18))},
	{name: "mihomo, MikroTik", writes: join(
		c(220), s(115, 48, 16, 16), c(16, 16), s(16, 16), c(52), s(12, 18), c(36), s(18), c(18), s(18))},
	{name: "a Rust client, SoftEther (capture)", writes: join(
		c(218), s(125, 64), c(17), s(16, 17), c(17), s(31), c(65), s(54), c(18), s(18), c(18), s(18))},
}

// TestJoined wants a tunnel whose first messages hide each other's lengths
// suspected at the latest with the last packet of its negotiation, before one
// of IP. Where a cipher shows lengths only to the block it need not be.
func TestJoined(t *testing.T) {
	in := inspector(t)
	for _, tunnel := range joined {
		for _, cipher := range ciphers {
			d := play(t, in, cipher, styles[0], tunnel.writes)
			if d.Verdict != inspect.VerdictSuspected && (!cipher.block() || d.Verdict != inspect.VerdictUndetermined) {
				t.Errorf("%s, %s: %v, score %d %v", tunnel.name, cipher.name, d.Verdict, d.Score, names(d))
			}
		}
	}
}

// socket makes up a WebSocket, or what else speaks so: a request that upgrades
// the connection, the answer, often with a first message behind it, and then
// short messages of few lengths, asked and answered or pushed.
func socket(r *rand.Rand) []write {
	alphabet := make([]int, 1+r.IntN(8))
	for i := range alphabet {
		alphabet[i] = 2 + r.IntN(140)
	}
	message := func() int { return alphabet[r.IntN(len(alphabet))] + r.IntN(3)*r.IntN(2) }
	answer := 129 // the least there is: three fields, and nothing else
	if r.IntN(3) == 0 {
		answer = 90 + r.IntN(160)
	}
	d := join(c(150+r.IntN(350)), s(answer))
	for range r.IntN(4) {
		d = append(d, s(message())...)
	}
	pushed := r.IntN(3)
	for range 30 {
		n := message()
		d = append(d, c(n)...)
		switch pushed {
		case 0: // echoed
			d = append(d, s(n)...)
		case 1:
			d = append(d, s(message())...)
		default:
			for range r.IntN(4) {
				d = append(d, s(message())...)
			}
		}
	}
	return d
}

// TestSockets bounds the false alarms among upgraded connections of which every
// one speaks in short messages for ever, and none names a protocol in ALPN.
func TestSockets(t *testing.T) {
	t.Parallel()
	in := inspector(t)
	r := rand.New(rand.NewPCG(5, 6))
	for _, cipher := range ciphers {
		const n = 4000
		suspected := 0
		for range n {
			if d := play(t, in, cipher, styles[0], socket(r)); d.Verdict == inspect.VerdictSuspected {
				suspected++
			}
		}
		t.Logf("%s: %d of %d suspected", cipher.name, suspected, n)
		most := n / 100
		if suspected > most {
			t.Errorf("%s: %d of %d are suspected", cipher.name, suspected, n)
		}
	}
}
