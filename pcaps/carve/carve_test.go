package carve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/pcaps/capfile"
	"sstpwarden/pcaps/carve"
)

// numbers are the places in the capture, from 1, of a carved file's packets.
func numbers(t testing.TB, file, capture string) []int {
	t.Helper()
	return numbersIn(packets(t, file), packets(t, capture))
}

// numbersIn compares without the interface's number. The next of several
// packets that are the same is meant.
func numbersIn(part, whole []packet) []int {
	var out []int
	at := 0
	for _, p := range part {
		i := slices.IndexFunc(whole[at:], func(w packet) bool {
			w.Origin.ID = p.Origin.ID
			return w == p
		})
		if i < 0 {
			return append(out, -1)
		}
		at += i + 1
		out = append(out, at)
	}
	return out
}

func ints(from, to int) []int {
	var out []int
	for i := from; i <= to; i++ {
		out = append(out, i)
	}
	return out
}

func wantNumbers(t *testing.T, file carve.File, capture string, want ...int) {
	t.Helper()
	if diff := cmp.Diff(want, numbers(t, file.Path, capture)); diff != "" {
		t.Errorf("%s: packets (-want +got):\n%s", filepath.Base(file.Path), diff)
	}
	if file.Packets != uint64(len(want)) {
		t.Errorf("%s: said to have %d packets", filepath.Base(file.Path), file.Packets)
	}
}

// TestPortsUsedAgain has the same ends in several connections, all of whose
// packets bear the same time.
func TestPortsUsedAgain(t *testing.T) {
	one := conversation(client, server, 1000, "one", "more")
	two := conversation(client, server, 90_000_000, "two")
	three := conversation(client, server, 3_000_000_000, "three")
	other := seg{server, client6, ACK, 1, 1, "x"} // no packet at all
	other.dst = netip.MustParseAddrPort("10.9.9.9:443")
	shots := frames(slices.Concat(ips(one...), [][]byte{other.ip()}, ips(two...), ips(three...))...)
	for i := range shots {
		shots[i].at = 0
	}
	path := capture(t, shots)
	all := find(t, path, tcpflow.Config{})
	if len(all) != 4 {
		t.Fatalf("%d connections", len(all))
	}
	files := carveAll(t, path, []found{all[0], all[3]}, carve.Options{})
	n, m := len(one), len(two)
	wantNumbers(t, files[0], path, ints(1, n)...)
	wantNumbers(t, files[1], path, ints(n+m+2, n+m+1+len(three))...)
	names := map[string]bool{}
	for _, f := range carveAll(t, path, all, carve.Options{}) {
		names[f.Path] = true
	}
	if len(names) != 4 {
		t.Errorf("%d names", len(names))
	}
}

// TestLate has packets after a connection's end: those that were counted to
// it, and those that came too late.
func TestLate(t *testing.T) {
	talk := conversation(client, server, 1000, "hello")
	shots := frames(ips(talk...)...)
	n := len(shots)
	rst := seg{client, server, RST, talk[n-1].seq, 0, ""}.ip()
	odd := seg{client, server, SYN | FIN, 1, 0, ""}.ip() // counted to nobody
	shots = append(shots, shot{at: time.Second, data: odd}, shot{at: 2 * time.Second, data: rst}, shot{at: time.Minute, data: rst})
	path := capture(t, shots)
	all := find(t, path, tcpflow.Config{})
	if len(all) != 1 {
		t.Fatalf("%d connections", len(all))
	}
	files := carveAll(t, path, all, carve.Options{})
	wantNumbers(t, files[0], path, append(ints(1, n), n+2)...)
}

// TestWhole has packets with tags, labels and tunnels around them, cut short.
func TestWhole(t *testing.T) {
	var shots []shot
	for i, s := range conversation(client, server, 1000, "hello", strings.Repeat("x", 500)) {
		ip := s.ip()
		data := [][]byte{
			ethernet(0x8100, append([]byte{0, 7, 0x08, 0x00}, ip...)),
			ethernet(0x88a8, append([]byte{0, 7, 0x81, 0, 0, 8, 0x08, 0x00}, ip...)),
			ethernet(0x0800, gre(ip, 0, 0)[0]),
			ethernet(0x8847, append([]byte{0, 1, 1, 64}, ip...)),
			append(ethernet(0x0800, ip), 0, 0, 0, 0, 0), // padded
		}[i%5]
		cut := 0
		if len(data) > 200 {
			cut = len(data) - 96
		}
		shots = append(shots, shot{at: time.Duration(i), data: data, cut: cut}, shot{at: time.Duration(i), data: ethernet(0x0806, make([]byte, 28))})
	}
	path := capture(t, shots, capfile.Interface{Link: capfile.LinkTypeEthernet, Resolution: 9, SnapLen: 96})
	all := find(t, path, tcpflow.Config{})
	if len(all) != 1 {
		t.Fatalf("%d connections", len(all))
	}
	var odd []int
	for i := 1; i < len(shots); i += 2 {
		odd = append(odd, i)
	}
	files := carveAll(t, path, all, carve.Options{})
	wantNumbers(t, files[0], path, odd...)
}

