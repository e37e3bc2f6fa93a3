package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// plainHTTP is a connection of unencrypted HTTP/1.1: certificate status,
// updates, captive portal checks, and what never moved to TLS.
func plainHTTP(r *rand.Rand) *conversation {
	c := &conversation{}
	host := []string{"ocsp.ca.example", "download.windows.example", "connectivity.example", "old.shop.example", "camera.corp.example"}[r.IntN(5)]
	for i := range 1 + r.IntN(4) {
		var wait time.Duration
		if i > 0 {
			wait = uniform(r, 10*time.Millisecond, time.Second)
		}
		c.say(true, wait, fmt.Appendf(nil, "GET /%x/%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n", r.Uint32(), i, host))
		body := make([]byte, uniform(r, 200, 30*kb))
		fill(r, body)
		c.say(false, uniform(r, time.Millisecond, 30*time.Millisecond),
			fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	}
	return c
}

// lookup is the DNS question for a name and its answer.
func lookup(host string, answer netip.AddrPort, r *rand.Rand) (question, reply []byte, err error) {
	kind := layers.DNSTypeA
	if answer.Addr().Is6() {
		kind = layers.DNSTypeAAAA
	}
	dns := layers.DNS{
		ID: uint16(r.Uint32()), RD: true,
		Questions: []layers.DNSQuestion{{Name: []byte(host), Type: kind, Class: layers.DNSClassIN}},
	}
	buffer := gopacket.NewSerializeBuffer()
	fix := gopacket.SerializeOptions{FixLengths: true}
	if err := dns.SerializeTo(buffer, fix); err != nil {
		return nil, nil, fmt.Errorf("writing the DNS question for %s: %w", host, err)
	}
	question = []byte(string(buffer.Bytes()))
	dns.QR, dns.RA = true, true
	dns.Answers = []layers.DNSResourceRecord{{
		Name: []byte(host), Type: kind, Class: layers.DNSClassIN,
		TTL: 300, IP: answer.Addr().AsSlice(),
	}}
	if err := buffer.Clear(); err != nil {
		return nil, nil, err
	}
	if err := dns.SerializeTo(buffer, fix); err != nil {
		return nil, nil, fmt.Errorf("writing the DNS answer for %s: %w", host, err)
	}
	return question, []byte(string(buffer.Bytes())), nil
}

// quicLike is a UDP exchange with the outside of QUIC version 1 (RFC 9000):
// Initial packets of 1,200 bytes, then short headers. What is inside
// is noise: no key opens it.
func quicLike(f *flow, roundTrip, start time.Duration, r *rand.Rand) []packet {
	var out []packet
	send := func(toServer bool, header string, size int) {
		p := make([]byte, size)
		fill(r, p)
		copy(p, header)
		out = append(out, packet{at: start, flow: f, toServer: toServer, payload: p})
	}
	id := make([]byte, 8)
	fill(r, id)
	// Section 17.2.2: flags, version, both connection IDs, no token, length.
	initial := "\xc3\x00\x00\x00\x01\x08" + string(id) + "\x00\x00\x44\x9e"
	server := strings.Replace(initial, "\x08"+string(id)+"\x00", "\x00\x08"+string(id), 1)
	const size = 18 + 0x49e // header and length: nothing follows in the datagram
	send(true, initial, size)
	start += roundTrip
	send(false, server, size)
	send(false, server, size)
	start += lan
	for range uniform(r, 8, 120) {
		if r.IntN(3) == 0 {
			send(true, "\x43"+string(id), uniform(r, 35, 90))
		} else {
			send(false, "\x42", uniform(r, 600, 1250))
		}
		start += uniform(r, 50*time.Microsecond, 2*time.Millisecond)
	}
	return out
}

func fill(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
}
