package rules_test

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
	"sstpwarden/rules"
)

// A conversation is what a client and a server write to each other after the
// TLS handshake, in bytes of plaintext.
type conversation struct {
	name   string
	writes []write
	// exactOnly says that it need not be suspected where a cipher shows lengths
	// only to the block, wholeOnly that it need not then if writes are joined.
	exactOnly, wholeOnly bool
	// lone says that where a cipher does so, others like it are no help.
	lone bool
}

var data = join(c(60, 105, 1408), s(60, 105, 1408, 1408), c(48), s(1408))

// tunnels are sessions of implementations that the captures do not hold, from
// published captures, logs and sources.
var tunnels = []conversation{
	{name: "Windows 7, RRAS 2008 R2 (capture)", writes: join(
		c(201), s(123), c(14), s(48), c(29), s(89), c(39), s(33), c(17), s(34), c(34, 24, 37, 30), s(35), c(76), s(52, 12),
		c(112, 12), s(12), c(20, 40), s(16, 16), c(22, 16), s(40, 26), c(40), s(40), data)},
	{name: "Windows 10, accel-ppp, PAP (log)", writes: join(
		c(203), s(118), c(14), s(48, 26), c(29), s(19), c(22), s(16), c(22), s(22, 26), c(26, 37, 32, 26), s(13), c(112, 22, 42),
		s(18), c(18), s(30), c(24), s(24), data)},
	{name: "Open SSTP Client, SoftEther (source)", writes: join(
		c(194), s(125), c(14), s(48), c(16), s(16, 17), c(17), s(35), c(67), s(54), c(112, 24), s(18), c(18), s(24), c(24), s(24), data)},
	{name: "sstp-client, sorz's sstp-server (source)", writes: join(
		c(177), s(84), c(14), s(48), c(28), s(28, 24), c(24), s(33), c(67), s(54), c(112, 36), s(18), c(18), s(24), c(24), s(24), data)},
	{name: "MikroTik, MikroTik (source of tools)", writes: join(
		c(199), s(115), c(14), s(48), c(24), s(24, 27), c(27), s(35), c(67), s(54), c(112, 18), s(18), c(18), s(18), data)},
	{name: "request with a long name and a cookie", writes: join(
		c(420), s(131), c(14), s(48), c(29), s(29, 33), c(33), s(35), c(76), s(52), c(112, 22), s(22), c(42), s(42), data)},
	{name: "wrong password, MS-CHAPv2", wholeOnly: true, writes: join(
		c(201), s(123), c(14), s(48), c(28), s(27, 28), c(27), s(29), c(67), s(50), c(12), s(12, 20), c(8))},
	{name: "wrong password, PAP", wholeOnly: true, writes: join(
		c(194), s(125), c(14), s(48), c(28), s(16, 28), c(16), c(26), s(23, 12), c(12), s(8))},
	{name: "a benign request in front", exactOnly: true, writes: join(
		c(88), s(310), c(201), s(123), c(14), s(48), c(28), s(27, 28), c(27), s(29), c(67), s(54), c(112, 22), s(22), c(42), s(42), data)},
	{name: "sstp-client, accel-ppp 1.14.0 (capture)", writes: join(
		c(177), s(94), c(14), s(48, 27), c(28), s(16), c(27), s(18), c(18), s(18), c(16), s(28), c(83), s(81), c(112, 36), s(18), c(22), s(28), data)},
	{name: "no Call Connected (mihomo, SoftEther)", exactOnly: true, writes: join(
		c(225), s(125, 48, 16, 16), c(16, 20), s(9), c(18), s(18, 18), c(18), s(24), c(24), s(24), c(48), s(48), c(200), s(1408))},
	{name: "no Call Connected, Ack and LCP in one (capture)", exactOnly: true, lone: true, writes: join(
		c(218), s(125, 64), c(17), s(16, 17), c(17), s(31), c(65), s(54), c(18), s(18), c(18), s(18), c(18), s(18), c(68), s(32), data)},
	{name: "refused by Nak, again and again", exactOnly: true, lone: true, writes: join(
		c(201), s(123), c(14), s(20), c(14), s(20), c(14), s(20), c(14), s(20))},
}

// builtin is the set that is built in, read once.
var builtin = sync.OnceValue(rules.Default)

func inspector(t testing.TB) *inspect.Inspector {
	t.Helper()
	return inspect.NewInspector(inspect.Options{Rules: builtin()})
}

// TestTunnels wants every tunnel suspected, whatever the cipher and however
// its writes are cut into records.
func TestTunnels(t *testing.T) {
	t.Parallel()
	in := inspector(t)
	for _, tunnel := range tunnels {
		for _, cipher := range ciphers {
			for _, st := range styles {
				d := play(t, in, cipher, st, tunnel.writes)
				spared := st.fine && tunnel.exactOnly ||
					cipher.block() && (tunnel.exactOnly || st.fine || tunnel.wholeOnly && st.coalesce != 0)
				if d.Verdict != inspect.VerdictSuspected && (!spared || d.Verdict != inspect.VerdictUndetermined) {
					t.Errorf("%s, %s, %s: %v, score %d %v", tunnel.name, cipher.name, st.name, d.Verdict, d.Score, names(d))
				}
			}
		}
	}
}

