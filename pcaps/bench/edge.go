package main

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"
)

const (
	// span is how long the capture lasts. Connections that are under way when
	// it begins or ends are seen in part, as in any capture.
	span = 2 * time.Minute
	// lead is how long before the capture the first connections began.
	lead = 20 * time.Second
	// plantedFlows is how many SSTP connections are copied in.
	plantedFlows = 20
	// impaired is how many in a thousand data segments are lost or overtaken.
	impaired = 10
)

// edgeOptions say what the capture of an Internet edge is to hold. The same
// options make the same bytes, as long as crypto/tls stays as it is.
type edgeOptions struct {
	size int64  // of the file, at least
	seed uint64 // of everything random
	sstp []string
}

// An edge is the capture in the making.
type edge struct {
	options   edgeOptions
	network   network
	random    *rand.Rand
	talks     []*conversation // one a template
	packets   []packet
	estimated int64 // bytes of the file, not more than it will have
	info      manifest
}

// makeEdge writes the capture to path.
func makeEdge(path string, o edgeOptions) (manifest, error) {
	e := &edge{options: o, random: randomFor(o.seed, "mix"), network: network{random: randomFor(o.seed, "network")}}
	if err := e.recordTemplates(); err != nil {
		return manifest{}, err
	}
	if err := e.plant(); err != nil {
		return manifest{}, err
	}
	for e.estimated < o.size {
		if err := e.connection(); err != nil {
			return manifest{}, err
		}
		for e.info.UDPPackets*10 < len(e.packets) {
			f := e.network.connect("quic.example", 443)
			f.udp = true
			e.add(quicLike(f, e.roundTrip(), e.begin(), e.random))
		}
	}
	slices.SortStableFunc(e.packets, func(a, b packet) int { return cmp.Compare(a.at, b.at) })
	return e.info, e.write(path)
}

func (e *edge) recordTemplates() error {
	ca, err := newAuthority(e.options.seed)
	if err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	e.talks = make([]*conversation, len(templates))
	for i := range templates {
		if e.talks[i], err = templates[i].record(ca, e.options.seed); err != nil {
			return err
		}
	}
	return nil
}

// plant copies SSTP connections in, whole, whatever the capture's span.
func (e *edge) plant() error {
	var found []recording
	for _, path := range e.options.sstp {
		r, err := recordings(path)
		if err != nil {
			return fmt.Errorf("copying SSTP from %s: %w", filepath.Base(path), err)
		}
		found = append(found, r...)
	}
	// A handful must not be most of a small capture.
	found = slices.DeleteFunc(found, func(r recording) bool { return int64(r.bytes()) > e.options.size/50 })
	if len(found) == 0 {
		return nil
	}
	for i := range plantedFlows {
		r := found[i*len(found)/plantedFlows]
		f := e.network.connect(fmt.Sprintf("vpn-%d.example", i), r.server)
		f.timestamps = false
		e.keep(r.copyTo(f, time.Duration(e.random.Int64N(int64(span/2)))))
	}
	e.info.Planted = plantedFlows
	return nil
}

// connection adds one TCP connection, and the DNS exchange before it.
func (e *edge) connection() error {
	host, talk, port := e.pick()
	f := e.network.connect(host, port)
	roundTrip, begin := e.roundTrip(), e.begin()
	if host != "" && e.random.IntN(2) == 0 {
		question, answer, err := lookup(host, f.server, e.random)
		if err != nil {
			return err
		}
		d := e.network.connect("resolver.example", 53)
		d.udp = true
		at := begin - 20*time.Millisecond
		e.add([]packet{
			{at: at, flow: d, toServer: true, payload: question},
			{at: at + 12*time.Millisecond, flow: d, payload: answer},
		})
	}
	how := closed
	switch n := e.random.IntN(100); {
	case n < 12:
		how = reset
	case n < 16:
		how = abandoned
	}
	spacing := uniform(e.random, 100*time.Microsecond, 1200*time.Microsecond)
	e.add(play(talk, f, path{roundTrip: roundTrip, spacing: spacing, impaired: impaired}, begin, how, e.random))
	return nil
}

// pick draws what the next connection is.
func (e *edge) pick() (host string, c *conversation, port uint16) {
	if e.random.IntN(100) < 8 {
		return "plain.example", plainHTTP(e.random), 80
	}
	sum := 0
	for i := range templates {
		sum += templates[i].commonly
	}
	for {
		n := e.random.IntN(sum)
		for i := range templates {
			if n -= templates[i].commonly; n >= 0 {
				continue
			}
			if int64(e.talks[i].size()) <= e.options.size/8 {
				return templates[i].host, e.talks[i], 443
			}
			break
		}
	}
}

func (e *edge) begin() time.Duration { return time.Duration(e.random.Int64N(int64(span+lead))) - lead }

func (e *edge) roundTrip() time.Duration {
	return uniform(e.random, 4*time.Millisecond, 130*time.Millisecond)
}

// add takes those of a flow's packets that are within the span.
func (e *edge) add(packets []packet) {
	e.keep(slices.DeleteFunc(packets, func(p packet) bool { return p.at < 0 || p.at >= span }))
}

func (e *edge) keep(packets []packet) {
	if len(packets) == 0 {
		return
	}
	e.packets = append(e.packets, packets...)
	e.info.Flows++
	for i := range packets {
		e.estimated += 16 + int64(max(60, 14+20+8+len(packets[i].payload)))
	}
	if packets[0].flow.udp {
		e.info.UDPPackets += len(packets)
	}
}

func (e *edge) write(path string) error {
	w, err := createPcap(path)
	if err != nil {
		return err
	}
	f := newFramer()
	for i := range e.packets {
		frame, err := f.frame(&e.packets[i])
		if err == nil {
			err = w.write(e.packets[i].at, frame)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("writing packet %d: %w", i+1, err), w.close())
		}
		e.info.count(frame)
	}
	return w.close()
}