// TestInterfaces has a connection cross interfaces of different link types and
// clocks, in sections of both byte orders, with and without time stamps.
func TestInterfaces(t *testing.T) {
	via := []capfile.Interface{
		{Link: capfile.LinkTypeEthernet, SnapLen: 1 << 16, Resolution: 6},
		{Link: capfile.LinkTypeRaw, Resolution: 9},
		{Link: capfile.LinkTypeLinuxSLL, Resolution: 0x80 | 20},
		{Link: capfile.LinkTypeRaw, Resolution: 9, Offset: -3600},
	}
	headers := map[capfile.LinkType][]byte{
		capfile.LinkTypeEthernet: ethernet(0x0800, nil),
		capfile.LinkTypeLinuxSLL: {0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0, 0, 0, 8, 0},
	}
	var file bytes.Buffer
	w, err := capfile.NewWriter(&file, capfile.Section{})
	if err != nil {
		t.Fatal(err)
	}
	describe := func() {
		for _, i := range via {
			if _, err := w.Interface(i); err != nil {
				t.Fatal(err)
			}
		}
	}
	describe()
	talk := conversation(client, server, 1000, "a", "b", "c", "d", "e", "f", "g", "h")
	for i, s := range talk {
		id := (i + 1) % len(via)
		data := slices.Concat(headers[via[id].Link], s.ip())
		if i == 12 {
			if err := w.Section(capfile.Section{}); err != nil {
				t.Fatal(err)
			}
			describe()
		}
		if i == 3 || i == 7 || i == 15 || i == 19 { // of the first interface
			err = w.SimplePacket(data, len(data))
		} else {
			err = w.Packet(uint32(id), stamp(via[id], began.Add(time.Duration(i)*1001*time.Nanosecond))+uint64(i%2), data, len(data))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	path := save(t, "capture", file.Bytes())
	all := find(t, path, tcpflow.Config{})
	if len(all) != 1 {
		t.Fatalf("%d connections", len(all))
	}
	files := carveAll(t, path, all, carve.Options{})
	wantNumbers(t, files[0], path, ints(1, len(talk))...)
	alone := find(t, files[0].Path, tcpflow.Config{})
	if diff := cmp.Diff(all[0].event, alone[0].event, cmp.Comparer(sameAddr)); diff != "" {
		t.Errorf("(-in the capture +alone):\n%s", diff)
	}
}

// TestManyInterfaces has more interfaces than a section of a carved file.
func TestManyInterfaces(t *testing.T) {
	var via []capfile.Interface
	var shots []shot
	data := make([]string, 100)
	for i := range data {
		data[i] = "x"
	}
	for i, b := range ips(conversation(client, server, 1000, data...)...) {
		via = append(via, raw)
		shots = append(shots, shot{at: time.Duration(i), data: b, via: i})
	}
	path := capture(t, shots, via...)
	files := carveAll(t, path, find(t, path, tcpflow.Config{}), carve.Options{})
	wantNumbers(t, files[0], path, ints(1, len(shots))...)
	content, err := os.ReadFile(files[0].Path)
	if n := bytes.Count(content, []byte("\x0a\x0d\x0d\x0a")); err != nil || n != 4 {
		t.Errorf("%d sections of %d interfaces, %v", n, len(via), err)
	}
}

// TestMany carves many tunnels at once, with little memory.
func TestMany(t *testing.T) {
	const tunnels = 300
	var shots []shot
	for i, round := 0, 0; round < 8; round++ {
		for n := range tunnels {
			src := netip.AddrPortFrom(client.Addr(), uint16(10000+n))
			talk := conversation(src, server, uint32(n), strings.Repeat("x", 300))
			shots = append(shots, shot{at: time.Duration(i) * time.Microsecond, data: talk[round].ip()})
			i++
		}
	}
	path := capture(t, shots)
	all := find(t, path, tcpflow.Config{})
	want := carveAll(t, path, all, carve.Options{})
	for _, o := range []carve.Options{{MaxBuffered: 1}, {MaxBuffered: 64 << 10}} {
		files := carveAll(t, path, all, o)
		for i, f := range files {
			a, err := os.ReadFile(f.Path)
			b, err2 := os.ReadFile(want[i].Path)
			if err := errors.Join(err, err2); err != nil || !bytes.Equal(a, b) {
				t.Fatalf("%s with %d bytes buffered: differs (%v)", f.Path, o.MaxBuffered, err)
			}
		}
		if n := all[0].tunnel.FirstPacket; files[0].Packets != 8 || n != 1 {
			t.Errorf("%d packets, the first is %d", files[0].Packets, n)
		}
	}
	for i, f := range want {
		var expect []int
		for round := range 8 {
			expect = append(expect, round*tunnels+i+1)
		}
		wantNumbers(t, f, path, expect...)
	}
}

// TestLarge carves a tunnel that does not fit the buffer.
func TestLarge(t *testing.T) {
	data := make([]string, 700)
	for i := range data {
		data[i] = strings.Repeat("y", 1400)
	}
	path := capture(t, frames(ips(conversation(client, server, 1, data...)...)...))
	files := carveAll(t, path, find(t, path, tcpflow.Config{}), carve.Options{})
	a, err := os.ReadFile(path)
	b, err2 := os.ReadFile(files[0].Path)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(b, a[28+32:]) { // behind section and interface
		t.Error("the packets differ")
	}
}

// TestRandom has the table itself say which packets it counts to which
// connection, of segments that make little sense.
func TestRandom(t *testing.T) {
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 1))
		var shots []shot
		var at time.Duration
		for range 400 {
			s := seg{client, server, []byte{SYN, SYN | ACK, ACK, ACK, PSH | ACK, PSH | ACK, FIN | ACK, RST, RST | ACK, SYN | FIN, 0, FIN}[r.IntN(12)], 0, 0, ""}
			s.src = netip.AddrPortFrom(s.src.Addr(), uint16(1000+r.IntN(3)))
			s.seq = []uint32{1000, 1001, 1010, 5_000_000, 1 << 31}[r.IntN(5)]
			s.ack = []uint32{1000, 1001, 1010, 5_000_000, 1 << 31}[r.IntN(5)]
			if s.flags&PSH != 0 {
				s.data = "0123456789"[:1+r.IntN(10)]
			}
			if r.IntN(2) == 0 {
				s.src, s.dst = s.dst, s.src
			}
			at += []time.Duration{0, time.Millisecond, time.Second, 15 * time.Second, -time.Second}[r.IntN(5)]
			if r.IntN(50) == 0 {
				at += 20 * time.Minute
			}
			shots = append(shots, shot{at: at, data: s.ip()})
		}
		path := capture(t, shots)

		live := map[*tcpflow.Conn][]int{}
		var all []found
		var want [][]int
		table := tcpflow.New(tcpflow.Config{
			Open: func(*tcpflow.Conn) tcpflow.Stream { return nil },
			Closed: func(c *tcpflow.Conn) {
				f := tell(c)
				all, want = append(all, f), append(want, live[c])
				delete(live, c)
			},
		})
		for i, s := range shots {
			res := table.IPPacket(began.Add(s.at), s.data, len(s.data))
			if res.Conn != nil {
				live[res.Conn] = append(live[res.Conn], i+1)
			}
		}
		table.Flush()
		files := carveAll(t, path, all, carve.Options{})
		whole := packets(t, path)
		for i, f := range files {
			var expect []packet
			for _, n := range want[i] {
				expect = append(expect, whole[n-1])
			}
			if diff := cmp.Diff(expect, packets(t, f.Path)); diff != "" {
				t.Fatalf("seed %d, connection %d (-want +got):\n%s", seed, i, diff)
			}
		}
	}
}

