package main

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/layers"
)

// receiver puts one direction of a flow together again.
type receiver struct {
	next   uint32
	begun  bool
	early  map[uint32][]byte
	stream []byte
}

func (r *receiver) take(tcp *layers.TCP) {
	if tcp.SYN {
		r.next, r.begun, r.early = tcp.Seq+1, true, map[uint32][]byte{}
		return
	}
	if !r.begun || len(tcp.Payload) == 0 {
		return
	}
	r.early[tcp.Seq] = bytes.Clone(tcp.Payload)
	for data, ok := r.early[r.next]; ok; data, ok = r.early[r.next] {
		delete(r.early, r.next)
		r.next += uint32(len(data))
		r.stream = append(r.stream, data...)
	}
}

// flows are the shapes that a flow can have.
var flows = map[string]*flow{
	"IPv4":               {client: netip.MustParseAddrPort("10.0.0.1:40000"), server: netip.MustParseAddrPort("198.18.0.1:443")},
	"IPv4 timestamps":    {client: netip.MustParseAddrPort("10.0.0.1:40000"), server: netip.MustParseAddrPort("198.18.0.1:443"), timestamps: true},
	"IPv6 VLAN":          {client: netip.MustParseAddrPort("[2001:db8::1]:40000"), server: netip.MustParseAddrPort("[2001:db8::2]:443"), vlan: 7},
	"IPv6 VLAN stamps":   {client: netip.MustParseAddrPort("[2001:db8::1]:40000"), server: netip.MustParseAddrPort("[2001:db8::2]:443"), vlan: 7, timestamps: true},
	"IPv4 tagged, 8443":  {client: netip.MustParseAddrPort("10.0.0.1:40001"), server: netip.MustParseAddrPort("198.18.0.1:8443"), vlan: 100},
	"IPv4 on other port": {client: netip.MustParseAddrPort("10.0.0.1:40002"), server: netip.MustParseAddrPort("198.18.0.1:80")},
}

// What is played through a bad path is, put together, what was said; and
// nobody acknowledges what did not come.
func TestPlay(t *testing.T) {
	a, err := newAuthority(1)
	if err != nil {
		t.Fatal(err)
	}
	var talks []*conversation
	for i := range templates {
		if templates[i].commonly < 20 {
			continue // the large ones
		}
		c, err := templates[i].record(a, 1)
		if err != nil {
			t.Fatal(err)
		}
		talks = append(talks, c)
	}
	for name, f := range flows {
		t.Run(name, func(t *testing.T) {
			fr := newFramer()
			for i, c := range talks {
				p := path{roundTrip: 20 * time.Millisecond, spacing: time.Millisecond, impaired: 80}
				packets := play(c, f, p, time.Second, ending(i%3), rand.New(rand.NewPCG(1, uint64(i))))
				var got [2]receiver
				for j := range packets {
					frame, err := fr.frame(&packets[j])
					if err != nil {
						t.Fatal(err)
					}
					if longest := 1514 + 4; len(frame) > longest {
						t.Fatalf("a frame of %d bytes", len(frame))
					}
					src, dst, tcp, ok := decodeTCP(frame)
					if !ok || (src != f.client && dst != f.client) {
						t.Fatalf("packet from %s to %s", src, dst)
					}
					from := fromServer
					if src == f.client {
						from = fromClient
					}
					if other := got[1-from]; tcp.ACK && other.begun && int32(tcp.Ack-other.next) > 1 {
						t.Fatalf("conversation %d: packet %d acknowledges %d bytes that were not seen", i, j+1, tcp.Ack-other.next)
					}
					got[from].take(tcp)
				}
				for from, client := range []bool{false, true} {
					if want := c.stream(client); !bytes.Equal(got[from].stream, want) {
						t.Errorf("conversation %d: %d bytes put together, want %d", i, len(got[from].stream), len(want))
					}
				}
			}
		})
	}
}

// A lost segment is seen again, an overtaken one late, and the receiver's
// repeated acknowledgements say so.
func TestAcknowledge(t *testing.T) {
	p := player{}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	segments := []segment{
		{at: ms(1), seq: 100, payload: make([]byte, 10), arrives: true},
		{at: ms(2), seq: 110, payload: make([]byte, 10)}, // lost
		{at: ms(3), seq: 120, payload: make([]byte, 10), arrives: true},
		{at: ms(4), seq: 130, payload: make([]byte, 10), arrives: true},
		{at: ms(9), seq: 110, payload: make([]byte, 10), arrives: true},
		{at: ms(10), seq: 140, payload: make([]byte, 10), arrives: true},
	}
	want := []segment{{at: ms(8), seq: 110}, {at: ms(9), seq: 110}, {at: ms(14), seq: 140}, {at: ms(15), seq: 150}}
	got := p.acknowledge(segments, 100, ms(5))
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(segment{})); diff != "" {
		t.Errorf("acknowledgements (-want +got):\n%s", diff)
	}
}

// writeConversation makes a capture of a conversation, and of an attempt at one.
func writeConversation(t *testing.T, c *conversation) string {
	t.Helper()
	silent := &conversation{turns: []turn{{client: true, data: []byte("hello?")}}}
	file := filepath.Join(t.TempDir(), "some.pcap")
	w, err := createPcap(file)
	if err != nil {
		t.Fatal(err)
	}
	fr := newFramer()
	r := rand.New(rand.NewPCG(1, 1))
	for _, p := range append(
		play(c, flows["IPv6 VLAN"], path{}, 0, closed, r),
		play(silent, flows["IPv4"], path{}, time.Second, reset, r)...,
	) {
		frame, err := fr.frame(&p)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.write(p.at, frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return file
}

func dialogue() *conversation {
	c := &conversation{}
	for range 10 {
		c.say(true, time.Millisecond, []byte("a request"))
		c.say(false, time.Millisecond, []byte("a response"))
	}
	return c
}

// A recording comes out of a capture as it went in, under new addresses.
func TestRecordings(t *testing.T) {
	c := dialogue()
	found, err := recordings(writeConversation(t, c))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].server != 443 {
		t.Fatalf("found %+v, want the one connection that got anywhere", found)
	}
	var said [2][]byte
	for _, p := range found[0].copyTo(flows["IPv4"], time.Hour) {
		if p.at < time.Hour || p.flow != flows["IPv4"] {
			t.Fatalf("packet %+v", p)
		}
		if p.toServer {
			said[fromClient] = append(said[fromClient], p.payload...)
		} else {
			said[fromServer] = append(said[fromServer], p.payload...)
		}
	}
	for from, client := range []bool{false, true} {
		if diff := cmp.Diff(string(c.stream(client)), string(said[from])); diff != "" {
			t.Errorf("client %t (-want +got):\n%s", client, diff)
		}
	}
}
