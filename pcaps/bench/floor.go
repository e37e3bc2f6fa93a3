package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"sstpwarden/pcaps/capfile"
)

// The floor is what any auditor of captures written in Go has to do at least,
// as a process of its own like those it stands beside.

// floorRead takes every packet out of the file.
func floorRead(path string, use func(frame []byte)) error {
	r, err := capfile.Open(path, capfile.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		use(p.Data)
	}
}

// floorDecode decodes every packet up to TCP and UDP too, in the fastest way
// that gopacket has.
func floorDecode(path string) error {
	var (
		ethernet layers.Ethernet
		vlan     layers.Dot1Q
		ip4      layers.IPv4
		ip6      layers.IPv6
		tcp      layers.TCP
		udp      layers.UDP
		payload  gopacket.Payload
		decoded  []gopacket.LayerType
		failed   error
	)
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &ethernet, &vlan, &ip4, &ip6, &tcp, &udp, &payload)
	parser.IgnoreUnsupported = true // what is above UDP
	err := floorRead(path, func(frame []byte) {
		if err := parser.DecodeLayers(frame, &decoded); err != nil && failed == nil {
			failed = err
		}
	})
	return errors.Join(err, failed)
}

func runFloor(args []string) error {
	if len(args) == 2 {
		switch args[0] {
		case "read":
			return floorRead(args[1], func([]byte) {})
		case "decode":
			return floorDecode(args[1])
		}
	}
	return fmt.Errorf("floor: want \"read FILE\" or \"decode FILE\", got %q", args)
}
