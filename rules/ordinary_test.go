package rules_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
)

// An ordinary protocol makes up connections of it, as long as they are looked at.
type ordinary struct {
	name string
	alpn string // that both sides take
	ppp  bool   // it is PPP's, so that only lengths to the byte tell it from SSTP
	make func(r *rand.Rand) []write
}

// about is a length around n: most are near it, some are a few times as long.
func about(r *rand.Rand, n int) int {
	return max(1, int(float64(n)*math.Exp(r.NormFloat64()/2)))
}

// between is a length from lo to hi.
func between(r *rand.Rand, lo, hi int) int { return lo + r.IntN(hi-lo+1) }

// exchanges makes a connection of turns by client and server, each with the writes that
// the functions give.
func exchanges(first []write, client, server func() []int) []write {
	d := first
	for len(d) < 300 {
		d = join(d, c(client()...), s(server()...))
	}
	return d
}

// messages makes a connection in which both sides write when they like.
func messages(r *rand.Rand, first []write, byClient float64, client, server func() int) []write {
	d := first
	for len(d) < 300 {
		if r.Float64() < byClient {
			d = append(d, c(client())...)
		} else {
			d = append(d, s(server())...)
		}
	}
	return d
}

// fixed gives a function that picks among a protocol's few lengths, which a connection
// draws anew.
func fixed(r *rand.Rand, most, lo, hi int) func() int {
	lengths := make([]int, 1+r.IntN(most))
	for i := range lengths {
		lengths[i] = between(r, lo, hi)
	}
	return func() int { return lengths[r.IntN(len(lengths))] }
}

// upgrade is a WebSocket's: RFC 6455, Section 1.3.
func upgrade(r *rand.Rand) []write { return join(c(between(r, 180, 700)), s(between(r, 129, 260))) }