// TestCompressed reads packed captures a second time, too.
func TestCompressed(t *testing.T) {
	content := captureBytes(t, frames(ips(conversation(client, server, 1000, "hello")...)...))
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	_, err := zw.Write(content)
	enc, err2 := zstd.NewWriter(nil)
	if err := errors.Join(err, zw.Close(), err2); err != nil {
		t.Fatal(err)
	}
	plain := save(t, "plain", content)
	for name, file := range map[string][]byte{"gzip": zipped.Bytes(), "zstd": enc.EncodeAll(content, nil)} {
		path := save(t, name, file)
		files := carveAll(t, path, find(t, path, tcpflow.Config{}), carve.Options{})
		wantNumbers(t, files[0], plain, ints(1, 8)...)
	}
}

// TestCutOff carves what there is of a capture that was cut off.
func TestCutOff(t *testing.T) {
	content := captureBytes(t, frames(ips(conversation(client, server, 1000, "hello")...)...))
	path := save(t, "cut", content[:len(content)-7])
	all := find(t, path, tcpflow.Config{})
	files := carveAll(t, path, all, carve.Options{})
	if files[0].Packets != 7 {
		t.Errorf("%d packets", files[0].Packets)
	}
	all[0].tunnel.Packets++ // a capture that had more
	if _, err := tryCarve(t, path, t.TempDir(), all, carve.Options{}); !errors.Is(err, capfile.ErrTruncated) || strings.Count(err.Error(), path) != 1 {
		t.Errorf("got %v", err)
	}
}

