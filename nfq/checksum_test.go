package nfq

import (
	"encoding/binary"
	"testing"
)

// sign fills in a segment's checksum, byte by byte.
func sign(addresses, tcp []byte) {
	tcp[16], tcp[17] = 0, 0
	sum := 6 + len(tcp)
	for _, b := range [][]byte{addresses, tcp} {
		for i, c := range b {
			sum += int(c) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(tcp[16:], ^uint16(sum))
}

func TestChecksum(t *testing.T) {
	options := func(p []byte, kinds ...byte) []byte {
		var headers []byte
		first := p[6]
		for i, kind := range kinds {
			next := byte(6)
			if i+1 < len(kinds) {
				next = kinds[i+1]
			}
			if i == 0 {
				first = kind
			}
			headers = append(headers, next, byte(i), 1, 4, 0, 0, 0, 0)
			headers = append(headers, make([]byte, 8*i)...)
		}
		out := append(append(append([]byte(nil), p[:40]...), headers...), p[40:]...)
		out[6] = first
		binary.BigEndian.PutUint16(out[4:], uint16(len(out)-40))
		return out
	}
	ipv4, ipv6 := newConn(client4, server4), newConn(client6, server6)
	packets := map[string][]byte{
		"IPv4":              ipv4.handshake()[0],
		"IPv4, even":        ipv4.says("data"),
		"IPv4, odd":         ipv4.says("odd data"[1:]),
		"IPv4, padded":      append(ipv4.says("data"), 0, 0, 1),
		"IPv6":              ipv6.says("data"),
		"IPv6, options":     options(ipv6.says("odd"), 0),
		"IPv6, two of them": options(ipv6.says("data"), 0, 60),
	}
	for name, p := range packets {
		addresses, tcp := transport(p)
		if tcp == nil {
			t.Errorf("%s: no segment", name)
			continue
		}
		sign(addresses, tcp)
		if checksumFails(p) {
			t.Errorf("%s: fails", name)
		}
		for i := range tcp {
			tcp[i] ^= 0x40
			if !checksumFails(p) {
				t.Errorf("%s: does not fail where byte %d is changed", name, i)
			}
			tcp[i] ^= 0x40
		}
	}
	edit := func(p []byte, at int, b byte) []byte {
		p = append([]byte(nil), p...)
		p[at] = b
		return p
	}
	four, six := ipv4.says("data"), ipv6.says("data")
	for name, p := range map[string][]byte{
		"nothing": nil, "cut": four[:19], "cut segment": four[:len(four)-1], "short header": edit(four, 0, 0x44),
		"fragment": edit(four, 6, 0x20), "later fragment": edit(four, 7, 1), "UDP": edit(four, 9, 17), "version": edit(four, 0, 0x55),
		"cut IPv6": six[:39], "cut IPv6 segment": six[:len(six)-1], "IPv6 routing": edit(six, 6, 43), "IPv6 options that end nowhere": edit(edit(six, 6, 0), 41, 200),
	} {
		if checksumFails(p) {
			t.Errorf("%s: fails", name)
		}
	}
}
