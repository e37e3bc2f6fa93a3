package main

import (
	"bufio"
	"encoding/binary"
	"os"
	"time"
)

// snapLength is what the files claim to be cut at; no frame is as long.
const snapLength = 256 << 10

// A pcapWriter writes a classic pcap file: microseconds, little endian,
// Ethernet (draft-ietf-opsawg-pcap, Sections 4 and 5).
type pcapWriter struct {
	file   *os.File
	w      *bufio.Writer
	record [16]byte
}

func createPcap(path string) (*pcapWriter, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := &pcapWriter{file: f, w: bufio.NewWriterSize(f, 1<<20)}
	var h [24]byte
	binary.LittleEndian.PutUint32(h[0:], 0xa1b2c3d4)
	binary.LittleEndian.PutUint16(h[4:], 2)
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], snapLength)
	binary.LittleEndian.PutUint32(h[20:], 1)
	_, err = w.w.Write(h[:])
	return w, err
}

// write appends a packet that was captured so long after the recording date.
func (w *pcapWriter) write(at time.Duration, frame []byte) error {
	t := recorded.Add(at)
	binary.LittleEndian.PutUint32(w.record[0:], uint32(t.Unix()))
	binary.LittleEndian.PutUint32(w.record[4:], uint32(t.Nanosecond()/1000))
	binary.LittleEndian.PutUint32(w.record[8:], uint32(len(frame)))
	binary.LittleEndian.PutUint32(w.record[12:], uint32(len(frame)))
	if _, err := w.w.Write(w.record[:]); err != nil {
		return err
	}
	_, err := w.w.Write(frame)
	return err
}

func (w *pcapWriter) close() error {
	err := w.w.Flush()
	if cerr := w.file.Close(); err == nil {
		err = cerr
	}
	return err
}