// files lists what is in a folder.
func listed(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestChanged changes the capture between the readings.
func TestChanged(t *testing.T) {
	content := captureBytes(t, frames(ips(conversation(client, server, 1000, "hello")...)...))
	elsewhere := captureBytes(t, frames(ips(conversation(netip.MustParseAddrPort("10.1.2.4:51234"), server, 1000, "hello")...)...))
	behind := frames(slices.Concat([][]byte{{0}}, ips(conversation(client, server, 1000, "hello")...))...)
	behind[1].at = 0
	later := frames(ips(conversation(client, server, 1000, "hello")...)...)
	later[0].at = time.Microsecond
	for name, change := range map[string]func(path string) error{
		"longer": func(path string) error {
			return os.WriteFile(path, slices.Concat(content, content[len(content)-72:]), 0o600)
		},
		"shorter": func(path string) error { return os.Truncate(path, int64(len(content)-72)) },
		"written": func(path string) error { return os.Chtimes(path, time.Time{}, began) },
		"another": func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, content, 0o600))
		},
		"none": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			path, dir := save(t, "capture", content), filepath.Join(t.TempDir(), "out")
			all := find(t, path, tcpflow.Config{})
			c, err := carve.Look(path)
			if err != nil {
				t.Fatal(err)
			}
			was, err := os.Stat(path)
			if err := errors.Join(err, change(path)); err != nil {
				t.Fatal(err)
			}
			if name != "written" && name != "none" {
				if err := os.Chtimes(path, time.Time{}, was.ModTime()); err != nil {
					t.Fatal(err)
				}
			}
			files, err := c.Carve(t.Context(), tunnels(all), dir, carve.Options{})
			if !errors.Is(err, carve.ErrChanged) && name != "none" || err == nil || files != nil || len(listed(t, dir)) > 0 {
				t.Errorf("got %v, %v, %v", files, err, listed(t, dir))
			}
			if strings.Count(err.Error(), path) != 1 {
				t.Errorf("%q names the capture more than once, or never", err)
			}
		})
	}
	// The same size and time, and other packets.
	for name, now := range map[string][]byte{
		"another client": elsewhere, "another place": captureBytes(t, behind), "another time": captureBytes(t, later),
	} {
		path, dir := save(t, "capture", content), filepath.Join(t.TempDir(), "out")
		all := find(t, path, tcpflow.Config{})
		files, err := tryCarve(t, save(t, "now", now), dir, all, carve.Options{})
		if !errors.Is(err, carve.ErrChanged) || files != nil || len(listed(t, dir)) > 0 {
			t.Errorf("%s: got %v, %v, %v", name, files, err, listed(t, dir))
		}
	}
}

