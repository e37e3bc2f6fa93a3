package nfq

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/pcaps"
	"sstpwarden/pcaps/capfile"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
)

// A frame is an IP packet of a capture.
type frame struct {
	at     time.Time
	ip     []byte
	length int // on the wire
}

// frames reads a capture of Ethernet or of plain IP. It says no for other ones.
func frames(t testing.TB, path string) ([]frame, bool) {
	t.Helper()
	r, err := capfile.Open(path, capfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out []frame
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) || err != nil && len(out) > 0 {
			return out, true // the audit takes what comes before an error, too
		}
		if err != nil {
			t.Fatal(err)
		}
		b := p.Data
		switch tcpflow.LinkType(p.Link) {
		case tcpflow.LinkEthernet:
			header := 14
			for len(b) >= header && binary.BigEndian.Uint16(b[header-2:]) == 0x8100 {
				header += 4
			}
			if len(b) < header {
				continue
			}
			if kind := binary.BigEndian.Uint16(b[header-2:]); kind != 0x0800 && kind != 0x86dd {
				continue
			}
			b = b[header:]
		case tcpflow.LinkRaw:
		default:
			return nil, false
		}
		out = append(out, frame{p.Time, slices.Clone(b), p.Length - (len(p.Data) - len(b))})
	}
}

// A kernel does with packets what the rules of package nft do: those of connections whose
// fate is known do not come to the queue.
type kernel struct {
	bench   *bench
	decoder *tcpflow.Decoder
	fates   map[[2]netip.AddrPort]Action
	out     []frame // packets that came out
	queued  int
}

func newKernel(b *bench) *kernel {
	return &kernel{bench: b, decoder: tcpflow.NewDecoder(tcpflow.Config{}), fates: map[[2]netip.AddrPort]Action{}}
}

func (k *kernel) take(f frame) {
	var s tcpflow.Segment
	k.decoder.Decode(&s, tcpflow.LinkRaw, f.at, f.ip, f.length)
	from, to, _ := s.Ends()
	ends := [2]netip.AddrPort{from, to}
	if to.Compare(from) < 0 {
		ends = [2]netip.AddrPort{to, from}
	}
	if s.Opens() {
		delete(k.fates, ends)
	}
	if fate := k.fates[ends]; fate != 0 {
		if fate == Settle {
			k.out = append(k.out, f)
		}
		return
	}
	k.queued++
	v := k.bench.packet(f.ip, f.length, f.at)
	switch v.Action {
	case Settle, Block:
		k.fates[ends] = v.Action
	default:
	}
	if v.Action == Accept || v.Action == Settle {
		k.out = append(k.out, f)
	}
}

// An outcome is what was found out about a connection.
type outcome struct {
	verdict inspect.Verdict
	dropped bool
}

