package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// A manifest says what a generated capture holds. It lies beside the capture,
// so that a capture which is used again can be described too.
type manifest struct {
	Packets    int
	Bytes      int64 // of the frames
	FileSize   int64
	Flows      int
	UDPPackets int
	Planted    int // SSTP connections copied in
}

func (m *manifest) count(frame []byte) {
	m.Packets++
	m.Bytes += int64(len(frame))
}

func (m *manifest) String() string {
	s := fmt.Sprintf("%s packets, %.1f MB, %s flows, %d bytes a packet on average",
		thousands(m.Packets), float64(m.FileSize)/mb, thousands(m.Flows), m.Bytes/int64(max(1, m.Packets)))
	if m.UDPPackets > 0 {
		s += fmt.Sprintf(", %d %% UDP", (m.UDPPackets*100+m.Packets/2)/m.Packets)
	}
	if m.Planted > 0 {
		s += fmt.Sprintf(", %d of the flows SSTP", m.Planted)
	}
	return s
}

func manifestPath(capture string) string { return capture + ".json" }

// readManifest gives the manifest of a capture that is there and whole; nil if
// it has to be made.
func readManifest(capture string) *manifest {
	raw, err := os.ReadFile(manifestPath(capture))
	if err != nil {
		return nil
	}
	var m manifest
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	info, err := os.Stat(capture)
	if err != nil || info.Size() != m.FileSize {
		return nil
	}
	return &m
}

// produce has a capture written aside, and puts it and its manifest in place
// once it is whole.
func produce(capture string, write func(path string) (manifest, error)) error {
	part := capture + ".part"
	m, err := write(part)
	if err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	info, err := os.Stat(part)
	if err != nil {
		return err
	}
	m.FileSize = info.Size()
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(manifestPath(capture), append(raw, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(part, capture)
}

// thousands writes a count with its digits in groups.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