// evasions are set-ups that a client, or a server too, writes in another way
// than all do that are known, for the lengths not to show.
var evasions = []conversation{
	{name: "a request with many cookies", writes: join(
		c(5000), s(123), c(14), s(48), c(29), s(89), c(39), s(33), c(17), s(34), c(34), s(35), c(76), s(52), c(112))},
	{name: "a response with many fields", writes: join(
		c(190), s(900), c(14), s(48), c(26), s(27, 16), c(27), s(22), c(22), s(29), c(67), s(54), c(112), s(18), c(18))},
	{name: "a byte of the Call Connect Request with the HTTP request", writes: join(
		c(191), s(123), c(13), s(48), c(26), s(27, 26), c(27), s(29), c(67), s(54), c(112))},
	{name: "LCP with the Call Connect Request", writes: join(
		c(190), s(118), c(40), s(48, 27, 26), c(27), s(29), c(67), s(54), c(112), s(18), c(18), s(18), c(18))},
	{name: "HTTP/2 is offered", writes: join(
		c(190), s(118), c(14), s(48, 27), c(26, 27), s(26), c(27), s(29), c(67), s(54), c(112))},
}

// TestEvasions wants them suspected where the cipher shows lengths.
func TestEvasions(t *testing.T) {
	in := inspector(t)
	for _, e := range evasions {
		for _, cipher := range ciphers {
			if d := play(t, in, cipher, styles[0], e.writes); d.Verdict != inspect.VerdictSuspected && !cipher.block() {
				t.Errorf("%s, %s: %v, score %d %v", e.name, cipher.name, d.Verdict, d.Score, names(d))
			}
		}
	}
	// Session tickets tear a request that is written in two.
	for _, st := range []style{{cut: whole}, {cut: cutInto([]int{1}, inspect.ClientToServer)}} {
		for _, tickets := range [][]write{s(217, 217), s(57, 57), s(120)} {
			d := play(t, in, ciphers[1], st, join(c(100), tickets, c(90), s(118), c(14), s(48, 27), c(26, 27), s(26), c(27)))
			if d.Verdict != inspect.VerdictSuspected && (len(tickets) > 1 || st.cut(c(2)[0])[0] == 1) {
				t.Errorf("torn by %v: %v, score %d %v", tickets, d.Verdict, d.Score, names(d))
			}
		}
	}
}

func names(d inspect.Detection) []string {
	var out []string
	for _, e := range d.Evidence {
		out = append(out, e.Rule)
	}
	return out
}

// chatter makes up a protocol and a connection of it that begins the way SSTP
// does, with a request and a short answer, and goes on with short messages: the
// worst that other software can be taken for.
func chatter(r *rand.Rand) []write {
	alphabet := make([]int, 1+r.IntN(12)) // most protocols have few lengths
	for i := range alphabet {
		alphabet[i] = 1 + r.IntN(160)
	}
	d := join(c(150+r.IntN(270)), s(50+r.IntN(85)))
	for range 40 {
		n := alphabet[r.IntN(len(alphabet))] + r.IntN(4)*r.IntN(2)
		if r.IntN(2) == 0 {
			d = append(d, c(n)...)
		} else {
			d = append(d, s(n)...)
		}
	}
	return d
}

