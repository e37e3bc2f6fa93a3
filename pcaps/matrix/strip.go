package matrix

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"sstpwarden/pcaps/capfile"
)

// strip writes the packets of a capture to another, without secrets: what an engine on
// the wire sees. It is a pcap file, which every engine reads.
func strip(from, to string) (err error) {
	r, err := capfile.Open(from, capfile.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := bufio.NewWriter(out)
	link := capfile.LinkTypeEthernet // of a capture without packets
	for first := true; ; first = false {
		p, err := r.Next()
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return err
		}
		if first {
			if !end {
				link = p.Link
			}
			if _, err := w.Write(pcapHeader(link)); err != nil {
				return err
			}
		}
		if end {
			return w.Flush()
		}
		if p.Link != link {
			return fmt.Errorf("%s has packets of several link types, and a pcap file can have one", from)
		}
		if _, err := w.Write(append(pcapRecord(&p), p.Data...)); err != nil {
			return err
		}
	}
}

// pcapHeader begins a pcap file with nanoseconds or microseconds: the latter, which all
// programs know.
func pcapHeader(link capfile.LinkType) []byte {
	const magic, snap = 0xa1b2c3d4, 1 << 18
	b := binary.LittleEndian.AppendUint32(nil, magic)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = binary.LittleEndian.AppendUint64(b, 0)
	b = binary.LittleEndian.AppendUint32(b, snap)
	return binary.LittleEndian.AppendUint32(b, uint32(link))
}

func pcapRecord(p *capfile.Packet) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(p.Time.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Time.Nanosecond()/1000))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.Data)))
	return binary.LittleEndian.AppendUint32(b, uint32(p.Length))
}
