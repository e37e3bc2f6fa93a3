package inspect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/inspect/tlswire"
	"sstpwarden/pcaps/capfile"
	"sstpwarden/rules"
)

const (
	client = inspect.ClientToServer
	server = inspect.ServerToClient
)

var (
	ends = inspect.FlowKey{
		Client: netip.MustParseAddrPort("192.0.2.1:50000"),
		Server: netip.MustParseAddrPort("198.51.100.1:443"),
	}
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// A connection is what is fed to a flow, and what the flow is told before.
type connection struct {
	name      string
	key       inspect.FlowKey
	start     time.Time
	midstream bool
	segments  []inspect.Segment
}

// talk makes segments of text or bytes, one millisecond apart.
func talk(parts ...inspect.Segment) []inspect.Segment {
	for i := range parts {
		parts[i].Time = start.Add(time.Duration(i) * time.Millisecond)
	}
	return parts
}

func c[T string | []byte](b ...T) inspect.Segment { return segment(client, b...) }
func s[T string | []byte](b ...T) inspect.Segment { return segment(server, b...) }

func segment[T string | []byte](d inspect.Direction, b ...T) inspect.Segment {
	out := inspect.Segment{Direction: d}
	for _, x := range b {
		out.Data = append(out.Data, x...)
	}
	return out
}

// after says that bytes were lost in front of a segment.
func after(missing int, s inspect.Segment) inspect.Segment {
	s.Missing = missing
	return s
}

func newInspector(keys *tlskeys.Keys, follow bool) *inspect.Inspector {
	return inspect.NewInspector(inspect.Options{Rules: rules.Default(), Keys: keys, Follow: follow})
}

// feed runs a connection through a new flow. Every segment's bytes are
// overwritten after the call, as their owner may do.
func feed(in *inspect.Inspector, conn connection) *inspect.Flow {
	f := in.Open(conn.key, conn.start)
	if conn.midstream {
		f.SetMidstream()
	}
	for _, s := range conn.segments {
		s.Data = bytes.Clone(s.Data)
		f.Feed(s)
		for i := range s.Data {
			s.Data[i] = 0xaa
		}
	}
	return f
}

// inspectTalk follows a connection in clear to its end, in all the usual cuts,
// and wants the same of all.
func inspectTalk(t *testing.T, segments ...inspect.Segment) *inspect.Flow {
	t.Helper()
	in := newInspector(nil, true)
	conn := connection{key: ends, start: start, segments: talk(segments...)}
	f := feed(in, conn)
	for _, n := range []int{1, 2, 3, 7} {
		same(t, f, feed(in, cutEvery(conn, n)))
	}
	return f
}

// same wants two flows to tell the same.
func same(t *testing.T, a, b *inspect.Flow) {
	t.Helper()
	if !reflect.DeepEqual(a.Detection(), b.Detection()) {
		t.Fatalf("detections differ:\n%s", cmp.Diff(dump(a.Detection()), dump(b.Detection())))
	}
	if !reflect.DeepEqual(a.Observation(), b.Observation()) {
		t.Fatalf("observations differ:\n%s", cmp.Diff(dump(a.Observation()), dump(b.Observation())))
	}
}

func dump(v any) string {
	b, _ := json.MarshalIndent(v, "", " ")
	return string(b)
}

// cutEvery cuts segments into pieces of n bytes.
func cutEvery(conn connection, n int) connection {
	var out []inspect.Segment
	for _, s := range conn.segments {
		if len(s.Data) == 0 {
			out = append(out, s)
		}
		for piece := range slices.Chunk(s.Data, n) {
			out = append(out, inspect.Segment{Direction: s.Direction, Time: s.Time, Data: piece, Missing: s.Missing})
			s.Missing = 0
		}
	}
	conn.segments = out
	return conn
}

// coalesce joins what one side sends before the other does.
func coalesce(conn connection) connection {
	var out []inspect.Segment
	for _, s := range conn.segments {
		if n := len(out); n > 0 && out[n-1].Direction == s.Direction && s.Missing == 0 {
			out[n-1].Data = slices.Concat(out[n-1].Data, s.Data)
			continue
		}
		out = append(out, s)
	}
	conn.segments = out
	return conn
}

// atOnce gives all segments one time.
func atOnce(conn connection) connection {
	conn.segments = slices.Clone(conn.segments)
	for i := range conn.segments {
		conn.segments[i].Time = conn.start
	}
	return conn
}

// recorder is a tcpflow.Stream that keeps what it gets.
type recorder struct{ segments []inspect.Segment }

func (r *recorder) Feed(s inspect.Segment) bool {
	s.Data = bytes.Clone(s.Data)
	r.segments = append(r.segments, s)
	return false
}

func (r *recorder) Settled() bool { return false }

const corpus = "../pcaps/testdata"

// captures lists the corpus's captures that the pattern names.
func captures(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(corpus, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no captures %s: %v", pattern, err)
	}
	return paths
}

// readCapture gives a capture's connections, and its secrets where there are
// any.
func readCapture(t testing.TB, path string) (conns []connection, keys *tlskeys.Keys) {
	t.Helper()
	r, err := capfile.Open(path, capfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	table := tcpflow.New(tcpflow.Config{
		Open: func(*tcpflow.Conn) tcpflow.Stream { return &recorder{} },
		Closed: func(c *tcpflow.Conn) {
			if r, ok := c.Stream().(*recorder); ok {
				name := strings.TrimSuffix(filepath.Base(path), ".pcap")
				conns = append(conns, connection{name, c.Key(), c.Start(), c.Midstream(), r.segments})
			}
		},
	})
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		table.Packet(tcpflow.LinkType(p.Link), p.Time, p.Data, p.Length)
	}
	table.Flush()
	text, err := os.ReadFile(strings.TrimSuffix(path, ".pcap") + ".keys")
	if err == nil {
		keys = &tlskeys.Keys{}
		if _, err := keys.AddKeyLog(bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	return conns, keys
}

// hasRule says that a rule's evidence was found.
func hasRule(f *inspect.Flow, id string) bool {
	return slices.ContainsFunc(f.Detection().Evidence, func(e inspect.Evidence) bool { return e.Rule == id })
}

func wantVerdict(t *testing.T, f *inspect.Flow, v inspect.Verdict, k inspect.Kind) {
	t.Helper()
	if d := f.Detection(); d.Verdict != v || d.Kind != k {
		t.Fatalf("%v %v, want %v %v: %s", d.Verdict, d.Kind, v, k, dump(d))
	}
}

// wantRules wants all of the rules to have held.
func wantRules(t *testing.T, f *inspect.Flow, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if !hasRule(f, id) {
			t.Errorf("%s did not hold: %s", id, dump(f.Detection()))
		}
	}
}

// record makes a TLS record.
func record(typ tlswire.ContentType, fragment []byte) []byte {
	return append(tlswire.Record{Type: typ, Version: tlswire.VersionTLS12, Length: len(fragment)}.AppendHeader(nil), fragment...)
}

// sizes plays a TLS connection of which only the records' lengths are real:
// positive numbers are what the client writes, negative ones the server.
type sizes struct {
	flow  *inspect.Flow
	at    time.Time
	suite tlswire.CipherSuite
	v     tlswire.Version
	// opened says that records are sent inside TLS that OpenTLS was told of.
	opened bool
}

const (
	aesGCM13  tlswire.CipherSuite = 0x1301
	ccm8      tlswire.CipherSuite = 0x1305
	aesGCM12  tlswire.CipherSuite = 0xc02f
	aesCBC12  tlswire.CipherSuite = 0xc013
	anonymous tlswire.CipherSuite = 0x0018
)

func openSizes(in *inspect.Inspector, suite tlswire.CipherSuite) *sizes {
	return openSizesAt(in, suite, ends, start)
}

func openSizesAt(in *inspect.Inspector, suite tlswire.CipherSuite, key inspect.FlowKey, at time.Time) *sizes {
	x := &sizes{flow: in.Open(key, at), at: at, suite: suite, v: tlswire.VersionTLS12}
	if suite>>8 == 0x13 {
		x.v = tlswire.VersionTLS13
	}
	return x
}

func (x *sizes) send(d inspect.Direction, typ tlswire.ContentType, fragment []byte) {
	x.at = x.at.Add(10 * time.Millisecond)
	s := inspect.Segment{Direction: d, Time: x.at, Data: record(typ, fragment)}
	if x.opened {
		x.flow.FeedOpened(s)
		return
	}
	x.flow.Feed(s)
}

func (x *sizes) clientHello(alpn ...string) {
	h := &tlswire.ClientHello{Version: tlswire.VersionTLS12, CipherSuites: []tlswire.CipherSuite{x.suite}, CompressionMethods: []uint8{0}}
	if x.v == tlswire.VersionTLS13 {
		h.Extensions = append(h.Extensions, tlswire.Extension{Type: 43, Data: []byte{2, 3, 4}})
	}
	if len(alpn) > 0 {
		h.Extensions = append(h.Extensions, alpnExtension(alpn...))
	}
	x.send(client, tlswire.ContentHandshake, tlswire.Message{Type: tlswire.HandshakeClientHello, Body: h.Append(nil)}.Append(nil))
}

func (x *sizes) serverHello(alpn ...string) {
	h := &tlswire.ServerHello{Version: tlswire.VersionTLS12, CipherSuite: x.suite}
	if x.v == tlswire.VersionTLS13 {
		h.Extensions = append(h.Extensions, tlswire.Extension{Type: 43, Data: []byte{3, 4}})
	}
	if len(alpn) > 0 {
		h.Extensions = append(h.Extensions, alpnExtension(alpn...))
	}
	x.send(server, tlswire.ContentHandshake, tlswire.Message{Type: tlswire.HandshakeServerHello, Body: h.Append(nil)}.Append(nil))
}

func alpnExtension(names ...string) tlswire.Extension {
	var list []byte
	for _, p := range names {
		list = append(append(list, byte(len(p))), p...)
	}
	return tlswire.Extension{Type: 16, Data: append([]byte{0, byte(len(list))}, list...)}
}

// handshake says both hellos and ends the handshake.
func (x *sizes) handshake() *sizes {
	x.clientHello()
	x.serverHello()
	return x.finish()
}

func (x *sizes) finish() *sizes {
	if x.v == tlswire.VersionTLS13 {
		tag := x.overhead() - 1
		for _, n := range []int{23, 900, 281, 4 + 32 + 1 + tag} {
			x.send(server, tlswire.ContentApplicationData, make([]byte, n))
		}
		x.send(client, tlswire.ContentChangeCipherSpec, []byte{1})
		x.send(client, tlswire.ContentApplicationData, make([]byte, 4+32+1+tag))
		return x
	}
	for _, d := range []inspect.Direction{client, server} {
		x.send(d, tlswire.ContentChangeCipherSpec, []byte{1})
		x.send(d, tlswire.ContentHandshake, make([]byte, 40))
	}
	return x
}

func (x *sizes) overhead() int {
	switch x.suite {
	case aesGCM12:
		return 24
	case ccm8:
		return 9
	default:
		return 17
	}
}

// fragment gives the length of a record that holds n bytes.
func (x *sizes) fragment(n int) int {
	if x.suite == aesCBC12 {
		return 16 + (n+20)/16*16 + 16
	}
	return n + x.overhead()
}

func (x *sizes) data(writes ...int) *sizes {
	for _, n := range writes {
		d := client
		if n < 0 {
			d, n = server, -n
		}
		x.send(d, tlswire.ContentApplicationData, make([]byte, x.fragment(n)))
	}
	return x
}