// TestChatter bounds the false alarms among connections of which every one
// begins with an exchange of heads as short as those of SSTP and goes on in
// short messages for ever. Of the TLS connections of the captures that the
// rules were tried on, fewer than one in a hundred begins so.
func TestChatter(t *testing.T) {
	t.Parallel()
	in := inspector(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, cipher := range ciphers {
		const n = 4000
		suspected := 0
		for range n {
			if d := play(t, in, cipher, styles[0], chatter(r)); d.Verdict != inspect.VerdictUndetermined && d.Verdict != inspect.VerdictCleared {
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

const request = "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n" +
	"SSTPCORRELATIONID: {0D528CAC-464E-423A-A399-9470E234BC54}\r\n" +
	"Content-Length: 18446744073709551615\r\nHost: vpn.example\r\n\r\n"

// TestProbe tells who asks for SSTP from who gets it.
func TestProbe(t *testing.T) {
	tests := []struct {
		name, request, response string
		verdict                 inspect.Verdict
		kind                    inspect.Kind
	}{
		{"unanswered", request, "", inspect.VerdictSuspected, inspect.KindProbe},
		{"refused", request, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", inspect.VerdictUndetermined, inspect.KindProbe},
		{"accepted", request, "HTTP/1.1 200 \r\nContent-Length: 18446744073709551615\r\n\r\n", inspect.VerdictConfirmed, inspect.KindAttempt},
		{"the method alone, refused", "SSTP_DUPLEX_POST / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n", inspect.VerdictUndetermined, inspect.KindProbe},
		{"the path alone", "GET /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", inspect.VerdictUndetermined, inspect.KindProbe},
		{"an ordinary request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", inspect.VerdictUndetermined, inspect.KindNone},
	}
	for _, tt := range tests {
		f := inspector(t).Open(ends, start)
		f.Feed(inspect.Segment{Direction: inspect.ClientToServer, Time: start, Data: []byte(tt.request)})
		if tt.response != "" {
			f.Feed(inspect.Segment{Direction: inspect.ServerToClient, Time: start, Data: []byte(tt.response)})
		}
		if d := f.Detection(); d.Verdict != tt.verdict || d.Kind != tt.kind {
			t.Errorf("%s: %v %v, score %d %v; want %v %v", tt.name, d.Verdict, d.Kind, d.Score, names(d), tt.verdict, tt.kind)
		}
	}
}

// remembering gives an Inspector that knows of other connections.
func remembering() *inspect.Inspector {
	return inspect.NewInspector(inspect.Options{Rules: builtin(), Memory: inspect.NewMemory(inspect.MemoryOptions{})})
}

// nth gives the ends and the start of a client's nth connection to a server.
func nth(n int) (inspect.FlowKey, time.Time) {
	client := netip.AddrPortFrom(ends.Client.Addr(), uint16(50000+n))
	return inspect.FlowKey{Client: client, Server: ends.Server}, start.Add(time.Duration(n) * 5 * time.Minute)
}

// TestAgainAndAgain wants sessions that are not enough for a case alone to be
// one together, from the third on.
func TestAgainAndAgain(t *testing.T) {
	t.Parallel()
	alone := inspector(t)
	weak := 0
	for _, tunnel := range tunnels {
		for _, cipher := range ciphers {
			for _, st := range styles {
				if st.fine || cipher.block() && (tunnel.lone || tunnel.wholeOnly) || play(t, alone, cipher, st, tunnel.writes).Verdict != inspect.VerdictUndetermined {
					continue
				}
				weak++
				in := remembering()
				for n := range 4 {
					key, at := nth(n)
					want := inspect.VerdictUndetermined
					if n >= 2 {
						want = inspect.VerdictSuspected
					}
					if d := playAt(t, in, cipher, st, tunnel.writes, key, at); d.Verdict != want {
						t.Errorf("%s, %s, %s, connection %d: %v, score %d %v", tunnel.name, cipher.name, st.name, n+1, d.Verdict, d.Score, names(d))
					}
				}
			}
		}
	}
	t.Logf("%d are undetermined alone", weak)
	if weak < 40 {
		t.Errorf("only %d are undetermined alone", weak)
	}
}

// TestProviders has what a provider of SSTP also serves, over and over: traits
// of the server alone make no case.
func TestProviders(t *testing.T) {
	in := remembering()
	for n := range 8 {
		key, at := nth(n)
		x := &session{in.Open(key, at), at, ciphers[0]}
		x.handshake("public-vpn-1.opengw.net", "")
		for _, w := range join(c(300), s(120), c(300), s(1400), c(200)) {
			x.send(w.from, tlswire.ContentApplicationData, make([]byte, x.c.fragment(w.bytes)))
		}
		if d := x.flow.Detection(); d.Verdict != inspect.VerdictUndetermined || d.Score < 25 || len(names(d)) != 3 {
			t.Errorf("connection %d: %v, score %d %v", n+1, d.Verdict, d.Score, names(d))
		}
	}
}

// protocol makes up a protocol as chatter does, and gives connections of it.
func protocol(r *rand.Rand) func() []write {
	alphabet := make([]int, 1+r.IntN(12))
	for i := range alphabet {
		alphabet[i] = 1 + r.IntN(160)
	}
	request, response := 150+r.IntN(270), 50+r.IntN(85)
	return func() []write {
		d := join(c(request+r.IntN(8)), s(response+r.IntN(4)))
		for range 40 {
			n := alphabet[r.IntN(len(alphabet))] + r.IntN(4)*r.IntN(2)
			d = append(d, write{[]inspect.Direction{inspect.ClientToServer, inspect.ServerToClient}[r.IntN(2)], n})
		}
		return d
	}
}

// TestChatterAgainAndAgain bounds what the memory adds to the false alarms of
// TestChatter, where a server is talked to eight times in a protocol that is
// the worst to be had.
func TestChatterAgainAndAgain(t *testing.T) {
	t.Parallel()
	alone := inspector(t)
	for _, cipher := range []cipherCase{ciphers[1], ciphers[5]} {
		r := rand.New(rand.NewPCG(3, 4))
		const servers, each = 250, 8
		without, with := 0, 0
		for range servers {
			in, p := remembering(), protocol(r)
			for n := range each {
				key, at := nth(n)
				d := p()
				if play(t, alone, cipher, styles[0], d).Verdict == inspect.VerdictSuspected {
					without++
				}
				if playAt(t, in, cipher, styles[0], d, key, at).Verdict == inspect.VerdictSuspected {
					with++
				}
			}
		}
		t.Logf("%s: %d of %d suspected, %d with a memory", cipher.name, without, servers*each, with)
		most := without + servers*each/1000
		if cipher.block() {
			most = without + servers*each/100
		}
		if with > most || with < without {
			t.Errorf("%s: %d are suspected with a memory, %d without", cipher.name, with, without)
		}
	}
}
