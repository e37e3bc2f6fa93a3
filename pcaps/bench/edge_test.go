package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"sstpwarden/pcaps/capfile"
)

// frames reads a capture whole.
func frames(t *testing.T, path string) (out [][]byte, times []time.Time) {
	t.Helper()
	r, err := capfile.Open(path, capfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, times
		}
		if err != nil {
			t.Fatal(err)
		}
		out, times = append(out, append([]byte(nil), p.Data...)), append(times, p.Time)
	}
}

func TestEdge(t *testing.T) {
	const size = 6 * mb
	var manifests [2]manifest
	var sums [2][32]byte
	var path string
	sstp := []string{writeConversation(t, dialogue())}
	for i := range sums {
		path = filepath.Join(t.TempDir(), "edge.pcap")
		m, err := makeEdge(path, edgeOptions{size: size, seed: 7, sstp: sstp})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) < size || len(raw) > size*5/4 {
			t.Errorf("the file has %d bytes, want %d or somewhat more", len(raw), size)
		}
		manifests[i], sums[i] = m, sha256.Sum256(raw)
	}
	if sums[0] != sums[1] || manifests[0] != manifests[1] {
		t.Errorf("the same seed made different captures: %x %+v, %x %+v", sums[0], manifests[0], sums[1], manifests[1])
	}

	packets, times := frames(t, path)
	got := map[string]int{}
	total, planted := 0, 0
	for i, frame := range packets {
		total += len(frame)
		if bytes.Contains(frame, []byte("a response")) {
			planted++
		}
		if i > 0 && times[i].Before(times[i-1]) {
			t.Fatalf("packet %d is earlier than the one before", i+1)
		}
		p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
		if e := p.ErrorLayer(); e != nil {
			t.Fatalf("packet %d: %v\n%x", i+1, e.Error(), frame)
		}
		for _, l := range p.Layers() {
			got[l.LayerType().String()]++
		}
	}
	m := manifests[0]
	if m.Packets != len(packets) || m.Bytes != int64(total) {
		t.Errorf("the manifest says %d packets of %d bytes, the file has %d of %d", m.Packets, m.Bytes, len(packets), total)
	}
	if mean := total / len(packets); mean < 500 || mean > 900 {
		t.Errorf("packets are of %d bytes on average", mean)
	}
	if m.Planted != plantedFlows || planted != 10*plantedFlows {
		t.Errorf("%d flows planted, with %d packets of the server", m.Planted, planted)
	}
	for _, layer := range []string{"Dot1Q", "IPv4", "IPv6", "TCP", "UDP", "DNS"} {
		if got[layer] < 50 {
			t.Errorf("%d packets with %s", got[layer], layer)
		}
	}
	if share := float64(got["UDP"]) / float64(len(packets)); share < 0.08 || share > 0.15 {
		t.Errorf("%.0f %% of the packets are UDP", share*100)
	}
}

func TestSeeds(t *testing.T) {
	c := map[uint64][32]byte{}
	for seed := range uint64(2) {
		a, err := newAuthority(seed)
		if err != nil {
			t.Fatal(err)
		}
		talk, err := templates[0].record(a, seed)
		if err != nil {
			t.Fatal(err)
		}
		c[seed] = sha256.Sum256(talk.stream(true))
	}
	if c[0] == c[1] {
		t.Error("two seeds made the same conversation")
	}
}

func TestFlood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flood.pcap")
	m, err := makeFlood(path, 3000)
	if err != nil {
		t.Fatal(err)
	}
	packets, _ := frames(t, path)
	sources := map[string]bool{}
	for i, frame := range packets {
		src, _, tcp, ok := decodeTCP(frame)
		if !ok || !tcp.SYN || tcp.ACK {
			t.Fatalf("packet %d is no SYN: %x", i+1, frame)
		}
		sources[src.String()] = true
	}
	if len(sources) != 3000 {
		t.Errorf("%d sources, want 3000", len(sources))
	}
	want := manifest{Packets: 3000, Bytes: 3000 * 66, Flows: 3000}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
}
