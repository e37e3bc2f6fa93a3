package carve_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps/capfile"
	"sstpwarden/pcaps/carve"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
)

// A found connection is what an audit says of it, and what carving needs.
type found struct {
	event  event.Event
	tunnel carve.Tunnel
}

// audit reads a capture as an audit does, and returns its connections in the
// order of their end.
func audit(t testing.TB, path string, keys *tlskeys.Keys, limits tcpflow.Config) []found {
	t.Helper()
	if keys == nil {
		keys = &tlskeys.Keys{}
	}
	keys = keys.Derive()
	r, err := capfile.Open(path, capfile.Options{OnSecrets: func(kind uint32, data []byte) {
		if kind != capfile.SecretsTLSKeyLog {
			t.Errorf("secrets of kind %#x", kind)
		}
		if _, err := keys.AddKeyLog(bytes.NewReader(data)); err != nil {
			t.Error(err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var all []found
	inspector := inspect.NewInspector(inspect.Options{Rules: rules.Default(), Keys: keys, Follow: true})
	limits.Open = func(c *tcpflow.Conn) tcpflow.Stream {
		f := inspector.Open(c.Key(), c.Start())
		if c.Midstream() {
			f.SetMidstream()
		}
		return f
	}
	limits.Closed = func(c *tcpflow.Conn) { all = append(all, tell(c)) }
	table := tcpflow.New(limits)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, capfile.ErrTruncated) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		table.Packet(tcpflow.LinkType(p.Link), p.Time, p.Data, p.Length)
	}
	table.Flush()
	return all
}

func tell(c *tcpflow.Conn) found {
	f := event.Flow{
		Key: c.Key(), Start: c.Start(), Last: c.Last(),
		ToServer: traffic(c, inspect.ClientToServer), ToClient: traffic(c, inspect.ServerToClient),
		Detection: inspect.Detection{Verdict: inspect.VerdictUndetermined},
	}
	tunnel := carve.Tunnel{
		Key: c.Key(), Start: c.Start(), FirstPacket: c.FirstPacket(),
		Packets: f.ToServer.Packets + f.ToClient.Packets, Comment: "a test",
	}
	if flow, ok := c.Stream().(*inspect.Flow); ok && flow != nil {
		f.Observation, f.Detection = flow.Observation(), flow.Detection()
		tunnel.Secrets = flow.KeyLog()
	}
	e := event.New(&f)
	tunnel.FlowID = e.FlowID
	return found{e, tunnel}
}

func traffic(c *tcpflow.Conn, d inspect.Direction) event.Traffic {
	t := c.Traffic(d)
	return event.Traffic{Packets: t.Packets, Bytes: t.Bytes}
}

// carveAll carves all connections that were found in a capture.
func carveAll(t testing.TB, path string, all []found, o carve.Options) []carve.File {
	t.Helper()
	files, err := tryCarve(t, path, t.TempDir(), all, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(all) {
		t.Fatalf("%d files of %d connections", len(files), len(all))
	}
	return files
}

func tryCarve(t testing.TB, path, dir string, all []found, o carve.Options) ([]carve.File, error) {
	t.Helper()
	c, err := carve.Look(path)
	if err != nil {
		t.Fatal(err)
	}
	return c.Carve(t.Context(), tunnels(all), dir, o)
}

func tunnels(all []found) []carve.Tunnel {
	var out []carve.Tunnel
	for _, f := range all {
		out = append(out, f.tunnel)
	}
	return out
}

func keyLog(t testing.TB, path string) *tlskeys.Keys {
	t.Helper()
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	k := &tlskeys.Keys{}
	if _, err := k.AddKeyLog(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return k
}

// A packet is what a capture holds of one.
type packet struct {
	Origin capfile.Origin
	Data   string
	Length int
}

// packets reads a capture.
func packets(t testing.TB, path string) []packet {
	t.Helper()
	r, err := capfile.Open(path, capfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var all []packet
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		o := r.Origin()
		all = append(all, packet{o, string(p.Data), p.Length})
	}
}

func sameAddr(a, b netip.Addr) bool { return a == b }