// TestChangedWhileCarving changes the capture during the second reading.
func TestChangedWhileCarving(t *testing.T) {
	path := capture(t, frames(ips(conversation(client, server, 1000, "hello")...)...))
	all := find(t, path, tcpflow.Config{})
	c, err := carve.Look(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ctx := &spoiler{Context: t.Context(), spoil: func() { _ = os.Chtimes(path, time.Time{}, began) }}
	if files, err := c.Carve(ctx, tunnels(all), dir, carve.Options{}); !errors.Is(err, carve.ErrChanged) || files != nil || len(listed(t, dir)) > 0 {
		t.Errorf("got %v, %v, %v", files, err, listed(t, dir))
	}
}

// A spoiler does something when it is looked at.
type spoiler struct {
	context.Context
	spoil func()
}

func (s *spoiler) Err() error {
	s.spoil()
	return s.Context.Err()
}

// TestLook refuses what cannot be read twice.
func TestLook(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"-", fifo, t.TempDir(), os.DevNull} {
		if _, err := carve.Look(path); !errors.Is(err, carve.ErrUnrepeatable) || !strings.Contains(err.Error(), "to a file") {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if _, err := carve.Look(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	path := save(t, "text", []byte("no capture"))
	all := []found{{tunnel: carve.Tunnel{Key: inspect.FlowKey{Client: client, Server: server}, Packets: 1}}}
	if _, err := tryCarve(t, path, t.TempDir(), all, carve.Options{}); !errors.Is(err, capfile.ErrFormat) {
		t.Errorf("got %v", err)
	}
}

// TestCanceled wants nothing to be left of a run that was stopped.
func TestCanceled(t *testing.T) {
	data := make([]string, 3000)
	for i := range data {
		data[i] = "x"
	}
	path := capture(t, frames(ips(conversation(client, server, 1, data...)...)...))
	all := find(t, path, tcpflow.Config{})
	c, err := carve.Look(path)
	if err != nil {
		t.Fatal(err)
	}
	for looks := range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		dir := t.TempDir()
		s := &spoiler{Context: ctx, spoil: func() {
			if looks--; looks < 0 {
				cancel()
			}
		}}
		if files, err := c.Carve(s, tunnels(all), dir, carve.Options{}); !errors.Is(err, context.Canceled) || files != nil || len(listed(t, dir)) > 0 {
			t.Errorf("got %v, %v, %v", files, err, listed(t, dir))
		}
	}
}

// TestFiles looks at names, permissions and what stands in front.
func TestFiles(t *testing.T) {
	hostile := netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone("/../../x"), 443)
	talk := slices.Concat(
		ips(conversation(client, server, 1000, "hello")...), ips(conversation(client6, server6, 1000, "hello")...),
		ips(conversation(netip.AddrPortFrom(hostile.Addr().WithZone(""), 500), netip.AddrPortFrom(hostile.Addr().WithZone(""), 443), 1000, "hello")...),
	)
	path := capture(t, frames(talk...))
	all := find(t, path, tcpflow.Config{})
	all[0].tunnel.Secrets = []byte("CLIENT_RANDOM aa bb\n")
	all[0].tunnel.Comment = "two\nlines, \x1b[31mred\x9b \u202e\xff"
	all[1].tunnel.Comment = strings.Repeat("ä", maxComment)
	dir := filepath.Join(t.TempDir(), "new", "out")
	files, err := tryCarve(t, path, dir, all, carve.Options{Source: "captures/ü.pcap", Application: "sstpwarden 1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		fmt.Sprintf("20261122T050000.123456Z_10.1.2.3-51234_198.51.100.7-443_%d_--digest.pcapng", all[0].event.FlowID),
		fmt.Sprintf("20261122T050000.131456Z_2001-db8--1-51000_2001-db8-f--7-443_%d_--digest.pcapng", all[1].event.FlowID),
		fmt.Sprintf("20261122T050000.139456Z_fe80--1-500_fe80--1-443_%d_--digest.pcapng", all[2].event.FlowID),
	}
	var got []string
	for _, f := range files {
		name := filepath.Base(f.Path)
		digest := name[len(name)-len("--digest.pcapng") : len(name)-len(".pcapng")]
		got = append(got, strings.Replace(name, digest, "--digest", 1))
		info, err := os.Lstat(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 || filepath.Dir(f.Path) != dir {
			t.Errorf("%s: %v", f.Path, info.Mode())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if n := len(listed(t, dir)); n != 3 {
		t.Errorf("%d files: %v", n, listed(t, dir))
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("%v, %v", info, err)
	}
	front, err := os.ReadFile(files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"two\nlines, \ufffd[31mred\ufffd \ufffd\ufffd", "sstpwarden 1", "CLIENT_RANDOM aa bb\n"} {
		if !bytes.Contains(front, []byte(part)) {
			t.Errorf("%q is missing", part)
		}
	}
	if secrets, packet := bytes.Index(front, []byte("KSLT")), bytes.Index(front, []byte("hello")); secrets < 0 || secrets > packet {
		t.Errorf("secrets at %d, a packet at %d", secrets, packet)
	}
	second, err := os.ReadFile(files[1].Path)
	if err != nil || bytes.Count(second, []byte("ä")) != maxComment/2 || bytes.Contains(second, []byte("KSLT")) {
		t.Errorf("%d characters of the comment, %v", bytes.Count(second, []byte("ä")), err)
	}
}

const maxComment = 32 << 10

// TestExisting never takes another file's place.
func TestExisting(t *testing.T) {
	path := capture(t, frames(slices.Concat(ips(conversation(client, server, 1000, "hello")...), ips(conversation(client6, server6, 1000, "hello")...))...))
	all, dir := find(t, path, tcpflow.Config{}), t.TempDir()
	first, err := tryCarve(t, path, dir, all, carve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := tryCarve(t, path, dir, all, carve.Options{})
	if err != nil || len(listed(t, dir)) != 2 {
		t.Fatalf("again: %v, %v", err, listed(t, dir))
	}
	for i := range again {
		if !again[i].Existed || first[i].Existed || again[i].Path != first[i].Path || again[i].Packets != 8 {
			t.Errorf("first %+v, again %+v", first[i], again[i])
		}
	}
	other, err := tryCarve(t, path, dir, all, carve.Options{Source: "elsewhere"})
	if err != nil || other[0].Existed || len(listed(t, dir)) != 4 {
		t.Errorf("another source: %+v, %v", other, err)
	}

	victim := save(t, "victim", []byte("precious"))
	content, err := os.ReadFile(first[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	differs := bytes.Clone(content)
	differs[len(differs)-9]++
	for name, put := range map[string]func(at string) error{
		"shorter":           func(at string) error { return os.WriteFile(at, []byte("x"), 0o600) },
		"other bytes":       func(at string) error { return os.WriteFile(at, differs, 0o600) },
		"link":              func(at string) error { return os.Symlink(victim, at) },
		"link to nowhere":   func(at string) error { return os.Symlink(victim+"x", at) },
		"link to the same":  func(at string) error { return os.Symlink(save(t, "same", content), at) },
		"folder":            func(at string) error { return os.Mkdir(at, 0o700) },
		"named pipe":        func(at string) error { return syscall.Mkfifo(at, 0o600) },
		"unreadable folder": func(at string) error { return os.Mkdir(at, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			at := filepath.Join(dir, filepath.Base(first[0].Path))
			if err := put(at); err != nil {
				t.Fatal(err)
			}
			files, err := tryCarve(t, path, dir, all, carve.Options{})
			if !errors.Is(err, carve.ErrExists) || !strings.Contains(err.Error(), at) || !strings.Contains(err.Error(), "another folder") {
				t.Errorf("got %v", err)
			}
			if len(files) != 2 || files[0] != (carve.File{}) || files[1].Packets != 8 || len(listed(t, dir)) != 2 {
				t.Errorf("got %+v, %v", files, listed(t, dir))
			}
			if kept, err := os.ReadFile(victim); err != nil || string(kept) != "precious" {
				t.Errorf("the victim is %q, %v", kept, err)
			}
			if _, err := os.Lstat(victim + "x"); err == nil {
				t.Error("a link was followed")
			}
		})
	}

	both := t.TempDir()
	for _, f := range first {
		if err := os.Mkdir(filepath.Join(both, filepath.Base(f.Path)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tryCarve(t, path, both, all, carve.Options{}); err == nil || !strings.Contains(err.Error(), "and 1 more file") {
		t.Errorf("got %v", err)
	}
}

// TestFolder wants a folder that can be written to, and none for nothing.
func TestFolder(t *testing.T) {
	path := capture(t, frames(ips(conversation(client, server, 1000, "hello")...)...))
	all := find(t, path, tcpflow.Config{})
	if _, err := tryCarve(t, path, filepath.Join(path, "out"), all, carve.Options{}); err == nil || !strings.Contains(err.Error(), "name one that can be written to") {
		t.Errorf("got %v", err)
	}
	dir := filepath.Join(t.TempDir(), "out")
	if files, err := tryCarve(t, path, dir, nil, carve.Options{}); files != nil || err != nil {
		t.Errorf("got %v, %v", files, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder was made for nothing: %v", err)
	}
}

// TestAtOnce carves captures that share a connection into one folder.
func TestAtOnce(t *testing.T) {
	shots := frames(ips(conversation(client, server, 1000, "hello")...)...)
	a, b := capture(t, shots), capture(t, shots[:5])
	dir, done := t.TempDir(), make(chan error)
	for _, path := range []string{a, b, a, b} {
		all := tunnels(find(t, path, tcpflow.Config{}))
		c, err := carve.Look(path)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := c.Carve(t.Context(), all, dir, carve.Options{})
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if len(listed(t, dir)) != 2 {
		t.Errorf("got %v", listed(t, dir))
	}
}
