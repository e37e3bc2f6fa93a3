package rules_test

import (
	"slices"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
)

// setup is a whole set-up, with what follows.
var setup = join(c(190), s(125), c(14), s(48), c(29), s(29, 33), c(33), s(35), c(76), s(52), c(112), s(12), c(22), s(22), c(42), s(42), data)

// bulk is so many bytes of one side, in whole records.
func bulk(side func(...int) []write, bytes int) []write {
	var out []write
	for ; bytes > 0; bytes -= 16000 {
		out = append(out, side(min(bytes, 16000))...)
	}
	return out
}

// inside gives the records of a TLS session inside another, each of which has so
// many bytes more.
func inside(more int, writes []write) []write {
	out := slices.Clone(writes)
	for i := range out {
		out[i].bytes += more
	}
	return out
}

// TestBehind wants a tunnel suspected behind what clears a connection, as long as
// that is not too much, and inside another TLS.
func TestBehind(t *testing.T) {
	exchange := join(c(180), s(560))
	tests := []struct {
		name   string
		writes []write
		coarse bool // where a cipher shows lengths only to the block, too
	}{
		{"a long response", join(c(180), bulk(s, 20_000), setup), true},
		{"an upload", join(c(190), bulk(c, 40_000), s(260), setup), true},
		{"20 responses", join(slices.Repeat(join(c(180), s(2100)), 20), setup), true},
		{"60 exchanges", join(slices.Repeat(exchange, 60), setup), true},
		{"heads of 4 KiB", join(c(4300), s(4220), setup[2:]), false},
		{"a response head of 4 KiB", join(c(190), s(4220), setup[2:]), false},
		{"TLS in TLS 1.3", join(c(517), s(127, 900, 281, 58), c(64), inside(22, setup)), false},
		{"TLS in TLS 1.2", join(c(517), s(3000), c(126), s(51), inside(29, setup)), false},
		{"TLS in TLS 1.2, ChaCha20", join(c(517), s(3000), c(126), s(51), inside(21, setup)), false},
	}
	in := inspector(t)
	for _, test := range tests {
		for _, cipher := range ciphers {
			if cipher.block() && !test.coarse {
				continue
			}
			d := play(t, in, cipher, styles[0], test.writes)
			if d.Verdict != inspect.VerdictSuspected {
				t.Errorf("%s, %s: %v, score %d %v", test.name, cipher.name, d.Verdict, d.Score, names(d))
			}
		}
	}
}

// TestBehindProxy is TestBehind through a proxy that is asked for a tunnel.
func TestBehindProxy(t *testing.T) {
	in := inspector(t)
	for _, writes := range [][]write{
		join(c(180), bulk(s, 20_000), setup),
		join(c(517), s(127, 1500, 281, 58), c(64), inside(22, setup)),
	} {
		x := &session{in.Open(ends, start), start, ciphers[1]}
		x.flow.Feed(inspect.Segment{Direction: inspect.ClientToServer, Time: start, Data: []byte("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")})
		x.flow.Feed(inspect.Segment{Direction: inspect.ServerToClient, Time: start, Data: []byte("HTTP/1.1 200 OK\r\n\r\n")})
		x.handshake("", "")
		for _, w := range writes {
			x.send(w.from, tlswire.ContentApplicationData, make([]byte, x.c.fragment(w.bytes)))
		}
		if d := x.flow.Detection(); d.Verdict != inspect.VerdictSuspected || !slices.Contains(names(d), "tls.setup_behind") {
			t.Errorf("%v, score %d %v", d.Verdict, d.Score, names(d))
		}
	}
}

// playALPN is play in a session whose server takes what the client offers.
func playALPN(t *testing.T, in *inspect.Inspector, cipher cipherCase, alpn string, d []write) *inspect.Flow {
	t.Helper()
	x := &session{in.Open(ends, start), start, cipher}
	x.handshake("", alpn)
	for _, w := range d {
		x.send(w.from, tlswire.ContentApplicationData, make([]byte, cipher.fragment(w.bytes)))
	}
	return x.flow
}

