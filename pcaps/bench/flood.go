package main

import (
	"errors"
	"net/netip"
	"time"
)

// floodFlows is how many connections the SYN flood opens and leaves.
const floodFlows = 1_000_000

// makeFlood writes a capture of a SYN flood from so many addresses, 100,000 a
// second: too fast for anything to be forgotten by time alone.
func makeFlood(path string, flows int) (manifest, error) {
	w, err := createPcap(path)
	if err != nil {
		return manifest{}, err
	}
	r := randomFor(1, "flood")
	info := manifest{Flows: flows}
	fr := newFramer()
	server := netip.AddrPortFrom(v4("198.18.0.0", 1), 443)
	for i := range flows {
		client := netip.AddrPortFrom(v4("100.64.0.0", uint32(i)), uint16(1024+r.IntN(60000)))
		p := packet{
			at:   time.Duration(i) * 10 * time.Microsecond,
			flow: &flow{client: client, server: server}, toServer: true, flags: syn, seq: r.Uint32(),
		}
		frame, err := fr.frame(&p)
		if err == nil {
			err = w.write(p.at, frame)
		}
		if err != nil {
			return manifest{}, errors.Join(err, w.close())
		}
		info.count(frame)
	}
	return info, w.close()
}
