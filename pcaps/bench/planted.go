package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"sstpwarden/pcaps/capfile"
)

// A recording is a TCP connection found in a capture file, to be copied into
// the generated one under other addresses. TCP options are not kept.
type recording struct {
	packets []packet // at counts from the first; flow is not set
	server  uint16   // port
}

// recordings finds the TCP connections of a capture that are there from the
// SYN on, in both directions, and go beyond an attempt.
func recordings(path string) ([]recording, error) {
	r, err := capfile.Open(path, capfile.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // it was only read

	type pair struct{ src, dst netip.AddrPort }
	var order []pair // client first
	found := map[pair]*recording{}
	begins := map[pair]time.Time{}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if p.Link != capfile.LinkTypeEthernet {
			return nil, fmt.Errorf("%s: link type %s: only Ethernet captures can be copied from", path, p.Link)
		}
		src, dst, tcp, ok := decodeTCP(p.Data)
		if !ok {
			continue
		}
		key := pair{src, dst}
		if tcp.SYN && !tcp.ACK && found[key] == nil {
			order = append(order, key)
			found[key], begins[key] = &recording{server: dst.Port()}, p.Time
		}
		toServer := found[key] != nil
		if !toServer {
			key = pair{dst, src}
		}
		if found[key] == nil {
			continue
		}
		found[key].packets = append(found[key].packets, packet{
			at: p.Time.Sub(begins[key]), toServer: toServer, flags: flagsOf(tcp),
			seq: tcp.Seq, ack: tcp.Ack, payload: slices.Clone(tcp.Payload),
		})
	}
	var out []recording
	for _, key := range order {
		if found[key].whole() {
			out = append(out, *found[key])
		}
	}
	return out, nil
}

// whole tells a tunnel from half of one and from an attempt: setting one up
// takes each end more packets than this.
func (r *recording) whole() bool {
	const least = 8
	said := map[bool]int{}
	for _, p := range r.packets {
		if len(p.payload) > 0 {
			said[p.toServer]++
		}
	}
	return said[true] >= least && said[false] >= least
}

// copyTo gives the recording's packets as those of a flow.
func (r *recording) copyTo(f *flow, start time.Duration) []packet {
	out := slices.Clone(r.packets)
	for i := range out {
		out[i].flow = f
		out[i].at += start
	}
	return out
}

func (r *recording) bytes() int {
	n := 0
	for _, p := range r.packets {
		n += len(p.payload) + 54
	}
	return n
}

func decodeTCP(frame []byte) (src, dst netip.AddrPort, tcp *layers.TCP, ok bool) {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	tcp, ok = p.TransportLayer().(*layers.TCP)
	if !ok {
		return src, dst, nil, false
	}
	a, b := p.NetworkLayer().NetworkFlow().Endpoints()
	from, _ := netip.AddrFromSlice(a.Raw())
	to, _ := netip.AddrFromSlice(b.Raw())
	return netip.AddrPortFrom(from, uint16(tcp.SrcPort)), netip.AddrPortFrom(to, uint16(tcp.DstPort)), tcp, true
}

func flagsOf(t *layers.TCP) tcpFlags {
	var f tcpFlags
	for _, b := range []struct {
		set  bool
		flag tcpFlags
	}{{t.FIN, fin}, {t.SYN, syn}, {t.RST, rst}, {t.PSH, psh}, {t.ACK, ack}} {
		if b.set {
			f |= b.flag
		}
	}
	return f
}