// audited is what an audit says of a capture's connections.
func audited(t *testing.T, path string) map[uint64]outcome {
	t.Helper()
	inputs, err := pcaps.Inputs([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	out := map[uint64]outcome{}
	_, err = pcaps.Run(t.Context(), inputs, pcaps.Config{
		Rules: rules.Default(), All: true,
		Gate: &policies.Gate{Decider: dropping, Point: policies.PointAudit},
		Emit: func(e *event.Event) error {
			out[e.FlowID] = outcome{e.Detection.Verdict, e.Decision.Action == string(policies.ActionDrop)}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// replayed is what a Worker says, and which packets there were.
func replayed(t *testing.T, frames []frame, dry bool) (map[uint64]outcome, *kernel) {
	t.Helper()
	b := newBench(t, dropping, func(c *Config) { c.Gate.DryRun = dry })
	k := newKernel(b)
	for _, f := range frames {
		k.take(f)
	}
	b.Close()
	out := map[uint64]outcome{}
	for _, e := range b.events {
		out[e.FlowID] = outcome{e.Detection.Verdict, e.Decision.Action == string(policies.ActionDrop)}
	}
	return out, k
}

// captures are those of the audit, and those of a folder with more of them.
func captures(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob("../pcaps/testdata/*/*.pcap")
	if err != nil || len(found) < 60 {
		t.Fatalf("%d captures found: %v", len(found), err)
	}
	more := os.Getenv("SSTPWARDEN_CORPUS")
	if more == "" {
		return found
	}
	err = filepath.WalkDir(more, func(path string, _ os.DirEntry, err error) error {
		if name := filepath.Ext(path); name == ".pcap" || name == ".pcapng" {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What an audit finds in a capture the Worker finds in its packets, and stops in time.
func TestReplay(t *testing.T) {
	for _, path := range captures(t) {
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			all, ok := frames(t, path)
			if !ok {
				t.Logf("%s is neither of Ethernet nor of IP", path)
				return
			}
			want := audited(t, path)
			for name, dry := range map[string]bool{"dry": true, "enforced": false} {
				got, _ := replayed(t, all, dry)
				compare(t, name, want, got)
			}
		})
	}
}

// compare holds what a Worker found against what an audit found. It is not asked about
// connections of which nothing was read.
func compare(t *testing.T, name string, want, got map[uint64]outcome) {
	t.Helper()
	for id, w := range want {
		g, asked := got[id]
		if !asked {
			g = outcome{verdict: inspect.VerdictUndetermined}
		}
		if g.dropped != w.dropped || !w.dropped && g.verdict != w.verdict {
			t.Errorf("%s: flow %d: %v, dropped %v; the audit says %v, dropped %v", name, id, g.verdict, g.dropped, w.verdict, w.dropped)
		}
	}
	for id := range got {
		if _, known := want[id]; !known {
			t.Errorf("%s: flow %d is unknown to the audit", name, id)
		}
	}
}

// However packets are cut or put together, what is found is the same.
func TestReplayCut(t *testing.T) {
	for _, path := range captures(t) {
		if strings.Contains(path, "fragment") {
			continue // of IP packets
		}
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			all, ok := frames(t, path)
			if !ok {
				return
			}
			want := audited(t, path)
			for name, change := range map[string]func([]frame) []frame{
				"100 bytes": func(f []frame) []frame { return cut(f, 100) },
				"7 bytes":   func(f []frame) []frame { return cut(f, 7) },
				"joined":    joined,
			} {
				got, _ := replayed(t, change(all), false)
				compare(t, name, want, got)
			}
		})
	}
}

// tcpPart gives where a packet's TCP header and payload begin, and where the payload ends.
// It says no for fragments, extension headers and packets that were cut short.
func tcpPart(f frame) (header, payload, end int, ok bool) {
	b := f.ip
	if len(b) < 20 || f.length > len(b) {
		return 0, 0, 0, false
	}
	if b[0]>>4 == 6 {
		if len(b) < 40 || b[6] != 6 {
			return 0, 0, 0, false
		}
		header, end = 40, 40+int(binary.BigEndian.Uint16(b[4:]))
	} else {
		if b[9] != 6 || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
			return 0, 0, 0, false
		}
		header, end = int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	}
	if end > len(b) || header+20 > end {
		return 0, 0, 0, false
	}
	payload = header + int(b[header+12]>>4)*4
	return header, payload, end, payload <= end
}

// with makes a packet of another's headers and other bytes.
func with(f frame, header, payload int, seq uint32, data []byte, last bool) frame {
	b := append(slices.Clone(f.ip[:payload]), data...)
	if b[0]>>4 == 6 {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	} else {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	}
	binary.BigEndian.PutUint32(b[header+4:], seq)
	if !last {
		b[header+13] &^= fin
	}
	b[header+16], b[header+17] = 0, 0
	return frame{f.at, b, len(b)}
}

// cut makes of packets smaller ones.
func cut(in []frame, size int) (out []frame) {
	for _, f := range in {
		header, payload, end, ok := tcpPart(f)
		if !ok || end-payload <= size || f.ip[header+13]&(syn|rst) != 0 {
			out = append(out, f)
			continue
		}
		seq := binary.BigEndian.Uint32(f.ip[header+4:])
		for data := f.ip[payload:end]; len(data) > 0; {
			n := min(size, len(data))
			out = append(out, with(f, header, payload, seq, data[:n], n == len(data)))
			seq, data = seq+uint32(n), data[n:]
		}
	}
	return out
}

// joined puts packets together that follow each other, as network cards do.
func joined(in []frame) (out []frame) {
	for _, f := range in {
		if n := len(out); n > 0 {
			if g, ok := join(out[n-1], f); ok {
				out[n-1] = g
				continue
			}
		}
		out = append(out, f)
	}
	return out
}

func join(a, b frame) (frame, bool) {
	ah, ap, ae, ok1 := tcpPart(a)
	bh, bp, be, ok2 := tcpPart(b)
	if !ok1 || !ok2 || ah != bh || ap == ae || bp == be || ae+be-bp > 65000 || (a.ip[ah+13]|b.ip[bh+13])&^0x18 != 0 {
		return frame{}, false
	}
	from := 12
	if ah == 40 {
		from = 8
	}
	seq := binary.BigEndian.Uint32(a.ip[ah+4:])
	if string(a.ip[from:ah+4]) != string(b.ip[from:bh+4]) || seq+uint32(ae-ap) != binary.BigEndian.Uint32(b.ip[bh+4:]) {
		return frame{}, false
	}
	return with(a, ah, ap, seq, append(slices.Clone(a.ip[ap:ae]), b.ip[bp:be]...), true), true
}