var ordinaries = []ordinary{
	{"HTTP, small JSON", "http/1.1", false, func(r *rand.Rand) []write {
		head, answer := about(r, 250), about(r, 160)
		return exchanges(nil, func() []int { return []int{head + r.IntN(60)} }, func() []int { return []int{answer + r.IntN(200)} })
	}},
	{"HTTP, heads and bodies apart", "http/1.1", false, func(r *rand.Rand) []write {
		head, body, answer := about(r, 220), fixed(r, 8, 2, 200), about(r, 110)
		return exchanges(nil, func() []int { return []int{head, body()} }, func() []int { return []int{answer, body()} })
	}},
	{"HTTP, 204 and 304", "http/1.1", false, func(r *rand.Rand) []write {
		head, answer := about(r, 300), between(r, 50, 200)
		return exchanges(nil, func() []int { return []int{head + r.IntN(8)} }, func() []int { return []int{answer} })
	}},
	{"HTTP, pages", "http/1.1", false, func(r *rand.Rand) []write {
		head := about(r, 500)
		return exchanges(nil, func() []int { return []int{head + r.IntN(60)} }, func() []int {
			out := []int{between(r, 200, 600)}
			for n := about(r, 8000); n > 0; n -= 16384 {
				out = append(out, min(n, 16384))
			}
			return out
		})
	}},
	{"HTTP, long poll", "http/1.1", false, func(r *rand.Rand) []write {
		head := about(r, 280)
		return exchanges(nil, func() []int { return []int{head} }, func() []int { return []int{between(r, 90, 140), between(r, 1, 120)} })
	}},
	{"server-sent events", "http/1.1", false, func(r *rand.Rand) []write {
		return messages(r, join(c(about(r, 300)), s(about(r, 140))), 0, nil, func() int { return between(r, 10, 200) })
	}},
	{"chunks, apart from their sizes", "http/1.1", false, func(r *rand.Rand) []write {
		return exchanges(nil, func() []int { return []int{about(r, 260)} }, func() []int {
			out := []int{about(r, 130)}
			for range 1 + r.IntN(6) {
				out = append(out, between(r, 3, 5), between(r, 1, 90), 2)
			}
			return append(out, 5)
		})
	}},
	{"WebSocket, JSON", "http/1.1", false, func(r *rand.Rand) []write {
		return messages(r, upgrade(r), .4, func() int { return 6 + about(r, 60) }, func() int { return 2 + about(r, 120) })
	}},
	{"WebSocket, few lengths", "http/1.1", false, func(r *rand.Rand) []write {
		return messages(r, upgrade(r), .5, fixed(r, 6, 6, 90), fixed(r, 6, 2, 120))
	}},
	{"WebSocket, a game's ticks", "http/1.1", false, func(r *rand.Rand) []write {
		up, down := between(r, 7, 40), between(r, 10, 120)
		return messages(r, upgrade(r), .5, func() int { return up + 4*r.IntN(2) }, func() int { return down + 8*r.IntN(8) })
	}},
	{"WebSocket, pings", "http/1.1", false, func(r *rand.Rand) []write {
		return exchanges(upgrade(r), func() []int { return []int{6 + r.IntN(9)} }, func() []int { return []int{2 + r.IntN(9)} })
	}},
	{"HTTP/2, gRPC", "h2", false, func(r *rand.Rand) []write {
		body := fixed(r, 8, 14, 120)
		first := join(c(24+between(r, 9, 60)), c(between(r, 120, 400)), s(between(r, 9, 60)), s(9), c(9))
		return exchanges(first, func() []int { return []int{between(r, 20, 90), body()} }, func() []int { return []int{between(r, 14, 40), body(), between(r, 12, 40)} })
	}},
	{"HTTP/2, pings and windows", "h2", false, func(r *rand.Rand) []write {
		first := join(c(between(r, 60, 90)), c(between(r, 80, 400)), s(between(r, 15, 60)), s(9), c(9))
		return messages(r, first, .5, func() int { return []int{17, 13, 13, 26, 35}[r.IntN(5)] }, func() int { return []int{17, 13, 48, 100, 9}[r.IntN(5)] })
	}},
	{"MQTT", "", false, func(r *rand.Rand) []write {
		topic := between(r, 10, 60)
		return messages(r, join(c(between(r, 20, 120)), s(4), c(topic+5), s(5)), .6, func() int { return []int{2, 4, topic + between(r, 4, 60)}[r.IntN(3)] }, func() int { return []int{2, 4, topic + between(r, 4, 60)}[r.IntN(3)] })
	}},
	{"AMQP", "", false, func(r *rand.Rand) []write {
		body := between(r, 8, 200)
		return messages(r, join(c(8), s(between(r, 300, 600)), c(between(r, 200, 400)), s(20), c(20, 16), s(13)), .5,
			func() int { return []int{21, 8, 40 + body}[r.IntN(3)] }, func() int { return []int{21, 8, 60 + body}[r.IntN(3)] })
	}},
	{"IMAP", "", false, func(r *rand.Rand) []write {
		return exchanges(s(between(r, 60, 200)), func() []int { return []int{between(r, 8, 60)} }, func() []int { return []int{between(r, 18, 400)} })
	}},
	{"SMTP", "", false, func(r *rand.Rand) []write {
		return exchanges(s(between(r, 30, 120)), func() []int { return []int{between(r, 6, 60)} }, func() []int { return []int{between(r, 8, 60)} })
	}},
	{"XMPP", "", false, func(r *rand.Rand) []write {
		return messages(r, join(c(between(r, 130, 200)), s(between(r, 130, 500)), c(between(r, 60, 200)), s(between(r, 51, 100))), .5,
			func() int { return between(r, 20, 300) }, func() int { return between(r, 20, 300) })
	}},
	{"PostgreSQL", "", false, func(r *rand.Rand) []write {
		query, rows := fixed(r, 6, 30, 200), fixed(r, 6, 20, 300)
		return exchanges(join(c(between(r, 60, 120)), s(24), c(between(r, 40, 80)), s(between(r, 90, 110)), c(110), s(between(r, 300, 450))),
			func() []int { return []int{query()} }, func() []int { return []int{rows()} })
	}},
	{"MySQL", "", false, func(r *rand.Rand) []write {
		query, rows := fixed(r, 8, 6, 150), fixed(r, 8, 7, 250)
		return exchanges(join(c(between(r, 90, 300)), s(between(r, 2, 11)), c(between(r, 6, 40)), s(between(r, 11, 200))), func() []int { return []int{query()} }, func() []int { return []int{rows()} })
	}},
	{"Redis", "", false, func(r *rand.Rand) []write {
		key := fixed(r, 5, 14, 80)
		return exchanges(nil, func() []int { return []int{key()} }, func() []int { return []int{[]int{4, 5, 10, between(r, 10, 200)}[r.IntN(4)]} })
	}},
	{"MongoDB", "", false, func(r *rand.Rand) []write {
		ask, answer := fixed(r, 5, 60, 400), fixed(r, 5, 38, 400)
		return exchanges(join(c(between(r, 250, 400)), s(between(r, 200, 400))), func() []int { return []int{ask()} }, func() []int { return []int{answer()} })
	}},
	{"LDAP", "", false, func(r *rand.Rand) []write {
		return exchanges(join(c(between(r, 30, 120)), s(14)), func() []int { return []int{between(r, 40, 200)} }, func() []int { return []int{between(r, 14, 300), 14} })
	}},
	{"DNS", "dot", false, func(r *rand.Rand) []write {
		padded := r.IntN(2) == 0
		return messages(r, nil, .5, func() int {
			if padded {
				return 130 // RFC 8467
			}
			return between(r, 30, 80)
		}, func() int {
			if padded {
				return 470
			}
			return between(r, 46, 250)
		})
	}},
	{"SSH inside", "", false, func(r *rand.Rand) []write {
		return messages(r, join(c(between(r, 20, 45)), s(between(r, 20, 45)), c(between(r, 900, 1600)), s(between(r, 400, 1100)), c(48), s(between(r, 300, 700)), c(16, 44), s(44), c(68), s(52)), .5,
			func() int { return []int{36, 36, 44, 52, 84}[r.IntN(5)] }, func() int { return []int{36, 36, 44, 52, 100, 148}[r.IntN(6)] })
	}},
	{"RDP", "", false, func(r *rand.Rand) []write {
		return messages(r, join(c(between(r, 50, 90)), s(between(r, 150, 300)), c(between(r, 400, 700)), s(between(r, 80, 150)), c(between(r, 380, 500)), s(between(r, 80, 140))), .5,
			func() int { return []int{8, 12, 15, 21, 40}[r.IntN(5)] }, func() int { return about(r, 90) })
	}},
	{"a VPN with CONNECT", "", false, func(r *rand.Rand) []write { // AnyConnect's: 8 bytes in front of packets
		return messages(r, join(c(between(r, 350, 700)), s(between(r, 500, 1500))), .5,
			func() int { return 8 + []int{0, 40, 52, 60, 84, 1300}[r.IntN(6)] }, func() int { return 8 + []int{0, 40, 52, 60, 84, 1300}[r.IntN(6)] })
	}},
	{"PPP with a head of its own", "", true, func(r *rand.Rand) []write { // Fortinet's: 6 bytes in front of frames
		return messages(r, join(c(between(r, 120, 300)), c(16+6), s(16+6), s(16+6), c(16+6)), .5,
			func() int { return 6 + []int{12, 18, 24, 54, 86, 1352}[r.IntN(6)] }, func() int { return 6 + []int{12, 18, 24, 54, 86, 1352}[r.IntN(6)] })
	}},
	{"OpenVPN inside", "", false, func(r *rand.Rand) []write {
		return messages(r, join(c(16), s(28), c(24), c(between(r, 200, 320)), s(24), s(between(r, 1100, 1300)), s(between(r, 300, 1200)), c(24)), .5,
			func() int { return []int{24, 66, 106, 118, 1330}[r.IntN(5)] }, func() int { return []int{24, 66, 106, 118, 1330}[r.IntN(5)] })
	}},
	{"TLS inside, web", "", false, func(r *rand.Rand) []write {
		more := []int{22, 29, 21}[r.IntN(3)]
		head := about(r, 300)
		return exchanges(join(c(between(r, 80, 250)), s(between(r, 39, 120)), c(between(r, 500, 1800)), s(between(r, 2000, 5000)), c(64+more-22)),
			func() []int { return []int{more + head + r.IntN(60)} }, func() []int { return []int{more + between(r, 120, 600), more + about(r, 2000)} })
	}},
	{"TLS inside, WebSocket", "", false, func(r *rand.Rand) []write {
		more := []int{22, 29, 21}[r.IntN(3)]
		first := join(c(between(r, 80, 250)), s(between(r, 39, 120)), c(between(r, 500, 1800)), s(between(r, 2000, 5000)), c(64+more-22))
		for _, w := range upgrade(r) {
			first = append(first, write{w.from, w.bytes + more})
		}
		return messages(r, first, .5, func() int { return more + between(r, 6, 90) }, func() int { return more + between(r, 2, 120) })
	}},
	{"a protocol of few lengths", "", false, func(r *rand.Rand) []write {
		up, down := fixed(r, 6, 1, 160), fixed(r, 6, 1, 160)
		return messages(r, join(c(between(r, 10, 500)), s(between(r, 10, 500))), .5, up, down)
	}},
}

// TestOrdinary bounds the false alarms of each protocol, as long as it is looked at.
func TestOrdinary(t *testing.T) {
	t.Parallel()
	in := inspector(t)
	for _, cipher := range []cipherCase{ciphers[0], ciphers[3], ciphers[5]} {
		for _, o := range ordinaries {
			r := rand.New(rand.NewPCG(5, 6))
			const n = 120
			suspected := 0
			for range n {
				x := &session{in.Open(ends, start), start, cipher}
				x.handshake("", o.alpn)
				for _, w := range o.make(r) {
					if x.flow.Settled() {
						break
					}
					x.send(w.from, tlswire.ContentApplicationData, make([]byte, cipher.fragment(w.bytes)))
				}
				if v := x.flow.Detection().Verdict; v == inspect.VerdictSuspected || v == inspect.VerdictConfirmed {
					suspected++
				}
			}
			most := n / 60
			switch {
			case cipher.block() && o.ppp:
				most = n / 2
			case cipher.block():
				most = n / 20
			}
			if suspected > most {
				t.Errorf("%s, %s: %d of %d are suspected", o.name, cipher.name, suspected, n)
			}
		}
	}
}
