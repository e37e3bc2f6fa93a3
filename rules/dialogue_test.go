package rules_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
)

// A write is what one side writes at once, in bytes of plaintext.
type write struct {
	from  inspect.Direction
	bytes int
}

// c and s are writes of the client and of the server.
func c(n ...int) []write { return writes(inspect.ClientToServer, n) }
func s(n ...int) []write { return writes(inspect.ServerToClient, n) }

func writes(from inspect.Direction, n []int) []write {
	out := make([]write, len(n))
	for i := range n {
		out[i] = write{from, n[i]}
	}
	return out
}

func join(parts ...[]write) []write {
	var out []write
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// A cipherCase is a negotiated suite, with the length of the fragment that
// holds n bytes of plaintext.
type cipherCase struct {
	name     string
	version  tlswire.Version
	suite    tlswire.CipherSuite
	etm      bool
	fragment func(n int) int
}

// block says that the cipher shows lengths only to the block.
func (c cipherCase) block() bool { return c.fragment(16) == c.fragment(17) }

func aead(overhead int) func(int) int { return func(n int) int { return n + overhead } }

// cbc pads to whole blocks of 16 bytes: at least one byte of padding.
func cbc(iv, mac int) func(int) int {
	return func(n int) int { return iv + (n+mac)/16*16 + 16 }
}

func cbcEtM(mac int) func(int) int {
	return func(n int) int { return 16 + n/16*16 + 16 + mac }
}

var ciphers = []cipherCase{
	{"TLS 1.3 AES-256-GCM", tlswire.VersionTLS13, 0x1302, false, aead(17)},
	{"TLS 1.3 AES-128-GCM", tlswire.VersionTLS13, 0x1301, false, aead(17)},
	{"TLS 1.3 ChaCha20", tlswire.VersionTLS13, 0x1303, false, aead(17)},
	{"TLS 1.2 AES-GCM", tlswire.VersionTLS12, 0xc02f, false, aead(24)},
	{"TLS 1.2 ChaCha20", tlswire.VersionTLS12, 0xcca8, false, aead(16)},
	{"TLS 1.2 CBC-SHA1", tlswire.VersionTLS12, 0xc013, false, cbc(16, 20)},
	{"TLS 1.2 CBC-SHA256", tlswire.VersionTLS12, 0xc027, false, cbc(16, 32)},
	{"TLS 1.2 CBC-SHA384", tlswire.VersionTLS12, 0xc028, false, cbc(16, 48)},
	{"TLS 1.2 CBC-SHA1 EtM", tlswire.VersionTLS12, 0x002f, true, cbcEtM(20)},
	{"TLS 1.1 CBC-SHA1", tlswire.VersionTLS11, 0x0035, false, cbc(16, 20)},
	{"TLS 1.0 CBC-SHA1", tlswire.VersionTLS10, 0x002f, false, cbc(0, 20)},
	{"TLS 1.0 RC4-SHA1", tlswire.VersionTLS10, 0x0005, false, aead(20)},
}

var (
	ends = inspect.FlowKey{
		Client: netip.MustParseAddrPort("192.0.2.1:50000"),
		Server: netip.MustParseAddrPort("198.51.100.1:4433"),
	}
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// A session writes a TLS connection as an observer sees it: real hellos, and
// records whose lengths are right and whose content is not.
type session struct {
	flow *inspect.Flow
	at   time.Time
	c    cipherCase
}

func openSession(in *inspect.Inspector, c cipherCase, key inspect.FlowKey, at time.Time) *session {
	x := &session{in.Open(key, at), at, c}
	x.handshake("", "")
	return x
}

func (x *session) send(from inspect.Direction, typ tlswire.ContentType, fragment []byte) {
	x.at = x.at.Add(10 * time.Millisecond)
	b := binary.BigEndian.AppendUint16([]byte{byte(typ), 3, 3}, uint16(len(fragment)))
	x.flow.Feed(inspect.Segment{Direction: from, Time: x.at, Data: append(b, fragment...)})
}

// handshake is one with a server of that name, "" for none, which takes what the
// client offers in ALPN, "" for nothing.
func (x *session) handshake(name, alpn string) {
	const client, server = inspect.ClientToServer, inspect.ServerToClient
	x.send(client, tlswire.ContentHandshake, message(1, clientHello(x.c, name, alpn)))
	x.send(server, tlswire.ContentHandshake, message(2, serverHello(x.c, alpn)))
	if x.c.version == tlswire.VersionTLS13 {
		finished := 53
		if x.c.suite == 0x1302 {
			finished = 69
		}
		for _, n := range []int{27, 900, 281, finished} {
			x.send(server, tlswire.ContentApplicationData, make([]byte, n))
		}
		x.send(client, tlswire.ContentChangeCipherSpec, []byte{1})
		x.send(client, tlswire.ContentApplicationData, make([]byte, finished))
		return
	}
	x.send(server, tlswire.ContentHandshake, message(14, nil))
	x.send(client, tlswire.ContentHandshake, message(16, make([]byte, 66)))
	for _, from := range []inspect.Direction{client, server} {
		x.send(from, tlswire.ContentChangeCipherSpec, []byte{1})
		x.send(from, tlswire.ContentHandshake, make([]byte, x.c.fragment(16)))
	}
}

func message(typ byte, body []byte) []byte {
	return append([]byte{typ, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

func clientHello(c cipherCase, name, alpn string) []byte {
	h := &tlswire.ClientHello{
		Version: min(c.version, tlswire.VersionTLS12), CipherSuites: []tlswire.CipherSuite{c.suite, 0xff}, CompressionMethods: []uint8{0},
	}
	if c.version == tlswire.VersionTLS13 {
		h.Extensions = append(h.Extensions, tlswire.Extension{Type: 43, Data: []byte{2, 3, 4}})
	}
	if c.etm {
		h.Extensions = append(h.Extensions, tlswire.Extension{Type: 22})
	}
	if name != "" {
		entry := append([]byte{0, 0, byte(len(name))}, name...)
		h.Extensions = append(h.Extensions, tlswire.Extension{Type: 0, Data: append([]byte{0, byte(len(entry))}, entry...)})
	}
	if alpn != "" {
		h.Extensions = append(h.Extensions, alpnExtension(alpn))
	}
	return h.Append(nil)
}

func alpnExtension(name string) tlswire.Extension {
	return tlswire.Extension{Type: 16, Data: append([]byte{0, byte(len(name) + 1), byte(len(name))}, name...)}
}

func serverHello(c cipherCase, alpn string) []byte {
	h := &tlswire.ServerHello{Version: min(c.version, tlswire.VersionTLS12), CipherSuite: c.suite}
	if c.version == tlswire.VersionTLS13 {
		h.Extensions = append(h.Extensions, tlswire.Extension{Type: 43, Data: []byte{3, 4}})
	}
	if c.etm {
		h.Extensions = append(h.Extensions, tlswire.Extension{Type: 22})
	}
	if alpn != "" && c.version < tlswire.VersionTLS13 { // later it is hidden
		h.Extensions = append(h.Extensions, alpnExtension(alpn))
	}
	return h.Append(nil)
}

// A style cuts writes into records.
type style struct {
	name string
	cut  func(w write) []int
	// tickets in front of the server's first answer, TLS 1.3 only
	tickets []int
	// coalesce puts one side's writes of a turn into one record each way
	coalesce inspect.Direction
	// fine says that it is cut so fine that block ciphers hide all of it.
	fine bool
}

func whole(w write) []int { return []int{w.bytes} }

// headerApart writes the SSTP header alone, then the body; HTTP heads whole.
func headerApart(w write) []int {
	if w.bytes <= 4 || w.bytes > 80 && w.bytes != 112 {
		return []int{w.bytes}
	}
	return []int{4, w.bytes - 4}
}

// oneApart is the 1/n-1 split of TLS 1.0 stacks against BEAST.
func oneApart(w write) []int {
	if w.bytes < 2 {
		return []int{w.bytes}
	}
	return []int{1, w.bytes - 1}
}

// cutInto cuts what the sides write into pieces of these sizes, in turn.
func cutInto(sizes []int, sides ...inspect.Direction) func(w write) []int {
	return func(w write) (out []int) {
		if !slices.Contains(sides, w.from) {
			return []int{w.bytes}
		}
		for i := 0; w.bytes > 0; i++ {
			n := min(w.bytes, sizes[i%len(sizes)])
			out = append(out, n)
			w.bytes -= n
		}
		return out
	}
}

var styles = []style{
	{name: "whole", cut: whole},
	{name: "two tickets", cut: whole, tickets: []int{233, 233}},
	{name: "four tickets", cut: whole, tickets: []int{57, 57, 57, 57}},
	{name: "header apart", cut: headerApart},
	{name: "first byte apart", cut: oneApart},
	{name: "server coalesces", cut: whole, coalesce: inspect.ServerToClient},
	{name: "client coalesces", cut: whole, coalesce: inspect.ClientToServer},
	{name: "client in single bytes", cut: cutInto([]int{1}, inspect.ClientToServer), fine: true},
	{name: "client in 3 and 7", cut: cutInto([]int{3, 7}, inspect.ClientToServer), fine: true},
	{name: "client in 16", cut: cutInto([]int{16}, inspect.ClientToServer), fine: true},
	{name: "server in single bytes", cut: cutInto([]int{1}, inspect.ServerToClient), fine: true},
	{name: "server in 64 and 1", cut: cutInto([]int{64, 1}, inspect.ServerToClient), fine: true},
	{name: "both in single bytes", cut: cutInto([]int{1}, inspect.ClientToServer, inspect.ServerToClient), fine: true},
	{name: "both in 3 and 7", cut: cutInto([]int{3, 7}, inspect.ClientToServer, inspect.ServerToClient), fine: true},
	{name: "both in 13 and 1", cut: cutInto([]int{13, 1}, inspect.ClientToServer, inspect.ServerToClient), fine: true},
}

// play sends a dialogue and gives what the inspector makes of it.
func play(t testing.TB, in *inspect.Inspector, c cipherCase, st style, d []write) inspect.Detection {
	t.Helper()
	return playAt(t, in, c, st, d, ends, start)
}

// playAt sends a dialogue between others, at another time.
func playAt(t testing.TB, in *inspect.Inspector, c cipherCase, st style, d []write, key inspect.FlowKey, at time.Time) inspect.Detection {
	t.Helper()
	x := openSession(in, c, key, at)
	answered := false
	for i := 0; i < len(d); i++ {
		w := d[i]
		if w.from == inspect.ServerToClient && !answered {
			answered = true
			if c.version == tlswire.VersionTLS13 {
				for _, n := range st.tickets {
					x.send(w.from, tlswire.ContentApplicationData, make([]byte, n+17))
				}
			}
		}
		// The first two turns are HTTP heads, which nobody coalesces with
		// what comes after the other side's answer.
		for i >= 3 && st.coalesce == w.from && i+1 < len(d) && d[i+1].from == w.from {
			i++
			w.bytes += d[i].bytes
		}
		for _, n := range st.cut(w) {
			x.send(w.from, tlswire.ContentApplicationData, make([]byte, c.fragment(n)))
		}
	}
	return x.flow.Detection()
}
