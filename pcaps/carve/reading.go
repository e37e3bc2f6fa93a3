package carve

import (
	"context"
	"errors"
	"io"
	"os"

	"sstpwarden/inspect/tcpflow"
	"sstpwarden/pcaps/capfile"
)

// lookEvery is how many packets are read between two looks at the context.
const lookEvery = 1 << 10

// A reading reads the capture, as often as needed.
type reading struct {
	ctx    context.Context
	file   *os.File
	size   int64
	path   string
	limits tcpflow.Config
}

// A seen packet is one as it was read, valid until the next one.
type seen struct {
	capfile.Packet
	segment tcpflow.Segment
	// datagrams are those that it is a part of.
	datagrams []uint64
	reader    *capfile.Reader
	decoder   *tcpflow.Decoder
}

// unreadable is an error of a capture whose name the message has already.
type unreadable struct{ err *capfile.Error }

func (u unreadable) Error() string { return u.err.Reason }
func (u unreadable) Unwrap() error { return u.err }

// each hands all packets to visit, until that says that no more are wanted.
func (r *reading) each(visit func(*seen) (more bool, err error)) error {
	reader, err := capfile.NewReader(io.NewSectionReader(r.file, 0, r.size), r.path, capfile.Options{})
	if err != nil {
		return readError(err)
	}
	defer func() { _ = reader.Close() }() // nothing was opened
	p := seen{reader: reader, decoder: tcpflow.NewDecoder(r.limits)}
	for {
		if p.Packet, err = reader.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return readError(err)
		}
		if p.Number%lookEvery == 0 && r.ctx.Err() != nil {
			return context.Cause(r.ctx)
		}
		p.decoder.Decode(&p.segment, tcpflow.LinkType(p.Link), p.Time, p.Data, p.Length)
		p.datagrams = p.decoder.Datagrams()
		if more, err := visit(&p); err != nil || !more {
			return err
		}
	}
}

func readError(err error) error {
	if e, ok := errors.AsType[*capfile.Error](err); ok {
		return unreadable{e}
	}
	return err
}

// write copies the tunnels' packets to out.
func (r *reading) write(tunnels []Tunnel, out *output) error {
	m := newMatcher(tunnels)
	var parts *fragments // once there are any
	err := r.each(func(p *seen) (bool, error) {
		to, counts, err := m.match(p.Number, p.Time, &p.segment)
		if err != nil {
			return false, err
		}
		if len(p.datagrams) > 0 {
			if parts == nil {
				if parts, err = r.fragments(tunnels); err != nil {
					return false, err
				}
			}
			to = parts.owner(p.Number)
		} else if !counts {
			to = -1
		}
		if to >= 0 {
			if err := out.packet(to, p); err != nil {
				return false, err
			}
		}
		return m.left > 0, nil
	})
	if err == nil && m.left > 0 {
		return m.incomplete()
	}
	return err
}