// TestH2NotSpoken tells who only says that HTTP/2 follows.
func TestH2NotSpoken(t *testing.T) {
	in := inspector(t)
	// SETTINGS of both sides come first, and acknowledgements.
	spoken := join(c(24+27+13+160), s(27+9), c(9), s(48, 1200), c(13, 14), s(48), c(14), s(48), c(14), s(48))
	for _, cipher := range ciphers {
		if cipher.block() {
			continue
		}
		if d := playALPN(t, in, cipher, "h2", setup).Detection(); d.Verdict != inspect.VerdictSuspected {
			t.Errorf("%s: %v, score %d %v", cipher.name, d.Verdict, d.Score, names(d))
		}
		if d := playALPN(t, in, cipher, "h2", spoken).Detection(); d.Verdict == inspect.VerdictSuspected || cipher.version < tlswire.VersionTLS13 && d.Verdict != inspect.VerdictCleared {
			t.Errorf("%s, spoken: %v, score %d %v", cipher.name, d.Verdict, d.Score, names(d))
		}
	}
}

// TestUpgraded holds a WebSocket whose messages have the lengths of SSTP's first two.
func TestUpgraded(t *testing.T) {
	in := inspector(t)
	chat := join(c(193), s(129), slices.Repeat(join(c(14), s(48)), 40))
	for _, cipher := range ciphers {
		if d := play(t, in, cipher, styles[0], chat); d.Verdict == inspect.VerdictSuspected && !cipher.block() {
			t.Errorf("%s: score %d %v", cipher.name, d.Score, names(d))
		}
	}
	f := in.Open(ends, start)
	for _, x := range []struct {
		from inspect.Direction
		text string
	}{
		{inspect.ClientToServer, "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
		{inspect.ServerToClient, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
	} {
		f.Feed(inspect.Segment{Direction: x.from, Time: start, Data: []byte(x.text)})
	}
	if d := f.Detection(); d.Verdict != inspect.VerdictCleared || !slices.Equal(names(d), []string{"http.upgraded"}) {
		t.Errorf("%v, score %d %v", d.Verdict, d.Score, names(d))
	}
}

// TestLetsGo bounds how much of an ordinary connection is looked at: 128 KiB, or 256
// records.
func TestLetsGo(t *testing.T) {
	in := inspector(t)
	for _, test := range []struct {
		name          string
		unit          []write
		bytes, record int // that are looked at, at most
	}{
		{"a download", s(16384), 128<<10 + 16384, 10},
		{"an upload", c(16384), 128<<10 + 16384, 10},
		{"responses of 20 KB", join(c(400), s(16384, 4000)), 128<<10 + 20384, 21},
		{"responses of 2 KB", join(c(400), s(2000)), 128<<10 + 2400, 112},
		{"responses of 400 bytes", join(c(200), s(400)), 128 << 10, 257},
	} {
		for _, cipher := range []cipherCase{ciphers[0], ciphers[3], ciphers[5]} {
			x := openSession(in, cipher, ends, start)
			x.send(inspect.ClientToServer, tlswire.ContentApplicationData, make([]byte, cipher.fragment(300)))
			bytes, records := 300, 1
			for i := 0; !x.flow.Settled() && records < 1000; i++ {
				w := test.unit[i%len(test.unit)]
				x.send(w.from, tlswire.ContentApplicationData, make([]byte, cipher.fragment(w.bytes)))
				bytes, records = bytes+w.bytes, records+1
			}
			if d := x.flow.Detection(); d.Verdict != inspect.VerdictCleared || bytes > test.bytes || records > test.record {
				t.Errorf("%s, %s: %v after %d bytes, %d records %v", test.name, cipher.name, d.Verdict, bytes, records, names(d))
			}
		}
	}
}
